package io.patchbay.routing.internal;

import io.patchbay.api.feature.FeatureRuntime;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * Routing decides from maps that others fill (endpoints, node_config, the ipcache by way of identity's stages), so there is nothing to
 * prepare: it is ready as soon as it may run. Its rows in {@code status} are the node's.
 */
@Component(service = RoutingComponent.class, immediate = true)
public final class RoutingComponent {
    @Activate
    public RoutingComponent(@Reference(target = "(patchbay.feature=routing)") FeatureRuntime runtime) {
        runtime.ready();
    }
}
