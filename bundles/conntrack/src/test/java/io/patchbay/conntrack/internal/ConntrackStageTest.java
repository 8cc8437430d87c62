package io.patchbay.conntrack.internal;

import static io.patchbay.stagekit.Packet.ACK;
import static io.patchbay.stagekit.Packet.FIN;
import static io.patchbay.stagekit.Packet.RST;
import static io.patchbay.stagekit.Packet.SYN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The stages themselves, in the kernel, packet by packet. */
@Tag("root")
class ConntrackStageTest {
    private static final int NEW = 1;
    private static final int ESTABLISHED = 2;
    private static final int REPLY = 3;
    private static final int RELATED = 4;
    private static final int TRACE = 1 << 14;
    private static final int LOCAL = 1 << 12;
    private static final String POD = "10.0.1.5";
    private static final String PEER = "10.0.2.6";
    private static final long SECOND = 1_000_000_000L;

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/conntrack.o", Map.of(), Map.of("ct4", 4, "ct6", 4));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    /** Lookup, and commit when {@code allowed}; the state that lookup found. */
    private StageBench.State pass(boolean sends, byte[] packet, boolean allowed) {
        String side = sends ? "pod_egress" : "pod_ingress";
        StageBench.Outcome looked = bench.run("ct_lookup_" + side, StageBench.POD_EGRESS, sends ? 0 : LOCAL, packet, s -> s.source(4711));
        assertEquals(StageBench.NEXT, looked.verdict());
        if (allowed) {
            StageBench.Outcome done = bench.run("ct_commit_" + side, StageBench.POD_EGRESS, sends ? 0 : LOCAL, packet,
                    s -> s.source(4711).ctState(looked.state().ctState()));
            assertEquals(StageBench.NEXT, done.verdict());
        }
        return looked.state();
    }

    private int sends(byte[] packet) {
        return pass(true, packet, true).ctState();
    }

    private int receives(byte[] packet) {
        return pass(false, packet, true).ctState();
    }

    private Fields entry(String map) {
        Fields[] found = {null};
        bench.map(map).forEach((k, v) -> found[0] = new Fields(bench.layout("ct_entry"), copy(v)));
        return found[0];
    }

    private static ByteBuffer copy(ByteBuffer b) {
        ByteBuffer c = ByteBuffer.allocate(b.capacity()).order(b.order());
        c.put(0, b, 0, b.capacity());
        return c;
    }

    private long lifetime() {
        return Math.round((entry("ct4").get("expires") - System.nanoTime()) / (double) SECOND);
    }

    private byte[] out(int flags) {
        return Packet.tcp(POD, 4000, PEER, 80, flags).frame();
    }

    private byte[] in(int flags) {
        return Packet.tcp(PEER, 80, POD, 4000, flags).frame();
    }

    @ParameterizedTest
    @CsvSource({"10.0.1.5,10.0.2.6,ct4", "fd00:1::5,fd00:2::6,ct6"})
    void aConnectionIsNewThenEstablishedAndItsAnswersAreReplies(String pod, String peer, String map) {
        for (boolean udp : List.of(true, false)) {
            byte[] there = udp ? Packet.udp(pod, 1000, peer, 53, 10).frame() : Packet.echo(pod, peer, 77, true).frame();
            byte[] back = udp ? Packet.udp(peer, 53, pod, 1000, 10).frame() : Packet.echo(peer, pod, 77, false).frame();
            assertEquals(NEW, sends(there));
            assertEquals(ESTABLISHED, sends(there));
            assertEquals(REPLY, receives(back));
        }
        assertEquals(2, bench.map(map).count());
        assertEquals(1, entry(map).get("out"));
        assertEquals(4711, entry(map).get("peer_identity"));
        assertEquals(1, entry(map).get("replied"));
        assertEquals(2, entry(map).get("tx_packets"));
        assertEquals(1, entry(map).get("rx_packets"));
    }

    @Test
    void theReceiverHasAnEntryOfItsOwn() {
        byte[] there = Packet.udp(PEER, 1000, POD, 53, 10).frame();
        assertEquals(NEW, receives(there));
        assertEquals(ESTABLISHED, receives(there));
        assertEquals(REPLY, sends(Packet.udp(POD, 53, PEER, 1000, 10).frame()));
        assertEquals(0, entry("ct4").get("out"));
    }

