package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.itests.variants.FeatureVariant;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An agent whose features are updated over and over holds afterwards what it held before. */
@Tag("dist")
class LeakIT {
    /** Updates of every feature; all features at once in each. */
    private static final int UPDATES = Integer.getInteger("patchbay.updates", 10);
    private static final int WARM_UP = 4;

    @TempDir
    static Path jars;
    private static Lab lab;

    @BeforeAll
    static void start() {
        lab = Lab.up("pbt-leak");
        lab.awaitRunning("node1");
    }

    @AfterAll
    static void end() {
        if (lab != null) {
            lab.close();
        }
    }

    /** What the agent holds, by kind. */
    private static Map<String, Long> held() throws IOException {
        long pid = lab.agentPid("node1");
        Map<String, Long> held = new TreeMap<>();
        // The histogram collects garbage first; twice, because what is finalised goes with the second.
        Run.of("jcmd", String.valueOf(pid), "GC.run").ok();
        Run.of("jcmd", String.valueOf(pid), "GC.run").ok();
        held.put("class loaders of bundles", Run.of("jcmd", String.valueOf(pid), "GC.class_histogram").ok().lines()
                .filter(l -> l.contains("BundleWiringImpl$BundleClassLoader")).mapToLong(l -> Long.parseLong(l.trim().split("\\s+")[1])).sum());
        held.put("threads", (long) Lab.list(Path.of("/proc/" + pid + "/task")).size());
        held.put("descriptors", (long) Lab.list(Path.of("/proc/" + pid + "/fd")).size());
        // A program or map lives while a descriptor, a pin or another object holds it: the agent's are all in one of the first two.
        held.put("BPF objects by descriptor", (long) ids(pid).size());
        try (Stream<Path> pins = Files.walk(Path.of(lab.node("node1").getString("pinDirectory")))) {
            held.put("pins", pins.filter(p -> !Files.isDirectory(p)).count());
        }
        return held;
    }

    private static TreeSet<String> ids(long pid) {
        TreeSet<String> ids = new TreeSet<>();
        for (String fd : Lab.list(Path.of("/proc/" + pid + "/fdinfo"))) {
            try {
                ids.addAll(Files.readAllLines(Path.of("/proc/" + pid + "/fdinfo/" + fd)).stream().filter(l -> l.matches("(prog|map|link|btf)_id:.*")).collect(Collectors.toSet()));
            } catch (java.nio.file.NoSuchFileException e) {
                // Closed meanwhile.
                continue;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return ids;
    }

    private static String[] update(String version) throws IOException {
        List<String> words = new ArrayList<>(List.of("feature", "update"));
        for (String f : lab.features("node1").keySet()) {
            words.add(FeatureVariant.of(Lab.jar(f)).version(version).write(jars.resolve(version).resolve(f + ".jar")).toString());
        }
        return words.toArray(String[]::new);
    }

    @Test
    void updatesLeaveNothingBehind() throws IOException {
        String[] one = update("0.2.1");
        String[] other = update("0.2.2");
        for (int i = 0; i < WARM_UP; i++) {
            lab.on("node1", i % 2 == 0 ? one : other).ok();
        }
        lab.awaitRunning("node1");
        Map<String, Long> before = held();
        for (int i = 0; i < UPDATES; i++) {
            lab.on("node1", i % 2 == 0 ? one : other).ok();
        }
        lab.awaitRunning("node1");
        // What the last update left is held before as well; pools may have a few threads and descriptors more or less; none of them grows.
        Map<String, Long> slack = Map.of("class loaders of bundles", 4L, "threads", 4L, "descriptors", 8L, "BPF objects by descriptor", 4L, "pins", 0L);
        Await.passes("the agent holds what it held", () -> {
            try {
                Map<String, Long> after = held();
                before.forEach((what, n) -> assertTrue(after.get(what) <= n + slack.get(what), what + ": " + n + " before, " + after.get(what) + " after " + UPDATES
                        + " updates of each feature; before " + before + ", after " + after));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        lab.ledgers("node1").forEach(Ledger::assertClean);
    }
}
