package io.patchbay.tables.internal;

import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;

/**
 * An immutable hash map whose versions share structure: a change costs a path of at most seven small nodes, whatever the size. Nodes hold up to
 * 32 slots, compressed by a bitmap; a slot is an entry, a deeper node, or a bucket of entries with equal hashes. Keys and values are not null.
 */
final class PersistentMap<K, V> extends AbstractMap<K, V> {
    private static final PersistentMap<?, ?> EMPTY = new PersistentMap<>(new Branch(0, new Object[0]), 0);

    private final Branch root;
    private final int size;

    private PersistentMap(Branch root, int size) {
        this.root = root;
        this.size = size;
    }

    @SuppressWarnings("unchecked")
    static <K, V> PersistentMap<K, V> empty() {
        return (PersistentMap<K, V>) EMPTY;
    }

    private record Entry(int hash, Object key, Object value) {
    }

    /** Entries with one hash; at least two. */
    private record Bucket(int hash, Entry[] entries) {
    }

    private record Branch(int bitmap, Object[] slots) {
        int index(int bit) {
            return Integer.bitCount(bitmap & (bit - 1));
        }

        Branch replace(int index, Object slot) {
            Object[] copy = slots.clone();
            copy[index] = slot;
            return new Branch(bitmap, copy);
        }

        Branch insert(int bit, Object slot) {
            int index = index(bit);
            Object[] copy = new Object[slots.length + 1];
            System.arraycopy(slots, 0, copy, 0, index);
            copy[index] = slot;
            System.arraycopy(slots, index, copy, index + 1, slots.length - index);
            return new Branch(bitmap | bit, copy);
        }

        Branch remove(int bit) {
            int index = index(bit);
            Object[] copy = new Object[slots.length - 1];
            System.arraycopy(slots, 0, copy, 0, index);
            System.arraycopy(slots, index + 1, copy, index, copy.length - index);
            return new Branch(bitmap & ~bit, copy);
        }
    }

    private static int hash(Object key) {
        int h = key.hashCode() * 0x9E3779B9;
        return h ^ h >>> 15;
    }

    private static int bit(int hash, int shift) {
        return 1 << (hash >>> shift & 31);
    }

    @Override
    @SuppressWarnings("unchecked")
    public V get(Object key) {
        int hash = hash(key);
        Branch branch = root;
        for (int shift = 0;; shift += 5) {
            int bit = bit(hash, shift);
            if ((branch.bitmap & bit) == 0) return null;
            Object slot = branch.slots[branch.index(bit)];
            if (slot instanceof Branch deeper) {
                branch = deeper;
                continue;
            }
            if (slot instanceof Entry entry) return entry.hash == hash && entry.key.equals(key) ? (V) entry.value : null;
            for (Entry entry : ((Bucket) slot).entries) if (entry.hash == hash && entry.key.equals(key)) return (V) entry.value;
            return null;
        }
    }

    @Override
    public boolean containsKey(Object key) {
        return get(key) != null;
    }

    /** This map with a key added or replaced. */
    PersistentMap<K, V> with(K key, V value) {
        Entry entry = new Entry(hash(key), Objects.requireNonNull(key), Objects.requireNonNull(value));
        Branch changed = put(root, entry, 0);
        return new PersistentMap<>(changed, containsKey(key) ? size : size + 1);
    }

    /** This map without a key. */
    PersistentMap<K, V> without(K key) {
        if (!containsKey(key)) return this;
        return size == 1 ? empty() : new PersistentMap<>((Branch) remove(root, hash(key), key, 0, true), size - 1);
    }

