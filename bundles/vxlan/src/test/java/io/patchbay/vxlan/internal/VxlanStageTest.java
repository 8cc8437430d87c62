package io.patchbay.vxlan.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The stages themselves, in the kernel, packet by packet. */
@Tag("root")
class VxlanStageTest {
    private static final String POD = "10.0.1.5";
    private static final int OVERLAY = 2;
    private static final int NETWORK = 3;
    private static final int TUNNEL = 1 << 16;
    private static final int IPC_NODE = 2;
    private static final int IPC_LOCAL = 4;
    private static final long SECOND = 1_000_000_000L;

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/vxlan.o");
        bench.putConfig("vxlan_config", bench.struct("vxlan_config").set("ifindex", 1).port("port", 8472));
        node("192.168.0.2", "10.0.2.0", 120, "fd00:2::", 64);
        node("192.168.0.3", "10.0.3.0", 120, "fd00:3::", 64);
        node("fd00:9::2", "10.0.2.0", 120, "fd00:2::", 64);
        node("fd00:9::3", "10.0.3.0", 120, "fd00:3::", 64);
        ipcache("10.0.2.6", 4711, "192.168.0.2", 1);
        ipcache("fd00:2::6", 4711, "192.168.0.2", 1);
        ipcache("10.0.3.7", 4712, "192.168.0.3", 1);
        ipcache("192.168.0.2", 6, null, IPC_NODE);
        ipcache("10.0.2.1", 6, "192.168.0.2", IPC_NODE | 1);
        ipcache("fd00:2::1", 6, "192.168.0.2", IPC_NODE | 1);
        ipcache("fd00:9::2", 6, null, IPC_NODE);
        ipcache("fd00:9::3", 6, null, IPC_NODE);
        ipcache("192.168.0.1", 1, null, IPC_NODE);
        ipcache(POD, 4713, null, IPC_LOCAL);
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private static byte[] mapped(String a) {
        try {
            return Fields.mapped(InetAddress.getByName(a).getAddress());
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private Fields address(String a) {
        return new Fields(bench.layout("pb_addr"), ByteBuffer.wrap(mapped(a)).order(ByteOrder.nativeOrder()));
    }

    private void node(String node, String cidr4, int length4, String cidr6, int length6) {
        Fields v = bench.struct("tunnel_node").set("cidrs", 2);
        int base = bench.layout("tunnel_node").field("cidr").offset();
        v.bytes().putInt(base, length4).put(base + 4, mapped(cidr4)).putInt(base + 20, length6).put(base + 24, mapped(cidr6));
        bench.put("tunnel_nodes", address(node), v);
    }

    private void ipcache(String a, int identity, String tunnel, int flags) {
        Fields v = bench.struct("pb_ipcache_value").set("identity", identity).set("flags", flags);
        if (tunnel != null) v.address("tunnel", tunnel);
        bench.put("ipcache", address(a), v);
    }

    private static byte[] packet(String from) {
        return Packet.udp(from, 1000, from.contains(":") ? "fd00:1::5" : POD, 53, 10).frame();
    }

    @ParameterizedTest(name = "{0}: node {1}, VNI {2}, from {3} -> {4}")
    @CsvSource({
        "a known pod,                            192.168.0.2, 4711, 10.0.2.6,    0",
        "the same in IPv6,                       192.168.0.2, 4711, fd00:2::6,   0",
        "a pod not heard of yet,                 192.168.0.2, 5000, 10.0.2.99,   0",
        "the same in IPv6,                       192.168.0.2, 5000, fd00:2::99,  0",
        "the node itself,                        192.168.0.2, 6,    192.168.0.2, 0",
        "the node's router address,              192.168.0.2, 6,    10.0.2.1,    0",
        "the same in IPv6,                       192.168.0.2, 6,    fd00:2::1,   0",
        "the node's IPv6 address,                192.168.0.2, 6,    fd00:9::2,   0",
        "a client outside behind the router's,   192.168.0.2, 2,    fd00:2::1,   0",
        "a client outside behind the node's,     192.168.0.2, 2,    fd00:9::2,   0",
        "another node's IPv6 address,            192.168.0.3, 6,    fd00:9::2,   132",
        "another node's router address,          192.168.0.3, 6,    fd00:2::1,   132",
        "a pod's identity for an IPv6 address,   192.168.0.2, 4711, fd00:9::2,   171",
        "an unknown node,                        192.168.0.9, 4711, 10.0.2.6,    172",
        "another node's known pod,               192.168.0.3, 4711, 10.0.2.6,    132",
        "another node's pod not heard of,        192.168.0.3, 5000, 10.0.2.99,   132",
        "an address outside every pod CIDR,      192.168.0.2, 5000, 1.2.3.4,     132",
        "an address of our own pod,              192.168.0.2, 4713, 10.0.1.5,    132",
        "our own address,                        192.168.0.2, 6,    192.168.0.1, 132",
        "'host' on the wire,                     192.168.0.2, 1,    10.0.2.6,    171",
        "nobody on the wire,                     192.168.0.2, 0,    10.0.2.6,    171",
        "a pod's identity for the node itself,   192.168.0.2, 4711, 192.168.0.2, 171",
    })
    void decapsulation(String name, String node, int vni, String from, int code) {
        StageBench.Outcome o = bench.runFromTunnel("decap_overlay_ingress", vni, node, packet(from));
        assertEquals(code, o.code());
        assertEquals(code == 0 ? StageBench.NEXT : StageBench.TC_SHOT, o.verdict());
        assertEquals(TUNNEL, o.state().flags() & TUNNEL);
        if (code == 0) assertEquals(vni, o.state().sourceIdentity());
    }

    /** In dual stack the world is told apart by family at each node, and is one number on the wire. */
    @ParameterizedTest(name = "{0}")
    @CsvSource({"fd00:2::1, 10", "10.0.2.1, 9"})
    void theWorldOnTheWireIsOneAndHereTwo(String from, int identity) {
        prefix("0.0.0.0", 96, 9);
        prefix("::", 0, 10);
        assertEquals(identity, bench.runFromTunnel("decap_overlay_ingress", 2, "192.168.0.2", packet(from)).state().sourceIdentity());
        assertEquals(6, bench.runFromTunnel("decap_overlay_ingress", 6, "192.168.0.2", packet(from)).state().sourceIdentity());
    }

    private void prefix(String address, int length, int identity) {
        bench.put("ipcache_prefixes", bench.struct("pb_ipcache_prefix").set("prefixlen", length).address("addr", address),
                bench.struct("pb_ipcache_value").set("identity", identity));
    }

    @Test
    void withoutATunnelNothingIsBelieved() {
        assertEquals(147, bench.run("decap_overlay_ingress", StageBench.OVERLAY_INGRESS, 0, packet("10.0.2.6"), null).code());
    }

    /** While a pod's labels change, its node and we may disagree; not for long. */
    @Test
    void aDisagreementIsAChangeOnItsWayOnlyForAWhile() {
        byte[] packet = packet("10.0.2.6");
        StageBench.Outcome first = bench.runFromTunnel("decap_overlay_ingress", 4800, "192.168.0.2", packet);
        assertEquals(StageBench.NEXT, first.verdict());
        assertEquals(4800, first.state().sourceIdentity(), "the pod's node knows first");
        age(599, 0);
        assertEquals(0, bench.runFromTunnel("decap_overlay_ingress", 4800, "192.168.0.2", packet).code());
        age(601, 0);
        assertEquals(171, bench.runFromTunnel("decap_overlay_ingress", 4800, "192.168.0.2", packet).code());
        assertEquals(0, bench.runFromTunnel("decap_overlay_ingress", 4711, "192.168.0.2", packet).code(), "what both say is fine");
        ipcache("10.0.2.6", 4800, "192.168.0.2", 1);
        assertEquals(0, bench.runFromTunnel("decap_overlay_ingress", 4800, "192.168.0.2", packet).code(), "the change has arrived");
        ipcache("10.0.2.6", 4711, "192.168.0.2", 1);
        age(900, 61);
        assertEquals(0, bench.runFromTunnel("decap_overlay_ingress", 4800, "192.168.0.2", packet).code(), "another change, much later");
    }

    private void age(long since, long last) {
        long now = System.nanoTime();
        bench.put("tunnel_disagree", disagreement(), bench.struct("disagreement").set("since", now - since * SECOND).set("last", now - last * SECOND));
    }

    private Fields disagreement() {
        return bench.struct("disagreement_key").address("addr", "10.0.2.6").set("vni", 4800);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({"encap_pod_egress", "encap_host_egress"})
    void whatIsForAnotherNodeGoesToTheTunnel(String stage) {
        StageBench.Outcome o = bench.run(stage, StageBench.POD_EGRESS, 0, packet(POD), s -> s.source(4713).route(OVERLAY).scratch().address("tunnel_ip", "192.168.0.2"));
        assertEquals(StageBench.TC_REDIRECT, o.verdict());
        assertEquals(3, o.code());
        assertEquals(0x400, o.mark());
        assertEquals(StageBench.NEXT, bench.run(stage, StageBench.POD_EGRESS, 0, packet(POD), s -> s.route(NETWORK)).verdict());
        bench.putConfig("vxlan_config", bench.struct("vxlan_config"));
        assertEquals(160, bench.run(stage, StageBench.POD_EGRESS, 0, packet(POD), s -> s.route(OVERLAY)).code());
    }

    @ParameterizedTest(name = "{0} -> {5}")
    @CsvSource({
        "to a node's tunnel port,       192.168.0.2, 8472, 6, 3, 170",
        "to its address alone known,    192.168.0.3, 8472, 2, 3, 170",
        "to this node's tunnel port,    192.168.0.1, 8472, 1, 4, 170",
        "to another port of a node,     192.168.0.2, 8473, 6, 3, 0",
        "to that port of a pod,         1.2.3.4,     8472, 2, 3, 0",
    })
    void aPodCannotSpeakToTheTunnel(String name, String to, int port, int identity, int route, int code) {
        StageBench.Outcome o = bench.run("encap_pod_egress", StageBench.POD_EGRESS, 0, Packet.udp(POD, 1000, to, port, 20).frame(),
                s -> s.destination(identity).route(route));
        assertEquals(code, o.code());
    }
}
