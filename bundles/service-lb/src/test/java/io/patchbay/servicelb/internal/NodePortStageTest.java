package io.patchbay.servicelb.internal;

import static io.patchbay.stagekit.Packet.ACK;
import static io.patchbay.stagekit.Packet.FIN;
import static io.patchbay.stagekit.Packet.RST;
import static io.patchbay.stagekit.Packet.SYN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.bpf.BpfMap;
import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Packets from outside, in the kernel, one at a time. */
@Tag("root")
class NodePortStageTest {
    private static final String NODE = "172.18.0.11";
    private static final String CLIENT = "192.0.2.7";
    private static final String LOCAL = "10.0.1.5";
    private static final String REMOTE = "10.0.2.5";
    private static final int PORT = 30080;
    private static final int TCP = 6;
    private static final int UDP = 17;
    private static final int NETDEV_EGRESS = 4;
    private static final int TO_OVERLAY = 3;
    private static final int TO_NETWORK = 4;
    private static final int NO_SERVICE = 158;
    private static final int NO_PORT = 167;
    private static final int CLUSTER_IP = 174;
    private static final int NOT_IN_RANGE = 177;
    private static final int LOCAL_ONLY = 2;
    private static final int RANGES = 16;

    private StageBench bench;

    @BeforeEach
    void load() {
        open(Map.of());
    }

    private void open(Map<String, Integer> sizes) {
        open(Map.of(), sizes);
    }

