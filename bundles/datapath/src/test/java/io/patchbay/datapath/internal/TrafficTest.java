package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.datapath.testkit.Lab;
import io.patchbay.datapath.testkit.UdpStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The promise, counted twice: by the datapath's ledger and by the ends of the connection. */
@Tag("root")
class TrafficTest {
    private static final int PPS = 20_000;
    private Lab lab;
    private Lab.Pod a;
    private Lab.Pod b;

    @BeforeEach
    void up() {
        lab = new Lab("dp");
        a = lab.pod("a", 1);
        b = lab.pod("b", 2);
    }

    @AfterEach
    void down() {
        lab.close();
    }

    private Ledger change(String... markers) {
        Pipeline.Prepared p = lab.node().pipeline().prepare(Generation.spec(markers));
        return p.commit();
    }

    private void table() {
        Generation.fill(lab.node().pipeline().map("forward_table"), a, b);
    }

    @Test
    void twoHundredSwitchesUnderTrafficLoseNothing() throws Exception {
        change("1");
        table();
        UdpStream there = UdpStream.start(lab, a, b, 7001, PPS);
        UdpStream back = UdpStream.start(lab, b, a, 7002, PPS);
        List<Ledger> ledgers = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            ledgers.add(change(Integer.toString(i % 5)));
        }
        UdpStream.Result one = there.stop();
        UdpStream.Result two = back.stop();
        ledgers.add(change("0"));
        for (UdpStream.Result r : List.of(one, two)) {
            assertTrue(r.fin(), r.toString());
            assertTrue(r.sent() > 40_000, r.toString());
            assertEquals(0, r.lost(), r.toString());
            assertEquals(0, r.dup(), r.toString());
        }
        long in = 0;
        for (Ledger l : ledgers) {
            assertEquals(0, l.faults(), l.toString());
            // Each window counts the old generation whole; the new one's share is counted again as the next one's old.
            in += l.rows().get(Hook.POD_EGRESS.ordinal()).byOld();
        }
        // 20 announcements of the total on either side belong to the tool, not to its count.
        assertEquals(one.sent() + two.sent() + 40, in, "the ledger's packets are the tool's");
    }

    @Test
    void theDatapathNeedsNoAgent() throws Exception {
        change("1");
        table();
        UdpStream there = UdpStream.start(lab, a, b, 7001, PPS);
        long epoch = lab.node().pipeline().current().orElseThrow().epoch();
        for (int i = 0; i < 5; i++) {
            lab.closeNode();
            lab.reopen();
            assertEquals(epoch + i, lab.node().pipeline().current().orElseThrow().epoch());
            assertEquals(0, lab.node().reconcile(), "nothing is put back that was not away");
            assertEquals(4, lab.node().attachments().list().stream().filter(x -> x.present()).count());
            assertEquals(0, change("2").faults());
        }
        UdpStream.Result r = there.stop();
        assertTrue(r.fin() && r.lost() == 0 && r.dup() == 0, r.toString());
    }

    @Test
    void aHoleIsCountedAndDropped() throws Exception {
        change("1");
        table();
        UdpStream there = UdpStream.start(lab, a, b, 7001, 2_000);
        int forward = lab.node().pipeline().current().orElseThrow().stages().stream().filter(s -> s.program().equals("forward_pod_egress")).findFirst()
                .orElseThrow().index();
        try (io.patchbay.bpf.BpfMap chain = io.patchbay.bpf.BpfMap.fromPin(lab.pins().resolve("gen").resolve("1").resolve("chain"))) {
            assertTrue(chain.clearProgram(forward));
        }
        awaitPackets(1000);
        Ledger l = change("2");
        Ledger.Row row = l.rows().get(Hook.POD_EGRESS.ordinal());
        assertTrue(row.hole() > 0, l.toString());
        assertEquals(0, row.lost(), l.toString());
        UdpStream.Result r = there.stop();
        assertEquals(row.hole(), r.lost(), l + " " + r);
    }

    /** Until that many more packets entered pod-egress. */
    private void awaitPackets(long n) throws Exception {
        Core core = null;
        try (io.patchbay.bpf.BpfMap in = io.patchbay.bpf.BpfMap.fromPin(lab.pins().resolve("maps").resolve("pb_in"))) {
            long start = Generation.sum(in, 1);
            long end = System.nanoTime() + 20_000_000_000L;
            while (Generation.sum(in, 1) < start + n) {
                assertTrue(System.nanoTime() < end && core == null, "no packets come");
                Thread.onSpinWait();
            }
        }
    }

    @Test
    void theGuardStopsWhatNoPreambleSaw() throws Exception {
        change("1");
        table();
        lab.node().close();
        Lab.in(lab.netnsName(), "tc", "filter", "del", "dev", a.device(), "ingress", "prio", Integer.toString(Entries.PRIORITY));
        UdpStream there = UdpStream.start(lab, a, b, 7001, 2_000);
        try (io.patchbay.bpf.BpfMap guard = io.patchbay.bpf.BpfMap.fromPin(lab.pins().resolve("maps").resolve("pb_unprocessed"))) {
            long end = System.nanoTime() + 20_000_000_000L;
            while (Generation.sum(guard, 0) < 500) {
                assertTrue(System.nanoTime() < end, "the guard sees nothing");
                Thread.onSpinWait();
            }
        }
        UdpStream.Result r = there.stop();
        assertEquals(0, r.received(), r.toString());
        lab.reopen();
        assertEquals(1, lab.node().reconcile(), "the preamble is put back");
        UdpStream again = UdpStream.start(lab, a, b, 7003, 2_000);
        Ledger l = change("2");
        assertTrue(l.rows().get(Hook.POD_EGRESS.ordinal()).unprocessed() >= 500, l.toString());
        UdpStream.Result ok = again.stop();
        assertTrue(ok.fin() && ok.lost() == 0, ok.toString());
    }
}
