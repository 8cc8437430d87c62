package io.patchbay.shell.internal;

import io.patchbay.api.feature.Features;
import io.patchbay.api.status.Controllers;
import io.patchbay.api.status.StatusRow;
import java.util.List;
import java.util.Map;

/** {@code Modules Health}: features and controllers as modules. What was asked to be out is stopped; what should work and doesn't is degraded. */
final class ModulesRow {
    private ModulesRow() {
    }

    static StatusRow of(List<Features.FeatureStatus> features, List<Controllers.State> controllers) {
        long stopped = features.stream().filter(f -> f.state() == Features.State.DISABLED || f.state() == Features.State.DRAINING).count();
        long running = features.stream().filter(f -> f.state() == Features.State.RUNNING).count();
        long failing = controllers.stream().filter(c -> !c.healthy()).count();
        long degraded = features.size() - stopped - running + failing;
        long ok = running + controllers.size() - failing;
        // Each of them has its say about the node's health in a row of its own.
        return new StatusRow(StatusRow.Order.CLUSTER_HEALTH + 1, "Modules Health", List.of("Stopped(" + stopped + ") Degraded(" + degraded + ") OK(" + ok + ")"),
                List.of(), true, Map.of("stopped", stopped, "degraded", degraded, "ok", ok));
    }
}