    private void open(Map<String, Long> constants, Map<String, Integer> sizes) {
        bench = StageBench.of("bpf/nodeport.o", constants, sizes);
        // The loopback device stands for the node's: the stage names it, nothing is sent by a test run.
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", NODE).set("netdev_ifindex", 1));
        at("endpoints", LOCAL, bench.struct("pb_endpoint").set("ifindex", 1).set("id", 5));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private void at(String map, String address, Fields value) {
        StageTables.at(bench, map, address, value);
    }

    private void service(int kind, int proto, int flags, String... backends) {
        StageTables.service(bench, NODE, PORT, kind, proto, flags, backends);
    }

    private StageBench.Outcome in(byte[] packet) {
        return bench.run("service_netdev_ingress", StageBench.NETDEV_INGRESS, 0, packet, null);
    }

    private static byte[] syn(String client, int port) {
        return Packet.tcp(client, port, NODE, PORT, SYN).frame();
    }

    private static int nodePortOf(byte[] packet) {
        return Packet.get16(packet, 34);
    }

    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aBackendOfThisNodeSeesTheClientAndConntrackIsToldOfTheService(int proto) {
        service(2, proto, 0, LOCAL);
        StageBench.Outcome o = in(proto == TCP ? syn(CLIENT, 4000) : Packet.udp(CLIENT, 4000, NODE, PORT, 9).frame());
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("192.0.2.7:4000 > 10.0.1.5:8080 ttl 64", Packet.describe(o.packet()));
        assertEquals(NODE, o.state().scratch().address("svc_addr"));
        assertEquals(PORT, o.state().scratch().port("svc_port"));
        assertEquals(7, o.state().scratch().get("svc_id"));
    }

    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aBackendElsewhereSeesThisNodeAndItsAnswerReachesTheClientFromTheService(int proto) {
        service(2, proto, 0, REMOTE);
        byte[] asked = proto == TCP ? syn(CLIENT, 4000) : Packet.udp(CLIENT, 4000, NODE, PORT, 9).frame();
        StageBench.Outcome o = in(asked);
        assertEquals(StageBench.TC_REDIRECT, o.verdict());
        assertEquals(TO_NETWORK, o.code());
        assertEquals("", Packet.wrong(o.packet()));
        int port = nodePortOf(o.packet());
        assertTrue(port >= 10000 && port <= 29999, "port " + port);
        assertEquals(NODE + ":" + port + " > 10.0.2.5:8080 ttl 63", Packet.describe(o.packet()));
        assertEquals(port, nodePortOf(in(proto == TCP ? Packet.tcp(CLIENT, 4000, NODE, PORT, ACK).frame() : asked).packet()), "the connection keeps it");

        for (String stage : new String[] {"service_overlay_ingress", "service_netdev_ingress"}) {
            byte[] answer = proto == TCP ? Packet.tcp(REMOTE, 8080, NODE, port, SYN | ACK).frame() : Packet.udp(REMOTE, 8080, NODE, port, 9).frame();
            StageBench.Outcome back = bench.run(stage, StageBench.OVERLAY_INGRESS, 0, answer, null);
            assertEquals(TO_NETWORK, back.code());
            assertEquals("", Packet.wrong(back.packet()));
            assertEquals("172.18.0.11:30080 > 192.0.2.7:4000 ttl 63", Packet.describe(back.packet()));
        }
    }

    @Test
    void behindATunnelItGoesThroughTheTunnel() {
        service(2, TCP, 0, REMOTE);
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", NODE).set("netdev_ifindex", 1).set("tunnel_ifindex", 1));
        at("ipcache", REMOTE, bench.struct("pb_ipcache_value").set("identity", 300).set("flags", 1).address("tunnel", "172.18.0.12"));
        assertEquals(TO_OVERLAY, in(syn(CLIENT, 4000)).code());
    }

    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aProcessOfThisNodeAnswersFromTheServicesAddress(int proto) {
        at("endpoints", NODE, bench.struct("pb_endpoint").set("flags", 1));
        service(2, proto, 0, NODE);
        StageBench.Outcome o = in(proto == TCP ? syn(CLIENT, 4000) : Packet.udp(CLIENT, 4000, NODE, PORT, 9).frame());
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("192.0.2.7:4000 > 172.18.0.11:8080 ttl 64", Packet.describe(o.packet()));
        byte[] answer = proto == TCP ? Packet.tcp(NODE, 8080, CLIENT, 4000, SYN | ACK).frame() : Packet.udp(NODE, 8080, CLIENT, 4000, 9).frame();
        o = bench.run("service_netdev_egress", NETDEV_EGRESS, 0, answer, null);
        assertEquals(StageBench.NEXT, o.verdict());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("172.18.0.11:30080 > 192.0.2.7:4000 ttl 64", Packet.describe(o.packet()));
        byte[] other = Packet.tcp(NODE, 8080, CLIENT, 4001, ACK).frame();
        assertTrue(Arrays.equals(other, bench.run("service_netdev_egress", NETDEV_EGRESS, 0, other, null).packet()));
    }

    @Test
    void noTwoConnectionsToABackendShareAPort() {
        service(2, TCP, 0, REMOTE);
        Set<Integer> ports = new HashSet<>();
        for (int c = 1; c <= 200; c++) ports.add(nodePortOf(in(syn("192.0.2." + c, 4000)).packet()));
        for (int p = 4001; p <= 4100; p++) ports.add(nodePortOf(in(syn(CLIENT, p)).packet()));
        assertEquals(300, ports.size());
    }

    @Test
    void anAnswerToNobodyIsNotTouched() {
        service(2, TCP, 0, REMOTE);
        int port = nodePortOf(in(syn(CLIENT, 4000)).packet());
        for (byte[] stranger : new byte[][] {Packet.tcp(REMOTE, 8081, NODE, port, ACK).frame(), Packet.tcp("10.0.2.6", 8080, NODE, port, ACK).frame(),
            Packet.tcp(REMOTE, 8080, NODE, port == 29999 ? 10000 : port + 1, ACK).frame()}) {
            StageBench.Outcome o = in(stranger);
            assertEquals(StageBench.NEXT, o.verdict());
            assertTrue(Arrays.equals(stranger, o.packet()));
        }
    }

    @Test
    void aFullMapRefusesTheNewConnectionOnly() {
        bench.close();
        open(Map.of("lb_nat", 16));
        service(2, TCP, 0, REMOTE);
        int first = nodePortOf(in(syn(CLIENT, 1)).packet());
        int refused = 0;
        for (int p = 2; p < 100; p++) {
            if (in(syn(CLIENT, p)).code() == NO_PORT) refused++;
        }
        assertTrue(refused > 50, "refused " + refused);
        assertEquals(first, nodePortOf(in(Packet.tcp(CLIENT, 1, NODE, PORT, ACK).frame()).packet()));
        long counted = 0;
        for (int why = 0; why < 2; why++) {
            ByteBuffer v = bench.map("lb_nat_refused").lookup(why);
            for (int i = 0; i < v.capacity(); i += 16) counted += v.getLong(i);
        }
        assertEquals(refused, counted);
    }

    private static final int EVERY = 64;

    /** Ends all entries of a map, as if their time had passed. */
    private void expire(String map, String struct) {
        List<ByteBuffer[]> all = new ArrayList<>();
        bench.map(map).forEach((k, v) -> all.add(new ByteBuffer[] {copy(k), copy(v)}));
        all.forEach(e -> bench.map(map).update(e[0], new Fields(bench.layout(struct), e[1]).set("expires", 2).bytes()));
    }

    private static ByteBuffer copy(ByteBuffer b) {
        ByteBuffer c = ByteBuffer.allocate(b.capacity()).order(b.order());
        c.put(0, b, 0, b.capacity());
        return c;
    }

    /** Nobody collects, and both maps are full of what is over: new connections find room all the same, and what lives stays. */
    @ParameterizedTest
    @ValueSource(strings = {LOCAL, REMOTE})
    void mapsFullOfWhatIsOverMakeRoomWithoutAnAgent(String backend) {
        bench.close();
        open(Map.of("lb_flows_places_entries", (long) EVERY, "lb_nat_places_entries", (long) EVERY),
                Map.of("lb_flows", EVERY, "lb_nat", EVERY, "lb_flows_places", EVERY, "lb_nat_places", EVERY));
        service(2, TCP, 0, backend);
        int port = 1000;
        while (in(syn(CLIENT, port)).verdict() != StageBench.TC_SHOT) port++;
        assertTrue(port - 1000 >= EVERY, "room for " + (port - 1000));
        expire("lb_flows", "lb_flow");
        expire("lb_nat", "lb_nat");
        String before = "";
        for (int i = 0; i < 20; i++) {
            StageBench.Outcome o = in(syn("192.0.2.8", 5000 + i));
            assertTrue(o.verdict() != StageBench.TC_SHOT, "connection " + i + ": code " + o.code());
            if (i == 0) before = Packet.describe(o.packet());
        }
        assertEquals(before, Packet.describe(in(Packet.tcp("192.0.2.8", 5000, NODE, PORT, ACK).frame()).packet()), "a live one stays where it is");
        for (int round = 0; round < 20; round++) {
            for (int i = 0; i < EVERY / 4; i++) assertTrue(in(syn("192.0.2.9", 6000 + round * EVERY + i)).verdict() != StageBench.TC_SHOT, "round " + round + ", " + i);
            expire("lb_flows", "lb_flow");
            expire("lb_nat", "lb_nat");
        }
    }

    @Test
    void whenNoPortIsLeftTheNewConnectionAloneIsRefused() {
        bench.close();
        open(Map.of("lb_nat", 30000));
        service(2, TCP, 0, REMOTE);
        int first = nodePortOf(in(syn(CLIENT, 4000)).packet());
        ByteBuffer[] one = {null, null};
        bench.map("lb_nat").forEach((k, v) -> {
            one[0] = copy(k);
            one[1] = copy(v);
        });
        for (int p = 10000; p < 30000; p++) {
            if (p != first) bench.map("lb_nat").update(new Fields(bench.layout("lb_nat_key"), one[0]).port("nport", p).bytes(), new Fields(bench.layout("lb_nat"), one[1]).port("cport", 1).bytes());
        }
        StageBench.Outcome refused = in(syn(CLIENT, 4001));
        assertEquals(NO_PORT, refused.code());
        assertEquals(StageBench.TC_SHOT, refused.verdict());
        ByteBuffer v = bench.map("lb_nat_refused").lookup(0);
        long counted = 0;
        for (int i = 0; i < v.capacity(); i += 16) counted += v.getLong(i);
        assertEquals(1, counted);
        assertEquals(first, nodePortOf(in(Packet.tcp(CLIENT, 4000, NODE, PORT, ACK).frame()).packet()));
        for (int p = 10000; p < 30000; p += 2) {
            bench.map("lb_nat").update(new Fields(bench.layout("lb_nat_key"), one[0]).port("nport", p).bytes(), new Fields(bench.layout("lb_nat"), one[1]).set("expires", 2).bytes());
        }
        assertEquals(TO_NETWORK, in(syn(CLIENT, 4002)).code(), "what is over gives its port");
    }

    /** Two frontends of one process of the node, from one client's port: each connection has its answers. */
    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aProcessOfThisNodeThroughTwoFrontends(int proto) {
        at("endpoints", NODE, bench.struct("pb_endpoint").set("flags", 1));
        service(2, proto, 0, NODE);
        String vip = "203.0.113.9";
        bench.put("lb_services", bench.struct("lb_service_key").address("addr", vip).port("port", 80).set("proto", proto),
                bench.struct("lb_service").set("id", 8).set("set", 3).set("count", 1).set("total", 1).set("kind", 4));
        byte[] one = proto == TCP ? syn(CLIENT, 4000) : Packet.udp(CLIENT, 4000, NODE, PORT, 9).frame();
        byte[] two = proto == TCP ? Packet.tcp(CLIENT, 4000, vip, 80, SYN).frame() : Packet.udp(CLIENT, 4000, vip, 80, 9).frame();
        assertEquals("192.0.2.7:4000 > 172.18.0.11:8080 ttl 64", Packet.describe(in(one).packet()));
        StageBench.Outcome o = in(two);
        assertEquals("", Packet.wrong(o.packet()));
        int port = nodePortOf(o.packet());
        assertEquals("192.0.2.7:" + port + " > 172.18.0.11:8080 ttl 64", Packet.describe(o.packet()));
        assertTrue(port != 4000 && port >= 1024, "port " + port);
        assertEquals(port, nodePortOf(in(two).packet()));
        assertEquals(4000, nodePortOf(in(one).packet()));
        for (int p : new int[] {4000, port}) {
            byte[] answer = proto == TCP ? Packet.tcp(NODE, 8080, CLIENT, p, SYN | ACK).frame() : Packet.udp(NODE, 8080, CLIENT, p, 9).frame();
            o = bench.run("service_netdev_egress", NETDEV_EGRESS, 0, answer, null);
            assertEquals("", Packet.wrong(o.packet()));
            assertEquals((p == 4000 ? NODE + ":30080" : vip + ":80") + " > 192.0.2.7:4000 ttl 64", Packet.describe(o.packet()));
        }
    }

    @Test
    void aClusterIpIsNotForClientsOutside() {
        service(1, TCP, 0, LOCAL);
        assertEquals(CLUSTER_IP, in(syn(CLIENT, 4000)).code());
    }

    @Test
    void onlyTheSourceRangesGetThrough() {
        service(4, TCP, RANGES, LOCAL);
        assertEquals(NOT_IN_RANGE, in(syn(CLIENT, 4000)).code());
        bench.map("lb_ranges").update(bench.struct("lb_range_key").set("prefixlen", 32 + 120).set("frontend", 7).address("addr", "192.0.2.0").bytes(),
                BpfMap.intKey(1));
        assertEquals(StageBench.NEXT, in(syn(CLIENT, 4000)).verdict());
        assertEquals(NOT_IN_RANGE, in(syn("192.0.3.7", 4000)).code());
    }

    @Test
    void nobodyThereIsAnsweredAtOnceButANodeWithoutLocalEndpointIsSilent() {
        service(2, TCP, 0);
        StageBench.Outcome o = in(syn(CLIENT, 4000));
        assertEquals(NO_SERVICE, o.code());
        assertEquals(StageBench.TC_REDIRECT, o.verdict());
        assertEquals("172.18.0.11:30080 > 192.0.2.7:4000 ttl 64", Packet.describe(o.packet()));
        assertEquals(RST | ACK, o.packet()[47]);
        service(2, TCP, LOCAL_ONLY);
        o = in(syn(CLIENT, 4000));
        assertEquals(NO_SERVICE, o.code());
        assertEquals(StageBench.TC_SHOT, o.verdict());
    }

    @Test
    void theSameClientPortBeginsAnewAfterItsEnd() {
        service(2, TCP, 0, REMOTE);
        int port = nodePortOf(in(syn(CLIENT, 4000)).packet());
        assertEquals(port, nodePortOf(in(Packet.tcp(CLIENT, 4000, NODE, PORT, FIN | ACK).frame()).packet()));
        StageBench.Outcome again = in(syn(CLIENT, 4000));
        assertEquals(TO_NETWORK, again.code());
        StageBench.Outcome back = in(Packet.tcp(REMOTE, 8080, NODE, nodePortOf(again.packet()), SYN | ACK).frame());
        assertEquals("172.18.0.11:30080 > 192.0.2.7:4000 ttl 63", Packet.describe(back.packet()));
    }

    @Test
    void maglevSendsAConnectionWhereItsTableSays() {
        service(2, TCP, 0, "10.0.2.1", "10.0.2.2");
        Fields key = bench.struct("lb_service_key").address("addr", NODE).port("port", PORT).set("proto", TCP);
        bench.put("lb_services", key, bench.struct("lb_service").set("id", 7).set("set", 3).set("count", 2).set("total", 2).set("kind", 2)
                .set("algorithm", 1).set("table", 251));
        ByteBuffer all = ByteBuffer.allocate(4 * 256).order(ByteOrder.nativeOrder());
        for (int i = 0; i < 251; i++) all.putInt(4 * i, 2);
        bench.put("lb_maglev", bench.struct("lb_slots_key").set("set", 3), bench.struct("lb_maglev").set("backend", all.array()));
        for (int p = 4000; p < 4040; p++) assertTrue(Packet.describe(in(syn(CLIENT, p)).packet()).contains("> 10.0.2.2:8080"), "port " + p);
        for (int i = 0; i < 251; i += 2) all.putInt(4 * i, 1);
        bench.put("lb_maglev", bench.struct("lb_slots_key").set("set", 3), bench.struct("lb_maglev").set("backend", all.array()));
        Set<String> seen = new HashSet<>();
        for (int p = 5000; p < 5040; p++) seen.add(Packet.describe(in(syn(CLIENT, p)).packet()).replaceAll(".* > | ttl.*", ""));
        assertEquals(2, seen.size());
    }
}