    @Test
    void whatPolicyRefusedLeavesNoEntry() {
        assertEquals(NEW, pass(true, out(SYN), false).ctState());
        assertEquals(0, bench.map("ct4").count());
        assertEquals(NEW, sends(out(SYN)));
    }

    /** Steps: what the pod sends (>) and receives (<), the state expected, and the entry's lifetime in seconds afterwards. */
    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', value = {
        "handshake                          | >S=1:60 <SA=3:60 >A=2:8000 <A=3:8000",
        "SYN again                          | >S=1:60 >S=2:60",
        "one side closes                    | >S=1:60 <SA=3:60 >A=2:8000 >FA=2:8000 <A=3:8000",
        "both sides close                   | >S=1:60 <SA=3:60 >A=2:8000 >FA=2:8000 <FA=3:10 >A=2:10",
        "closed, and answers go another way | >S=1:60 >A=2:8000 >FA=2:60 >A=2:60",
        "refused                            | >S=1:60 <RA=3:10",
        "reset                              | >S=1:60 <SA=3:60 >A=2:8000 <R=3:10",
        "reset that the peer did not believe| >S=1:60 <SA=3:60 >A=2:8000 <R=3:10 >A=2:8000",
        "SYN on a closing connection        | >S=1:60 <SA=3:60 >A=2:8000 >FA=2:8000 <FA=3:10 >S=1:60 <SA=3:60 >A=2:8000",
        "SYN on a half closed connection    | >S=1:60 <SA=3:60 >A=2:8000 >FA=2:8000 >S=1:60",
        "SYN against the direction          | >S=1:60 <SA=3:60 >A=2:8000 <S=1:8000 >A=2:8000 <A=3:8000",
        "picked up in the middle            | >A=1:8000 <A=3:8000",
        "the end of something unknown       | >FA=1:60",
    })
    void tcpStates(String name, String steps) {
        for (String step : steps.trim().split(" ")) {
            boolean sends = step.charAt(0) == '>';
            String flags = step.substring(1, step.indexOf('='));
            int bits = (flags.contains("S") ? SYN : 0) | (flags.contains("A") ? ACK : 0) | (flags.contains("F") ? FIN : 0) | (flags.contains("R") ? RST : 0);
            int colon = step.indexOf(':');
            assertEquals(Integer.parseInt(step.substring(step.indexOf('=') + 1, colon)), sends ? sends(out(bits)) : receives(in(bits)), name + " at " + step);
            assertEquals(Long.parseLong(step.substring(colon + 1)), lifetime(), 1, name + " at " + step);
        }
        assertEquals(1, bench.map("ct4").count());
    }

    @Test
    void aResetOfNothingMakesNoEntry() {
        assertEquals(NEW, sends(out(RST)));
        assertEquals(0, bench.map("ct4").count());
    }

    @Test
    void aRefusedSynLeavesTheClosingConnectionAsItWas() {
        sends(out(SYN));
        receives(in(SYN | ACK));
        sends(out(ACK));
        sends(out(FIN | ACK));
        long before = entry("ct4").get("expires");
        assertEquals(NEW, pass(true, out(SYN), false).ctState());
        assertEquals(before, entry("ct4").get("expires"));
        assertEquals(1, entry("ct4").get("tx_closing"));
    }

    @Test
    void anEntryPastItsExpiryDoesNotExist() {
        sends(out(SYN));
        receives(in(SYN | ACK));
        expire();
        assertEquals(NEW, pass(false, in(ACK), false).ctState(), "an answer to nothing");
        assertEquals(NEW, sends(out(ACK)));
        assertEquals(8000, lifetime(), 1);
        assertEquals(0, entry("ct4").get("replied"), "nothing of the old one is left");
    }

    private void expire() {
        bench.map("ct4").forEach((k, v) -> {
            Fields e = new Fields(bench.layout("ct_entry"), copy(v)).set("expires", System.nanoTime() - SECOND);
            bench.map("ct4").update(copy(k), e.bytes());
        });
    }

    @Test
    void aPingOfThePeerIsNoAnswerToOurPingWithTheSameIdentifier() {
        assertEquals(NEW, sends(Packet.echo(POD, PEER, 5, true).frame()));
        assertEquals(NEW, receives(Packet.echo(PEER, POD, 5, true).frame()));
        assertEquals(REPLY, receives(Packet.echo(PEER, POD, 5, false).frame()));
        assertEquals(REPLY, sends(Packet.echo(POD, PEER, 5, false).frame()));
    }

    @Test
    void anUnaskedEchoReplyIsNewAndStaysSo() {
        assertEquals(NEW, receives(Packet.echo(PEER, POD, 5, false).frame()));
        assertEquals(NEW, receives(Packet.echo(PEER, POD, 5, false).frame()));
        assertEquals(0, bench.map("ct4").count());
    }

    @ParameterizedTest
    @ValueSource(strings = {"10.0.1.5 10.0.2.6 10.9.9.9", "fd00:1::5 fd00:2::6 fd00:9::9"})
    void anErrorAboutAConnectionIsRelated(String addresses) {
        String[] a = addresses.split(" ");
        byte[] sent = Packet.udp(a[0], 1000, a[1], 53, 10).frame();
        byte[] error = Packet.unreachable(a[2], a[0], sent).frame();
        assertEquals(NEW, receives(error), "nothing is known of it yet");
        assertEquals(0, bench.map("ct4").count() + bench.map("ct6").count());
        sends(sent);
        assertEquals(RELATED, receives(error));
        byte[] received = Packet.udp(a[1], 700, a[0], 800, 10).frame();
        receives(received);
        assertEquals(RELATED, sends(Packet.unreachable(a[0], a[1], received).frame()), "what the pod says of what it got");
    }

    /** A datagram that its pod had to cut: an error quotes a fragment, and the first one says which connection's. */
    @Test
    void anErrorAboutTheFirstFragmentOfIpv6IsRelated() {
        byte[] sent = Packet.udp("fd00:1::5", 700, "fd00:2::6", 800, 10).frame();
        sends(sent);
        byte[] quoted = new byte[40 + 8 + 8];
        System.arraycopy(sent, 14, quoted, 0, 40);
        quoted[6] = 44;
        quoted[40] = 17;
        quoted[43] = 1; // more follow
        System.arraycopy(sent, 54, quoted, 48, 8);
        assertEquals(RELATED, receives(tooBig(quoted)));
        quoted[42] = 5;
        assertEquals(NEW, receives(tooBig(quoted)), "a later one has no ports");
    }

    private static byte[] tooBig(byte[] quoted) {
        byte[] body = new byte[4 + quoted.length];
        body[2] = 5;
        System.arraycopy(quoted, 0, body, 4, quoted.length);
        return Packet.icmp("fd00:9::9", "fd00:1::5", 2, 0, body).frame();
    }

    @Test
    void whenTheMapIsFullNewConnectionsAreRefusedAndOldOnesLive() {
        int refused = 0;
        for (int i = 0; i < 40; i++) {
            byte[] p = Packet.udp(POD, 1000 + i, PEER, 53, 10).frame();
            StageBench.Outcome o = bench.run("ct_commit_pod_egress", StageBench.POD_EGRESS, 0, p, s -> s.ctState(NEW));
            if (o.verdict() == StageBench.TC_SHOT) {
                assertEquals(155, o.code());
                refused++;
            }
        }
        int live = bench.map("ct4").count();
        assertEquals(40 - live, refused);
        assertTrue(refused > 0);
        long counted = 0;
        ByteBuffer all = bench.map("ct_refused").lookup(0);
        for (int i = 0; i < all.capacity(); i += bench.map("ct_refused").slotSize()) counted += all.getLong(i);
        assertEquals(refused, counted);
        assertEquals(ESTABLISHED, sends(Packet.udp(POD, 1000, PEER, 53, 10).frame()));
    }

    private boolean opens(String pod, int port, String peer) {
        byte[] p = Packet.udp(pod, port, peer, 53, 10).frame();
        return bench.run("ct_commit_pod_egress", StageBench.POD_EGRESS, 0, p, s -> s.ctState(NEW)).verdict() == StageBench.NEXT;
    }

    /** Ends the entries of connections from that port on, as if their time had passed. */
    private void expire(String map, int fromPort) {
        List<ByteBuffer[]> all = new ArrayList<>();
        bench.map(map).forEach((k, v) -> all.add(new ByteBuffer[] {copy(k), copy(v)}));
        for (ByteBuffer[] e : all) {
            if (new Fields(bench.layout(map + "_key"), e[0]).port("lport") < fromPort) continue;
            bench.map(map).update(e[0], new Fields(bench.layout("ct_entry"), e[1]).set("expires", 1).bytes());
        }
    }

    private void smallBench(int size) {
        bench.close();
        bench = StageBench.of("bpf/conntrack.o", Map.of("ct4_places_entries", (long) size, "ct6_places_entries", (long) size), Map.of("ct4", size, "ct6", size, "ct4_places", size, "ct6_places", size));
    }

    @ParameterizedTest
    @CsvSource({"10.0.1.5,10.0.2.6,ct4", "fd00:1::5,fd00:2::6,ct6"})
    void aMapFullOfWhatIsOverMakesRoomWithoutAnAgent(String pod, String peer, String map) {
        smallBench(64);
        int live = 0;
        while (opens(pod, 1000 + live, peer)) live++;
        assertTrue(live >= 64, "room for " + live);
        assertFalse(opens(pod, 999, peer), "full of live ones");
        expire(map, 1010);
        for (int i = 0; i < 30; i++) assertTrue(opens(pod, 5000 + i, peer), "connection " + i);
        for (int i = 0; i < 10; i++) assertEquals(ESTABLISHED, sends(Packet.udp(pod, 1000 + i, peer, 53, 10).frame()), "the live ones stay");
        for (int i = 0; i < 30; i++) assertEquals(ESTABLISHED, sends(Packet.udp(pod, 5000 + i, peer, 53, 10).frame()), "and the new ones");
    }

    @Test
    void connectionsComeAndGoForeverWithoutAnAgent() {
        smallBench(256);
        for (int i = 0; i < 50; i++) assertTrue(opens(POD, 1000 + i, PEER));
        for (int i = 0; i < 2000; i++) {
            assertTrue(opens(POD, 2000 + i, PEER), "connection " + i);
            if (i % 50 == 0) expire("ct4", 2000);
        }
        for (int i = 0; i < 50; i++) assertEquals(ESTABLISHED, sends(Packet.udp(POD, 1000 + i, PEER, 53, 10).frame()));
    }

    @Test
    void fragmentsOfAnEchoBelongToItsConnection() {
        byte[] ask = Packet.echo(POD, PEER, 77, true).frame();
        assertEquals(NEW, sends(Packet.fragment(ask, 0, 8)));
        assertEquals(ESTABLISHED, sends(Packet.fragment(ask, 8, 16)));
        byte[] answer = Packet.echo(PEER, POD, 77, false).frame();
        assertEquals(REPLY, receives(Packet.fragment(answer, 0, 8)));
        assertEquals(REPLY, receives(Packet.fragment(answer, 8, 16)));
        assertEquals(1, bench.map("ct4").count());
    }

    /** Without an identifier, or with 0, both directions have the same key: what is no echo reply answers nothing. */
    @Test
    void noIdentifierLetsNothingPassForAnAnswer() {
        assertEquals(NEW, receives(Packet.echo(PEER, POD, 0, true).frame()));
        assertEquals(NEW, pass(true, Packet.echo(POD, PEER, 0, true).frame(), false).ctState(), "a request the other way");
        byte[] timestamp = Packet.echo(POD, PEER, 0, true).frame();
        timestamp[34] = 13;
        assertEquals(NEW, pass(true, timestamp, false).ctState());
        assertEquals(REPLY, sends(Packet.echo(POD, PEER, 0, false).frame()));
        byte[] back = Packet.echo(PEER, POD, 0, true).frame();
        back[34] = 13;
        assertEquals(NEW, pass(false, back, false).ctState(), "a type that another rule is about");
        assertEquals(ESTABLISHED, receives(Packet.echo(PEER, POD, 0, true).frame()));
    }

    @Test
    void theClientsSideKeepsTheServiceAndTellsItToReplies() {
        byte[] there = Packet.udp(POD, 1000, PEER, 53, 10).frame();
        bench.run("ct_commit_pod_egress", StageBench.POD_EGRESS, 0, there, s -> service(s.ctState(NEW)));
        StageBench.State reply = pass(false, Packet.udp(PEER, 53, POD, 1000, 10).frame(), true);
        assertEquals(REPLY, reply.ctState());
        assertEquals("10.96.0.1", reply.scratch().address("ct_svc_addr"));
        assertEquals(443, reply.scratch().port("ct_svc_port"));
        assertEquals(9, reply.scratch().get("ct_svc_id"));
    }

    private static StageBench.State service(StageBench.State s) {
        s.scratch().address("svc_addr", "10.96.0.1").port("svc_port", 443).set("svc_id", 9);
        return s;
    }

    @ParameterizedTest
    @CsvSource({"0,0", "3,9"})
    void theBackendsSideKeepsItOnlyWhenNoPodsSideDid(int hook, long kept) {
        byte[] there = Packet.udp(PEER, 1000, POD, 53, 10).frame();
        bench.run("ct_commit_pod_ingress", hook, LOCAL, there, s -> service(s.ctState(NEW)));
        assertEquals(kept, entry("ct4").get("svc_id"));
    }

    @Test
    void fieldsOfOthersAreStoredAndNotLeftForTheReceiver() {
        byte[] there = Packet.udp(POD, 1000, PEER, 53, 10).frame();
        StageBench.Outcome o = bench.run("ct_commit_pod_egress", StageBench.POD_EGRESS, 0, there, s -> s.ctState(NEW).scratch().set("set_policy_flags", 5).set("set_nat_flags", 6).port("set_nat_port", 7));
        assertEquals(5, entry("ct4").get("policy_seen") & 0xffffff);
        assertEquals(6, entry("ct4").get("nat_flags"));
        assertEquals(7, entry("ct4").port("nat_port"));
        assertEquals(0, o.state().scratch().get("set_policy_flags"));
        StageBench.State again = pass(true, there, true);
        assertEquals(6, again.scratch().get("ct_nat_flags"));
    }

    @Test
    void policysWordIsToldOnlyBetweenTheSameIdentitiesAndUnderTheSameClass() {
        byte[] there = Packet.udp(POD, 1000, PEER, 53, 10).frame();
        byte[] back = Packet.udp(PEER, 53, POD, 1000, 10).frame();
        commit(there, NEW, 0x01000007, 16383, 0xabcdef);
        assertEquals(0xabcdef, told(there, 0x01000007, 16383));
        assertEquals(0, told(there, 0x01000008, 16383), "another destination");
        assertEquals(0, told(there, 0x01000007, 16382), "another class");
        commit(there, ESTABLISHED, 7, 3, 0x123456);
        assertEquals(0x123456, told(there, 7, 3), "an established connection's is renewed");
        commit(there, ESTABLISHED, 7, 3, 0);
        assertEquals(0x123456, told(there, 7, 3), "nothing to remember");
        bench.map("ct4").forEach((k, v) -> {
            Fields e = new Fields(bench.layout("ct_entry"), copy(v));
            bench.map("ct4").update(copy(k), e.set("policy_epoch", e.get("policy_epoch") + 1).bytes());
        });
        assertEquals(0, told(there, 7, 3), "what another generation's policy let pass");
        assertEquals(REPLY, pass(false, back, true).ctState());
        assertEquals(0, bench.run("ct_lookup_pod_ingress", StageBench.POD_EGRESS, LOCAL, back, s -> s.source(7).scratch().set("ep_policy_id", 3)).state().scratch().get("ct_policy_flags"),
                "answers don't ask");
    }

    private void commit(byte[] packet, int state, int identity, int policyClass, int word) {
        assertEquals(0, bench.run("ct_commit_pod_egress", StageBench.POD_EGRESS, 0, packet, s -> s.destination(identity).ctState(state).scratch()
                .set("ep_policy_id", policyClass).set("set_policy_flags", word)).state().scratch().get("set_policy_flags"));
    }

    private long told(byte[] packet, int identity, int policyClass) {
        return bench.run("ct_lookup_pod_egress", StageBench.POD_EGRESS, 0, packet, s -> s.destination(identity).scratch().set("ep_policy_id", policyClass))
                .state().scratch().get("ct_policy_flags");
    }

    @Test
    void eventsAreDueForNewConnectionsNewFlagsAndEveryFiveSeconds() {
        assertNotEquals(0, pass(true, out(SYN), true).flags() & TRACE, "new");
        assertEquals(0, pass(true, out(SYN), true).flags() & TRACE, "seen");
        assertNotEquals(0, pass(false, in(SYN | ACK), true).flags() & TRACE, "the other direction's first");
        assertEquals(0, pass(true, out(ACK), true).flags() & TRACE);
        bench.map("ct4").forEach((k, v) -> {
            Fields e = new Fields(bench.layout("ct_entry"), copy(v)).set("tx_report", System.nanoTime() - 6 * SECOND);
            bench.map("ct4").update(copy(k), e.bytes());
        });
        assertNotEquals(0, pass(true, out(ACK), true).flags() & TRACE, "five seconds later");
        assertEquals(0, pass(true, out(ACK), true).flags() & TRACE);
        assertNotEquals(0, pass(true, out(FIN | ACK), true).flags() & TRACE, "the end");
    }
}
