package io.patchbay.conntrack.internal;

import static io.patchbay.stagekit.Packet.ACK;
import static io.patchbay.stagekit.Packet.FIN;
import static io.patchbay.stagekit.Packet.RST;
import static io.patchbay.stagekit.Packet.SYN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Connections that have one tuple behind service translation: each keeps what is its own. */
@Tag("root")
class SharedTupleStageTest {
    private static final int NEW = 1;
    private static final int ESTABLISHED = 2;
    private static final int REPLY = 3;
    private static final int RELATED = 4;
    private static final int LOCAL = 1 << 12;
    private static final int DROPPED_UNKNOWN = 163;
    private static final int DROPPED_FULL = 155;
    private static final int DROPPED_NO_PORT = 167;
    /** What a client asks for. */
    private static final String DIRECT = "";
    private static final String ONE = "10.96.0.1";
    private static final String TWO = "10.96.0.2";

    private StageBench bench;
    private String client = "10.0.1.5";
    private String backend = "10.0.2.6";
    private boolean tcp = true;
    private int hook = StageBench.POD_EGRESS;
    private int port = 4000;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/conntrack.o", Map.of(), Map.of("ct4", 64, "ct6", 64));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private byte[] there(int sport, int flags) {
        return tcp ? Packet.tcp(client, sport, backend, 8080, flags, 20).frame() : Packet.udp(client, sport, backend, 8080, 20).frame();
    }

    private byte[] back(int dport, int flags) {
        return tcp ? Packet.tcp(backend, 8080, client, dport, flags, 20).frame() : Packet.udp(backend, 8080, client, dport, 20).frame();
    }

    private static StageBench.State asking(StageBench.State s, String service) {
        if (!service.isEmpty()) s.scratch().address("svc_addr", service).port("svc_port", 80).set("svc_id", service.equals(ONE) ? 1 : 2);
        return s;
    }

    /** The client's side: its pod, or, from outside, the backend's, which is the one that then has the entry. */
    private String side(boolean fromClient) {
        return fromClient == (hook == StageBench.POD_EGRESS) ? "pod_egress" : "pod_ingress";
    }

    private StageBench.Outcome lookup(boolean fromClient, String service, byte[] packet) {
        boolean egress = side(fromClient).equals("pod_egress");
        return bench.run("ct_lookup_" + side(fromClient), egress ? StageBench.POD_EGRESS : hook, egress ? 0 : LOCAL, packet, s -> asking(s, service));
    }

    private StageBench.Outcome pass(String service, int flags) {
        StageBench.Outcome looked = lookup(true, service, there(port, flags));
        if (looked.verdict() != StageBench.NEXT) return looked;
        boolean egress = side(true).equals("pod_egress");
        StageBench.Outcome done = bench.run("ct_commit_" + side(true), egress ? StageBench.POD_EGRESS : hook, egress ? 0 : LOCAL, looked.packet(),
                s -> asking(s, service).ctState(looked.state().ctState()));
        state = looked.state().ctState();
        return done;
    }

    private int state;

    /** What the backend sees as the client's port when the client sends this. */
    private int sends(String service, int flags) {
        StageBench.Outcome o = pass(service, flags);
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("", Packet.wrong(o.packet()));
        int seen = sport(o.packet());
        assertEquals(seen, o.state().scratch().port("sport"), "the scratch says what the packet says");
        return seen;
    }

    /** An answer to that port comes to the client's own, as an answer of that service. */
    private void answered(int to, String service, int flags) {
        StageBench.Outcome o = lookup(false, DIRECT, back(to, flags));
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals(REPLY, o.state().ctState());
        assertEquals(port, dport(o.packet()));
        assertEquals(port, o.state().scratch().port("dport"));
        assertEquals(service.isEmpty() ? 0 : 80, o.state().scratch().port("ct_svc_port"));
        if (!service.isEmpty()) assertEquals(service, o.state().scratch().address("ct_svc_addr"));
    }

    private static int l4(byte[] frame) {
        return frame[12] == 0x08 ? 34 : 54;
    }

    private static int sport(byte[] frame) {
        return Packet.get16(frame, l4(frame));
    }

    private static int dport(byte[] frame) {
        return Packet.get16(frame, l4(frame) + 2);
    }

    private void v6() {
        client = "fd00:1::5";
        backend = "fd00:2::6";
    }

    private static ByteBuffer copy(ByteBuffer b) {
        ByteBuffer c = ByteBuffer.allocate(b.capacity()).order(b.order());
        c.put(0, b, 0, b.capacity());
        return c;
    }

    /** Ends the entry under that port, as if its time had passed, or takes it away. */
    private void end(int clientPort, boolean collected) {
        List<ByteBuffer[]> all = new ArrayList<>();
        bench.map("ct4").forEach((k, v) -> all.add(new ByteBuffer[] {copy(k), copy(v)}));
        for (ByteBuffer[] e : all) {
            if (new Fields(bench.layout("ct4_key"), e[0]).port("lport") != clientPort) continue;
            if (collected) bench.map("ct4").delete(e[0]);
            else bench.map("ct4").update(e[0], new Fields(bench.layout("ct_entry"), e[1]).set("expires", 1).bytes());
        }
    }

    private long refused(int at) {
        long counted = 0;
        ByteBuffer all = bench.map("ct_refused").lookup(at);
        for (int i = 0; i < all.capacity(); i += bench.map("ct_refused").slotSize()) counted += all.getLong(i);
        return counted;
    }

    @ParameterizedTest
    @CsvSource({"true,'',10.96.0.1,4", "true,10.96.0.1,'',4", "true,10.96.0.1,10.96.0.2,4", "false,'',10.96.0.1,4", "false,10.96.0.1,'',4",
        "false,10.96.0.1,10.96.0.2,4", "true,10.96.0.1,'',6", "false,10.96.0.1,10.96.0.2,6"})
    void whoComesSecondGetsAnotherPort(boolean isTcp, String first, String second, int family) {
        tcp = isTcp;
        if (family == 6) v6();
        assertEquals(port, sends(first, SYN));
        int other = sends(second, SYN);
        assertEquals(NEW, state, "policy is asked for it");
        assertNotEquals(port, other);
        assertTrue(other >= 1024, "port " + other);
        answered(port, first, SYN | ACK);
        answered(other, second, SYN | ACK);
        for (int i = 0; i < 3; i++) {
            assertEquals(port, sends(first, ACK));
            assertEquals(ESTABLISHED, state);
            assertEquals(other, sends(second, ACK));
            assertEquals(ESTABLISHED, state);
            answered(other, second, ACK);
            answered(port, first, ACK);
        }
        assertEquals(2, bench.map(family == 6 ? "ct6" : "ct4").count());
    }

    @Test
    void threeOfThemHaveThreePorts() {
        Set<Integer> ports = new HashSet<>(List.of(sends(ONE, SYN), sends(DIRECT, SYN), sends(TWO, SYN)));
        assertEquals(3, ports.size());
        for (String s : List.of(DIRECT, ONE, TWO)) answered(sends(s, ACK), s, ACK);
        assertEquals(3, bench.map("ct4").count());
    }

    /** The frontend's number is another after it was made anew; the connection is the same. */
    @Test
    void aServiceMadeAnewIsNoOtherConnection() {
        sends(ONE, SYN);
        StageBench.Outcome o = bench.run("ct_lookup_pod_egress", StageBench.POD_EGRESS, 0, there(port, ACK), s -> asking(s, ONE).scratch().set("svc_id", 99));
        assertEquals(ESTABLISHED, o.state().ctState());
        assertEquals(port, sport(o.packet()));
        assertEquals(99, lookup(false, DIRECT, back(port, ACK)).state().scratch().get("ct_svc_id"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aClientOutsideThroughTwoFrontends(boolean isTcp) {
        tcp = isTcp;
        hook = StageBench.NETDEV_INGRESS;
        client = "192.0.2.9";
        assertEquals(port, sends(ONE, SYN));
        int other = sends(TWO, SYN);
        assertNotEquals(port, other);
        answered(port, ONE, SYN | ACK);
        answered(other, TWO, SYN | ACK);
        assertEquals(other, sends(TWO, ACK));
        assertEquals(port, sends(ONE, ACK));
    }

    /** The receiver of a connection between two pods of a node sees what the sender's side made of it, and makes nothing of it. */
    @Test
    void theReceiverOnTheSameNodeRenamesNothing() {
        byte[] p = there(port, SYN);
        for (String service : List.of(ONE, TWO, DIRECT)) {
            StageBench.Outcome o = bench.run("ct_lookup_pod_ingress", StageBench.POD_EGRESS, LOCAL, p, s -> asking(s, service));
            bench.run("ct_commit_pod_ingress", StageBench.POD_EGRESS, LOCAL, o.packet(), s -> asking(s, service).ctState(o.state().ctState()));
            assertEquals(port, sport(o.packet()));
        }
        assertEquals(1, bench.map("ct4").count());
    }

    @ParameterizedTest
    @CsvSource({"4,true", "4,false", "6,true", "6,false"})
    void anErrorAboutEachComesToWhomItIsAbout(int family, boolean isTcp) {
        tcp = isTcp;
        if (family == 6) v6();
        sends(DIRECT, SYN);
        int other = sends(ONE, SYN);
        // what the client sent, quoted by the backend or by a router on the way
        for (String from : List.of(backend, family == 6 ? "fd00:9::9" : "10.9.9.9")) {
            StageBench.Outcome o = lookup(false, DIRECT, Packet.unreachable(from, client, there(other, ACK)).frame());
            assertEquals(RELATED, o.state().ctState());
            assertEquals("", Packet.wrong(o.packet()));
            assertEquals(ONE, o.state().scratch().address("ct_svc_addr"));
            assertEquals(port, quoted(o.packet(), 0));
            for (int i = 0; i < 8; i += 2) assertEquals(Packet.get16(there(port, ACK), l4(o.packet()) + i), quoted(o.packet(), i), "as it was sent, byte " + i);
            o = lookup(false, DIRECT, Packet.unreachable(from, client, there(port, ACK)).frame());
            assertEquals(RELATED, o.state().ctState());
            assertEquals(0, o.state().scratch().port("ct_svc_port"));
            assertEquals(port, quoted(o.packet(), 0));
        }
        // what the client got: it knows its own port only; service translation has said for whom it is
        StageBench.Outcome o = lookup(true, ONE, Packet.unreachable(client, backend, back(port, ACK)).frame());
        assertEquals(RELATED, o.state().ctState());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals(other, quoted(o.packet(), 2));
        o = lookup(true, DIRECT, Packet.unreachable(client, backend, back(port, ACK)).frame());
        assertEquals(RELATED, o.state().ctState());
        assertEquals(port, quoted(o.packet(), 2));
    }

    @Test
    void aBackendsErrorAboutAClientOutsideSaysTheClientsPort() {
        hook = StageBench.NETDEV_INGRESS;
        tcp = false;
        client = "192.0.2.9";
        sends(ONE, 0);
        int other = sends(TWO, 0);
        StageBench.Outcome o = lookup(false, DIRECT, Packet.unreachable(backend, client, there(other, 0)).frame());
        assertEquals(RELATED, o.state().ctState());
        assertEquals(TWO, o.state().scratch().address("ct_svc_addr"));
        assertEquals(port, quoted(o.packet(), 0));
        assertEquals("", Packet.wrong(o.packet()));
    }

    /** A 16-bit word of the transport header that an error quotes. */
    private static int quoted(byte[] frame, int at) {
        return Packet.get16(frame, l4(frame) + 8 + (l4(frame) == 34 ? 20 : 40) + at);
    }

    @ParameterizedTest
    @CsvSource({"true,true", "true,false", "false,true", "false,false"})
    void whoIsLeftKeepsItsPort(boolean isTcp, boolean collected) {
        tcp = isTcp;
        sends(DIRECT, SYN);
        int other = sends(ONE, SYN);
        end(port, collected);
        assertEquals(other, sends(ONE, ACK), "the first has gone, and nothing changes for the second");
        assertEquals(ESTABLISHED, state);
        answered(other, ONE, ACK);
        assertEquals(port, sends(TWO, SYN), "the tuple is free for a third");
        assertEquals(other, sends(ONE, ACK));
        end(other, collected);
        int third = sends(ONE, SYN);
        assertEquals(NEW, state, "over is over");
        assertNotEquals(port, third);
        answered(port, TWO, ACK);
        answered(third, ONE, SYN | ACK);
    }

    @Test
    void aPortIsUsedAgainForTheSameConnection() {
        sends(DIRECT, SYN);
        int other = sends(ONE, SYN);
        answered(other, ONE, SYN | ACK);
        assertEquals(other, sends(ONE, ACK));
        assertEquals(other, sends(ONE, FIN | ACK));
        answered(other, ONE, FIN | ACK);
        assertEquals(other, sends(ONE, ACK), "its last segment");
        assertEquals(other, sends(ONE, SYN), "the client uses its port again");
        assertEquals(NEW, state);
        answered(other, ONE, SYN | ACK);
        assertEquals(port, sends(DIRECT, ACK));
        assertEquals(2, bench.map("ct4").count());
    }

    /** A connection that closes keeps its tuple until it is over: its last segments are not another's. */
    @Test
    void whoCloses() {
        sends(ONE, SYN);
        answered(port, ONE, SYN | ACK);
        sends(ONE, FIN | ACK);
        answered(port, ONE, FIN | ACK);
        int other = sends(DIRECT, SYN);
        assertNotEquals(port, other);
        assertEquals(port, sends(ONE, ACK));
        answered(other, DIRECT, SYN | ACK);
    }

    @Test
    void whatPolicyRefusesLeavesNothing() {
        sends(DIRECT, SYN);
        StageBench.Outcome o = lookup(true, ONE, there(port, SYN));
        assertEquals(NEW, o.state().ctState());
        assertEquals(port, sport(o.packet()), "it keeps its own port until it is let in");
        assertEquals(1, bench.map("ct4").count());
    }

    @Test
    void theEndOfSomethingForgottenDoesNotEndTheOther() {
        sends(DIRECT, SYN);
        StageBench.Outcome o = pass(ONE, RST);
        assertEquals(StageBench.TC_SHOT, o.verdict());
        assertEquals(DROPPED_UNKNOWN, o.code());
    }

    @Test
    void aPrivilegedPortStaysPrivileged() {
        port = 700;
        sends(DIRECT, SYN);
        int other = sends(ONE, SYN);
        assertTrue(other >= 512 && other < 1024 && other != port, "port " + other);
        answered(other, ONE, SYN | ACK);
    }

    @Test
    void aDirectConnectionFromTheOtherPortIsTheThird() {
        sends(DIRECT, SYN);
        int other = sends(ONE, SYN);
        port = other;
        int third = sends(DIRECT, SYN);
        assertNotEquals(other, third);
        answered(third, DIRECT, SYN | ACK);
    }

    @Test
    void laterFragmentsFollowTheFirst() {
        tcp = false;
        sends(DIRECT, 0);
        byte[] whole = Packet.udp(client, port, backend, 8080, 40).mayFragment().frame();
        StageBench.Outcome looked = lookup(true, ONE, Packet.fragment(whole, 0, 24));
        StageBench.Outcome first = bench.run("ct_commit_pod_egress", StageBench.POD_EGRESS, 0, looked.packet(), s -> asking(s, ONE).ctState(NEW));
        StageBench.Outcome second = lookup(true, ONE, Packet.fragment(whole, 24, 48));
        assertEquals(ESTABLISHED, second.state().ctState());
        assertEquals(sport(first.packet()), second.state().scratch().port("sport"));
        assertEquals(Packet.get16(Packet.fragment(whole, 24, 48), 34), Packet.get16(second.packet(), 34), "there is no port in it");
    }

    @Test
    void aFullMapRefusesTheNewOneAlone() {
        bench.close();
        bench = StageBench.of("bpf/conntrack.o", Map.of("ct4_places_entries", 64L, "ct6_places_entries", 64L), Map.of("ct4", 64, "ct6", 64, "ct4_places", 64, "ct6_places", 64));
        sends(DIRECT, SYN);
        for (int i = 0; i < 200; i++) {
            byte[] p = Packet.udp(client, 5000 + i, backend, 53, 10).frame();
            bench.run("ct_commit_pod_egress", StageBench.POD_EGRESS, 0, p, s -> s.ctState(NEW));
        }
        long before = refused(0);
        StageBench.Outcome o = pass(ONE, SYN);
        assertEquals(StageBench.TC_SHOT, o.verdict());
        assertEquals(DROPPED_FULL, o.code());
        assertEquals(before + 1, refused(0));
        assertEquals(port, sends(DIRECT, ACK));
    }

    @Test
    void whenNoPortIsLeftTheNewOneIsRefusedAndCounted() {
        bench.close();
        bench = StageBench.of("bpf/conntrack.o", Map.of(), Map.of("ct4", 70000));
        sends(DIRECT, SYN);
        ByteBuffer[] one = {null, null};
        bench.map("ct4").forEach((k, v) -> {
            one[0] = copy(k);
            one[1] = copy(v);
        });
        for (int p = 1024; p < 65536; p++) bench.map("ct4").update(new Fields(bench.layout("ct4_key"), one[0]).port("lport", p).bytes(), one[1]);
        StageBench.Outcome o = pass(ONE, SYN);
        assertEquals(StageBench.TC_SHOT, o.verdict());
        assertEquals(DROPPED_NO_PORT, o.code());
        assertEquals(1, refused(2));
        assertEquals(port, sends(DIRECT, ACK));
    }
}