    private static Branch put(Branch branch, Entry entry, int shift) {
        int bit = bit(entry.hash, shift);
        if ((branch.bitmap & bit) == 0) return branch.insert(bit, entry);
        int index = branch.index(bit);
        Object slot = branch.slots[index];
        if (slot instanceof Branch deeper) return branch.replace(index, put(deeper, entry, shift + 5));
        if (slot instanceof Entry old) {
            return branch.replace(index, old.hash == entry.hash && old.key.equals(entry.key) ? entry : split(old, old.hash, entry, shift + 5));
        }
        Bucket bucket = (Bucket) slot;
        if (bucket.hash != entry.hash) return branch.replace(index, split(bucket, bucket.hash, entry, shift + 5));
        for (int i = 0; i < bucket.entries.length; i++) {
            if (bucket.entries[i].key.equals(entry.key)) {
                Entry[] copy = bucket.entries.clone();
                copy[i] = entry;
                return branch.replace(index, new Bucket(entry.hash, copy));
            }
        }
        Entry[] copy = Arrays.copyOf(bucket.entries, bucket.entries.length + 1);
        copy[copy.length - 1] = entry;
        return branch.replace(index, new Bucket(entry.hash, copy));
    }

    /** A slot that holds an old slot and a new entry, which came to the same place so far. */
    private static Object split(Object old, int oldHash, Entry entry, int shift) {
        if (oldHash == entry.hash) return new Bucket(entry.hash, new Entry[] {(Entry) old, entry});
        int a = bit(oldHash, shift);
        int b = bit(entry.hash, shift);
        if (a == b) return new Branch(a, new Object[] {split(old, oldHash, entry, shift + 5)});
        boolean oldFirst = Integer.compareUnsigned(a, b) < 0;
        return new Branch(a | b, oldFirst ? new Object[] {old, entry} : new Object[] {entry, old});
    }

    /** What is left of a slot's branch; below the root a branch with a single entry becomes that entry, so that equal maps have equal depth. */
    private static Object remove(Branch branch, int hash, Object key, int shift, boolean top) {
        int bit = bit(hash, shift);
        int index = branch.index(bit);
        Object slot = branch.slots[index];
        Object left;
        if (slot instanceof Branch deeper) {
            left = remove(deeper, hash, key, shift + 5, false);
        } else if (slot instanceof Bucket bucket) {
            Entry[] rest = Arrays.stream(bucket.entries).filter(e -> !e.key.equals(key)).toArray(Entry[]::new);
            left = rest.length == 1 ? rest[0] : new Bucket(hash, rest);
        } else {
            left = null;
        }
        Branch changed = left == null ? branch.remove(bit) : branch.replace(index, left);
        if (!top && changed.slots.length == 1 && !(changed.slots[0] instanceof Branch)) return changed.slots[0];
        return changed;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public Set<Map.Entry<K, V>> entrySet() {
        return new AbstractSet<>() {
            @Override
            public Iterator<Map.Entry<K, V>> iterator() {
                return new Walk<>(root);
            }

            @Override
            public int size() {
                return size;
            }
        };
    }

    private static final class Walk<K, V> implements Iterator<Map.Entry<K, V>> {
        /** The slots on the way down, and how many of each have been given out; 7 branches and a bucket at most. */
        private final Object[][] slots = new Object[9][];
        private final int[] at = new int[9];
        private int depth;
        private Entry next;

        Walk(Branch root) {
            slots[0] = root.slots;
            advance();
        }

        private void advance() {
            next = null;
            while (depth >= 0) {
                if (at[depth] == slots[depth].length) {
                    depth--;
                    continue;
                }
                Object slot = slots[depth][at[depth]++];
                if (slot instanceof Entry entry) {
                    next = entry;
                    return;
                }
                depth++;
                slots[depth] = slot instanceof Branch branch ? branch.slots : ((Bucket) slot).entries;
                at[depth] = 0;
            }
        }

        @Override
        public boolean hasNext() {
            return next != null;
        }

        @Override
        @SuppressWarnings("unchecked")
        public Map.Entry<K, V> next() {
            if (next == null) throw new NoSuchElementException();
            Map.Entry<K, V> result = new SimpleImmutableEntry<>((K) next.key, (V) next.value);
            advance();
            return result;
        }
    }
}
