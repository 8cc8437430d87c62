package io.patchbay.servicelb.internal;

import static io.patchbay.stagekit.Packet.ACK;
import static io.patchbay.stagekit.Packet.RST;
import static io.patchbay.stagekit.Packet.SYN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What processes of the node itself send to services without a hook at their sockets, in the kernel, one packet at a time. */
@Tag("root")
class OwnStageTest {
    private static final String NODE = "172.18.0.11";
    private static final String ROUTER = "10.0.1.1";
    private static final String SERVICE = "10.96.0.10";
    private static final String LOCAL = "10.0.1.5";
    private static final String REMOTE = "10.0.2.5";
    private static final int TCP = 6;
    private static final int UDP = 17;
    private static final int NETDEV_EGRESS = 4;
    private static final int TO_STACK = 2;
    private static final int TO_HOST = 5;
    private static final int NO_SERVICE = 158;

    private StageBench bench;

    @BeforeEach
    void load() {
        open("bpf/own.o", List.of());
    }

    /** @param shared maps that another object has filled */
    private void open(String object, List<Map.Entry<String, List<ByteBuffer[]>>> shared) {
        bench = StageBench.of(object, Map.of(), Map.of());
        // The loopback device stands for all of the node's: the stages name it, nothing is sent by a test run.
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", NODE).address("router_ip4", ROUTER).set("netdev_ifindex", 1)
                .set("pb_host_ifindex", 1).set("pb_net_ifindex", 1).set("tunnel_ifindex", 1));
        at("endpoints", LOCAL, bench.struct("pb_endpoint").set("ifindex", 1).set("id", 5));
        at("endpoints", NODE, bench.struct("pb_endpoint").set("flags", 1));
        for (Map.Entry<String, List<ByteBuffer[]>> map : shared) map.getValue().forEach(e -> bench.map(map.getKey()).update(e[0], e[1]));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private void at(String map, String address, Fields value) {
        StageTables.at(bench, map, address, value);
    }

    private void service(int proto, String... backends) {
        StageTables.service(bench, SERVICE, 80, 1, proto, 0, backends);
    }

    private static byte[] packet(int proto, String from, int sport, String to, int dport, int flags) {
        return proto == TCP ? Packet.tcp(from, sport, to, dport, flags).frame() : Packet.udp(from, sport, to, dport, 9).frame();
    }

    private StageBench.Outcome outOfTheDevice(byte[] packet) {
        return bench.run("own_netdev_egress", NETDEV_EGRESS, 0, packet, null);
    }

