package io.patchbay.identity.internal;

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

/** The stages in the kernel, packet by packet. */
@Tag("root")
class IdentityStageTest {
    private static final int LOCAL = 1 << 12;

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/identity.o");
        address("10.0.2.2", 2000, 1, "192.168.0.2");
        address("10.0.1.6", 1000, 4, null);
        address("192.168.0.1", 1, 6, null);
        address("192.168.0.2", 6, 2, null);
        prefix("10.0.2.0", 120, 2, 1, "192.168.0.2");
        prefix("203.0.113.0", 120, 16777217, 0, null);
        bench.put("endpoints", key("10.0.1.6"), bench.struct("pb_endpoint").set("ifindex", 1).set("id", 66));
        bench.put("endpoints", key("192.168.0.1"), bench.struct("pb_endpoint").set("flags", 1));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private Fields key(String a) {
        return new Fields(bench.layout("pb_addr"), ByteBuffer.wrap(Fields.mapped(bytes(a))));
    }

    private static byte[] bytes(String a) {
        try {
            return java.net.InetAddress.getByName(a).getAddress();
        } catch (java.net.UnknownHostException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private Fields value(int identity, int flags, String tunnel) {
        Fields v = bench.struct("pb_ipcache_value").set("identity", identity).set("flags", flags);
        return tunnel == null ? v : v.address("tunnel", tunnel);
    }

    private void address(String a, int identity, int flags, String tunnel) {
        bench.put("ipcache", key(a), value(identity, flags, tunnel));
    }

    private void prefix(String a, int length, int identity, int flags, String tunnel) {
        bench.put("ipcache_prefixes", bench.struct("pb_ipcache_prefix").set("prefixlen", length).address("addr", a), value(identity, flags, tunnel));
    }

    private Outcome to(String daddr) {
        return bench.run("dst_identity_pod_egress", StageBench.POD_EGRESS, 0, Packet.udp("10.0.1.6", 4000, daddr, 53, 4).frame(),
                s -> s.scratch().address("tunnel_ip", "9.9.9.9"));
    }

    private int from(String stage, int hook, int flags, String saddr, String daddr) {
        return bench.run(stage, hook, flags, Packet.udp(saddr, 4000, daddr, 53, 4).frame(), null).state().sourceIdentity();
    }

    @Test
    void theDestinationHasItsIdentityAndItsNode() {
        Outcome pod = to("10.0.2.2");
        assertEquals(StageBench.NEXT, pod.verdict());
        assertEquals(2000, (int) pod.state().cb().get(2));
        assertEquals("192.168.0.2", pod.state().scratch().address("tunnel_ip"));
        Outcome unknown = to("10.0.2.77");
        assertEquals(2, (int) unknown.state().cb().get(2));
        assertEquals("192.168.0.2", unknown.state().scratch().address("tunnel_ip"), "its node all the same");
        assertEquals(16777217, (int) to("203.0.113.9").state().cb().get(2));
        Outcome world = to("8.8.8.8");
        assertEquals(2, (int) world.state().cb().get(2));
        assertEquals(pod.state().flags(), world.state().flags());
        assertEquals("::", world.state().scratch().address("tunnel_ip").replace("0:0:0:0:0:0:0:0", "::"));
    }

    @Test
    void aPodOfThisNodeBringsItsIdentity() {
        Outcome o = bench.run("dst_identity_pod_egress", StageBench.POD_EGRESS, 0, Packet.udp("10.0.1.6", 4000, "10.0.2.2", 53, 4).frame(),
                s -> s.scratch().set("dst_ifindex", 3).set("dst_identity", 1234));
        assertEquals(1234, (int) o.state().cb().get(2));
    }

    @Test
    void atAPodsDeviceTheSourceIsLookedUpUnlessItCameWithThePacket() {
        assertEquals(2000, from("src_identity_pod_ingress", 1, 0, "10.0.2.2", "10.0.1.6"));
        assertEquals(1, from("src_identity_pod_ingress", 1, 0, "192.168.0.1", "10.0.1.6"));
        assertEquals(2, from("src_identity_pod_ingress", 1, 0, "8.8.8.8", "10.0.1.6"));
        assertEquals(0, from("src_identity_pod_ingress", 1, LOCAL, "10.0.2.2", "10.0.1.6"), "left alone");
    }

    @Test
    void anAddressAloneLendsNoIdentityThatHasAWayOfItsOwn() {
        String stage = "src_identity_netdev_ingress";
        int hook = StageBench.NETDEV_INGRESS;
        assertEquals(2000, from(stage, hook, 0, "10.0.2.2", "10.0.1.6"), "no overlay: pods come natively");
        bench.putConfig("node_config", bench.struct("pb_node_config").set("tunnel_ifindex", 7));
        assertEquals(2, from(stage, hook, 0, "10.0.2.2", "10.0.1.6"), "with the overlay, pods come through it");
        assertEquals(2, from(stage, hook, 0, "10.0.1.6", "10.0.1.6"), "own pods never come from outside");
        assertEquals(2, from(stage, hook, 0, "192.168.0.1", "10.0.1.6"), "nor does this node");
        assertEquals(6, from(stage, hook, 0, "192.168.0.2", "10.0.1.6"));
        assertEquals(16777217, from(stage, hook, 0, "203.0.113.9", "10.0.1.6"));
        assertEquals(0, from(stage, hook, 0, "203.0.113.9", "192.168.0.1"), "the node's own traffic needs none");
    }
}
