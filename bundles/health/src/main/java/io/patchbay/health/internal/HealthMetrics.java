package io.patchbay.health.internal;

import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import java.util.List;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** How many nodes did not answer their last probe. */
@Component(service = MetricSource.class)
public final class HealthMetrics implements MetricSource {
    private final HealthComponent health;

    @Activate
    public HealthMetrics(@Reference HealthComponent health) {
        this.health = health;
    }

    @Override
    public List<Metric> metrics() {
        return List.of(Metric.gauge("cilium_unreachable_nodes", "Nodes that did not answer their last probe", health.last().stream().filter(n -> !n.reachable()).count()));
    }
}
