package io.patchbay.metrics.internal;

import io.patchbay.api.metrics.Metric;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;

/** The text format 0.0.4, which every collector reads. */
final class PrometheusText {
    static final String CONTENT_TYPE = PrometheusTextFormatWriter.CONTENT_TYPE;
    private static final PrometheusTextFormatWriter WRITER = PrometheusTextFormatWriter.create();

    private PrometheusText() {
    }

    static byte[] of(List<Metric> metrics) throws IOException {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        WRITER.write(text, new MetricSnapshots(metrics.stream().map(PrometheusText::snapshot).toList()));
        return text.toByteArray();
    }

    private static MetricSnapshot snapshot(Metric m) {
        if (m.kind() == Metric.Kind.COUNTER) {
            // The writer gives the name its ending back.
            CounterSnapshot.Builder b = CounterSnapshot.builder().name(m.name().substring(0, m.name().length() - "_total".length())).help(m.help());
            for (Metric.Sample s : m.samples()) b.dataPoint(CounterSnapshot.CounterDataPointSnapshot.builder().labels(labels(s)).value(s.value()).build());
            return b.build();
        }
        GaugeSnapshot.Builder b = GaugeSnapshot.builder().name(m.name()).help(m.help());
        for (Metric.Sample s : m.samples()) b.dataPoint(GaugeSnapshot.GaugeDataPointSnapshot.builder().labels(labels(s)).value(s.value()).build());
        return b.build();
    }

    private static Labels labels(Metric.Sample s) {
        Labels.Builder b = Labels.builder();
        s.labels().forEach(b::label);
        return b.build();
    }
}
