package io.patchbay.masquerade.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Maps that are full while nobody collects: what is over makes room, what lives stays, a new connection is refused when all do. */
@Tag("root")
class MasqueradeRoomStageTest {
    private static final String POD = "10.0.1.5";
    private static final String NODE = "192.168.0.1";
    private static final String WORLD = "1.2.3.4";
    private static final int NETWORK = 3;
    private static final int ID_WORLD = 2;
    private static final int NO_MAPPING = 167;
    private static final int MAP_FULL = 33;
    private static final int SIZE = 64;

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/masquerade.o", Map.of("snat4_in_places_entries", (long) SIZE), Map.of("snat4_in", SIZE, "snat4_out", SIZE, "snat4_in_places", SIZE));
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", NODE));
        bench.putConfig("masq_config", bench.struct("masq_config"));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private StageBench.Outcome out(int port, int remotePort, int flags) {
        return bench.run("masq_pod_egress", StageBench.POD_EGRESS, 0, Packet.tcp(POD, port, WORLD, remotePort, flags).frame(), s -> s.route(NETWORK).destination(ID_WORLD));
    }

    private static ByteBuffer copy(ByteBuffer b) {
        ByteBuffer c = ByteBuffer.allocate(b.capacity()).order(b.order());
        c.put(0, b, 0, b.capacity());
        return c;
    }

    /** Ends the mappings of the pod's ports from there on, as if their time had passed. */
    private void expire(int fromPort) {
        List<ByteBuffer[]> all = new ArrayList<>();
        bench.map("snat4_in").forEach((k, v) -> all.add(new ByteBuffer[] {copy(k), copy(v)}));
        for (ByteBuffer[] e : all) {
            Fields m = new Fields(bench.layout("snat4_in"), e[1]);
            if (m.port("port") >= fromPort) bench.map("snat4_in").update(e[0], m.set("expires", 2).bytes());
        }
    }

    @Test
    void whatIsOverMakesRoomAndWhatLivesStays() {
        int live = 0;
        while (out(1000 + live, 443, Packet.SYN).verdict() == StageBench.NEXT) live++;
        assertTrue(live >= SIZE, "room for " + live);
        StageBench.Outcome refused = out(999, 443, Packet.SYN);
        assertEquals(StageBench.TC_SHOT, refused.verdict());
        assertEquals(NO_MAPPING, refused.code());
        long counted = 0;
        ByteBuffer v = bench.map("snat4_probes").lookup(MAP_FULL);
        for (int i = 0; i < v.capacity(); i += bench.map("snat4_probes").slotSize()) counted += v.getLong(i);
        assertEquals(2, counted);
        String first = Packet.describe(out(1000, 443, Packet.ACK).packet());
        expire(1010);
        for (int i = 0; i < 30; i++) assertEquals(StageBench.NEXT, out(5000 + i, 8443, Packet.SYN).verdict(), "connection " + i);
        assertEquals(first, Packet.describe(out(1000, 443, Packet.ACK).packet()));
        for (int i = 0; i < 10; i++) assertEquals(StageBench.NEXT, out(1000 + i, 443, Packet.ACK).verdict());
    }

    @Test
    void connectionsComeAndGoForeverWithoutAnAgent() {
        for (int i = 0; i < 10; i++) assertEquals(StageBench.NEXT, out(1000 + i, 443, Packet.SYN).verdict());
        String first = Packet.describe(out(1000, 443, Packet.ACK).packet());
        for (int i = 0; i < 2000; i++) {
            assertEquals(StageBench.NEXT, out(2000 + i, 443 + i % 7, Packet.SYN).verdict(), "connection " + i);
            if (i % 16 == 0) expire(2000);
        }
        assertEquals(first, Packet.describe(out(1000, 443, Packet.ACK).packet()));
    }
}
