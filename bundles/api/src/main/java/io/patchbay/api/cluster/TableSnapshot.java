package io.patchbay.api.cluster;

import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** A table at one moment. Immutable, cheap to keep, safe for any thread. */
@ProviderType
public interface TableSnapshot<K, R> {
    TableId<K, R> table();

    /** Grows with every transaction that changes any table; comparable between tables. */
    long revision();

    /** Whether every source that feeds this table had delivered its initial state: before that, a missing row says nothing. */
    boolean isSynced();

    Optional<R> get(K key);

    int size();

    /** In no particular order. */
    Collection<R> rows();

    /** A view, not a copy; in no particular order. */
    Map<K, R> asMap();

    /** The rows with a given value in an index of this table, in no particular order. */
    <I> Collection<R> by(TableIndex<K, R, I> index, I value);

    /** All tables at the moment of this snapshot. */
    ClusterSnapshot cluster();
}
