package io.patchbay.bpf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Probes, ids, grace periods, and that nothing is left behind. */
@Tag("root")
class KernelTest {
    @Test
    void probesTellWhatThisKernelHas() {
        assertTrue(KernelProbe.programType(ProgramType.SCHED_CLS).available());
        assertTrue(KernelProbe.programType(ProgramType.CGROUP_SOCK_ADDR).available());
        assertTrue(KernelProbe.ringBuffer().available());
        assertTrue(KernelProbe.batches(MapType.HASH).available());
        assertFalse(KernelProbe.batches(MapType.PROG_ARRAY).available());
        assertTrue(KernelProbe.mapType(MapType.LPM_TRIE).available());
        KernelProbe.Answer neigh = KernelProbe.helper(ProgramType.SCHED_CLS, "redirect_neigh");
        assertTrue(neigh.available(), neigh.toString());
        KernelProbe.Answer wrong = KernelProbe.helper(ProgramType.CGROUP_SOCK_ADDR, "bpf_redirect_neigh");
        assertFalse(wrong.available(), wrong.toString());
        assertTrue(wrong.reason().contains("func") || wrong.reason().contains("helper"), wrong.reason());
        assertThrows(IllegalArgumentException.class, () -> KernelProbe.helper(ProgramType.SCHED_CLS, "bpf_fly"));
        KernelProbe.Answer target = KernelProbe.programType(ProgramType.EXT);
        assertFalse(target.available());
        assertTrue(target.reason().contains("target"));
    }

    @Test
    void tcxIsFoundWhereTheKernelHasIt() {
        String[] version = System.getProperty("os.version").split("[.-]");
        boolean expected = Integer.parseInt(version[0]) > 6 || Integer.parseInt(version[0]) == 6 && Integer.parseInt(version[1]) >= 6;
        KernelProbe.Answer answer = KernelProbe.tcx();
        assertEquals(expected, answer.available(), answer.reason());
    }

    @Test
    void gracePeriodReturns() {
        Rcu.grace();
    }

    @Test
    void loadingAndClosingLeavesNothingBehind() throws Exception {
        byte[] object = Compiled.object("basic");
        BpfObject.load(object, LoadOptions.NONE).close();
        assertThrows(VerifierException.class, () -> BpfObject.load(Compiled.object("bad"), LoadOptions.NONE));
        long descriptors = descriptors();
        List<Integer> own;
        try (BpfObject open = BpfObject.load(object, LoadOptions.NONE)) {
            own = List.of(open.program("first").id(), open.program("second").id(), open.map("flows").id());
            assertTrue(BpfIds.list(BpfIds.Kind.PROGRAM).contains(own.get(0)));
            assertTrue(BpfIds.list(BpfIds.Kind.MAP).contains(own.get(2)));
            assertTrue(BpfIds.count().maps() >= 7);
            try (BpfProgram second = BpfProgram.fromId(own.get(1))) {
                assertEquals("second", second.info().name());
            }
        }
        for (int i = 0; i < 20; i++) {
            BpfObject.load(object, LoadOptions.NONE).close();
            assertThrows(VerifierException.class, () -> BpfObject.load(Compiled.object("bad"), LoadOptions.NONE));
            KernelProbe.tcx();
        }
        assertEquals(descriptors, descriptors());
    }

    private static long descriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.count();
        }
    }

    @Test
    void verifierLogThatIsLongEndsWithItsReason() {
        VerifierException refusal = assertThrows(VerifierException.class, () -> BpfObject.load(Compiled.object("long"), LoadOptions.NONE));
        assertEquals("wanders", refusal.program());
        assertTrue(refusal.log().length() > 300_000, "the log needs a larger buffer than the first: " + refusal.log().length());
        assertTrue(refusal.getMessage().contains("invalid access to packet"), refusal.getMessage());
        assertTrue(refusal.getMessage().length() < 20_000);
    }
}
