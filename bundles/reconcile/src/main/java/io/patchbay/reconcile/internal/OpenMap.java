package io.patchbay.reconcile.internal;

import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * A hash map without an object for each entry (linear probing): what a reconciler holds of a large map is hundreds of thousands of them, and each
 * would be kept, and gone through by every collection. Keys and values are not null. Not thread-safe; iterators are not told of changes.
 */
final class OpenMap<K, V> extends AbstractMap<K, V> {
    /** Slots whose keys differ in their hash's last bits alone lie side by side, so numbers that are given out in turn share cache lines. */
    private static final int BLOCK_BITS = 4;
    private static final int BLOCK = 1 << BLOCK_BITS;

    /** Key and value of each slot, one behind the other. */
    private Object[] slots = new Object[2 * BLOCK];
    /** The key's hash: nearly all that are met on the way are told apart by it, without a look at them. */
    private int[] hashes = new int[BLOCK];
    private int bits = BLOCK_BITS;
    private int size;

    OpenMap() {
    }

    /** With room for so many. */
    OpenMap(int expected) {
        while (4 * expected > 3 << bits) {
            bits++;
        }
        slots = new Object[2 << bits];
        hashes = new int[1 << bits];
    }

    private int home(int hash) {
        int block = hash >>> BLOCK_BITS;
        // An odd factor and the last bits: numbers in turn have a block each. The first bits would do as well, but another such map that is filled
        // in the order of this one would be crowded at its begin.
        return ((block ^ block >>> 16) * 0x9E3779B9 & (1 << bits - BLOCK_BITS) - 1) << BLOCK_BITS | hash & BLOCK - 1;
    }

    /** The slot that has the key, or the free one where it belongs. */
    private int slot(Object key, int hash) {
        int mask = (1 << bits) - 1;
        int i = home(hash);
        while (true) {
            Object there = slots[2 * i];
            if (there == null || hashes[i] == hash && (there == key || there.equals(key))) {
                return i;
            }
            i = i + 1 & mask;
        }
    }

    @Override
    @SuppressWarnings("unchecked")
    public V get(Object key) {
        return (V) slots[2 * slot(key, key.hashCode()) + 1];
    }

    @Override
    public boolean containsKey(Object key) {
        return slots[2 * slot(key, key.hashCode())] != null;
    }

    @Override
    public V put(K key, V value) {
        return put(key, value, true);
    }

    @Override
    public V putIfAbsent(K key, V value) {
        return put(key, value, false);
    }

    @SuppressWarnings("unchecked")
    private V put(K key, V value, boolean replace) {
        Objects.requireNonNull(value);
        int hash = key.hashCode();
        int i = slot(key, hash);
        V before = (V) slots[2 * i + 1];
        if (before != null) {
            if (replace) {
                slots[2 * i + 1] = value;
            }
            return before;
        }
        if (4 * (size + 1) > 3 << bits) {
            grow();
            i = slot(key, hash);
        }
        slots[2 * i] = key;
        slots[2 * i + 1] = value;
        hashes[i] = hash;
        size++;
        return null;
    }

    private void grow() {
        Object[] old = slots;
        int[] oldHashes = hashes;
        bits++;
        slots = new Object[2 << bits];
        hashes = new int[1 << bits];
        int mask = (1 << bits) - 1;
        for (int i = 0; i < oldHashes.length; i++) {
            if (old[2 * i] != null) {
                int to = home(oldHashes[i]);
                while (slots[2 * to] != null) {
                    to = to + 1 & mask;
                }
                slots[2 * to] = old[2 * i];
                slots[2 * to + 1] = old[2 * i + 1];
                hashes[to] = oldHashes[i];
            }
        }
    }

    @Override
    @SuppressWarnings("unchecked")
    public V remove(Object key) {
        int hole = slot(key, key.hashCode());
        if (slots[2 * hole] == null) {
            return null;
        }
        V before = (V) slots[2 * hole + 1];
        int mask = (1 << bits) - 1;
        // Whoever was displaced by it moves up, or it would not be found any more.
        for (int i = hole + 1 & mask; slots[2 * i] != null; i = i + 1 & mask) {
            if ((i - home(hashes[i]) & mask) >= (i - hole & mask)) {
                slots[2 * hole] = slots[2 * i];
                slots[2 * hole + 1] = slots[2 * i + 1];
                hashes[hole] = hashes[i];
                hole = i;
            }
        }
        slots[2 * hole] = null;
        slots[2 * hole + 1] = null;
        size--;
        return before;
    }

    @Override
    public void clear() {
        if (bits > BLOCK_BITS) {
            bits = BLOCK_BITS;
            slots = new Object[2 * BLOCK];
            hashes = new int[BLOCK];
        } else {
            Arrays.fill(slots, null);
        }
        size = 0;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    @SuppressWarnings("unchecked")
    public void forEach(BiConsumer<? super K, ? super V> action) {
        for (int i = 0; i < slots.length; i += 2) {
            if (slots[i] != null) {
                action.accept((K) slots[i], (V) slots[i + 1]);
            }
        }
    }

    @Override
    public Set<Map.Entry<K, V>> entrySet() {
        return new AbstractSet<>() {
            @Override
            public Iterator<Map.Entry<K, V>> iterator() {
                return new Walk();
            }

            @Override
            public int size() {
                return size;
            }
        };
    }

    private final class Walk implements Iterator<Map.Entry<K, V>> {
        private int at;

        @Override
        public boolean hasNext() {
            while (at < slots.length && slots[at] == null) {
                at += 2;
            }
            return at < slots.length;
        }

        @Override
        @SuppressWarnings("unchecked")
        public Map.Entry<K, V> next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            Map.Entry<K, V> entry = new SimpleImmutableEntry<>((K) slots[at], (V) slots[at + 1]);
            at += 2;
            return entry;
        }
    }
}
