package io.patchbay.metrics.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class GatheringTest {
    private static MetricSource source(Metric... all) {
        return () -> List.of(all);
    }

    private static List<String> names(Gathering.Result r) {
        return r.metrics().stream().map(Metric::name).toList();
    }

    @Test
    void samplesOfOneNameComeTogether() {
        Gathering.Result r = Gathering.of(List.of(source(Metric.gauge("full", "", List.of(Metric.sample("map", "a", 1))), Metric.gauge("x", "", 1)),
                source(Metric.gauge("full", "", List.of(Metric.sample("map", "b", 2))))));
        assertEquals(List.of(), r.problems());
        assertEquals(List.of("full", "x"), names(r));
        assertEquals(List.of(Map.of("map", "a"), Map.of("map", "b")), r.metrics().get(0).samples().stream().map(Metric.Sample::labels).toList());
    }

    @Test
    void oneSourceThatFailsCostsItsOwnFigures() {
        Gathering.Result r = Gathering.of(List.of(() -> {
            throw new IllegalStateException("no kernel");
        }, source(Metric.gauge("x", "", 1))));
        assertEquals(List.of("x"), names(r));
        assertTrue(r.problems().get(0).contains("no kernel"), r.problems().toString());
    }

    @Test
    void whatCantStandIsLeftOutAndNamed() {
        for (Metric wrong : List.of(Metric.gauge("no-name", "", 1), Metric.gauge("", "", 1), Metric.gauge("x_total", "", 1), Metric.counter("x", "", List.of()),
                Metric.gauge("x", "", List.of(Metric.sample("a", "1", 1), Metric.sample("a", "1", 2))), Metric.gauge("x", "", List.of(Metric.sample("a-b", "1", 1))),
                Metric.gauge("x", "", List.of(Metric.sample("__a", "1", 1))), Metric.gauge("there", "", 2), Metric.counter("y_total", "", List.of(Metric.sample("a", "b", 1), Metric.sample("a", "b", 1))))) {
            Gathering.Result r = Gathering.of(List.of(source(Metric.gauge("there", "", 1)), source(wrong, Metric.gauge("good", "", 1))));
            assertEquals(List.of("good", "there"), names(r), wrong.toString());
            assertEquals(1, r.problems().size(), wrong.toString());
            assertTrue(r.problems().get(0).contains(wrong.name()), r.problems().toString());
        }
    }
}
