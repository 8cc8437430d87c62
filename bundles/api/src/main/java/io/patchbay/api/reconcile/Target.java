package io.patchbay.api.reconcile;

import java.util.Map;
import java.util.Set;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Kernel state that a reconciler owns: a map, routes, addresses. Called by one thread at a time.
 *
 * @param <K> what a thing is known by
 * @param <V> what it should be; compared with equals
 */
@ConsumerType
public interface Target<K, V> {
    /** What the kernel has now, of what is ours. */
    Map<K, V> actual() throws Exception;

    /**
     * Applies differences; what fails is returned with its reason and retried.
     *
     * @param puts    to insert or overwrite
     * @param deletes to remove
     */
    Map<K, String> apply(Map<K, V> puts, Set<K> deletes) throws Exception;
}
