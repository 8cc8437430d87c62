package io.patchbay.identity.internal;

import io.patchbay.api.identity.Identities;
import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** How many identities this node knows. */
@Component(service = MetricSource.class)
public final class IdentityMetrics implements MetricSource {
    private final Identities identities;

    @Activate
    public IdentityMetrics(@Reference Identities identities) {
        this.identities = identities;
    }

    @Override
    public List<Metric> metrics() {
        Map<String, Integer> types = new TreeMap<>(Map.of("reserved", 0, "cluster_local", 0, "node_local", 0));
        for (int number : identities.all().keySet()) {
            types.merge(IdentityNumbers.isCluster(number) ? "cluster_local" : IdentityNumbers.isLocal(number) ? "node_local" : "reserved", 1, Integer::sum);
        }
        return List.of(Metric.gauge("cilium_identity", "Identities that this node knows: reserved ones, those of pods (cluster_local), those of prefixes (node_local)",
                types.entrySet().stream().map(e -> Metric.sample("type", e.getKey(), e.getValue())).toList()));
    }
}
