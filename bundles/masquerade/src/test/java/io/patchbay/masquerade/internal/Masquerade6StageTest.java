package io.patchbay.masquerade.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The stages on IPv6, in the kernel, packet by packet. */
@Tag("root")
class Masquerade6StageTest {
    private static final String POD = "fd00:1::5";
    private static final String NODE = "fd00:172::11";
    private static final String WORLD = "2001:db8::1";
    private static final String ROUTER = "2001:db8:9::9";
    private static final int MASQ = 1 << 19;
    private static final int NETWORK = 3;
    private static final int ID_WORLD = 10;
    private static final int NO_IPV6 = 4;
    private static final int L4 = 54;

    private StageBench bench;

    @BeforeEach
    void load() {
        start(0, 0, 0);
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private void start(int draining, int min, int max) {
        if (bench != null) bench.close();
        bench = StageBench.of("bpf/masquerade.o", Map.of("pb_draining", (long) draining), Map.of());
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", "192.168.0.1").address("node_ip6", NODE));
        bench.putConfig("masq_config", bench.struct("masq_config").set("port_min", min).set("port_max", max));
    }

    private StageBench.Outcome out(byte[] packet) {
        return bench.run("masq_pod_egress", StageBench.POD_EGRESS, 0, packet, s -> s.route(NETWORK).destination(ID_WORLD));
    }

    private StageBench.Outcome back(byte[] packet) {
        return bench.run("unmasq_netdev_ingress", StageBench.NETDEV_INGRESS, 0, packet, null);
    }

    private static int port(StageBench.Outcome o) {
        return Packet.get16(o.packet(), L4);
    }

    private static String describe(byte[] packet) {
        return Packet.describe(packet).replaceAll("(:0)+:", "::").replaceAll(" id.*", "");
    }

    @ParameterizedTest
    @CsvSource({"tcp", "udp"})
    void aConnectionLeavesWithTheNodesAddressAndItsAnswersComeBack(String protocol) {
        boolean tcp = protocol.equals("tcp");
        StageBench.Outcome o = out(tcp ? Packet.tcp(POD, 4000, WORLD, 443, Packet.SYN, 10).frame() : Packet.udp(POD, 4000, WORLD, 443, 10).frame());
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("", Packet.wrong(o.packet()));
        int port = port(o);
        assertTrue(port >= 61000, "port " + port);
        assertEquals("fd00:172::11:" + port + " > 2001:db8::1:443 ttl 64", describe(o.packet()));
        assertEquals(MASQ, o.state().flags() & MASQ);
        assertEquals(port, o.state().scratch().port("sport"));
        StageBench.Outcome in = back(tcp ? Packet.tcp(WORLD, 443, NODE, port, Packet.SYN | Packet.ACK, 20).frame() : Packet.udp(WORLD, 443, NODE, port, 20).frame());
        assertEquals(StageBench.NEXT, in.verdict());
        assertEquals("", Packet.wrong(in.packet()));
        assertEquals("2001:db8::1:443 > fd00:1::5:4000 ttl 64", describe(in.packet()));
        assertEquals(4000, in.state().scratch().port("dport"));
        assertEquals(port, port(out(tcp ? Packet.tcp(POD, 4000, WORLD, 443, Packet.ACK).frame() : Packet.udp(POD, 4000, WORLD, 443, 1).frame())), "the mapping stays");
    }

    @Test
    void echoesAreTranslatedByIdentifier() {
        StageBench.Outcome o = out(Packet.echo(POD, WORLD, 77, true).frame());
        assertEquals("", Packet.wrong(o.packet()), "its checksum covers the address");
        int id = Packet.get16(o.packet(), L4 + 4);
        assertEquals("fd00:172::11 > 2001:db8::1 icmp 128", describe(o.packet()));
        StageBench.Outcome in = back(Packet.echo(WORLD, NODE, id, false).frame());
        assertEquals("", Packet.wrong(in.packet()));
        assertEquals("2001:db8::1 > fd00:1::5 icmp 129", describe(in.packet()));
        assertEquals(77, Packet.get16(in.packet(), L4 + 4));
        assertArrayEquals(Packet.echo(WORLD, NODE, id, true).frame(), back(Packet.echo(WORLD, NODE, id, true).frame()).packet(), "a ping of the node is the node's");
    }

    /** What left, turned round, comes back as what the pod would see if nothing had been translated. */
    @Test
    void translatingAndReversingIsIdentity() {
        Random random = new Random(7);
        for (int i = 0; i < 300; i++) {
            String pod = "fd00:1::" + Integer.toHexString(2 + random.nextInt(60000));
            String world = "2001:db8:" + Integer.toHexString(random.nextInt(65536)) + "::" + Integer.toHexString(1 + random.nextInt(65535));
            int sport = 1 + random.nextInt(65535);
            int dport = 1 + random.nextInt(65535);
            int length = random.nextInt(100);
            boolean tcp = random.nextBoolean();
            StageBench.Outcome o = out(tcp ? Packet.tcp(pod, sport, world, dport, Packet.SYN, length).frame() : Packet.udp(pod, sport, world, dport, length).frame());
            assertEquals("", Packet.wrong(o.packet()));
            int port = port(o);
            byte[] answer = tcp ? Packet.tcp(world, dport, NODE, port, Packet.ACK, length).frame() : Packet.udp(world, dport, NODE, port, length).frame();
            byte[] expected = tcp ? Packet.tcp(world, dport, pod, sport, Packet.ACK, length).frame() : Packet.udp(world, dport, pod, sport, length).frame();
            assertArrayEquals(expected, back(answer).packet(), Packet.describe(answer));
        }
    }

    @Test
    void anErrorFromTheWorldFindsItsPod() {
        byte[] left = out(Packet.udp(POD, 4000, WORLD, 53, 20).frame()).packet();
        byte[] error = back(Packet.unreachable(ROUTER, NODE, left).frame()).packet();
        assertEquals("", Packet.wrong(error));
        assertEquals("2001:db8:9::9 > fd00:1::5 icmp 1", describe(error));
        byte[] quoted = Arrays.copyOfRange(error, L4 + 8, error.length);
        assertArrayEquals(Fields.parse(POD), Arrays.copyOfRange(quoted, 8, 24));
        assertEquals(4000, Packet.get16(quoted, 40));
        byte[] tooBig = Arrays.copyOfRange(left, 14, 14 + 48);
        byte[] body = new byte[4 + tooBig.length];
        body[2] = 5;
        System.arraycopy(tooBig, 0, body, 4, tooBig.length);
        byte[] told = back(Packet.icmp(ROUTER, NODE, 2, 0, body).frame()).packet();
        assertEquals("", Packet.wrong(told));
        assertEquals("2001:db8:9::9 > fd00:1::5 icmp 2", describe(told));
        assertEquals(1280, Packet.get16(told, L4 + 6), "the MTU is what it was");
        byte[] foreign = Packet.unreachable(ROUTER, NODE, Packet.udp(NODE, 61999, WORLD, 53, 20).frame()).frame();
        assertArrayEquals(foreign, back(foreign).packet(), "about the node's own packet");
    }

    @Test
    void anErrorFromThePodQuotesTheNode() {
        int port = port(out(Packet.udp(POD, 4000, WORLD, 53, 20).frame()));
        StageBench.Outcome o = out(Packet.unreachable(POD, WORLD, Packet.udp(WORLD, 53, POD, 4000, 20).frame()).frame());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("fd00:172::11 > 2001:db8::1 icmp 1", describe(o.packet()));
        byte[] quoted = Arrays.copyOfRange(o.packet(), L4 + 8, o.packet().length);
        assertArrayEquals(Fields.parse(NODE), Arrays.copyOfRange(quoted, 24, 40));
        assertEquals(port, Packet.get16(quoted, 42));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "to the world,                         10, 0, 0, true",
        "to a prefix with an identity,   16777217, 0, 0, true",
        "to a pod,                           4711, 0, 0, false",
        "to another node beside an overlay,     6, 5, 0, true",
        "to another node,                       6, 0, 0, false",
        "switched off,                         10, 0, 4, false",
    })
    void who(String name, int identity, int tunnel, int flags, boolean masquerades) {
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip6", NODE).set("tunnel_ifindex", tunnel));
        bench.putConfig("masq_config", bench.struct("masq_config").set("flags", flags));
        byte[] packet = Packet.udp(POD, 4000, WORLD, 53, 1).frame();
        StageBench.Outcome o = bench.run("masq_pod_egress", StageBench.POD_EGRESS, 0, packet, s -> s.route(NETWORK).destination(identity));
        assertEquals(StageBench.NEXT, o.verdict());
        assertEquals(masquerades, (o.state().flags() & MASQ) != 0);
        if (!masquerades) assertArrayEquals(packet, o.packet());
    }

