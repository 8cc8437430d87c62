package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** How many pods this node has, and in which state their endpoints are. */
@Component(service = MetricSource.class)
public final class EndpointMetrics implements MetricSource {
    private final EndpointComponent endpoints;

    @Activate
    public EndpointMetrics(@Reference EndpointComponent endpoints) {
        this.endpoints = endpoints;
    }

    @Override
    public List<Metric> metrics() {
        Collection<Endpoint> all = endpoints.list();
        Map<String, Integer> states = new TreeMap<>();
        for (Endpoint.State s : Endpoint.State.values()) states.put(s.text(), 0);
        for (Endpoint e : all) states.merge(e.state().text(), 1, Integer::sum);
        return List.of(Metric.gauge("cilium_endpoint", "Endpoints of this node, the node itself left out", all.size()),
                Metric.gauge("cilium_endpoint_state", "Endpoints of this node by state",
                        states.entrySet().stream().map(e -> Metric.sample("endpoint_state", e.getKey(), e.getValue())).toList()));
    }
}
