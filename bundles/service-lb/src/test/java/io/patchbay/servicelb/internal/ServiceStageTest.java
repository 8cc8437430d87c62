package io.patchbay.servicelb.internal;

import static io.patchbay.stagekit.Packet.ACK;
import static io.patchbay.stagekit.Packet.FIN;
import static io.patchbay.stagekit.Packet.RST;
import static io.patchbay.stagekit.Packet.SYN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.bpf.BpfMap;
import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The stages themselves, in the kernel, packet by packet; checksums by code that owes nothing to the datapath. */
@Tag("root")
class ServiceStageTest {
    private static final String POD = "10.0.1.5";
    private static final String POD6 = "fd00:1::5";
    private static final String VIP = "10.96.0.10";
    private static final String VIP6 = "fd00:96::10";
    private static final int NO_SERVICE = 158;
    private static final int CT_CREATE_FAILED = 155;
    private static final int REPLY = 3;
    private static final int RELATED = 4;
    private static final int TCP = 6;
    private static final int UDP = 17;

    private StageBench bench;

    @BeforeEach
    void load() {
        bench = StageBench.of("bpf/service.o", Map.of(), Map.of("lb_flows", 64));
    }

    @AfterEach
    void close() {
        bench.close();
    }

    private void service(String vip, int port, int proto, int count, int flags, int... backends) {
        Fields key = bench.struct("lb_service_key").address("addr", vip).port("port", port).set("proto", proto);
        bench.put("lb_services", key, bench.struct("lb_service").set("id", 7).set("set", 3).set("count", count).set("total", backends.length)
                .set("flags", flags).set("kind", 1).set("affinity_seconds", 100));
        ByteBuffer ids = ByteBuffer.allocate(64).order(java.nio.ByteOrder.nativeOrder());
        for (int i = 0; i < backends.length; i++) ids.putInt(4 * i, backends[i]);
        bench.put("lb_slots", bench.struct("lb_slots_key").set("set", 3), bench.struct("lb_slots").set("backend", ids.array()));
        for (int i = 0; i < backends.length; i++) {
            bench.map("lb_members").update(bench.struct("lb_member").set("set", 3).set("backend", backends[i]).bytes(), BpfMap.intKey(i < count ? 1 : 2));
        }
    }

    private void backend(int id, String address, int port, int proto, int state) {
        bench.map("lb_backends").update(BpfMap.intKey(id), bench.struct("lb_backend").address("addr", address).port("port", port).set("proto", proto)
                .set("state", state).bytes());
    }

    private void twoBackends(int proto) {
        backend(1, "10.0.2.1", 8080, proto, 0);
        backend(2, "10.0.2.2", 8080, proto, 0);
        service(VIP, 80, proto, 2, 0, 1, 2);
    }

    private StageBench.Outcome send(byte[] packet) {
        return bench.run("service_pod_egress", StageBench.POD_EGRESS, 0, packet, null);
    }

    /** Where a packet of the pod goes. */
    private String goes(byte[] packet) {
        StageBench.Outcome o = send(packet);
        assertEquals(StageBench.NEXT, o.verdict(), "code " + o.code());
        assertEquals("", Packet.wrong(o.packet()));
        return Packet.describe(o.packet()).replaceAll(".* > | ttl.*", "");
    }

    private static byte[] tcp(int sport, int flags) {
        return Packet.tcp(POD, sport, VIP, 80, flags, 5).frame();
    }

    private static byte[] udp(int sport) {
        return Packet.udp(POD, sport, VIP, 80, 9).frame();
    }

    private void age(long ns) {
        StageBench b = bench;
        Fields[] entries = new Fields[1];
        b.map("lb_flows").forEach((k, v) -> {
            ByteBuffer key = copy(k);
            Fields f = new Fields(b.layout("lb_flow"), copy(v));
            f.set("expires", f.get("expires") - ns);
            entries[0] = f;
            b.map("lb_flows").update(key, f.bytes());
        });
    }

