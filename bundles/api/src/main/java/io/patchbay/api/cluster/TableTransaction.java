package io.patchbay.api.cluster;

import java.util.Collection;
import org.osgi.annotation.versioning.ProviderType;

/** A set of changes that become visible together. Usable only inside {@link TableSink#commit}. */
@ProviderType
public interface TableTransaction {
    <K, R> void upsert(TableId<K, R> table, R row);

    <K, R> void delete(TableId<K, R> table, K key);

    /** Makes these the source's rows of the table; costs in proportion to the table, publishes only what differs. */
    <K, R> void replaceAll(TableId<K, R> table, Collection<? extends R> rows);

    /** The source's initial state of the table is complete. */
    void synced(TableId<?, ?> table);
}