    @Test
    void switchedOffForIpv6ItStaysOnForIpv4() {
        bench.putConfig("masq_config", bench.struct("masq_config").set("flags", NO_IPV6));
        StageBench.Outcome o = out(Packet.udp("10.0.1.5", 4000, "1.2.3.4", 53, 1).frame());
        assertEquals(MASQ, o.state().flags() & MASQ);
    }

    @Test
    void aNodeWithoutAnAddressOfTheFamilyLetsNothingOut() {
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", "192.168.0.1"));
        assertEquals(165, out(Packet.udp(POD, 4000, WORLD, 53, 1).frame()).code());
    }

    @Test
    void onePortServesManyDestinationsAndNoneTwice() {
        start(0, 61000, 61003);
        for (int d = 1; d <= 10; d++) {
            Set<Integer> ports = new HashSet<>();
            int refused = 0;
            for (int p = 0; p < 6; p++) {
                StageBench.Outcome o = out(Packet.udp("fd00:1::" + (10 + p), 5000, "2001:db8::" + d, 53, 1).frame());
                if (o.verdict() == StageBench.TC_SHOT) {
                    assertEquals(167, o.code());
                    refused++;
                } else {
                    assertTrue(ports.add(port(o)), "one remote sees each port once");
                }
            }
            assertEquals(6, ports.size() + refused);
            assertTrue(ports.size() <= 4 && refused >= 2);
        }
        long counted = 0;
        ByteBuffer b = bench.map("snat6_probes").lookup(32);
        for (int i = 0; i < b.capacity(); i += bench.map("snat6_probes").slotSize()) counted += b.getLong(i);
        assertTrue(counted >= 20, "refusals are counted: " + counted);
    }

    @Test
    void drainingTranslatesWhatExistsAndAdmitsNothing() {
        start(1, 0, 0);
        byte[] fresh = Packet.udp(POD, 4000, WORLD, 53, 1).frame();
        assertArrayEquals(fresh, out(fresh).packet(), "as if the feature had gone");
        bench.put("snat6_out", bench.struct("snat6_key").address("local", POD).address("remote", WORLD).port("lport", 4000).port("rport", 53).set("proto", 17),
                bench.struct("snat6_out").address("addr", NODE).port("port", 61234));
        bench.put("snat6_in", bench.struct("snat6_key").address("local", NODE).address("remote", WORLD).port("lport", 61234).port("rport", 53).set("proto", 17),
                bench.struct("snat6_in").address("addr", POD).port("port", 4000).set("expires", System.nanoTime() + 60_000_000_000L));
        assertEquals(61234, port(out(fresh)));
    }
}
