package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.Ledger;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Whoever changes the datapath is killed at any instant: traffic goes on, and the next one adopts what is there. */
@Tag("root")
class KilledTest {
    private static final int ROUNDS = 3;
    private static final int KILLS = 10;
    private static final int SLEEPING = 3_000;
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
        c = new Connected("killed", parts);
    }

    @AfterEach
    void down() {
        c.close();
    }

    private Process switcher() throws IOException {
        return new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Djnr.ffi.x86asm.enabled=false", "-XX:TieredStopAtLevel=1",
                "-cp", System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")), Switcher.class.getName(), c.lab.pins().toString(),
                c.lab.state().toString(), c.lab.netns().toString(), parts.folder().toString()).redirectErrorStream(true).start();
    }

    @Test
    void killedThirtyTimesInTheMidstOfAChange() throws Exception {
        Random random = new Random(42);
        c.sleepers(SLEEPING);
        c.lab.closeNode();
        long last = 1;
        int inCommit = 0;
        for (int round = 0; round < ROUNDS; round++) {
            c.lab.reopen();
            c.traffic();
            c.lab.closeNode();
            for (int kill = 0; kill < KILLS; kill++) {
                // Most in the commit, whose length the first ones tell; the others anywhere.
                boolean inside = kill % 4 != 3;
                int skip = random.nextInt(3);
                Process p = switcher();
                StringBuilder said = new StringBuilder();
                try (BufferedReader out = new BufferedReader(new InputStreamReader(p.getInputStream()))) {
                    String line;
                    while ((line = out.readLine()) != null) {
                        said.append(line).append('\n');
                        String[] words = line.split(" ");
                        if (words[0].equals("opened")) {
                            long epoch = Long.parseLong(words[1]);
                            assertTrue(epoch >= last, said.toString());
                            assertEquals("0", words[2], "nothing is put back that was not away");
                            last = epoch;
                        } else if (words[0].equals("accepted")) {
                            assertEquals("0", words[2], said.toString());
                            last = Long.parseLong(words[1]);
                        } else if (words[0].equals(inside ? "commit" : "prepare") && skip-- == 0) {
                            LockSupport.parkNanos(random.nextInt(inside ? 120_000_000 : 400_000_000));
                            p.toHandle().destroyForcibly();
                            break;
                        }
                    }
                    String rest;
                    boolean committed = false;
                    while ((rest = out.readLine()) != null) {
                        committed |= rest.startsWith("accepted");
                        said.append(rest).append('\n');
                    }
                    inCommit += inside && !committed ? 1 : 0;
                }
                assertEquals(128 + 9, p.waitFor(), said.toString());
            }
            c.assertClean();
        }
        System.out.println("killed in commit: " + inCommit + " of " + ROUNDS * KILLS + ", changes: " + last);
        assertTrue(inCommit >= 10, "only " + inCommit + " were killed in a commit");
        c.lab.reopen();
        c.traffic();
        Ledger l = c.change(!c.connections().value().has("asked"));
        assertEquals("accepted", l.outcome());
        assertEquals(0, l.faults(), l.toString());
        c.assertSleepers(SLEEPING);
        c.assertClean();
        assertEquals(List.of(Long.toString(l.toEpoch())), names(c.lab.pins().resolve("gen")));
        assertTrue(names(c.lab.pins().resolve("maps")).stream().noneMatch(n -> n.contains("-e")), "no map waits for its name");
        assertEquals(List.of("generation-" + l.toEpoch() + ".json"), names(c.lab.state().resolve("datapath")).stream().filter(n -> n.startsWith("generation-")).toList());
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }
}
