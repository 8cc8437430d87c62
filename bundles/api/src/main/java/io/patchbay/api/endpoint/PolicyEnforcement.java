package io.patchbay.api.endpoint;

import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** What a policy class enforces, as the kernel's tables have it; a service of the feature that owns them. Thread-safe. */
@ProviderType
public interface PolicyEnforcement {
    /** Empty when the kernel has no such class. */
    Optional<Directions> of(int policyId);

    /** Whether what no rule allows is refused. */
    record Directions(boolean ingress, boolean egress) {
    }
}
