package io.patchbay.itests;

import io.patchbay.itests.variants.FeatureVariant;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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

    private static Held held() {
        return Held.by(lab, "node1");
    }

    /** The words of one update of every feature to a version. */
    static String[] update(Lab lab, Path jars, String version) throws IOException {
        List<String> words = new ArrayList<>(List.of("feature", "update"));
        for (String f : lab.features("node1").keySet()) {
            words.add(FeatureVariant.of(Lab.jar(f)).version(version).write(jars.resolve(version).resolve(f + ".jar")).toString());
        }
        return words.toArray(String[]::new);
    }

    @Test
    void updatesLeaveNothingBehind() throws IOException {
        String[] one = update(lab, jars, "0.2.1");
        String[] other = update(lab, jars, "0.2.2");
        for (int i = 0; i < WARM_UP; i++) {
            lab.on("node1", i % 2 == 0 ? one : other).ok();
        }
        lab.awaitRunning("node1");
        Held before = held();
        for (int i = 0; i < UPDATES; i++) {
            lab.on("node1", i % 2 == 0 ? one : other).ok();
        }
        lab.awaitRunning("node1");
        Await.passes("the agent holds what it held", () -> held().assertNoMoreThan(before, UPDATES + " updates of each feature"));
        lab.ledgers("node1").forEach(Ledger::assertClean);
    }
}
