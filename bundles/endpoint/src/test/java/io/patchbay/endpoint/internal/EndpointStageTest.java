package io.patchbay.endpoint.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import io.patchbay.stagekit.StageBench.Outcome;
import java.nio.ByteBuffer;
import java.util.Arrays;
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
                .set("id", 66).set("mac", Packet.mac(mac)).set("host_mac", Packet.mac(Packet.MAC_B)).set("identity", 1000).set("policy_id", 5).set("flags", flags));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private static byte[] solicitation(String from, String target, int hops) {
        byte[] body = new byte[20];
        System.arraycopy(Fields.parse(target), 0, body, 4, 16);
        return Packet.icmp(from, "ff02::1:ff00:1", 135, 0, body).ttl(hops).frame();
    }

    private Outcome sent(byte[] packet) {
        return bench.run("source_check", StageBench.POD_EGRESS, 0, packet, null);
    }

    /** A pod that asks for its router is told the host's end of its device, whatever the policy; what else belongs to the link ends there. */
    @Test
    void neighbourDiscoveryEndsAtThePodsDevice() {
        bench.put("endpoints", new Fields(bench.layout("pb_addr"), ByteBuffer.wrap(Fields.parse("fd00:1::6"))), bench.struct("pb_endpoint")
                .set("ifindex", LO).set("id", 66).set("mac", Packet.mac(Packet.MAC_A)).set("host_mac", Packet.mac(Packet.MAC_B)).set("identity", 1000));
        Outcome told = sent(solicitation("fd00:1::6", "fd00:1::1", 255));
        assertEquals(9, told.code());
        assertEquals(StageBench.TC_REDIRECT, told.verdict());
        assertEquals(0x100, told.mark());
        byte[] p = told.packet();
        assertEquals("", Packet.wrong(p));
        assertEquals("fd00:1:0:0:0:0:0:1 > fd00:1:0:0:0:0:0:6 icmp 136", Packet.describe(p).replaceAll(" id.*", ""));
        assertEquals(255, p[21] & 0xff);
        assertArrayEquals(Packet.mac(Packet.MAC_A), Arrays.copyOfRange(p, 0, 6));
        assertArrayEquals(Packet.mac(Packet.MAC_B), Arrays.copyOfRange(p, 6, 12));
        assertEquals(0xe0, p[58] & 0xff);
        assertArrayEquals(Fields.parse("fd00:1::1"), Arrays.copyOfRange(p, 62, 78));
        assertEquals(2, p[78]);
        assertEquals(1, p[79]);
        assertArrayEquals(Packet.mac(Packet.MAC_B), Arrays.copyOfRange(p, 80, 86));
        for (byte[] silent : new byte[][] {solicitation("fd00:1::6", "fd00:1::1", 64), solicitation("fd00:1::6", "fd00:1::6", 255),
            solicitation("::", "fd00:1::6", 255), solicitation("fd00:1::7", "fd00:1::1", 255), Packet.icmp("fe80::1", "ff02::2", 133, 0, new byte[4]).frame(),
            Packet.icmp("::", "ff02::16", 143, 0, new byte[24]).frame(), Packet.icmp("fd00:1::6", "fd00:2::6", 136, 0, new byte[20]).ttl(255).frame()}) {
            Outcome o = sent(silent);
            assertEquals(9, o.code(), Packet.describe(silent));
            assertEquals(StageBench.TC_SHOT, o.verdict());
        }
        assertEquals(StageBench.NEXT, sent(Packet.echo("fd00:1::6", "fd00:2::6", 5, true).frame()).verdict());
        assertEquals(132, sent(Packet.echo("fd00:1::7", "fd00:2::6", 5, true).frame()).code());
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
        assertEquals(0, good.state().scratch().get("dst_ifindex"), "to elsewhere");
        assertEquals(132, sent("10.0.1.7").code(), "another pod's");
        assertEquals(132, sent("10.0.1.1").code(), "the node's");
        assertEquals(132, sent("10.0.2.9").code(), "nobody's");
        assertEquals(130, sent("10.0.1.8").code(), "another MAC");
        assertEquals(203, sent("10.0.1.9").code(), "not ready");
        assertEquals(StageBench.TC_SHOT, sent("10.0.1.9").verdict());
    }

    @Test
    void theReceiverIsFoundOnce() {
        Outcome o = sent(Packet.tcp("10.0.1.6", 4000, "10.0.1.7", 80, Packet.SYN).frame());
        Fields s = o.state().scratch();
        assertEquals(66, s.get("dst_ep"));
        assertEquals(1000, s.get("dst_identity"));
        assertEquals(5, s.get("dst_policy_id"));
        assertEquals(0, sent(Packet.tcp("10.0.1.6", 4000, "10.0.1.1", 80, Packet.SYN).frame()).state().scratch().get("dst_ifindex"), "the node is none");
        // what routing brings is taken as it is
        Outcome brought = bench.run("receiver", 1, LOCAL, Packet.tcp("10.0.2.2", 4000, "10.0.1.6", 80, Packet.SYN).frame(),
                r -> r.scratch().set("dst_ifindex", 9).set("dst_ep", 67).set("dst_identity", 1001).set("dst_policy_id", 6).set("dst_flags", 4));
        assertEquals(67, brought.state().endpoint());
        assertEquals(1001, (int) brought.state().cb().get(2));
        assertEquals(6, brought.state().scratch().get("ep_policy_id"));
        assertEquals(4, brought.state().scratch().get("ep_flags"));
        assertEquals(9, brought.state().scratch().get("ep_ifindex"));
        assertEquals(203, bench.run("receiver", 1, LOCAL, Packet.tcp("10.0.2.2", 4000, "10.0.1.6", 80, Packet.SYN).frame(),
                r -> r.scratch().set("dst_ifindex", 9).set("dst_flags", 16)).code(), "not ready");
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
        assertArrayEquals(Packet.mac(Packet.MAC_B), good.state().scratch().of("dst_host_mac"), "for deliver");
        assertEquals(152, received("10.0.2.9", LOCAL).code());
        assertEquals(152, received("10.0.1.1", 0).code(), "the node is no pod");
        assertEquals(66, received("10.0.1.1", LOCAL).state().endpoint(), "but a receiver where routing sends it here");
        assertEquals(203, received("10.0.1.9", LOCAL).code());
    }
}