    private static ByteBuffer copy(ByteBuffer b) {
        ByteBuffer c = ByteBuffer.allocate(b.capacity()).order(b.order());
        c.put(0, b, 0, b.capacity());
        return c;
    }

    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aPacketForAServiceGoesToABackendAndConntrackIsToldOfTheService(int proto) {
        backend(1, "10.0.2.1", 8080, proto, 0);
        service(VIP, 80, proto, 1, 0, 1);
        StageBench.Outcome o = send(proto == TCP ? tcp(4000, SYN) : udp(4000));
        assertEquals(StageBench.NEXT, o.verdict());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("10.0.1.5:4000 > 10.0.2.1:8080 ttl 64", Packet.describe(o.packet()));
        Fields s = o.state().scratch();
        assertEquals("10.0.2.1", s.address("daddr"));
        assertEquals(8080, s.port("dport"));
        assertEquals(VIP, s.address("svc_addr"));
        assertEquals(80, s.port("svc_port"));
        assertEquals(7, s.get("svc_id"));
        assertEquals(1, s.get("backend_id"));
    }

    @Test
    void version6() {
        backend(1, "fd00:2::1", 8080, TCP, 0);
        service(VIP6, 80, TCP, 1, 0, 1);
        StageBench.Outcome o = send(Packet.tcp(POD6, 4000, VIP6, 80, SYN, 3).frame());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("fd00:1:0:0:0:0:0:5:4000 > fd00:2:0:0:0:0:0:1:8080 ttl 64", Packet.describe(o.packet()));
    }

    @Test
    void aDatagramWithoutChecksumHasNoneAfterwards() {
        backend(1, "10.0.2.1", 8080, UDP, 0);
        service(VIP, 80, UDP, 1, 0, 1);
        byte[] frame = udp(4000);
        frame[40] = 0;
        frame[41] = 0;
        byte[] out = send(frame).packet();
        assertEquals(0, Packet.get16(out, 40));
        assertEquals("10.0.1.5:4000 > 10.0.2.1:8080 ttl 64", Packet.describe(out));
    }

    @Test
    void whatIsForNoServiceGoesOnUntouched() {
        twoBackends(TCP);
        byte[] other = Packet.tcp(POD, 4000, VIP, 81, SYN).frame();
        StageBench.Outcome o = send(other);
        assertEquals(StageBench.NEXT, o.verdict());
        assertTrue(Arrays.equals(other, o.packet()));
        byte[] ping = Packet.echo(POD, VIP, 9, true).frame();
        assertTrue(Arrays.equals(ping, send(ping).packet()));
    }

    @ParameterizedTest
    @ValueSource(ints = {TCP, UDP})
    void aConnectionStaysAndConnectionsAreSpread(int proto) {
        twoBackends(proto);
        Set<String> seen = new HashSet<>();
        for (int port = 4000; port < 4030; port++) {
            String first = goes(proto == TCP ? tcp(port, SYN) : udp(port));
            seen.add(first);
            for (int i = 0; i < 5; i++) assertEquals(first, goes(proto == TCP ? tcp(port, ACK) : udp(port)));
        }
        assertEquals(Set.of("10.0.2.1:8080", "10.0.2.2:8080"), seen);
    }

    @Test
    void anEstablishedConnectionOutlivesItsBackendsMembershipAndANewOneDoesNotGoThere() {
        twoBackends(TCP);
        String first = goes(tcp(4000, SYN));
        int gone = first.startsWith("10.0.2.1") ? 1 : 2;
        assertEquals(first, goes(tcp(4000, ACK)));
        bench.map("lb_backends").delete(BpfMap.intKey(gone));
        service(VIP, 80, TCP, 1, 0, 3 - gone);
        assertEquals(first, goes(tcp(4000, ACK)));
        for (int port = 5000; port < 5020; port++) assertNotEquals(first, goes(tcp(port, SYN)));
        assertNotEquals(first, goes(tcp(4000, SYN)), "a new connection from the same port");
    }

