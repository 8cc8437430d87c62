package io.patchbay.api.cluster;

import io.patchbay.api.labels.LabelSet;
import java.util.Objects;

/** A security identity that is claimed cluster-wide: the number and the labels it stands for. */
public record CiliumIdentity(long id, LabelSet labels) {
    public CiliumIdentity {
        Objects.requireNonNull(labels);
    }
}
