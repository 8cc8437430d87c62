package io.patchbay.servicelb.internal;

import static io.patchbay.stagekit.Packet.ACK;
import static io.patchbay.stagekit.Packet.SYN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Both families and protocols, whole packets: what goes to a backend, what comes back, and the ICMP errors about either, in each of which
 * its receiver must find, to the bit, what it sent itself.
 */
@Tag("root")
class NodePortErrorsStageTest {
    private static final int NETDEV_EGRESS = 4;
    private static final int TO_NETWORK = 4;
    private static final int PORT = 30080;

    private StageBench bench;
    private boolean tcp;
    private String node;
    private String client;
    private String local;
    private String remote;
    private String router;

    private void open(String object, int family, String proto) {
        tcp = proto.equals("tcp");
        node = family == 4 ? "172.18.0.11" : "fd00:172::11";
        client = family == 4 ? "192.0.2.7" : "2001:db8::7";
        local = family == 4 ? "10.0.1.5" : "fd00:1::5";
        remote = family == 4 ? "10.0.2.5" : "fd00:2::5";
        router = family == 4 ? "198.51.100.1" : "2001:db8:f::1";
        bench = StageBench.of(object, Map.of(), Map.of());
    }

    private void openNode(int family, String proto) {
        open("bpf/nodeport.o", family, proto);
        Fields config = bench.struct("pb_node_config").set("netdev_ifindex", 1);
        bench.putConfig("node_config", family == 4 ? config.address("node_ip4", node) : config.address("node_ip6", node));
        at("endpoints", local, bench.struct("pb_endpoint").set("ifindex", 1).set("id", 5));
    }

    @AfterEach
    void close() {
        if (bench != null) bench.close();
    }

    private void at(String map, String address, Fields value) {
        StageTables.at(bench, map, address, value);
    }

    private void service(String address, int port, String backend) {
        StageTables.service(bench, address, port, 2, tcp ? 6 : 17, 0, backend);
    }

    private Packet packet(String from, int sport, String to, int dport, int flags) {
        return tcp ? Packet.tcp(from, sport, to, dport, flags, 12) : Packet.udp(from, sport, to, dport, 12);
    }

    private StageBench.Outcome run(String stage, Packet packet) {
        return bench.run(stage, stage.contains("overlay") ? StageBench.OVERLAY_INGRESS : stage.contains("egress") ? NETDEV_EGRESS : StageBench.NETDEV_INGRESS, 0, packet.frame(), null);
    }

    /** All behind the Ethernet header. */
    private static void assertPacket(Packet expected, StageBench.Outcome actual, String what) {
        assertEquals("", Packet.wrong(actual.packet()), what);
        assertEquals(text(expected.frame()), text(actual.packet()), what);
    }

    private static String text(byte[] frame) {
        return HexFormat.ofDelimiter(" ").formatHex(Arrays.copyOfRange(frame, 14, frame.length));
    }

    private static int sport(byte[] frame) {
        return Packet.get16(frame, frame[12] == 0x08 ? 34 : 54);
    }

    @ParameterizedTest
    @CsvSource({"4,tcp", "4,udp", "6,tcp", "6,udp"})
    void forwardedToAnotherNode(int family, String proto) {
        openNode(family, proto);
        service(node, PORT, remote);
        StageBench.Outcome forwarded = run("service_netdev_ingress", packet(client, 4000, node, PORT, SYN));
        assertEquals(TO_NETWORK, forwarded.code());
        int port = sport(forwarded.packet());
        Packet sent = packet(node, port, remote, 8080, SYN).ttl(63);
        assertPacket(sent, forwarded, "to the backend");
        for (String stage : List.of("service_netdev_ingress", "service_overlay_ingress")) {
            StageBench.Outcome answer = run(stage, packet(remote, 8080, node, port, SYN | ACK));
            assertEquals(TO_NETWORK, answer.code());
            assertPacket(packet(node, PORT, client, 4000, SYN | ACK).ttl(63), answer, "the answer");
            for (String from : List.of(remote, router)) {
                StageBench.Outcome error = run(stage, Packet.unreachable(from, node, sent.frame()));
                assertEquals(TO_NETWORK, error.code(), stage + " from " + from);
                assertPacket(Packet.unreachable(from.equals(remote) ? node : from, client, packet(client, 4000, node, PORT, SYN).ttl(63).frame()).ttl(63), error,
                        "to the client, from " + from);
            }
        }
        for (String from : List.of(client, router)) {
            StageBench.Outcome error = run("service_netdev_ingress", Packet.unreachable(from, node, packet(node, PORT, client, 4000, ACK).frame()));
            assertEquals(TO_NETWORK, error.code());
            assertPacket(Packet.unreachable(node, remote, packet(remote, 8080, node, port, ACK).frame()).ttl(63), error, "to the backend, from " + from);
        }
        Packet stranger = Packet.unreachable(client, node, packet(node, PORT, client, 4001, ACK).frame());
        assertEquals(text(stranger.frame()), text(run("service_netdev_ingress", stranger).packet()), "about nothing of ours");
    }

