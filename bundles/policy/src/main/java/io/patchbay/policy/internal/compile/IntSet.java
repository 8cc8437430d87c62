package io.patchbay.policy.internal.compile;

import java.util.Arrays;
import java.util.function.IntConsumer;

/** A set of ints other than 0 and -1, open addressing. Not thread-safe. */
final class IntSet {
    private static final int GONE = -1;

    private int[] slots = new int[4];
    private int size;
    private int used;

    int size() {
        return size;
    }

    boolean add(int value) {
        if (used * 4 >= slots.length * 3) rehash();
        int at = slot(value);
        int gone = -1;
        while (slots[at] != 0) {
            if (slots[at] == value) return false;
            if (slots[at] == GONE && gone < 0) gone = at;
            at = at + 1 & slots.length - 1;
        }
        if (gone >= 0) at = gone;
        else used++;
        slots[at] = value;
        size++;
        return true;
    }

    boolean contains(int value) {
        for (int at = slot(value); slots[at] != 0; at = at + 1 & slots.length - 1) if (slots[at] == value) return true;
        return false;
    }

    boolean remove(int value) {
        for (int at = slot(value); slots[at] != 0; at = at + 1 & slots.length - 1) {
            if (slots[at] != value) continue;
            slots[at] = GONE;
            size--;
            return true;
        }
        return false;
    }

    void forEach(IntConsumer consumer) {
        for (int value : slots) if (value != 0 && value != GONE) consumer.accept(value);
    }

    int[] sorted() {
        int[] all = new int[size];
        int n = 0;
        for (int value : slots) if (value != 0 && value != GONE) all[n++] = value;
        Arrays.sort(all);
        return all;
    }

    private int slot(int value) {
        int h = value * 0x9E3779B9;
        return (h ^ h >>> 16) & slots.length - 1;
    }

    private void rehash() {
        int[] old = slots;
        slots = new int[Math.max(4, Integer.highestOneBit(Math.max(1, size)) * 4)];
        used = size;
        for (int value : old) {
            if (value == 0 || value == GONE) continue;
            int at = slot(value);
            while (slots[at] != 0) at = at + 1 & slots.length - 1;
            slots[at] = value;
        }
    }
}
