package io.patchbay.api.metrics;

import java.util.List;
import java.util.Map;

/**
 * What is measured, and its figures now.
 *
 * @param name    as Cilium's where the same thing is measured ({@code cilium_endpoint_state}), else {@code patchbay_…}; a counter ends with {@code _total}
 * @param help    one line
 * @param samples one for each set of labels
 */
public record Metric(String name, Kind kind, String help, List<Sample> samples) {
    /** COUNTER only grows, and begins at zero when the agent, or the datapath that counts, begins. */
    public enum Kind {
        COUNTER, GAUGE
    }

    /** One figure. */
    public record Sample(Map<String, String> labels, double value) {
        public Sample {
            labels = Map.copyOf(labels);
        }
    }

    public Metric {
        samples = List.copyOf(samples);
    }

    public static Metric gauge(String name, String help, double value) {
        return new Metric(name, Kind.GAUGE, help, List.of(new Sample(Map.of(), value)));
    }

    public static Metric gauge(String name, String help, List<Sample> samples) {
        return new Metric(name, Kind.GAUGE, help, samples);
    }

    public static Metric counter(String name, String help, List<Sample> samples) {
        return new Metric(name, Kind.COUNTER, help, samples);
    }

    /** A figure with one label. */
    public static Sample sample(String label, String text, double value) {
        return new Sample(Map.of(label, text), value);
    }
}
