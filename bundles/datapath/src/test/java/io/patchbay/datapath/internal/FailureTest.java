package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureDescriptor.Migration;
import io.patchbay.datapath.testkit.Lab;
import io.patchbay.datapath.testkit.Shell;
import io.patchbay.datapath.testkit.UdpStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.AbstractList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What fails behind the switch does not undo it; what is never finished does not stop others without a word. */
@Tag("root")
class FailureTest {
    private Lab lab;
    private Lab.Pod a;
    private Lab.Pod b;

    @BeforeEach
    void up() {
        lab = new Lab("dpf");
        a = lab.pod("a", 1);
        b = lab.pod("b", 2);
        prepare().commit();
        Generation.fill(pipeline().map("forward_table"), a, b);
    }

    @AfterEach
    void down() {
        lab.close();
    }

    private Pipeline pipeline() {
        return lab.node().pipeline();
    }

    private Pipeline.Prepared prepare(String... defines) {
        return pipeline().prepare(new GenerationSpec(List.of(Generation.forwarder(Migration.COPY, defines)), 1, "forward", true));
    }

    private void assertWorks(UdpStream traffic) throws Exception {
        Ledger next = prepare().commit();
        assertEquals("accepted", next.outcome());
        assertEquals(0, next.faults(), next.toString());
        assertEquals(next.toEpoch(), pipeline().current().orElseThrow().epoch());
        try (Stream<Path> pins = Files.list(lab.pins().resolve("gen"))) {
            assertEquals(List.of(Long.toString(next.toEpoch())), pins.map(p -> p.getFileName().toString()).toList());
        }
        UdpStream.Result r = traffic.stop();
        assertTrue(r.fin() && r.lost() == 0 && r.dup() == 0, r.toString());
    }

    @Test
    void aLedgerThatCanNotBeWritten() throws Exception {
        UdpStream traffic = UdpStream.start(lab, a, b, 7001, 5_000);
        Path ledgers = lab.state().resolve("datapath").resolve("ledgers");
        Pipeline.Prepared p = prepare("FORWARD_MARKER=1");
        Path away = Files.move(ledgers, ledgers.resolveSibling("away"));
        Files.createFile(ledgers);
        Ledger l = p.commit();
        assertEquals(2, pipeline().current().orElseThrow().epoch());
        assertEquals(0, l.faults(), l.toString());
        Files.delete(ledgers);
        Files.move(away, ledgers);
        assertWorks(traffic);
    }

    @Test
    void aMapThatCanNotTakeItsName() throws Exception {
        UdpStream traffic = UdpStream.start(lab, a, b, 7001, 5_000);
        MapHandle seen = pipeline().map("forward_seen");
        for (int i = 0; i < 1_000; i++) {
            seen.put(new Struct(seen.key()).set("", 0x10000 + i), new Struct(seen.value()).set("packets", i));
        }
        Path pin = lab.pins().resolve("maps").resolve("forward_seen");
        Pipeline.Prepared p = prepare("FORWARD_WIDE");
        Shell.run("mount", "--bind", "/dev/null", pin.toString());
        Ledger l;
        String refused;
        try {
            l = p.commit();
            assertEquals(2, pipeline().current().orElseThrow().epoch());
            refused = assertThrows(RuntimeException.class, () -> prepare()).getMessage();
        } finally {
            Shell.run("umount", pin.toString());
        }
        assertTrue(l.outcome().startsWith("in charge, but incomplete") && l.outcome().contains("map forward_seen can't take over its name"), l.outcome());
        assertEquals(0, l.faults(), l.toString());
        assertTrue(refused.contains("forward_seen"), refused);
        assertTrue(pipeline().map("forward_seen").value().has("since"), "the name means what the generation in charge uses");
        assertEquals(999, seen.lookup(new Struct(seen.key()).set("", 0x10000 + 999)).orElseThrow().get("packets"));
        assertWorks(traffic);
        assertEquals(1_001, pipeline().map("forward_seen").count());
    }

    @Test
    void aChangeThatIsNeverCommittedIsNamedToTheNext() {
        ((Generations) pipeline()).patience(Duration.ofMillis(100));
        Pipeline.Prepared forgotten = prepare("FORWARD_MARKER=1");
        String m = assertThrows(DatapathException.class, () -> prepare()).getMessage();
        assertTrue(m.contains("neither committed nor discarded") && m.contains("'forward' (change 1)") && m.contains(Thread.currentThread().getName()), m);
        forgotten.discard();
        assertEquals("accepted", prepare().commit().outcome());
    }

    /** Not only exceptions end a change: a machine that has no thread for a loader says so by an error. */
    @Test
    void anErrorInAChangeLeavesTheNextItsTurn() {
        ((Generations) pipeline()).patience(Duration.ofMillis(100));
        List<GenerationSpec.Part> failing = new AbstractList<>() {
            @Override
            public GenerationSpec.Part get(int index) {
                throw new OutOfMemoryError("unable to create native thread");
            }

            @Override
            public int size() {
                return 1;
            }
        };
        assertThrows(OutOfMemoryError.class, () -> pipeline().prepare(new GenerationSpec(failing, 1, "forward", true)));
        assertEquals("accepted", prepare().commit().outcome());
    }

    @Test
    void whatIsRemovedIsBackAtOnce() {
        for (int i = 0; i < 5; i++) {
            long start = System.nanoTime();
            if (i < 4) {
                Lab.in(lab.netnsName(), "tc", "filter", "del", "dev", a.device(), "ingress", "prio", Integer.toString(Entries.PRIORITY));
            } else {
                Lab.in(lab.netnsName(), "tc", "qdisc", "del", "dev", a.device(), "clsact");
            }
            int times = i + 1;
            Connected.await("put back", () -> lab.node().attachments().list().stream().anyMatch(x -> x.hook() == Hook.POD_EGRESS && x.restored() == times && x.present()));
            long millis = (System.nanoTime() - start) / 1_000_000;
            assertTrue(millis < 1_000, "after " + millis + " ms");
        }
    }

    @Test
    void whatAQueueDropsIsInTheLedger() throws Exception {
        Lab.in(lab.netnsName(), "ip", "addr", "add", "10.99.0.9/32", "dev", "lo");
        Lab.in(lab.netnsName(), "tc", "qdisc", "add", "dev", b.device(), "root", "tbf", "rate", "8kbit", "burst", "1600", "limit", "1600");
        Lab.Pod node = new Lab.Pod("node", lab.netnsName(), "10.99.0.9", "", "", 0, "");
        try (UdpStream traffic = UdpStream.start(lab, node, b, 7001, 20_000)) {
            Connected.await("the queue is full", () -> Lab.in(lab.netnsName(), "tc", "-s", "qdisc", "show", "dev", b.device()).contains("overlimits 1"));
            Ledger l = prepare("FORWARD_MARKER=1").commit();
            assertEquals(0, l.faults(), l.toString());
            long drops = l.rows().get(Hook.POD_INGRESS.ordinal()).deviceDrops();
            assertTrue(drops > 0, l.toString());
            assertEquals(0, l.rows().get(Hook.POD_EGRESS.ordinal()).deviceDrops(), l.toString());
        }
    }
}
