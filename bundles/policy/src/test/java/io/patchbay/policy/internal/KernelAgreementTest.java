package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.evaluator.TraceResult;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What {@link AgreementTest} asks of the compiled tables, asked of the real programs: each side of each connection is a packet, as in {@link VectorTest}; in every other world with sets of peers. */
@Tag("root")
class KernelAgreementTest {
    private static final int WORLDS = Integer.getInteger("patchbay.fuzz.worlds", 40);
    private static final int CONNECTIONS = 60;

    @Test
    void fixedSeeds() {
        agree(20261130);
    }

    @Test
    void randomSeed() {
        long seed = Long.getLong("patchbay.fuzz.seed", new Random().nextLong());
        System.out.println("KernelAgreementTest.randomSeed: " + seed);
        agree(seed);
    }

    /** One that a packet can have: ICMP of the other family is dropped before anybody asks policy. */
    private static Connection possible(RandomWorld world) {
        Connection c = world.connection();
        while (c.isIcmp() && (c.protocol() == 1) != c.source().isV4()) c = world.connection();
        return c;
    }

    private static void agree(long firstSeed) {
        Map<Integer, Integer> verdicts = new TreeMap<>();
        try (KernelJudge kernel = new KernelJudge()) {
            for (int i = 0; i < WORLDS; i++) {
                long seed = firstSeed + i;
                RandomWorld world = new RandomWorld(seed);
                Evaluator evaluator = new Evaluator(world.options, world.policies, world.groups, world.cluster);
                CompiledCluster compiled = new CompiledCluster(world.options, world.policies, world.groups, world.cluster);
                List<Connection> connections = Stream.generate(() -> possible(world)).limit(CONNECTIONS).toList();
                List<Integer> actual = compiled.verdictsBy(kernel.with(world.options, i % 2 == 0 ? 1 : Integer.MAX_VALUE), connections);
                for (int c = 0; c < CONNECTIONS; c++) {
                    TraceResult trace = evaluator.evaluate(connections.get(c));
                    assertEquals(trace.reason(), actual.get(c), () -> "seed " + seed + "\n" + world.options + "\n" + world.policies + "\n" + world.cluster + "\n"
                            + trace.render());
                    verdicts.merge(trace.reason(), 1, Integer::sum);
                }
            }
            assertTrue(kernel.sets() > 0, "some tables had sets of peers");
            assertTrue(kernel.packets() > WORLDS * CONNECTIONS, () -> "only " + kernel.packets() + " packets");
        }
        for (int reason : new int[] {0, 133, 181}) {
            int percent = 100 * verdicts.getOrDefault(reason, 0) / (WORLDS * CONNECTIONS);
            assertTrue(percent >= 2, () -> "the random worlds have become one-sided: " + verdicts);
        }
    }
}
