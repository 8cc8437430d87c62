package io.patchbay.api.feature;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** The features of this node, for those who show or need them. Provided by lifecycle. */
@ProviderType
public interface Features {
    List<FeatureStatus> list();

    Optional<FeatureStatus> get(String name);

    /** Names of enabled features that CNI ADD needs and that do not run, with the reason; empty: go ahead. */
    List<String> missingForAdd();

    /** Features that the distribution has and this node has not: {@code feature add} brings them. Read from the distribution's files; empty when they can't be. */
    List<FeatureDescriptor> addable();

    /**
     * @param state   what the node does with it now
     * @param since   of this state
     * @param detail  reason of FROZEN, FAILED or UNAVAILABLE; else empty
     */
    record FeatureStatus(FeatureDescriptor descriptor, State state, Instant since, String detail, String digest, List<String> earlierVersions) {
    }

    /**
     * RUNNING: datapath and behaviour. FROZEN: the datapath is in charge, the bundle does not run. DISABLED. DRAINING: takes no new
     * state. STARTING: enabled, not ready yet. FAILED: says it can't work. UNAVAILABLE: the kernel lacks something.
     */
    enum State { RUNNING, FROZEN, DISABLED, DRAINING, STARTING, FAILED, UNAVAILABLE }
}
