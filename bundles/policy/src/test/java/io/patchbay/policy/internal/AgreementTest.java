package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.evaluator.TraceResult;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** The evaluator and the compiled tables must agree on random clusters, policies and connections. */
class AgreementTest {
    private static final int WORLDS = 1500;
    private static final int CONNECTIONS = 60;

    @Test
    void fixedSeeds() {
        agree(20261123);
    }

    @Test
    void randomSeed() {
        long seed = new Random().nextLong();
        System.out.println("AgreementTest.randomSeed: " + seed);
        agree(seed);
    }

    private static void agree(long firstSeed) {
        Map<Integer, Integer> verdicts = new TreeMap<>();
        for (int i = 0; i < WORLDS; i++) {
            long seed = firstSeed + i;
            RandomWorld world = new RandomWorld(seed);
            Evaluator evaluator = new Evaluator(world.options, world.policies, world.groups, world.cluster);
            CompiledCluster compiled = new CompiledCluster(world.options, world.policies, world.groups, world.cluster);
            for (int c = 0; c < CONNECTIONS; c++) {
                Connection connection = world.connection();
                TraceResult trace = evaluator.evaluate(connection);
                int actual = compiled.verdict(connection);
                assertEquals(trace.reason(), actual, () -> "seed " + seed + ": " + connection + "\n" + world.options + "\n" + world.policies + "\n"
                        + world.cluster + "\n" + trace.render());
                verdicts.merge(actual, 1, Integer::sum);
            }
        }
        for (int reason : new int[] {0, 133, 181}) {
            int percent = 100 * verdicts.getOrDefault(reason, 0) / (WORLDS * CONNECTIONS);
            assertTrue(percent >= 2, () -> "the random worlds have become one-sided: " + verdicts);
        }
    }
}
