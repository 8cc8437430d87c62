package io.patchbay.api.reconcile;

import io.patchbay.api.datapath.MapHandle;
import org.osgi.annotation.versioning.ProviderType;

/** Makes reconcilers; a service of the core. */
@ProviderType
public interface Reconcilers {
    /** @param name controller name in {@code status}: {@code sync-ipcache} */
    <K, V> Reconciler<K, V> create(String name, Target<K, V> target);

    /** For a map: batches, read back, full-map errors named. */
    <K, V> Reconciler<K, V> forMap(String name, MapHandle map, Codec<K> keys, Codec<V> values);

    /** The target that {@link #forMap} uses, for a target that is made of several maps: batches, read back, full-map errors named. */
    <K, V> Target<K, V> mapTarget(MapHandle map, Codec<K> keys, Codec<V> values);
}