    private StageBench.Outcome ask(int proto, int port) {
        return bench.run("own_host_egress", StageBench.HOST_EGRESS, 0, packet(proto, NODE, port, SERVICE, 80, SYN), null);
    }

    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void whatIsForAServiceIsTakenToPbHost(int proto) {
        service(proto, LOCAL);
        StageBench.Outcome o = outOfTheDevice(packet(proto, NODE, 40000, SERVICE, 80, SYN));
        assertEquals(StageBench.TC_REDIRECT, o.verdict());
        assertEquals(TO_HOST, o.code());
        for (byte[] other : new byte[][] {packet(proto, NODE, 40000, SERVICE, 81, SYN), packet(proto, NODE, 40000, "192.0.2.7", 80, SYN),
            packet(proto, "192.0.2.9", 40000, SERVICE, 80, SYN)}) {
            o = outOfTheDevice(other);
            assertEquals(StageBench.NEXT, o.verdict(), Packet.describe(other));
            assertTrue(Arrays.equals(other, o.packet()));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aPodOfThisNodeSeesTheNodeAndConntrackIsToldOfTheService(int proto) {
        service(proto, LOCAL);
        StageBench.Outcome o = ask(proto, 40000);
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("172.18.0.11:40000 > 10.0.1.5:8080 ttl 64", Packet.describe(o.packet()));
        assertEquals(SERVICE, o.state().scratch().address("svc_addr"));
        assertEquals(80, o.state().scratch().port("svc_port"));
        assertEquals(7, o.state().scratch().get("svc_id"));
    }

    /** The answers come in at other hooks, whose stages are in another object with the same maps. */
    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aBackendElsewhereSeesThisNodeAndItsAnswerIsForTheProcess(int proto) {
        at("ipcache", REMOTE, bench.struct("pb_ipcache_value").set("identity", 300).set("flags", 1).address("tunnel", "172.18.0.12"));
        service(proto, REMOTE);
        StageBench.Outcome o = ask(proto, 40000);
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("", Packet.wrong(o.packet()));
        int port = Packet.get16(o.packet(), 34);
        assertTrue(port >= 10000 && port <= 29999, "port " + port);
        assertEquals(ROUTER + ":" + port + " > 10.0.2.5:8080 ttl 64", Packet.describe(o.packet()));
        assertEquals(ROUTER, o.state().scratch().address("saddr"));
        assertEquals(port, o.state().scratch().port("sport"));
        assertEquals(REMOTE, o.state().scratch().address("daddr"));
        assertEquals(port, Packet.get16(bench.run("own_host_egress", StageBench.HOST_EGRESS, 0, packet(proto, NODE, 40000, SERVICE, 80, ACK), null).packet(), 34),
                "the connection keeps it");
        List<Map.Entry<String, List<ByteBuffer[]>>> mappings = List.of(Map.entry("lb_nat", entries("lb_nat")));
        bench.close();
        open("bpf/nodeport.o", mappings);
        byte[] answer = packet(proto, REMOTE, 8080, ROUTER, port, SYN | ACK);
        for (int hook : new int[] {StageBench.OVERLAY_INGRESS, StageBench.NETDEV_INGRESS}) {
            o = bench.run(hook == StageBench.OVERLAY_INGRESS ? "service_overlay_ingress" : "service_netdev_ingress", hook, 0, answer, null);
            assertEquals(hook == StageBench.OVERLAY_INGRESS ? TO_HOST : TO_STACK, o.code());
            assertEquals("", Packet.wrong(o.packet()));
            assertEquals("10.96.0.10:80 > 172.18.0.11:40000 ttl 64", Packet.describe(o.packet()));
        }
        if (proto == TCP) {
            byte[] opening = packet(proto, REMOTE, 8080, ROUTER, port, SYN);
            o = bench.run("service_overlay_ingress", StageBench.OVERLAY_INGRESS, 0, opening, null);
            assertEquals(StageBench.NEXT, o.verdict());
            assertTrue(Arrays.equals(opening, o.packet()), "what opens a connection is no answer");
        }
    }

    private List<ByteBuffer[]> entries(String map) {
        List<ByteBuffer[]> all = new ArrayList<>();
        bench.map(map).forEach((k, v) -> all.add(new ByteBuffer[] {copy(k), copy(v)}));
        return all;
    }

    private static ByteBuffer copy(ByteBuffer b) {
        ByteBuffer c = ByteBuffer.allocate(b.capacity()).order(b.order());
        c.put(0, b, 0, b.capacity());
        return c;
    }

    /** It would answer an address of the node on the loopback device, where nobody undoes anything. */
    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aProcessOfThisNodeSeesTheService(int proto) {
        service(proto, NODE);
        StageBench.Outcome o = ask(proto, 40000);
        assertEquals(StageBench.TC_REDIRECT, o.verdict());
        assertEquals(TO_HOST, o.code());
        assertEquals("", Packet.wrong(o.packet()));
        int port = Packet.get16(o.packet(), 34);
        assertTrue(port >= 10000 && port <= 29999, "port " + port);
        assertEquals(SERVICE + ":" + port + " > 172.18.0.11:8080 ttl 64", Packet.describe(o.packet()));
        assertEquals(port, Packet.get16(ask(proto, 40000).packet(), 34), "the connection keeps it");
        o = outOfTheDevice(packet(proto, NODE, 8080, SERVICE, port, SYN | ACK));
        assertEquals(StageBench.TC_REDIRECT, o.verdict());
        assertEquals(TO_HOST, o.code());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("10.96.0.10:80 > 172.18.0.11:40000 ttl 64", Packet.describe(o.packet()));
        byte[] other = packet(proto, NODE, 8081, SERVICE, port, ACK);
        assertTrue(Arrays.equals(other, outOfTheDevice(other).packet()));
    }

    @Test
    void nobodyThereIsSaidAtOnce() {
        service(TCP);
        StageBench.Outcome o = ask(TCP, 40000);
        assertEquals(StageBench.TC_REDIRECT, o.verdict());
        assertEquals(NO_SERVICE, o.code());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("10.96.0.10:80 > 172.18.0.11:40000 ttl 64", Packet.describe(o.packet()));
        assertTrue((o.packet()[14 + 20 + 13] & RST) != 0);
        assertEquals(0, o.mark() & 0xf00, "no mark that would take it past a hook");
    }

    @Test
    void whatIsForNoServiceGoesOn() {
        byte[] plain = packet(TCP, NODE, 40000, LOCAL, 8080, SYN);
        StageBench.Outcome o = bench.run("own_host_egress", StageBench.HOST_EGRESS, 0, plain, null);
        assertEquals(StageBench.NEXT, o.verdict());
        assertTrue(Arrays.equals(plain, o.packet()));
    }
}
