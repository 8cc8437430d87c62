package io.patchbay.servicelb.internal;

import static io.patchbay.stagekit.Packet.ACK;
import static io.patchbay.stagekit.Packet.RST;
import static io.patchbay.stagekit.Packet.SYN;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** IPv6 packets from outside, in the kernel, one at a time. The tunnel between the nodes is IPv4's. */
@Tag("root")
class NodePort6StageTest {
    private static final String NODE = "fd00:172::11";
    private static final String ROUTER = "fd00:1::1";
    private static final String CLIENT = "2001:db8::7";
    private static final String LOCAL = "fd00:1::5";
    private static final String REMOTE = "fd00:2::5";
    private static final int PORT = 30080;
    private static final int TCP = 6;
    private static final int TO_OVERLAY = 3;
    private static final int TO_NETWORK = 4;
    private static final int NO_SERVICE = 158;
    private static final int REPLY = 3;
    private static final int THROUGH_TUNNEL = 1;

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/nodeport.o");
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", "172.18.0.11").address("node_ip6", NODE)
                .address("router_ip6", ROUTER).set("netdev_ifindex", 1).set("tunnel_ifindex", 1));
        at("endpoints", LOCAL, bench.struct("pb_endpoint").set("ifindex", 1).set("id", 5));
        at("ipcache", REMOTE, bench.struct("pb_ipcache_value").set("identity", 300).set("flags", 1).address("tunnel", "172.18.0.12"));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private void at(String map, String address, Fields value) {
        StageTables.at(bench, map, address, value);
    }

    private void service(int proto, String... backends) {
        StageTables.service(bench, NODE, PORT, 2, proto, 0, backends);
    }

    private static byte[] ask(int proto) {
        return proto == TCP ? Packet.tcp(CLIENT, 4000, NODE, PORT, SYN).frame() : Packet.udp(CLIENT, 4000, NODE, PORT, 9).frame();
    }

    private StageBench.Outcome in(byte[] packet) {
        return bench.run("service_netdev_ingress", StageBench.NETDEV_INGRESS, 0, packet, null);
    }

    private static String describe(byte[] packet) {
        return Packet.describe(packet).replaceAll("(:0)+:", "::");
    }

    @ParameterizedTest
    @ValueSource(ints = {TCP, 17})
    void aBackendOfThisNodeSeesTheClient(int proto) {
        service(proto, LOCAL);
        StageBench.Outcome o = in(ask(proto));
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("2001:db8::7:4000 > fd00:1::5:8080 ttl 64", describe(o.packet()));
        assertEquals(7, o.state().scratch().get("svc_id"));
    }

    /** A backend's answers to the node's own IPv6 address would need a tunnel of IPv6: the router's is behind the one there is. */
    @ParameterizedTest
    @ValueSource(ints = {TCP, 17})
    void aBackendBehindTheTunnelSeesTheRouterAddress(int proto) {
        service(proto, REMOTE);
        StageBench.Outcome o = in(ask(proto));
        assertEquals(TO_OVERLAY, o.code());
        assertEquals("", Packet.wrong(o.packet()));
        int port = Packet.get16(o.packet(), 54);
        assertTrue(port >= 10000 && port <= 29999, "port " + port);
        assertEquals("fd00:1::1:" + port + " > fd00:2::5:8080 ttl 63", describe(o.packet()));

        byte[] answer = proto == TCP ? Packet.tcp(REMOTE, 8080, ROUTER, port, SYN | ACK).frame() : Packet.udp(REMOTE, 8080, ROUTER, port, 9).frame();
        StageBench.Outcome back = bench.run("service_overlay_ingress", StageBench.OVERLAY_INGRESS, 0, answer, null);
        assertEquals(TO_NETWORK, back.code());
        assertEquals("", Packet.wrong(back.packet()));
        assertEquals("fd00:172::11:30080 > 2001:db8::7:4000 ttl 63", describe(back.packet()));
    }

    @Test
    void withoutATunnelItIsTheNodesAddress() {
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip6", NODE).address("router_ip6", ROUTER).set("netdev_ifindex", 1));
        service(TCP, REMOTE);
        StageBench.Outcome o = in(ask(TCP));
        assertEquals(TO_NETWORK, o.code());
        assertTrue(describe(o.packet()).startsWith("fd00:172::11:"), describe(o.packet()));
    }

    @Test
    void nobodyThereIsAnsweredAtOnce() {
        service(TCP);
        StageBench.Outcome o = in(ask(TCP));
        assertEquals(NO_SERVICE, o.code());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("fd00:172::11:30080 > 2001:db8::7:4000 ttl 64", describe(o.packet()));
        assertEquals(RST | ACK, o.packet()[67]);
        service(17);
        o = in(ask(17));
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals(1, o.packet()[54], "destination unreachable");
        assertEquals(4, o.packet()[55], "port unreachable");
        assertArrayEquals(java.util.Arrays.copyOfRange(ask(17), 14, 62), java.util.Arrays.copyOfRange(o.packet(), 62, 110));
    }

    /** Whoever is outside is told apart by family; what another node forwards is from outside in both. */
    @Test
    void whatAnotherNodeForwardsIsNotedWhateverTheWorldIsCalled() {
        for (int world : new int[] {2, 9, 10}) {
            StageBench.Outcome o = bench.run("service_overlay_ingress", StageBench.OVERLAY_INGRESS, 0,
                    Packet.tcp("fd00:2::1", 12000, LOCAL, 8080, SYN).frame(), s -> s.source(world));
            assertEquals(THROUGH_TUNNEL, o.state().scratch().get("set_nat_flags"), "identity " + world);
        }
        assertEquals(0, bench.run("service_overlay_ingress", StageBench.OVERLAY_INGRESS, 0,
                Packet.tcp("fd00:2::6", 12000, LOCAL, 8080, SYN).frame(), s -> s.source(300)).state().scratch().get("set_nat_flags"));
    }

    /** Answers to another node's router address go where the ipcache says; to an address that it says nothing about, to that address. */
    @Test
    void answersOfForwardedConnectionsFindTheirNode() {
        try (StageBench service = StageBench.of("bpf/service.o")) {
            byte[] answer = Packet.tcp(LOCAL, 8080, "fd00:2::1", 12000, SYN | ACK).frame();
            StageBench.Outcome o = service.run("reverse_pod_egress", StageBench.POD_EGRESS, 0, answer, s -> s.ctState(REPLY).scratch()
                    .set("ct_nat_flags", THROUGH_TUNNEL).address("tunnel_ip", "172.18.0.12"));
            assertEquals("172.18.0.12", o.state().scratch().address("tunnel_ip").replaceAll("^.*:", ""));
            byte[] four = Packet.tcp("10.0.1.5", 8080, "172.18.0.12", 12000, SYN | ACK).frame();
            o = service.run("reverse_pod_egress", StageBench.POD_EGRESS, 0, four, s -> s.ctState(REPLY).scratch().set("ct_nat_flags", THROUGH_TUNNEL));
            assertEquals("172.18.0.12", o.state().scratch().address("tunnel_ip").replaceAll("^.*:", ""));
        }
    }
}
