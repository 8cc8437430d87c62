package io.patchbay.api.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.patchbay.api.cluster.EndpointSlice.Endpoint;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class EndpointSliceTest {
    private static EndpointSlice slice(List<Endpoint> endpoints) {
        return new EndpointSlice("ns", "s-1", "s", EndpointSlice.AddressType.IPV4, Map.of(), List.of(new EndpointSlice.Port("", 80, Protocol.TCP, "")), endpoints);
    }

    /** Whatever they have in common or not, they come back as they were given, and equal what has them as an ordinary list. */
    @Test
    void endpointsAreKeptAsTheyAre() {
        Random random = new Random(4);
        for (int round = 0; round < 2000; round++) {
            // Bits: which of the properties differ between the endpoints of this round.
            int differ = random.nextInt(256);
            List<Endpoint> endpoints = new ArrayList<>();
            for (int i = 0; i < random.nextInt(6); i++) {
                int d = differ;
                int n = i;
                List<IpAddress> addresses = new ArrayList<>(List.of((d & 1) == 0 ? IpAddress.ofV4(random.nextInt()) : new IpAddress(random.nextLong(), n)));
                if ((d & 2) != 0 && i % 2 == 1) addresses.add(IpAddress.ofV4(7));
                if ((d & 2) != 0 && i % 3 == 1) addresses.clear();
                endpoints.add(new Endpoint(addresses, (d & 4) == 0 || i % 2 == 0, (d & 8) == 0 || i % 3 == 0, (d & 16) != 0 && i % 2 == 1, (d & 32) == 0 ? "n" : "n" + i,
                        (d & 64) == 0 ? "z" : "z" + i, (d & 128) == 0 ? Set.of() : Set.of("z" + i), (d & 32) == 0 ? Optional.empty() : Optional.of(new ObjectKey("ns", "p" + i))));
            }
            EndpointSlice slice = slice(endpoints);
            assertEquals(endpoints, slice.endpoints());
            assertEquals(slice.endpoints(), endpoints);
            assertEquals(endpoints.hashCode(), slice.endpoints().hashCode());
            assertEquals(slice, slice(List.copyOf(endpoints)));
            assertEquals(slice.hashCode(), slice(List.copyOf(endpoints)).hashCode());
            if (endpoints.isEmpty()) continue;
            int at = random.nextInt(endpoints.size());
            Endpoint e = endpoints.get(at);
            List<Endpoint> other = new ArrayList<>(endpoints);
            other.set(at, switch (random.nextInt(7)) {
                case 0 -> new Endpoint(List.of(IpAddress.ofV4(random.nextInt())), e.ready(), e.serving(), e.terminating(), e.nodeName(), e.zone(), e.forZones(), e.pod());
                case 1 -> new Endpoint(e.addresses(), !e.ready(), e.serving(), e.terminating(), e.nodeName(), e.zone(), e.forZones(), e.pod());
                case 2 -> new Endpoint(e.addresses(), e.ready(), !e.serving(), e.terminating(), e.nodeName(), e.zone(), e.forZones(), e.pod());
                case 3 -> new Endpoint(e.addresses(), e.ready(), e.serving(), !e.terminating(), e.nodeName(), e.zone(), e.forZones(), e.pod());
                case 4 -> new Endpoint(e.addresses(), e.ready(), e.serving(), e.terminating(), "other", e.zone(), e.forZones(), e.pod());
                case 5 -> new Endpoint(e.addresses(), e.ready(), e.serving(), e.terminating(), e.nodeName(), "other", e.forZones(), e.pod());
                default -> new Endpoint(e.addresses(), e.ready(), e.serving(), e.terminating(), e.nodeName(), e.zone(), Set.of("other"), e.pod());
            });
            assertNotEquals(slice, slice(other));
        }
    }
}
