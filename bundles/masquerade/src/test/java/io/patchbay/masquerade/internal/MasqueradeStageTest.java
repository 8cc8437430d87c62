package io.patchbay.masquerade.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
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

/** The stages themselves, in the kernel, packet by packet. */
@Tag("root")
class MasqueradeStageTest {
    private static final String POD = "10.0.1.5";
    private static final String NODE = "192.168.0.1";
    private static final String WORLD = "1.2.3.4";
    private static final int MASQ = 1 << 19;
    private static final int NETWORK = 3;
    private static final int ID_WORLD = 2;
    private static final int REPLY = 3;

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
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", NODE));
        bench.putConfig("masq_config", bench.struct("masq_config").set("port_min", min).set("port_max", max));
    }

    private StageBench.Outcome out(byte[] packet) {
        return bench.run("masq_pod_egress", StageBench.POD_EGRESS, 0, packet, s -> s.route(NETWORK).destination(ID_WORLD));
    }

    private StageBench.Outcome back(byte[] packet) {
        return bench.run("unmasq_netdev_ingress", StageBench.NETDEV_INGRESS, 0, packet, null);
    }

    private int port(StageBench.Outcome o) {
        return Packet.get16(o.packet(), 34);
    }

    @ParameterizedTest
    @CsvSource({"tcp", "udp"})
    void aConnectionLeavesWithTheNodesAddressAndItsAnswersComeBack(String protocol) {
        boolean tcp = protocol.equals("tcp");
        StageBench.Outcome o = out(tcp ? Packet.tcp(POD, 4000, WORLD, 443, Packet.SYN, 10).frame() : Packet.udp(POD, 4000, WORLD, 443, 10).frame());
        assertEquals(StageBench.NEXT, o.verdict());
        assertEquals("", Packet.wrong(o.packet()));
        int port = port(o);
        assertTrue(port >= 61000, "port " + port);
        assertEquals(NODE + ":" + port + " > " + WORLD + ":443 ttl 64", Packet.describe(o.packet()));
        assertEquals(MASQ, o.state().flags() & MASQ);
        assertEquals("192.168.0.1", o.state().scratch().address("saddr").replaceAll("^.*:", ""));
        assertEquals(port, o.state().scratch().port("sport"));
        StageBench.Outcome in = back(tcp ? Packet.tcp(WORLD, 443, NODE, port, Packet.SYN | Packet.ACK, 20).frame() : Packet.udp(WORLD, 443, NODE, port, 20).frame());
        assertEquals(StageBench.NEXT, in.verdict());
        assertEquals("", Packet.wrong(in.packet()));
        assertEquals(WORLD + ":443 > " + POD + ":4000 ttl 64", Packet.describe(in.packet()));
        assertEquals(4000, in.state().scratch().port("dport"));
        assertEquals(port, port(out(tcp ? Packet.tcp(POD, 4000, WORLD, 443, Packet.ACK).frame() : Packet.udp(POD, 4000, WORLD, 443, 1).frame())), "the mapping stays");
    }

    @Test
    void echoesAreTranslatedByIdentifier() {
        StageBench.Outcome o = out(Packet.echo(POD, WORLD, 77, true).frame());
        assertEquals("", Packet.wrong(o.packet()));
        int id = Packet.get16(o.packet(), 38);
        assertEquals(NODE + " > " + WORLD + " icmp 8 id " + id + " ttl 64", Packet.describe(o.packet()));
        StageBench.Outcome in = back(Packet.echo(WORLD, NODE, id, false).frame());
        assertEquals("", Packet.wrong(in.packet()));
        assertEquals(WORLD + " > " + POD + " icmp 0 id 77 ttl 64", Packet.describe(in.packet()));
        assertArrayEquals(Packet.echo(WORLD, NODE, id, true).frame(), back(Packet.echo(WORLD, NODE, id, true).frame()).packet(), "a ping of the node is the node's");
    }

    @Test
    void fragmentsOfAnEchoGoTheSameWay() {
        byte[] ask = Packet.echo(POD, WORLD, 77, true).frame();
        int id = Packet.get16(out(Packet.fragment(ask, 0, 8)).packet(), 38);
        StageBench.Outcome later = out(Packet.fragment(ask, 8, 16));
        assertEquals(StageBench.NEXT, later.verdict());
        assertEquals(192, later.packet()[26] & 0xff, "from the node");
        assertArrayEquals(Arrays.copyOfRange(ask, 42, 50), Arrays.copyOfRange(later.packet(), 34, 42), "data is data");
        byte[] answer = Packet.echo(WORLD, NODE, id, false).frame();
        assertEquals(77, Packet.get16(back(Packet.fragment(answer, 0, 8)).packet(), 38));
        StageBench.Outcome in = back(Packet.fragment(answer, 8, 16));
        assertEquals(10, in.packet()[30] & 0xff, "to the pod");
        assertArrayEquals(Arrays.copyOfRange(answer, 42, 50), Arrays.copyOfRange(in.packet(), 34, 42));
    }

    /** What left, turned round, comes back as what the pod would see if nothing had been translated. */
    @Test
    void translatingAndReversingIsIdentity() {
        Random random = new Random(7);
        for (int i = 0; i < 300; i++) {
            String pod = "10.0.1." + (1 + random.nextInt(250));
            String world = "1." + random.nextInt(256) + "." + random.nextInt(256) + "." + (1 + random.nextInt(250));
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
        byte[] sent = Packet.udp(POD, 4000, WORLD, 53, 20).frame();
        byte[] left = out(sent).packet();
        byte[] error = back(Packet.unreachable("9.9.9.9", NODE, left).frame()).packet();
        assertEquals("", Packet.wrong(error));
        assertEquals("9.9.9.9 > " + POD + " icmp 3", Packet.describe(error).replaceAll(" id.*", ""));
        byte[] quoted = Arrays.copyOfRange(error, 42, error.length);
        assertArrayEquals(new byte[] {10, 0, 1, 5}, Arrays.copyOfRange(quoted, 12, 16));
        assertEquals(4000, Packet.get16(quoted, 20));
        byte[] foreign = Packet.unreachable("9.9.9.9", NODE, Packet.udp(NODE, 61999, WORLD, 53, 20).frame()).frame();
        assertArrayEquals(foreign, back(foreign).packet(), "about the node's own packet");
    }

    @Test
    void anErrorFromThePodQuotesTheNode() {
        int port = port(out(Packet.udp(POD, 4000, WORLD, 53, 20).frame()));
        byte[] received = Packet.udp(WORLD, 53, POD, 4000, 20).frame();
        StageBench.Outcome o = out(Packet.unreachable(POD, WORLD, received).frame());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals(NODE + " > " + WORLD + " icmp 3", Packet.describe(o.packet()).replaceAll(" id.*", ""));
        byte[] quoted = Arrays.copyOfRange(o.packet(), 42, o.packet().length);
        assertArrayEquals(new byte[] {(byte) 192, (byte) 168, 0, 1}, Arrays.copyOfRange(quoted, 16, 20));
        assertEquals(port, Packet.get16(quoted, 22));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "to the world,                          2, 0, 0, true",
        "to a prefix with an identity,   16777217, 0, 0, true",
        "to a pod,                           4711, 0, 0, false",
        "to another node,                       6, 0, 0, false",
        "to another node beside an overlay,     6, 5, 0, true",
        "to another node as configured,         6, 0, 1, true",
        "never to another node as configured,   6, 5, 2, false",
    })
    void who(String name, int identity, int tunnel, int flags, boolean masquerades) {
        bench.putConfig("node_config", bench.struct("pb_node_config").address("node_ip4", NODE).set("tunnel_ifindex", tunnel));
        bench.putConfig("masq_config", bench.struct("masq_config").set("flags", flags));
        StageBench.Outcome o = bench.run("masq_pod_egress", StageBench.POD_EGRESS, 0, Packet.udp(POD, 4000, WORLD, 53, 1).frame(),
                s -> s.route(NETWORK).destination(identity));
        assertEquals(StageBench.NEXT, o.verdict());
        assertEquals(masquerades, (o.state().flags() & MASQ) != 0);
    }

    @Test
    void repliesAndOtherRoutesAreLeftAlone() {
        byte[] packet = Packet.tcp(POD, 80, WORLD, 4000, Packet.ACK).frame();
        assertArrayEquals(packet, bench.run("masq_pod_egress", 0, 0, packet, s -> s.route(NETWORK).destination(ID_WORLD).ctState(REPLY)).packet());
        assertArrayEquals(packet, bench.run("masq_pod_egress", 0, 0, packet, s -> s.route(2).destination(ID_WORLD)).packet());
        assertArrayEquals(packet, back(packet).packet());
    }

    @Test
    void onePortServesManyDestinationsAndNoneTwice() {
        start(0, 61000, 61003);
        for (int d = 1; d <= 20; d++) {
            Set<Integer> ports = new HashSet<>();
            int refused = 0;
            for (int p = 0; p < 6; p++) {
                StageBench.Outcome o = out(Packet.udp("10.0.1." + (10 + p), 5000, "1.2.3." + d, 53, 1).frame());
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
        ByteBuffer b = bench.map("snat4_probes").lookup(32);
        for (int i = 0; i < b.capacity(); i += bench.map("snat4_probes").slotSize()) counted += b.getLong(i);
        assertTrue(counted >= 40, "refusals are counted: " + counted);
    }

    private void expire() {
        bench.map("snat4_in").forEach((k, v) -> {
            ByteBuffer key = ByteBuffer.allocate(k.capacity()).order(k.order()).put(0, k, 0, k.capacity());
            ByteBuffer value = ByteBuffer.allocate(v.capacity()).order(v.order()).put(0, v, 0, v.capacity());
            bench.map("snat4_in").update(key, new Fields(bench.layout("snat4_in"), value).set("expires", System.nanoTime() - 1).bytes());
        });
    }

    @Test
    void anExpiredMappingGivesItsPortToAnother() {
        start(0, 61000, 61000);
        assertEquals(61000, port(out(Packet.udp("10.0.1.10", 5000, WORLD, 53, 1).frame())));
        assertEquals(167, out(Packet.udp("10.0.1.11", 5000, WORLD, 53, 1).frame()).code());
        expire();
        byte[] late = Packet.udp(WORLD, 53, NODE, 61000, 1).frame();
        assertArrayEquals(late, back(late).packet(), "an answer to what is over is nobody's");
        assertEquals(61000, port(out(Packet.udp("10.0.1.11", 5000, WORLD, 53, 1).frame())));
        assertTrue(Packet.describe(back(late).packet()).contains("10.0.1.11"));
        assertEquals(167, out(Packet.udp("10.0.1.10", 5000, WORLD, 53, 1).frame()).code(), "the first one's way leads nowhere now");
    }

    @Test
    void drainingTranslatesWhatExistsAndAdmitsNothing() {
        start(1, 0, 0);
        byte[] fresh = Packet.udp(POD, 4000, WORLD, 53, 1).frame();
        StageBench.Outcome o = out(fresh);
        assertEquals(StageBench.NEXT, o.verdict());
        assertArrayEquals(fresh, o.packet(), "as if the feature had gone");
        bench.put("snat4_out", bench.struct("snat4_key").address("local", POD).address("remote", WORLD).port("lport", 4000).port("rport", 53).set("proto", 17),
                bench.struct("snat4_out").address("addr", NODE).port("port", 61234));
        bench.put("snat4_in", bench.struct("snat4_key").address("local", NODE).address("remote", WORLD).port("lport", 61234).port("rport", 53).set("proto", 17),
                bench.struct("snat4_in").address("addr", POD).port("port", 4000).set("expires", System.nanoTime() + 60_000_000_000L));
        assertEquals(61234, port(out(fresh)));
        assertNotEquals(0, out(fresh).state().flags() & MASQ);
    }

    @Test
    void whatCannotBeTranslatedIsDropped() {
        assertEquals(168, out(Packet.echo(POD, WORLD, 5, false).frame()).code());
    }
}
