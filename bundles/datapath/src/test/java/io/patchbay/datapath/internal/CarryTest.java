package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.bpf.BpfMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Connections outlive a change of conntrack's own layout, forward and back. */
@Tag("root")
class CarryTest {
    private static final int SLEEPING = 20_000;
    private static final int PACKETS = 150;
    private static Connected.Parts parts;
    private Connected c;

    @BeforeAll
    static void compile() {
        parts = Connected.Parts.compile();
    }

    @AfterAll
    static void remove() {
        parts.remove();
    }

    @BeforeEach
    void up() {
        c = new Connected("carry", parts);
    }

    @AfterEach
    void down() {
        c.close();
    }

    @Test
    void tenChangesOfLayoutLoseNoConnection() throws Exception {
        c.traffic();
        c.sleepers(SLEEPING);
        for (int i = 0; i < 10; i++) {
            boolean other = i % 2 == 0;
            int before = c.connections().count();
            Ledger l = c.change(other);
            assertEquals("accepted", l.outcome());
            assertEquals(0, l.faults(), l.toString());
            String line = l.carried().stream().filter(x -> x.startsWith("ct4 ")).findFirst().orElseThrow();
            assertTrue(line.startsWith(String.format("ct4 %,d of %,d", before, before)), line);
            assertEquals(other, c.connections().value().has("asked"));
            assertEquals(before, c.connections().count());
            c.assertSleepers(SLEEPING);
        }
        assertEquals(11, c.pipeline().current().orElseThrow().epoch());
        c.assertClean();
    }

    /** What the pass brings over is taken away again: while the word says so, packets bring over their entries themselves. */
    @Test
    void packetsReadThroughToTheOldMap() throws Exception {
        c.traffic();
        Connected.await("every connection has had packets", () -> c.connections().entries().values().stream().allMatch(e -> e.get("tx_packets") >= PACKETS));
        Ledger l = c.change(true);
        assertEquals(0, l.faults(), l.toString());
        MapHandle ct = c.connections();
        int connections = ct.count();
        try (BpfMap carrying = BpfMap.fromPin(c.lab.pins().resolve("maps").resolve("pb_carrying"))) {
            assertEquals(0, carrying.lookup(0).getInt(0), "the reading has ended");
            carrying.update(BpfMap.intKey(0), BpfMap.intKey((int) l.toEpoch()));
            ct.deleteAll(ct.entries().keySet());
            Connected.await(connections + " connections", () -> ct.count() >= connections);
            for (Struct e : ct.entries().values()) {
                assertTrue(e.get("tx_packets") >= PACKETS, "brought over with what it was: " + e.get("tx_packets"));
            }
            carrying.update(BpfMap.intKey(0), BpfMap.intKey(0));
        }
        c.assertClean();
    }
}
