package io.patchbay.reconcile.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.reconcile.Codec;
import io.patchbay.api.reconcile.Target;
import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
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
    /** Bytes of keys and values that are written at a time: all of a large map at once would need several times its room. */
    private static final int TOGETHER = 1 << 17;

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
        map.forEach((k, v) -> {
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

    /** One entry as bytes, with what it stands for. */
    private static final class Encoded<K> extends AbstractMap.SimpleImmutableEntry<Struct, Struct> {
        private static final long serialVersionUID = 1L;
        private final transient K thing;

        Encoded(K thing, Struct key, Struct value) {
            super(key, value);
            this.thing = thing;
        }
    }

    /** A list of entries, whose keys differ, as a map to go through: hashing a hundred thousand structs would cost more than writing them. */
    private static final class Entries<K> extends AbstractMap<Struct, Struct> {
        private final List<Encoded<K>> list;

        Entries(List<Encoded<K>> list) {
            this.list = list;
        }

        @Override
        public Set<Map.Entry<Struct, Struct>> entrySet() {
            return new AbstractSet<>() {
                @Override
                public Iterator<Map.Entry<Struct, Struct>> iterator() {
                    return Collections.<Map.Entry<Struct, Struct>>unmodifiableList(list).iterator();
                }

                @Override
                public int size() {
                    return list.size();
                }
            };
        }
    }

    @Override
    public Map<K, String> apply(Map<K, V> puts, Set<K> deletes) {
        Map<K, String> failed = new LinkedHashMap<>();
        List<Encoded<K>> refused = new ArrayList<>();
        Layout keyLayout = map.key();
        Layout valueLayout = map.value();
        int together = Math.max(1, TOGETHER / (keyLayout.size() + valueLayout.size()));
        List<Encoded<K>> batch = new ArrayList<>(Math.min(puts.size(), together));
        puts.forEach((k, v) -> {
            try {
                Struct key = new Struct(keyLayout);
                keys.encode(k, key);
                Struct value = new Struct(valueLayout);
                values.encode(v, value);
                batch.add(new Encoded<>(k, key, value));
            } catch (RuntimeException x) {
                failed.put(k, "can't be written as " + map.value().typeName() + ": " + text(x));
            }
            if (batch.size() == together) {
                put(batch, refused);
            }
        });
        put(batch, refused);
        delete(deletes, failed);
        putOneByOne(refused, failed);
        return failed;
    }

    private void put(List<Encoded<K>> batch, List<Encoded<K>> refused) {
        if (!batch.isEmpty()) {
            try {
                map.putAll(new Entries<>(batch));
            } catch (DatapathException e) {
                LOG.debug("Map {}: batch of {} refused, trying one by one after the deletions", map.name(), batch.size(), e);
                refused.addAll(batch);
            }
            batch.clear();
        }
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

    private void putOneByOne(List<Encoded<K>> batch, Map<K, String> failed) {
        int full = 0;
        String reason = null;
        for (Encoded<K> e : batch) {
            if (full >= FULL_AFTER) {
                failed.put(e.thing, reason);
                continue;
            }
            try {
                map.put(e.getKey(), e.getValue());
                full = 0;
            } catch (MapFullException x) {
                full++;
                reason = "map " + map.name() + " is full (" + map.maxEntries() + " entries); if a configuration key sizes it, that gives it more room: 'config get'";
                failed.put(e.thing, reason);
            } catch (DatapathException x) {
                failed.put(e.thing, text(x));
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
