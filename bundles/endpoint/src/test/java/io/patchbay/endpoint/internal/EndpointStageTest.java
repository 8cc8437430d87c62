package io.patchbay.endpoint.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import io.patchbay.stagekit.StageBench.Outcome;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The stages in the kernel, packet by packet. The loopback stands for the pod's device. */
@Tag("root")
class EndpointStageTest {
    private static final int LOCAL = 1 << 12;
    private static final int LO = 1;

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/endpoint.o");
        endpoint(10, 0, 1, 6, LO, Packet.MAC_A, 0);
        endpoint(10, 0, 1, 7, LO + 99, Packet.MAC_A, 0);
        endpoint(10, 0, 1, 8, LO, Packet.MAC_B, 0);
        endpoint(10, 0, 1, 9, LO, Packet.MAC_A, 16);
        endpoint(10, 0, 1, 1, LO, Packet.MAC_A, 1);
    }

    private void endpoint(int a, int b, int c, int d, int ifindex, String mac, int flags) {
        byte[] address = Fields.mapped(new byte[] {(byte) a, (byte) b, (byte) c, (byte) d});
        bench.put("endpoints", new Fields(bench.layout("pb_addr"), ByteBuffer.wrap(address)), bench.struct("pb_endpoint").set("ifindex", ifindex)
                .set("id", 66).set("mac", Packet.mac(mac)).set("identity", 1000).set("policy_id", 5).set("flags", flags));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private Outcome sent(String from) {
        return bench.run("source_check", StageBench.POD_EGRESS, 0, Packet.tcp(from, 4000, "10.0.2.2", 80, Packet.SYN).frame(), null);
    }

    private Outcome received(String to, int flags) {
        return bench.run("receiver", 1, flags, Packet.tcp("10.0.2.2", 4000, to, 80, Packet.SYN).frame(), null);
    }

    @Test
    void aPodSendsFromItsOwnAddressAndMacOnly() {
        Outcome good = sent("10.0.1.6");
        assertEquals(StageBench.NEXT, good.verdict());
        assertEquals(1000, good.state().sourceIdentity());
        assertEquals(66, good.state().endpoint());
        assertEquals(5, good.state().scratch().get("ep_policy_id"));
        assertEquals(LO, good.state().scratch().get("ep_ifindex"));
        assertEquals(132, sent("10.0.1.7").code(), "another pod's");
        assertEquals(132, sent("10.0.1.1").code(), "the node's");
        assertEquals(132, sent("10.0.2.9").code(), "nobody's");
        assertEquals(130, sent("10.0.1.8").code(), "another MAC");
        assertEquals(203, sent("10.0.1.9").code(), "not ready");
        assertEquals(StageBench.TC_SHOT, sent("10.0.1.9").verdict());
    }

    @Test
    void aPodReceivesWhatIsForItWhateverTheWay() {
        Outcome good = received("10.0.1.6", LOCAL);
        assertEquals(StageBench.NEXT, good.verdict());
        assertEquals(1000, (int) good.state().cb().get(2));
        assertEquals(66, good.state().endpoint());
        assertEquals(66, good.state().scratch().get("dst_ep"));
        assertEquals(LO, good.state().scratch().get("dst_ifindex"));
        assertEquals(StageBench.NEXT, received("10.0.1.7", LOCAL).verdict(), "from another hook: any local pod");
        assertEquals(152, received("10.0.1.7", 0).code(), "at a device: the pod behind it only");
        assertEquals(StageBench.NEXT, received("10.0.1.6", 0).verdict());
        assertEquals(152, received("10.0.2.9", LOCAL).code());
        assertEquals(152, received("10.0.1.1", 0).code(), "the node is no pod");
        assertEquals(66, received("10.0.1.1", LOCAL).state().endpoint(), "but a receiver where routing sends it here");
        assertEquals(203, received("10.0.1.9", LOCAL).code());
    }
}
