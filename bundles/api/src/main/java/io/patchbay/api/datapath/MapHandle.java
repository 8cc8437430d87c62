package io.patchbay.api.datapath;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.osgi.annotation.versioning.ProviderType;

/**
 * A pinned map of this node, by the catalogue of the datapath. Thread-safe. The handle stays valid over changes of
 * generation and over a resize: it always means the map that the generation in charge uses.
 * Every operation throws {@link DatapathException} naming the map and the kernel's error.
 */
@ProviderType
public interface MapHandle {
    String name();

    /** Kernel type, {@code hash}, {@code lpm_trie}, {@code percpu_array}… */
    String type();

    int maxEntries();

    /** The kernel's id of the map in use. */
    int id();

    Layout key();

    Layout value();

    /** Whether each CPU has a value of its own; {@link #lookup} then gives the first CPU's and {@link #lookupAll} all. */
    boolean perCpu();

    Optional<Struct> lookup(Struct key);

    /** Per possible CPU. */
    List<Struct> lookupAll(Struct key);

    /** Inserts or overwrites. @throws MapFullException when there is no room */
    void put(Struct key, Struct value);

    /** Inserts when absent; false when the key is there. */
    boolean putIfAbsent(Struct key, Struct value);

    /** False when it was not there. */
    boolean delete(Struct key);

    /** Inserts or overwrites in batches: 1.5 M entries/s. Stops at the first failure, which the exception names. */
    void putAll(Map<Struct, Struct> entries);

    /** Deletes in batches; keys that are not there are no error. */
    void deleteAll(Collection<Struct> keys);

    /** What the map holds, read in batches; entries that change meanwhile may be seen old, new or not at all. */
    Map<Struct, Struct> entries();

    /**
     * Calls {@code visitor} with each entry, as {@link #entries} would have it, and keeps none: for maps that may be large. The visitor may
     * use this map, too.
     */
    default void forEach(BiConsumer<Struct, Struct> visitor) {
        entries().forEach(visitor);
    }

    /** Number of entries; cost proportional to it for hashes. */
    int count();
}
