package io.patchbay.policy.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import io.patchbay.policy.internal.control.PolicyControl.InForce;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** What is in force, what is not, and how full the tables are. */
@Component(service = MetricSource.class)
public final class PolicyMetrics implements MetricSource {
    private final PolicyFeature policy;
    private final Endpoints endpoints;

    @Activate
    public PolicyMetrics(@Reference PolicyFeature policy, @Reference Endpoints endpoints) {
        this.policy = policy;
        this.endpoints = endpoints;
    }

    @Override
    public List<Metric> metrics() {
        InForce now = policy.inForce();
        PolicyFeature.Changes changes = policy.changes();
        Map<String, Integer> enforcement = new TreeMap<>(Map.of("none", 0, "ingress", 0, "egress", 0, "both", 0));
        for (Endpoint e : endpoints.list()) enforcement.merge(enforcement(e), 1, Integer::sum);
        PolicyFeature.Room taken = policy.taken();
        return List.of(
                Metric.gauge("cilium_policy", "Policies whose tables are in force", now.policies().size()),
                Metric.gauge("cilium_policy_max_revision", "Revision of the policies in force", now.revision()),
                Metric.counter("cilium_policy_change_total", "Changes of policies that were put in force (success), or tried in vain: the tables before stay (fail)",
                        List.of(Metric.sample("outcome", "success", changes.done()), Metric.sample("outcome", "fail", changes.failed()))),
                Metric.gauge("cilium_policy_endpoint_enforcement_status", "Endpoints of this node by the directions in which what no rule allows is dropped",
                        enforcement.entrySet().stream().map(e -> Metric.sample("enforcement", e.getKey(), e.getValue())).toList()),
                Metric.gauge("patchbay_policy_not_in_force", "Policies of the cluster that the tables in force don't have as they are now", policy.notInForce().size()),
                Metric.gauge("cilium_bpf_map_pressure", "How full a map is, from 0 to 1",
                        List.of(Metric.sample("map_name", "policy", (double) taken.entries() / taken.entryCapacity()),
                                Metric.sample("map_name", "policy_sets", (double) taken.sets() / taken.setCapacity()))));
    }

    private String enforcement(Endpoint e) {
        return policy.of(e.policyId()).map(d -> d.ingress() ? d.egress() ? "both" : "ingress" : d.egress() ? "egress" : "none").orElse("none");
    }
}
