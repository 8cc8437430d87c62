package io.patchbay.api.cluster;

import java.util.Objects;

/**
 * A row that differs from what the subscriber knew.
 *
 * @param before null: it was not there
 * @param after  null: it is gone
 */
public record Change<K, R>(K key, R before, R after) {
    public Change {
        Objects.requireNonNull(key);
        if (before == null && after == null) throw new IllegalArgumentException("a change from nothing to nothing");
    }

    public boolean isDeletion() {
        return after == null;
    }
}
