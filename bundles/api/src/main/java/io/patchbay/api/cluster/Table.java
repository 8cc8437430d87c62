package io.patchbay.api.cluster;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.osgi.annotation.versioning.ProviderType;

/** A table of the cluster: its current state and its changes. Thread-safe. */
@ProviderType
public interface Table<K, R> {
    TableId<K, R> id();

    /** The row at this moment. */
    default Optional<R> get(K key) {
        return snapshot().get(key);
    }

    /** The state at this moment; takes no lock and copies nothing. */
    TableSnapshot<K, R> snapshot();

    /**
     * Calls the listener with a snapshot, and then with the changes from there on. What happens while a call is running, or while the executor
     * is busy, comes in one batch afterwards: the cost is bounded by the number of rows that differ, and nothing is lost.
     *
     * @param executor where the calls run; may be a pool, but not the calling thread (the calls would run under the tables' lock)
     */
    Subscription subscribe(Executor executor, TableListener<K, R> listener);

    /** Completes when the table is synced for the first time; cancelling it does nothing to the table. */
    CompletableFuture<Void> synced();
}
