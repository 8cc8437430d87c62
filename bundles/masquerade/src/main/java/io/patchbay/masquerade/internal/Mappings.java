package io.patchbay.masquerade.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.LongSupplier;

/**
 * The two maps of one family's mappings and their collection: snat4_in has the state, snat4_out leads to it. The datapath honours expiry
 * by itself; collecting makes room. Called by one thread at a time.
 */
final class Mappings {
    /** @param pod and the others as text with port */
    record Mapping(int protocol, String pod, String node, String remote, long created, long expires) {
    }

    /** @param live mappings left @param collected by this run */
    record Result(int live, int collected) {
    }

    private final MapHandle out;
    private final MapHandle in;
    private final MapHandle counters;
    private final LongSupplier clock;
    /** Bytes of an address in these maps. */
    private final int bytes;

    /**
     * @param maps  by name
     * @param v4    which family's
     * @param clock CLOCK_MONOTONIC in ns
     */
    Mappings(Function<String, MapHandle> maps, boolean v4, LongSupplier clock) {
        String family = v4 ? "snat4_" : "snat6_";
        this.out = maps.apply(family + "out");
        this.in = maps.apply(family + "in");
        this.counters = maps.apply(family + "probes");
        this.clock = clock;
        this.bytes = v4 ? 4 : IpAddress.BYTES;
    }

    Result collect() {
        int live = 0;
        int collected = 0;
        for (Map.Entry<Struct, Struct> e : in.entries().entrySet()) {
            long now = clock.getAsLong();
            if (e.getValue().get("expires") - now > 0) {
                live++;
                continue;
            }
            // again, right before: the datapath takes expired mappings for new connections
            Optional<Struct> again = in.lookup(e.getKey()).filter(v -> v.get("expires") - clock.getAsLong() <= 0);
            if (again.isEmpty()) {
                live++;
                continue;
            }
            // the way to it first: without it nobody can find what is left
            Struct way = outKey(e.getKey(), again.get());
            if (out.lookup(way).filter(o -> leadsTo(o, e.getKey())).isPresent()) out.delete(way);
            if (in.delete(e.getKey())) collected++;
        }
        // ways whose mapping another connection has taken over
        for (Map.Entry<Struct, Struct> e : out.entries().entrySet()) {
            Struct key = inKey(e.getKey(), e.getValue());
            if (in.lookup(key).filter(m -> isOf(m, e.getKey())).isEmpty() && out.lookup(e.getKey()).filter(e.getValue()::equals).isPresent()
                    && in.lookup(key).filter(m -> isOf(m, e.getKey())).isEmpty()) {
                out.delete(e.getKey());
            }
        }
        return new Result(live, collected);
    }

    List<Mapping> list() {
        List<Mapping> all = new ArrayList<>();
        long now = clock.getAsLong();
        in.entries().forEach((k, v) -> {
            if (v.get("expires") - now > 0) {
                all.add(new Mapping((int) k.get("proto"), end(v, "addr", "port"), end(k, "local", "lport"), end(k, "remote", "rport"),
                        v.get("created"), v.get("expires")));
            }
        });
        return all;
    }

    /** Mappings by how many collisions they met when they were made; the last two are failures: no port, map full. */
    Map<Integer, Long> probes() {
        Map<Integer, Long> all = new HashMap<>();
        for (int i = 0; i < counters.maxEntries(); i++) {
            long sum = 0;
            for (Struct cpu : counters.lookupAll(new Struct(counters.key()).set("", i))) sum += cpu.get("skbs");
            if (sum > 0) all.put(i, sum);
        }
        return all;
    }

    private Struct outKey(Struct inKey, Struct value) {
        return new Struct(out.key()).set("local", value.get("addr", bytes)).set("remote", inKey.get("remote", bytes)).set("lport", value.get("port"))
                .set("rport", inKey.get("rport")).set("proto", inKey.get("proto"));
    }

    private Struct inKey(Struct outKey, Struct value) {
        return new Struct(in.key()).set("local", value.get("addr", bytes)).set("remote", outKey.get("remote", bytes)).set("lport", value.get("port"))
                .set("rport", outKey.get("rport")).set("proto", outKey.get("proto"));
    }

    private boolean leadsTo(Struct outValue, Struct inKey) {
        return Arrays.equals(outValue.get("addr", bytes), inKey.get("local", bytes)) && outValue.get("port") == inKey.get("lport");
    }

    private boolean isOf(Struct inValue, Struct outKey) {
        return Arrays.equals(inValue.get("addr", bytes), outKey.get("local", bytes)) && inValue.get("port") == outKey.get("lport");
    }

    private String end(Struct s, String address, String port) {
        if (bytes != 4) return "[" + s.address(address) + "]:" + s.port(port);
        return IpAddress.ofV4(ByteBuffer.wrap(s.get(address, bytes)).getInt()) + ":" + s.port(port);
    }
}
