package io.patchbay.bpf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("root")
class BpfObjectTest {
    private static final byte[] PACKET = new byte[64];
    private static Path pins;

    @BeforeAll
    static void sweep() throws Exception {
        pins = BpfFs.ensureMounted().resolve("pbt-object");
        BpfFs.removeTree(pins);
        Files.createDirectories(pins);
    }

    @AfterAll
    static void clean() {
        BpfFs.removeTree(pins);
    }

    @Test
    void loadsAllProgramsAndMaps() {
        try (BpfObject object = BpfObject.load(Compiled.object("basic"), LoadOptions.NONE)) {
            assertEquals(Set.of("first", "second", "emit", "touch", "refuse"), object.programs().keySet());
            assertEquals(ProgramType.CGROUP_SOCK_ADDR, object.program("refuse").type());
            assertEquals(1000, object.map("flows").info().maxEntries());
            assertTrue(object.maps().containsKey(".rodata"));
        }
    }

    @Test
    void constantReachesTheTailCallIndexAndStructFields() {
        LoadOptions options = LoadOptions.builder().constant("next_stage", 3).constant("cfg.net.port", 8080).constant("cfg.big", 5L << 32).build();
        try (BpfObject object = BpfObject.load(Compiled.object("basic"), options)) {
            assertEquals(2, object.program("first").testRun(PACKET).verdict(), "an empty slot falls through to the drop");
            object.map("stages").setProgram(3, object.program("second"));
            TestRun run = object.program("first").testRun(PACKET, SkbContext.EMPTY.withMark(5).withCb(List.of(10, 0, 0, 0, 0)), 1);
            assertEquals(42, run.verdict());
            assertEquals(List.of(10, 11, 8080, 5, 0), run.context().cb());
            assertEquals(0x105, run.context().mark());
            assertEquals(64, run.packet().length);
            assertEquals(object.program("second").id(), object.map("stages").programId(3).orElseThrow());
            assertTrue(object.map("stages").clearProgram(3));
            assertFalse(object.map("stages").clearProgram(3));
        }
    }

    @Test
    void verifierRefusalNamesTheProgramAndEndsWithTheReason() {
        VerifierException refusal = assertThrows(VerifierException.class, () -> BpfObject.load(Compiled.object("bad"), LoadOptions.NONE));
        assertEquals("unchecked", refusal.program());
        assertTrue(refusal.getMessage().contains("invalid access to packet"), refusal.getMessage());
        BpfObject.load(Compiled.object("bad"), LoadOptions.builder().skip("unchecked").build()).close();
    }

    @Test
    void refusalBeforeTheVerifierStillNamesTheProgram() {
        LoadOptions options = LoadOptions.builder().type("second", ProgramType.EXT).build();
        VerifierException refusal = assertThrows(VerifierException.class, () -> BpfObject.load(Compiled.object("basic"), options));
        assertEquals("second", refusal.program(), refusal.getMessage());
        assertTrue(refusal.errno() != 0);
    }

    @Test
    void everyKindOfMapCanBeGivenToTheNextLoad() {
        try (BpfObject old = BpfObject.load(Compiled.object("basic"), LoadOptions.NONE)) {
            Map<String, BpfMap> given = new HashMap<>(old.maps());
            given.remove(".rodata");
            try (BpfObject next = BpfObject.load(Compiled.object("basic"), LoadOptions.builder().maps(given).build())) {
                given.forEach((name, map) -> assertEquals(map.id(), next.map(name).id(), name));
                next.map("stages").setProgram(7, next.program("second"));
                assertEquals(42, old.program("first").testRun(PACKET).verdict(), "both generations share the array");
            }
            assertEquals("EBADF", assertThrows(BpfException.class, () -> old.map("stages").update(BpfMap.intKey(0), BpfMap.intKey(9999))).errnoName());
        }
    }

    @Test
    void pinsSurviveTheirObject() {
        try (BpfObject object = BpfObject.load(Compiled.object("basic"), LoadOptions.NONE)) {
            object.map("flows").pin(pins.resolve("flows"));
            object.program("second").pin(pins.resolve("second"));
        }
        try (BpfMap flows = BpfMap.fromPin(pins.resolve("flows")); BpfProgram second = BpfProgram.fromPin(pins.resolve("second"))) {
            assertEquals(42, second.testRun(PACKET).verdict());
            assertTrue(Compiled.spec("basic").map("flows").difference(flows.spec()).isEmpty());
            try (BpfObject again = BpfObject.load(Compiled.object("basic"), LoadOptions.builder().map("flows", flows).build())) {
                assertEquals(flows.id(), again.map("flows").id());
                assertTrue(again.program("touch").info().mapIds().contains(flows.id()));
            }
        }
    }
}