    @Test
    void datagramsLeaveABackendThatServesNoMore() {
        twoBackends(UDP);
        String first = goes(udp(4000));
        int gone = first.startsWith("10.0.2.1") ? 1 : 2;
        bench.map("lb_members").update(bench.struct("lb_member").set("set", 3).set("backend", gone).bytes(), BpfMap.intKey(2));
        assertEquals(first, goes(udp(4000)), "terminating: what it has");
        bench.map("lb_members").delete(bench.struct("lb_member").set("set", 3).set("backend", gone).bytes());
        service(VIP, 80, UDP, 1, 0, 3 - gone);
        assertNotEquals(first, goes(udp(4000)));
    }

    @Test
    void aNumberInOtherHandsIsNotTheBackend() {
        backend(1, "10.0.2.1", 8080, UDP, 0);
        service(VIP, 80, UDP, 1, 0, 1);
        assertEquals("10.0.2.1:8080", goes(udp(4000)));
        backend(1, "10.0.9.9", 9999, UDP, 0);
        assertEquals("10.0.9.9:9999", goes(udp(4000)), "chosen again, not taken for the old one");
    }

    @Test
    void anExpiredFlowDoesNotExist() {
        twoBackends(UDP);
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 40; i++) {
            seen.add(goes(udp(4000)));
            age(61_000_000_000L);
        }
        assertEquals(2, seen.size());
    }

    @Test
    void afterItsEndTheSamePortBeginsAnew() {
        twoBackends(TCP);
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 40; i++) {
            String first = goes(tcp(4000, SYN));
            seen.add(first);
            assertEquals(first, goes(tcp(4000, ACK)));
            assertEquals(first, goes(tcp(4000, FIN | ACK)));
            assertEquals(first, goes(tcp(4000, ACK)), "the other half is still open");
        }
        assertEquals(2, seen.size());
    }

    @Test
    void nobodyThereIsAnsweredAtOnce() {
        service(VIP, 80, TCP, 0, 0);
        StageBench.Outcome o = send(tcp(4000, SYN));
        assertEquals(NO_SERVICE, o.code());
        assertEquals(StageBench.TC_REDIRECT, o.verdict());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("10.96.0.10:80 > 10.0.1.5:4000 ttl 64", Packet.describe(o.packet()));
        assertEquals(RST | ACK, o.packet()[47]);
        // sequence 0, 5 bytes and the SYN are acknowledged
        assertEquals(6, ByteBuffer.wrap(o.packet()).getInt(42));
        assertEquals(Packet.MAC_A, mac(o.packet(), 0));
        assertEquals(0x100, o.mark(), "passes the guard at the pod's device");

        service(VIP, 80, UDP, 0, 0);
        byte[] asked = udp(4000);
        o = send(asked);
        assertEquals(NO_SERVICE, o.code());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals(3, o.packet()[34]);
        assertEquals(3, o.packet()[35]);
        assertTrue(Arrays.equals(Arrays.copyOfRange(asked, 14, 42), Arrays.copyOfRange(o.packet(), 42, 70)), "quotes what was sent");

        service(VIP6, 80, TCP, 0, 0);
        o = send(Packet.tcp(POD6, 4000, VIP6, 80, SYN).frame());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals(RST | ACK, o.packet()[67]);
        service(VIP6, 80, UDP, 0, 0);
        o = send(Packet.udp(POD6, 4000, VIP6, 80, 9).frame());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals(1, o.packet()[54]);
        assertEquals(4, o.packet()[55]);
    }

    @Test
    void aResetIsNotAnswered() {
        service(VIP, 80, TCP, 0, 0);
        StageBench.Outcome o = send(tcp(4000, RST));
        assertEquals(NO_SERVICE, o.code());
        assertEquals(StageBench.TC_SHOT, o.verdict());
    }

    private static String mac(byte[] f, int at) {
        StringBuilder s = new StringBuilder();
        for (int i = 0; i < 6; i++) s.append(i == 0 ? "" : ":").append(String.format("%02x", f[at + i]));
        return s.toString();
    }

    @Test
    void theLastSlotIsReachedAndTheOnesBehindTheCountAreNot() {
        for (int i = 1; i <= 5; i++) backend(i, "10.0.2." + i, 8080, TCP, i <= 4 ? 0 : 1);
        service(VIP, 80, TCP, 4, 0, 1, 2, 3, 4, 5);
        Set<String> seen = new HashSet<>();
        for (int port = 4000; port < 4060; port++) seen.add(goes(tcp(port, SYN)));
        assertEquals(Set.of("10.0.2.1:8080", "10.0.2.2:8080", "10.0.2.3:8080", "10.0.2.4:8080"), seen);
    }

    @Test
    void aPodThatReachesItselfSeesAnotherSourceAndItsAnswerComesBack() {
        backend(1, POD, 8080, TCP, 0);
        service(VIP, 80, TCP, 1, 0, 1);
        StageBench.Outcome o = send(tcp(4000, SYN));
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("169.254.42.1:4000 > 10.0.1.5:8080 ttl 64", Packet.describe(o.packet()));
        assertEquals(POD, o.state().scratch().address("saddr"), "policy and conntrack see the pod");
        o = send(Packet.tcp(POD, 8080, "169.254.42.1", 4000, SYN | ACK).frame());
        assertEquals("", Packet.wrong(o.packet()));
        assertEquals("10.0.1.5:8080 > 10.0.1.5:4000 ttl 64", Packet.describe(o.packet()));
        assertEquals(POD, o.state().scratch().address("daddr"));
    }

    @Test
    void affinityHoldsForAllConnectionsOfAClientUntilItsBackendLeaves() {
        twoBackends(TCP);
        service(VIP, 80, TCP, 2, 1, 1, 2);
        String first = goes(tcp(4000, SYN));
        for (int port = 4001; port < 4030; port++) assertEquals(first, goes(tcp(port, SYN)));
        int gone = first.startsWith("10.0.2.1") ? 1 : 2;
        bench.map("lb_members").delete(bench.struct("lb_member").set("set", 3).set("backend", gone).bytes());
        service(VIP, 80, TCP, 1, 1, 3 - gone);
        String second = goes(tcp(5000, SYN));
        assertNotEquals(first, second);
        service(VIP, 80, TCP, 2, 1, 1, 2);
        for (int port = 5001; port < 5030; port++) assertEquals(second, goes(tcp(port, SYN)), "it does not go back");
    }

    @Test
    void affinityEndsWithItsTimeout() {
        twoBackends(TCP);
        service(VIP, 80, TCP, 2, 1, 1, 2);
        Set<String> seen = new HashSet<>();
        for (int port = 4000; port < 4040; port++) {
            seen.add(goes(tcp(port, SYN)));
            bench.map("lb_affinity").forEach((k, v) -> {
                Fields a = new Fields(bench.layout("lb_affinity"), copy(v));
                bench.map("lb_affinity").update(copy(k), a.set("last_used", a.get("last_used") - 101_000_000_000L).bytes());
            });
        }
        assertEquals(2, seen.size());
    }

    @Test
    void aFullFlowMapRefusesTheNewConnectionOnly() {
        twoBackends(TCP);
        String first = goes(tcp(1, SYN));
        int refused = 0;
        for (int port = 2; port < 200; port++) {
            if (send(tcp(port, SYN)).code() == CT_CREATE_FAILED) refused++;
        }
        assertTrue(refused >= 100, "refused " + refused);
        assertEquals(first, goes(tcp(1, ACK)));
        long counted = 0;
        ByteBuffer v = bench.map("lb_refused").lookup(0);
        for (int i = 0; i < v.capacity(); i += 16) counted += v.getLong(i);
        assertEquals(refused, counted);
    }

    @Test
    void whileDrainingWhatExistsGoesOnAndNothingBegins() {
        twoBackends(TCP);
        String first = goes(tcp(4000, SYN));
        try (StageBench draining = StageBench.of("bpf/service.o", Map.of("pb_draining", 1L), Map.of())) {
            StageBench before = bench;
            for (String map : new String[] {"lb_services", "lb_flows", "lb_backends", "lb_slots"}) {
                before.map(map).forEach((k, v) -> draining.map(map).update(copy(k), copy(v)));
            }
            StageBench.Outcome o = draining.run("service_pod_egress", StageBench.POD_EGRESS, 0, tcp(4000, ACK), null);
            assertEquals(first, Packet.describe(o.packet()).replaceAll(".* > | ttl.*", ""));
            byte[] fresh = tcp(4001, SYN);
            assertTrue(Arrays.equals(fresh, draining.run("service_pod_egress", StageBench.POD_EGRESS, 0, fresh, null).packet()));
        }
    }

    @ParameterizedTest
    @CsvSource({"reverse_pod_ingress", "reverse_pod_egress"})
    void anAnswerCarriesTheServicesAddress(String stage) {
        for (byte[] frame : new byte[][] {Packet.tcp("10.0.2.1", 8080, POD, 4000, SYN | ACK).frame(), Packet.udp("10.0.2.1", 8080, POD, 4000, 9).frame()}) {
            StageBench.Outcome o = bench.run(stage, StageBench.POD_EGRESS, 0, frame, s -> {
                s.ctState(REPLY);
                s.scratch().address("ct_svc_addr", VIP).port("ct_svc_port", 80);
            });
            assertEquals(StageBench.NEXT, o.verdict());
            assertEquals("", Packet.wrong(o.packet()));
            assertEquals("10.96.0.10:80 > 10.0.1.5:4000 ttl 64", Packet.describe(o.packet()));
            assertEquals(VIP, o.state().scratch().address("saddr"));
        }
    }

    @Test
    void anAnswerOfAConnectionWithoutServiceStays() {
        byte[] frame = Packet.tcp("10.0.2.1", 8080, POD, 4000, ACK).frame();
        assertTrue(Arrays.equals(frame, bench.run("reverse_pod_ingress", StageBench.POD_EGRESS, 0, frame, s -> s.ctState(REPLY)).packet()));
    }

    @ParameterizedTest
    @CsvSource({"10.0.2.1, 10.96.0.10", "10.0.3.254, 10.0.3.254"})
    void anErrorIsAboutTheService(String from, String shown) {
        byte[] about = Packet.udp(POD, 4000, "10.0.2.1", 8080, 9).frame();
        StageBench.Outcome o = bench.run("reverse_pod_ingress", StageBench.POD_EGRESS, 0, Packet.unreachable(from, POD, about).frame(), s -> {
            s.ctState(RELATED);
            s.scratch().address("ct_svc_addr", VIP).port("ct_svc_port", 80);
        });
        assertEquals(StageBench.NEXT, o.verdict());
        assertEquals("", Packet.wrong(o.packet()));
        assertTrue(Packet.describe(o.packet()).startsWith(shown + " > " + POD), Packet.describe(o.packet()));
        byte[] quoted = new byte[14 + 28];
        quoted[12] = 8;
        System.arraycopy(o.packet(), 42, quoted, 14, 28);
        assertEquals("10.0.1.5:4000 > 10.96.0.10:80 ttl 64", Packet.describe(quoted));
    }

    @Test
    void anErrorOfVersion6IsAboutTheService() {
        byte[] about = Packet.udp(POD6, 4000, "fd00:2::1", 8080, 9).frame();
        StageBench.Outcome o = bench.run("reverse_pod_ingress", StageBench.POD_EGRESS, 0, Packet.unreachable("fd00:2::1", POD6, about).frame(), s -> {
            s.ctState(RELATED);
            s.scratch().address("ct_svc_addr", VIP6).port("ct_svc_port", 80);
        });
        assertEquals("", Packet.wrong(o.packet()));
        assertTrue(Packet.describe(o.packet()).startsWith("fd00:96:0:0:0:0:0:10 > "), Packet.describe(o.packet()));
        assertEquals(80, Packet.get16(o.packet(), 54 + 8 + 40 + 2));
    }
}
