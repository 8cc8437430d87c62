package io.patchbay.masquerade.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.bpf.BpfMap;
import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Maps without room, and no agent that collects: what is over makes room, what is alive never does. */
@Tag("root")
class FullMapsStageTest {
    private static final int SIZE = 64;
    private static final int NETWORK = 3;
    private static final int NO_MAPPING = 167;
    private static final int FULL = 33;

    private StageBench bench;

    @BeforeEach
    void load() {
        Map<String, Integer> sizes = new HashMap<>();
        Map<String, Long> constants = new HashMap<>();
        for (String family : List.of("snat4_", "snat6_")) {
            for (String map : List.of("in", "out", "out_places")) sizes.put(family + map, SIZE);
            constants.put(family + "out_places_entries", (long) SIZE);
        }
        bench = StageBench.of("bpf/masquerade.o", constants, sizes);
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", "192.168.0.1").address("node_ip6", "fd00:172::11"));
        ports(0, 0);
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private void ports(int min, int max) {
        bench.putConfig("masq_config", bench.struct("masq_config").set("port_min", min).set("port_max", max));
    }

    /** The node's port that a datagram of the pod leaves with; 0: it is refused. */
    private int opens(String pod, int port, String world) {
        StageBench.Outcome o = bench.run("masq_pod_egress", StageBench.POD_EGRESS, 0, Packet.udp(pod, port, world, 53, 1).frame(),
                s -> s.route(NETWORK).destination(world.contains(":") ? 10 : 2));
        if (o.verdict() != StageBench.NEXT) {
            assertEquals(NO_MAPPING, o.code());
            return 0;
        }
        return Packet.get16(o.packet(), world.contains(":") ? 54 : 34);
    }

    private boolean comesBack(String world, String node, int port, int podPort) {
        StageBench.Outcome o = bench.run("unmasq_netdev_ingress", StageBench.NETDEV_INGRESS, 0, Packet.udp(world, 53, node, port, 1).frame(), null);
        return o.state().scratch().port("dport") == podPort;
    }

    /** Ends the mappings of pods' ports from that one on, as if their time had passed. */
    private void expire(String map, int fromPort) {
        List<ByteBuffer[]> all = new ArrayList<>();
        bench.map(map).forEach((k, v) -> all.add(new ByteBuffer[] {copy(k), copy(v)}));
        for (ByteBuffer[] e : all) {
            Fields value = new Fields(bench.layout(map), e[1]);
            if (value.port("port") >= fromPort) bench.map(map).update(e[0], value.set("expires", System.nanoTime() - 1).bytes());
        }
    }

    private static ByteBuffer copy(ByteBuffer b) {
        return ByteBuffer.allocate(b.capacity()).order(b.order()).put(0, b, 0, b.capacity());
    }

    private long refusedByFullMaps(String probes) {
        BpfMap m = bench.map(probes);
        ByteBuffer b = m.lookup(FULL);
        long sum = 0;
        for (int i = 0; i < b.capacity(); i += m.slotSize()) sum += b.getLong(i);
        return sum;
    }

    @ParameterizedTest
    @CsvSource({"10.0.1.5,1.2.3.4,192.168.0.1,snat4_", "fd00:1::5,2001:db8::1,fd00:172::11,snat6_"})
    void whatIsOverMakesRoom(String pod, String world, String node, String family) {
        List<Integer> live = new ArrayList<>();
        for (int port = opens(pod, 1000, world); port != 0; port = opens(pod, 1000 + live.size(), world)) live.add(port);
        assertTrue(live.size() >= SIZE, "room for " + live.size());
        long refused = refusedByFullMaps(family + "probes");
        assertEquals(0, opens(pod, 999, world), "full of living ones");
        assertEquals(refused + 1, refusedByFullMaps(family + "probes"), "and that is counted");
        expire(family + "in", 1010);
        List<Integer> fresh = new ArrayList<>();
        for (int i = 0; i < 30; i++) fresh.add(opens(pod, 5000 + i, world));
        for (int i = 0; i < 10; i++) assertEquals(live.get(i), opens(pod, 1000 + i, world), "a living one stays");
        for (int i = 0; i < 30; i++) {
            assertTrue(fresh.get(i) != 0, "connection " + i);
            assertTrue(comesBack(world, node, fresh.get(i), 5000 + i), "the answer to connection " + i);
        }
    }

    /** Whoever takes over a port that is over leaves its pod's way behind. */
    @ParameterizedTest
    @CsvSource({"10.0.1.5,1.2.3.4,snat4_", "fd00:1::5,2001:db8::1,snat6_"})
    void waysThatLeadNowhereMakeRoom(String pod, String world, String family) {
        ports(61000, 61000);
        for (int i = 0; i < 5 * SIZE; i++) {
            assertEquals(61000, opens(pod, 1000 + i, world), "connection " + i);
            expire(family + "in", 0);
        }
        assertEquals(1, bench.map(family + "in").count());
    }

    @ParameterizedTest
    @CsvSource({"10.0.1.5,1.2.3.4,snat4_", "fd00:1::5,2001:db8::1,snat6_"})
    void connectionsComeAndGoForever(String pod, String world, String family) {
        for (int i = 0; i < 10; i++) assertTrue(opens(pod, 1000 + i, world) != 0);
        for (int i = 0; i < 600; i++) {
            assertTrue(opens(pod, 2000 + i, world) != 0, "connection " + i);
            if (i % 20 == 0) expire(family + "in", 2000);
        }
        for (int i = 0; i < 10; i++) assertTrue(opens(pod, 1000 + i, world) != 0, "a living one stays");
    }
}
