package io.patchbay.routing.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.bpf.SkbContext;
import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The stages themselves, in the kernel, packet by packet. The loopback, MTU 65536, stands for every device. */
@Tag("root")
class RoutingStageTest {
    private static final int LOCAL = 1 << 12;
    private static final int INGRESS = 1 << 13;
    private static final int MASQ = 1 << 19;
    private static final int ROUTE_OVERLAY = 2;
    private static final int ROUTE_NETWORK = 3;
    private static final int ROUTE_HOST = 4;
    private static final int LO = 1;
    private static final String POD_MAC = "02:00:00:00:01:06";
    private static final String VETH_MAC = "02:00:00:00:02:06";
    private static final String HOST_MAC = "02:00:00:00:00:f1";
    private static final String NET_MAC = "02:00:00:00:00:f2";

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/routing.o");
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", "192.168.0.1").address("router_ip4", "10.0.1.1")
                .address("node_ip6", "fd00::1").address("router_ip6", "fd00:1::1").address("pod_cidr4", "10.0.1.0").set("pod_cidr4_len", 120)
                .address("pod_cidr6", "fd00:1::").set("pod_cidr6_len", 64)
                .set("pb_net_ifindex", LO).set("pb_host_ifindex", LO).set("netdev_ifindex", LO).set("pb_host_mac", Packet.mac(HOST_MAC))
                .set("pb_net_mac", Packet.mac(NET_MAC)));
        endpoint("10.0.1.6", 0);
        endpoint("fd00:1::6", 0);
        endpoint("10.0.1.7", 2);
        endpoint("192.168.0.9", 1);
    }

    private void endpoint(String address, int flags) {
        bench.put("endpoints", new Fields(bench.layout("pb_addr"), java.nio.ByteBuffer.wrap(Fields.mapped(bytes(address)))),
                bench.struct("pb_endpoint").set("ifindex", LO).set("id", 66).set("mac", Packet.mac(POD_MAC)).set("host_mac", Packet.mac(VETH_MAC))
                        .set("flags", flags));
    }

    private static byte[] bytes(String address) {
        try {
            return java.net.InetAddress.getByName(address).getAddress();
        } catch (java.net.UnknownHostException e) {
            throw new IllegalArgumentException(e);
        }
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private static byte[] packet(String from, String to) {
        return Packet.udp(from, 1000, to, 53, 10).frame();
    }

    @ParameterizedTest(name = "{0}: {2} to {3} -> {4}, code {5}, route {6}, ttl {7}")
    @CsvSource({
        "pod to a local pod,          route_pod_egress,      10.0.1.5, 10.0.1.6,     101, 0,   1, 63",
        "the same in IPv6,            route_pod_egress,      fd00:1::5, fd00:1::6,   101, 0,   1, 63",
        "pod to itself,               route_pod_egress,      10.0.1.6, 10.0.1.6,     101, 0,   1, 63",
        "pod to the node,             route_pod_egress,      10.0.1.5, 192.168.0.1,  100, 0,   4, 64",
        "pod to the router,           route_pod_egress,      10.0.1.5, 10.0.1.1,     100, 0,   4, 64",
        "pod to the node's IPv6,      route_pod_egress,      fd00:1::5, fd00::1,     100, 0,   4, 64",
        "pod to another node address, route_pod_egress,      10.0.1.5, 192.168.0.9,  100, 0,   4, 64",
        "pod to the world,            route_pod_egress,      10.0.1.5, 1.1.1.1,      100, 0,   3, 63",
        "pod to nobody's pod address, route_pod_egress,      10.0.1.5, 10.0.1.99,      2, 150, 0, 64",
        "the same in IPv6,            route_pod_egress,      fd00:1::5, fd00:1::99,     2, 150, 0, 64",
        "pod to multicast,            route_pod_egress,      10.0.1.5, 224.0.0.1,      2, 150, 0, 64",
        "pod to broadcast,            route_pod_egress,      10.0.1.5, 255.255.255.255, 2, 150, 0, 64",
        "pod to IPv6 link-local,      route_pod_egress,      fd00:1::5, fe80::1,       2, 150, 0, 64",
        "host to a local pod,         route_host_egress,     10.0.1.1, 10.0.1.6,     101, 0,   1, 64",
        "host to itself,              route_host_egress,     10.0.1.1, 192.168.0.1,    2, 150, 0, 64",
        "overlay to a local pod,      route_overlay_ingress, 10.0.2.6, 10.0.1.6,     101, 0,   1, 63",
        "overlay to the router,       route_overlay_ingress, 10.0.2.6, 10.0.1.1,       7, 5,   4, 64",
        "overlay to elsewhere,        route_overlay_ingress, 10.0.2.6, 10.0.3.3,       2, 150, 0, 64",
        "netdev to a local pod,       route_netdev_ingress,  1.1.1.1,  10.0.1.6,     101, 0,   1, 63",
        "netdev to the node,          route_netdev_ingress,  1.1.1.1,  192.168.0.1,  100, 0,   0, 64",
    })
    void decisions(String name, String stage, String from, String to, int verdict, int code, int route, int ttl) {
        StageBench.Outcome o = bench.run(stage, StageBench.POD_EGRESS, INGRESS, packet(from, to), null);
        assertEquals(verdict, o.verdict());
        assertEquals(code, o.code());
        assertEquals(route, o.state().route());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("ttl " + ttl, Packet.describe(o.packet()).replaceAll(".*(ttl)", "$1"));
        if (verdict == StageBench.POD_INGRESS) {
            assertEquals(66, o.state().scratch().get("dst_ep"));
            assertEquals(LO, o.state().scratch().get("dst_ifindex"));
            assertEquals(LOCAL, o.state().flags() & LOCAL);
        }
    }

    @Test
    void whomTheSourceCheckFoundIsNotLookedUpAgain() {
        StageBench.Outcome o = bench.run("route_pod_egress", StageBench.POD_EGRESS, INGRESS, packet("10.0.1.5", "10.0.1.99"),
                s -> s.scratch().set("dst_ep", 67).set("dst_ifindex", 3));
        assertEquals(StageBench.POD_INGRESS, o.verdict());
        assertEquals(67, o.state().scratch().get("dst_ep"));
    }

    @Test
    void behindATunnelIsOverlay() {
        StageBench.Outcome o = bench.run("route_pod_egress", StageBench.POD_EGRESS, INGRESS, packet("10.0.1.5", "10.0.2.6"),
                s -> s.scratch().address("tunnel_ip", "192.168.0.2"));
        assertEquals(ROUTE_OVERLAY, o.state().route());
        assertEquals(StageBench.NEXT, o.verdict());
        StageBench.Outcome left = bench.run("leave_pod_egress", StageBench.POD_EGRESS, INGRESS, packet("10.0.1.5", "10.0.2.6"), s -> s.route(ROUTE_OVERLAY));
        assertEquals(StageBench.NEXT, left.verdict(), "an overlay that nobody served is the end stage's to drop");
    }

    @ParameterizedTest
    @CsvSource({"10.0.1.5, 10.0.1.6", "10.0.1.5, 1.1.1.1", "fd00:1::5, fd00:1::6", "fd00:1::5, 2001:db8::1"})
    void theLastHopOfAPacketIsNotPassedOnAndItsSenderHearsOfIt(String from, String to) {
        byte[] frame = Packet.udp(from, 1, to, 2, 20).ttl(1).mayFragment().frame();
        StageBench.Outcome o = bench.run("route_pod_egress", StageBench.POD_EGRESS, INGRESS, frame, null);
        assertEquals(StageBench.NEXT, o.verdict());
        assertEquals(0, o.state().route());
        StageBench.Outcome told = bench.run("too_big_pod_egress", StageBench.POD_EGRESS, INGRESS, o.packet(), null);
        assertEquals(9, told.code());
        assertEquals(StageBench.TC_REDIRECT, told.verdict());
        assertEquals("", Packet.wrong(told.packet()));
        boolean v4 = !from.contains(":");
        assertEquals(v4 ? "10.0.1.1 > 10.0.1.5 icmp 11" : "fd00:1:0:0:0:0:0:1 > fd00:1:0:0:0:0:0:5 icmp 3", Packet.describe(told.packet()).replaceAll(" id.*", ""));
        int l4 = v4 ? 34 : 54;
        assertEquals(0, Packet.get16(told.packet(), l4 + 6), "no MTU in it");
        assertArrayEquals(Arrays.copyOfRange(frame, 14, 14 + (v4 ? 28 : 48)), Arrays.copyOfRange(told.packet(), l4 + 8, told.packet().length), "quotes the packet");
    }

    @ParameterizedTest
    @CsvSource({"route_overlay_ingress", "route_netdev_ingress"})
    void theLastHopOfWhatCameFromElsewhereIsDropped(String stage) {
        StageBench.Outcome o = bench.run(stage, StageBench.OVERLAY_INGRESS, INGRESS, Packet.udp("10.0.2.6", 1, "10.0.1.6", 2, 0).ttl(1).frame(), null);
        assertEquals(196, o.code());
        assertEquals(StageBench.TC_SHOT, o.verdict());
    }

    @Test
    void anErrorIsNotAnsweredByAnother() {
        byte[] about = Packet.udp("1.1.1.1", 53, "10.0.1.5", 1000, 10).frame();
        byte[] error = Packet.unreachable("10.0.1.5", "1.1.1.1", about).ttl(1).frame();
        assertEquals(196, bench.run("too_big_pod_egress", StageBench.POD_EGRESS, INGRESS, error, null).code());
    }

    @ParameterizedTest(name = "{0} -> verdict {3}, mark {4}")
    @CsvSource({
        "to a pod from an ingress,             10.0.1.6,  0, 12288, 7, 0",
        "the same in IPv6,                     fd00:1::6, 0, 12288, 7, 0",
        "to a pod with a queue of its own,     10.0.1.7,  2, 12288, 7, 256",
        "to a pod from an egress,              10.0.1.6,  0,  4096, 7, 256",
        "at the pod's own device,              10.0.1.6,  0,     0, 0, 0",
    })
    void delivery(String name, String to, int pod, int flags, int verdict, int mark) {
        StageBench.Outcome o = bench.run("deliver", StageBench.POD_EGRESS, flags, packet(to.contains(":") ? "fd00:1::5" : "10.0.1.5", to),
                s -> s.scratch().set("dst_ep", 66).set("dst_ifindex", LO).set("ep_flags", pod).set("dst_mac", Packet.mac(POD_MAC)).set("dst_host_mac", Packet.mac(VETH_MAC)));
        assertEquals(verdict, o.verdict());
        assertEquals(1, o.code());
        assertEquals(mark, o.mark());
        assertArrayEquals(Packet.mac(POD_MAC), Arrays.copyOfRange(o.packet(), 0, 6));
        assertArrayEquals(Packet.mac(VETH_MAC), Arrays.copyOfRange(o.packet(), 6, 12));
    }

    @Test
    void nobodyIsDeliveredWhatNoReceiverWasFoundFor() {
        assertEquals(152, bench.run("deliver", StageBench.POD_EGRESS, LOCAL, packet("10.0.1.5", "10.0.1.77"), null).code());
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({"to the host, 4, 0, 7, 5, 0", "to the network, 3, 0, 7, 4, 1280", "masqueraded, 3, 524288, 7, 4, 768", "overlay, 2, 0, 100, 0, 0", "nowhere, 0, 0, 100, 0, 0"})
    void leaving(String name, int route, int flags, int verdict, int code, int mark) {
        StageBench.Outcome o = bench.run("leave_pod_egress", StageBench.POD_EGRESS, INGRESS | flags, packet("10.0.1.5", "1.1.1.1"), s -> s.route(route));
        assertEquals(verdict, o.verdict());
        assertEquals(code, o.code());
        assertEquals(mark, o.mark());
        if (route == ROUTE_HOST) {
            assertArrayEquals(Packet.mac(HOST_MAC), Arrays.copyOfRange(o.packet(), 0, 6));
            assertArrayEquals(Packet.mac(NET_MAC), Arrays.copyOfRange(o.packet(), 6, 12));
        }
    }

    /** Frames of a test run hold at most a page or so: the loopback's MTU is out of reach, a segment's size is not. */
    @ParameterizedTest(name = "{0}, segments of {2}")
    @CsvSource({
        "fits the network,              3, 1400,  100, 0",
        "too big for the network,       3, 65520, 7,   9",
        "too big for the overlay only,  2, 65470, 7,   9",
        "the same on the network,       3, 65470, 100, 0",
    })
    void tooBig(String name, int route, int segment, int verdict, int code) {
        for (String[] a : new String[][] {{"10.0.1.5", "1.1.1.1"}, {"fd00:1::5", "2001:db8::1"}}) {
            boolean v4 = !a[0].contains(":");
            byte[] frame = Packet.tcp(a[0], 4000, a[1], 80, Packet.ACK, 200).frame();
            int size = v4 ? segment : segment - 20;
            StageBench.Outcome o = bench.run("too_big_pod_egress", StageBench.POD_EGRESS, INGRESS, frame, s -> s.route(route), SkbContext.EMPTY.withGso(2, size));
            assertEquals(verdict, o.verdict(), a[1]);
            assertEquals(code, o.code());
            if (code != 9) continue;
            byte[] answer = o.packet();
            assertEquals("", Packet.wrong(answer));
            assertEquals((v4 ? "10.0.1.1 > 10.0.1.5 icmp 3" : "fd00:1:0:0:0:0:0:1 > fd00:1:0:0:0:0:0:5 icmp 2"), Packet.describe(answer).replaceAll(" id.*", ""));
            int l4 = v4 ? 34 : 54;
            assertArrayEquals(Arrays.copyOfRange(frame, 14, 14 + (v4 ? 28 : 48)), Arrays.copyOfRange(answer, l4 + 8, answer.length), "quotes the packet");
            assertArrayEquals(Arrays.copyOfRange(frame, 6, 12), Arrays.copyOfRange(answer, 0, 6), "back to the sender");
            assertEquals(0x100, o.mark());
            int mtu = route == ROUTE_OVERLAY ? 65486 : 65535;
            assertEquals(mtu, Packet.get16(answer, l4 + 6));
        }
    }

    @Test
    void whatMayBeFragmentedIsNotAnswered() {
        StageBench.Outcome o = bench.run("too_big_pod_egress", StageBench.POD_EGRESS, INGRESS, Packet.tcp("10.0.1.5", 4000, "1.1.1.1", 80, 16, 200).mayFragment().frame(),
                s -> s.route(ROUTE_NETWORK), SkbContext.EMPTY.withGso(2, 65530));
        assertEquals(136, o.code());
    }

    @Test
    void theAnswerNamesTheServiceThatThePodAskedFor() {
        StageBench.Outcome o = bench.run("too_big_pod_egress", StageBench.POD_EGRESS, INGRESS, Packet.tcp("10.0.1.5", 4000, "10.0.2.6", 8080, 16, 200).frame(), s -> {
            s.route(ROUTE_OVERLAY).scratch().address("svc_addr", "10.96.0.1").port("svc_port", 80).set("svc_id", 3);
        }, SkbContext.EMPTY.withGso(2, 65530));
        byte[] quoted = Arrays.copyOfRange(o.packet(), 42, o.packet().length);
        assertArrayEquals(bytes("10.96.0.1"), Arrays.copyOfRange(quoted, 16, 20));
        assertEquals(80, Packet.get16(quoted, 22));
    }
}
