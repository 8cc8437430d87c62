package io.patchbay.hubble.internal;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * What a key meant, and since when: so that a flow is named as of its own time without copying names into each flow or tables at each
 * change. A change costs one small object. Old meanings go when no flow of the ring is that old, or when there are too many of them;
 * what is asked for before the oldest meaning that is left has no name, never a later one's.
 *
 * <p>Times are CLOCK_MONOTONIC ns. Thread-safe; readers take no lock.
 */
final class History<K, V> {
    /**
     * What is learnt so soon after an event was true at the event: the first packets of a pod may overtake the news of it, which come by
     * way of the cluster.
     */
    static final long LATE_NEWS = TimeUnit.SECONDS.toNanos(5);
    static final int MAX_OLD = 65536;

    /** @param value null: it meant nothing */
    private record Meaning<V>(long since, V value, Meaning<V> before) {
    }

    private record Superseded<K>(K key, long at) {
    }

    private final ConcurrentHashMap<K, Meaning<V>> meanings = new ConcurrentHashMap<>();
    private final Deque<Superseded<K>> superseded = new ArrayDeque<>();
    private final LongSupplier horizon;

    /** @param horizon time of the oldest flow that may be asked about */
    History(LongSupplier horizon) {
        this.horizon = horizon;
    }

    /** What the key means from {@code now} on; null: nothing. */
    synchronized void put(K key, V value, long now) {
        Meaning<V> current = meanings.get(key);
        if (current == null ? value == null : Objects.equals(current.value, value)) {
            return;
        }
        meanings.put(key, new Meaning<>(now, value, current));
        if (current != null) {
            superseded.addLast(new Superseded<>(key, now));
        }
        long oldest = horizon.getAsLong();
        while (!superseded.isEmpty() && (superseded.size() > MAX_OLD || superseded.peekFirst().at() < oldest)) {
            forget(superseded.removeFirst());
        }
    }

    /** As {@link #put} of null, if this is what the key means now. */
    synchronized void remove(K key, V expected, long now) {
        if (Objects.equals(now(key), expected)) {
            put(key, null, now);
        }
    }

    private void forget(Superseded<K> old) {
        Meaning<V> kept = since(meanings.get(old.key()), old.at());
        if (kept == null || kept.value == null && kept.before == null) {
            meanings.remove(old.key());
        } else {
            meanings.put(old.key(), kept);
        }
    }

    /** The chain without what was superseded at {@code from} or earlier. */
    private static <V> Meaning<V> since(Meaning<V> m, long from) {
        Deque<Meaning<V>> kept = new ArrayDeque<>();
        for (; m != null && m.since >= from; m = m.before) {
            kept.push(m);
        }
        Meaning<V> chain = null;
        for (Meaning<V> k : kept) {
            chain = new Meaning<>(k.since, k.value, chain);
        }
        return chain;
    }

    /** What the key means now; null: nothing. */
    V now(K key) {
        Meaning<V> m = meanings.get(key);
        return m == null ? null : m.value;
    }

    /** What the key meant at {@code time}; null: nothing that is known. */
    V at(K key, long time) {
        Meaning<V> later = null;
        for (Meaning<V> m = meanings.get(key); m != null; m = m.before) {
            if (m.since <= time) {
                return m.value != null ? m.value : late(later, time);
            }
            later = m;
        }
        return late(later, time);
    }

    private static <V> V late(Meaning<V> next, long time) {
        return next != null && next.since - time <= LATE_NEWS ? next.value : null;
    }

    /** Keys that mean something now. */
    synchronized Set<K> keys() {
        Set<K> keys = new HashSet<>();
        meanings.forEach((k, m) -> {
            if (m.value != null) keys.add(k);
        });
        return keys;
    }

    /** For tests: keys of which anything is remembered. */
    int size() {
        return meanings.size();
    }
}
