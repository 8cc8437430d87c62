package io.patchbay.api.cluster;

import io.patchbay.api.labels.LabelSet;
import org.osgi.annotation.versioning.ConsumerType;

/** Claims identity numbers for the whole cluster; provided by the source of the cluster's objects. Thread-safe; may block on I/O. */
@ConsumerType
public interface IdentityClaims {
    /** What became of a claim. */
    sealed interface Result {
    }

    /** The number stands for the labels on every node, for good: now, or since somebody claimed it with the same labels. */
    record Claimed() implements Result {
    }

    /** The number stands for other labels. */
    record TakenBy(LabelSet labels) implements Result {
    }

    /** It could not be found out; try again later. */
    record Unavailable(String reason) implements Result {
    }

    /** Claims a number for a label set, atomically among all nodes. Idempotent. */
    Result claim(long number, LabelSet labels);
}