    @ParameterizedTest
    @CsvSource({"4,tcp", "4,udp", "6,tcp", "6,udp"})
    void toAPodOfThisNode(int family, String proto) {
        openNode(family, proto);
        service(node, PORT, local);
        assertPacket(packet(client, 4000, local, 8080, SYN), run("service_netdev_ingress", packet(client, 4000, node, PORT, SYN)), "to the backend");
        StageBench.Outcome error = run("service_netdev_ingress", Packet.unreachable(router, node, packet(node, PORT, client, 4000, ACK).frame()));
        assertEquals(StageBench.NEXT, error.verdict());
        assertPacket(Packet.unreachable(router, local, packet(local, 8080, client, 4000, ACK).frame()), error, "to the backend");
        assertEquals(PORT, error.state().scratch().port("svc_port"), "conntrack is told of which service it is");
    }

    @ParameterizedTest
    @CsvSource({"4,tcp", "4,udp", "6,tcp", "6,udp"})
    void toAProcessOfThisNodeThroughTwoFrontends(int family, String proto) {
        openNode(family, proto);
        at("endpoints", node, bench.struct("pb_endpoint").set("flags", 1));
        String vip = family == 4 ? "203.0.113.9" : "2001:db8:9::9";
        service(node, PORT, node);
        service(vip, 80, node);
        assertPacket(packet(client, 4000, node, 8080, SYN), run("service_netdev_ingress", packet(client, 4000, node, PORT, SYN)), "the first keeps its port");
        StageBench.Outcome second = run("service_netdev_ingress", packet(client, 4000, vip, 80, SYN));
        int port = sport(second.packet());
        assertTrue(port != 4000);
        assertPacket(packet(client, port, node, 8080, SYN), second, "the second gets another");
        for (boolean first : new boolean[] {true, false}) {
            String service = first ? node : vip;
            int asked = first ? PORT : 80;
            int as = first ? 4000 : port;
            assertPacket(packet(service, asked, client, 4000, ACK), run("service_netdev_egress", packet(node, 8080, client, as, ACK)), "an answer");
            assertPacket(Packet.unreachable(service, client, packet(client, 4000, service, asked, ACK).frame()),
                    run("service_netdev_egress", Packet.unreachable(node, client, packet(client, as, node, 8080, ACK).frame())), "what the node says of a packet");
            assertPacket(Packet.unreachable(client, node, packet(node, 8080, client, as, ACK).frame()),
                    run("service_netdev_ingress", Packet.unreachable(client, service, packet(service, asked, client, 4000, ACK).frame())), "what the client says of an answer");
        }
    }

    /** A pod's own words about an answer of a service: the datagram's socket is closed, say. */
    @ParameterizedTest
    @CsvSource({"4,tcp", "4,udp", "6,tcp", "6,udp"})
    void whatAPodSaysOfAnAnswer(int family, String proto) {
        open("bpf/service.o", family, proto);
        String vip = family == 4 ? "10.96.0.1" : "fd00:96::1";
        service(vip, 80, remote);
        bench.run("service_pod_egress", StageBench.POD_EGRESS, 0, packet(local, 4000, vip, 80, SYN).frame(), null);
        StageBench.Outcome error = bench.run("service_pod_egress", StageBench.POD_EGRESS, 0, Packet.unreachable(local, vip, packet(vip, 80, local, 4000, ACK).frame()).frame(), null);
        assertEquals(StageBench.NEXT, error.verdict());
        assertPacket(Packet.unreachable(local, remote, packet(remote, 8080, local, 4000, ACK).frame()), error, "to the backend");
        assertEquals(vip, family == 4 ? error.state().scratch().address("svc_addr") : vip);
        assertEquals(80, error.state().scratch().port("svc_port"));
        // Conntrack then finds the connection, which is through a service; this error is for the backend already.
        StageBench.Outcome reversed = bench.run("reverse_pod_egress", StageBench.POD_EGRESS, 0, error.packet(), s -> {
            s.ctState(4).scratch().address("ct_svc_addr", vip).port("ct_svc_port", 80).address("svc_addr", vip).port("svc_port", 80);
        });
        assertEquals(StageBench.NEXT, reversed.verdict());
        assertEquals(text(error.packet()), text(reversed.packet()));
    }
}
