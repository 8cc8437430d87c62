package io.patchbay.reconcile.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.reconcile.Codec;
import io.patchbay.api.reconcile.Target;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A BPF map as a target: batches, and one by one where a batch fails, so that the entries that can't be written are named. */
final class MapTarget<K, V> implements Target<K, V> {
    private static final Logger LOG = LoggerFactory.getLogger(MapTarget.class);
    /** After so many refusals in a row a map is full, and trying ten thousand more says nothing new. */
    private static final int FULL_AFTER = 16;

    private final MapHandle map;
    private final Codec<K> keys;
    private final Codec<V> values;

    MapTarget(MapHandle map, Codec<K> keys, Codec<V> values) {
        this.map = map;
        this.keys = keys;
        this.values = values;
    }

    @Override
    public Map<K, V> actual() {
        Map<K, V> found = new HashMap<>();
        map.entries().forEach((k, v) -> {
            K key;
            try {
                key = keys.decode(k);
            } catch (RuntimeException e) {
                LOG.warn("Map {}: an entry's key is none of ours and stays: {} ({})", map.name(), k, e.toString());
                return;
            }
            V value = null;
            try {
                value = values.decode(v);
            } catch (RuntimeException e) {
                // Present but of no use: it will be overwritten, or deleted once the sources have synced.
                LOG.warn("Map {}: the value of {} can't be read and will be replaced: {} ({})", map.name(), key, v, e.toString());
            }
            found.put(key, value);
        });
        return found;
    }

    @Override
    public Map<K, String> apply(Map<K, V> puts, Set<K> deletes) {
        Map<K, String> failed = new LinkedHashMap<>();
        Map<K, Struct[]> encoded = new LinkedHashMap<>();
        Map<Struct, Struct> batch = new LinkedHashMap<>();
        puts.forEach((k, v) -> {
            try {
                Struct key = key(k);
                Struct value = new Struct(map.value());
                values.encode(v, value);
                encoded.put(k, new Struct[] {key, value});
                batch.put(key, value);
            } catch (RuntimeException e) {
                failed.put(k, "can't be written as " + map.value().typeName() + ": " + text(e));
            }
        });
        boolean written = batch.isEmpty();
        if (!written) {
            try {
                map.putAll(batch);
                written = true;
            } catch (DatapathException e) {
                LOG.debug("Map {}: batch of {} refused, trying one by one after the deletions", map.name(), batch.size(), e);
            }
        }
        delete(deletes, failed);
        if (!written) {
            putOneByOne(encoded, failed);
        }
        return failed;
    }

    private void delete(Set<K> deletes, Map<K, String> failed) {
        if (deletes.isEmpty()) {
            return;
        }
        List<Struct> structs = new ArrayList<>(deletes.size());
        deletes.forEach(k -> structs.add(key(k)));
        try {
            map.deleteAll(structs);
        } catch (DatapathException e) {
            for (K k : deletes) {
                try {
                    map.delete(key(k));
                } catch (DatapathException one) {
                    failed.put(k, text(one));
                }
            }
        }
    }

    private void putOneByOne(Map<K, Struct[]> encoded, Map<K, String> failed) {
        int full = 0;
        String reason = null;
        for (Map.Entry<K, Struct[]> e : encoded.entrySet()) {
            if (full >= FULL_AFTER) {
                failed.put(e.getKey(), reason);
                continue;
            }
            try {
                map.put(e.getValue()[0], e.getValue()[1]);
                full = 0;
            } catch (MapFullException x) {
                full++;
                reason = "map " + map.name() + " is full (" + map.maxEntries() + " entries); raise its size in the configuration";
                failed.put(e.getKey(), reason);
            } catch (DatapathException x) {
                failed.put(e.getKey(), text(x));
            }
        }
    }

    private Struct key(K k) {
        Struct key = new Struct(map.key());
        keys.encode(k, key);
        return key;
    }

    private static String text(RuntimeException e) {
        return e.getMessage() == null ? e.toString() : e.getMessage();
    }
}
