package io.patchbay.metrics.internal;

import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Asks every source; samples of one name from several of them come together. What one source gets wrong costs only its own figures. */
final class Gathering {
    /**
     * @param metrics  by name
     * @param problems what is missing and why, a line each
     */
    record Result(List<Metric> metrics, List<String> problems) {
    }

    private Gathering() {
    }

    static Result of(Collection<? extends MetricSource> sources) {
        Map<String, Metric> all = new TreeMap<>();
        List<String> problems = new ArrayList<>();
        for (MetricSource source : sources) {
            List<Metric> mine;
            try {
                mine = source.metrics();
            } catch (RuntimeException e) {
                problems.add(source.getClass().getName() + ": " + e);
                continue;
            }
            for (Metric m : mine) {
                String wrong = problem(m, all.get(m.name()));
                if (wrong.isEmpty()) all.merge(m.name(), m, Gathering::both);
                else problems.add(source.getClass().getName() + ": " + m.name() + " " + wrong);
            }
        }
        return new Result(List.copyOf(all.values()), problems);
    }

    /** Empty if the figures can stand beside those that are there. */
    private static String problem(Metric m, Metric there) {
        boolean counter = m.kind() == Metric.Kind.COUNTER;
        if (!m.name().matches("[a-zA-Z_:][a-zA-Z0-9_:]*")) return "is no name of a metric";
        if (counter != m.name().endsWith("_total")) return counter ? "is a counter and doesn't end with _total" : "is a gauge and ends with _total";
        if (there != null && there.kind() != m.kind()) return "is a " + m.kind() + " and elsewhere a " + there.kind();
        Set<Map<String, String>> seen = new HashSet<>();
        if (there != null) there.samples().forEach(s -> seen.add(s.labels()));
        for (Metric.Sample s : m.samples()) {
            if (!seen.add(s.labels())) return "has two figures for " + s.labels();
            for (String label : s.labels().keySet()) if (!label.matches("[a-zA-Z_][a-zA-Z0-9_]*") || label.startsWith("__")) return "has the label " + label + ", which is no name of one";
        }
        return "";
    }

    private static Metric both(Metric a, Metric b) {
        List<Metric.Sample> samples = new ArrayList<>(a.samples());
        samples.addAll(b.samples());
        return new Metric(a.name(), a.kind(), a.help(), samples);
    }
}
