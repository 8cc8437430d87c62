package io.patchbay.api.reconcile;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Keeps kernel state at what is desired: reads back what is there at start, applies differences only, in batches, retries
 * with backoff, deletes nothing that it finds before {@link #synced} was called. Thread-safe. Cost of a change is
 * proportional to the change.
 */
@ProviderType
public interface Reconciler<K, V> extends AutoCloseable {
    void put(K key, V value);

    void remove(K key);

    /** Puts and removes in one batch. */
    void change(Map<K, V> puts, Iterable<K> removes);

    /** The sources have synced: what the kernel has and nobody desires may go now. */
    void synced();

    /** Done when everything desired before the call is in the kernel; fails with the reason when a retry has failed. */
    CompletableFuture<Void> flush();

    /** Reads the kernel's state again and mends it. */
    CompletableFuture<Void> refresh();

    @Override
    void close();
}
