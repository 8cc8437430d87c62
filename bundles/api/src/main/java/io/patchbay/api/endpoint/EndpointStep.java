package io.patchbay.api.endpoint;

import java.util.concurrent.CompletableFuture;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Work of another feature that a new pod needs before it may send or receive (its policy table, its queue); a service with
 * the property {@code patchbay.feature}. When a feature that registers one is Frozen, CNI ADD says "try again later".
 */
@ConsumerType
public interface EndpointStep {
    /** While the pod's device is down. The result is the endpoint with what this step set (policy id, flags). */
    CompletableFuture<Endpoint> prepare(Endpoint endpoint);

    /** After the endpoint has gone. */
    void forget(Endpoint endpoint);
}
