package io.patchbay.node.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import io.patchbay.stagekit.StageBench.Outcome;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The stage in the kernel, packet by packet. */
@Tag("root")
class NodeStageTest {
    @Test
    void onlyTheNodesOwnAddressesAreTheHost() {
        try (StageBench bench = StageBench.of("bpf/node.o")) {
            bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", "192.168.0.1").address("router_ip4", "10.0.1.1"));
            put(bench, new byte[] {(byte) 172, 17, 0, 1}, 1);
            put(bench, new byte[] {10, 0, 1, 6}, 0);
            for (String own : new String[] {"192.168.0.1", "10.0.1.1", "172.17.0.1"}) {
                Outcome o = run(bench, own);
                assertEquals(StageBench.NEXT, o.verdict(), own);
                assertEquals(1, o.state().sourceIdentity(), own);
            }
            for (String other : new String[] {"10.0.1.6", "192.168.0.2", "8.8.8.8"}) assertEquals(132, run(bench, other).code(), other);
        }
    }

    private static void put(StageBench bench, byte[] address, int flags) {
        bench.put("endpoints", new Fields(bench.layout("pb_addr"), ByteBuffer.wrap(Fields.mapped(address))), bench.struct("pb_endpoint").set("flags", flags));
    }

    private static Outcome run(StageBench bench, String source) {
        return bench.run("host_source", StageBench.HOST_EGRESS, 0, Packet.udp(source, 4000, "10.0.1.6", 53, 4).frame(), null);
    }
}
