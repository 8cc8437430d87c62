package io.patchbay.servicelb.internal;

import java.util.HashMap;
import java.util.Map;

/**
 * All backends by address, with their numbers in the kernel. Open addressing: a large cluster has hundreds of thousands of them, and an object more for
 * each would be kept for good. Not thread-safe.
 */
final class BackendTable {
    /** A backend that somebody uses: its number, and how many sets have it in each state. */
    static final class Use {
        private static final BackendState[] STATES = BackendState.values();

        final BackendAddress address;
        final int id;
        /** For whoever goes through several sets: whether it has met this one. */
        boolean touched;
        /** Sets that have it active, which is what nearly all backends are. */
        private int active;
        /** By state; null: none in another state. */
        private int[] others;

        private Use(BackendAddress address, int id) {
            this.address = address;
            this.id = id;
        }

        /** The most willing; null: nobody uses it. */
        BackendState state() {
            if (active > 0) return BackendState.ACTIVE;
            for (int i = 0; others != null && i < others.length; i++) {
                if (others[i] > 0) return STATES[i];
            }
            return null;
        }

        void add(BackendState state, int by) {
            if (state == BackendState.ACTIVE) {
                active += by;
                return;
            }
            if (others == null) others = new int[STATES.length];
            others[state.ordinal()] += by;
        }
    }

    private Use[] table = new Use[64];
    private int size;
    /** Numbers that the kernel knows and nobody has asked for yet. */
    private final Map<BackendAddress, Integer> seeds = new HashMap<>();
    private int last;
    private boolean wrapped;

    /** A number that the kernel's map has. */
    void seed(BackendAddress address, int id) {
        seeds.put(address, id);
        last = Math.max(last, id);
    }

    private int slot(BackendAddress address) {
        int mask = table.length - 1;
        int h = address.hashCode() * 0x9E3779B9;
        int i = (h ^ h >>> 16) & mask;
        while (table[i] != null && !table[i].address.equals(address)) i = i + 1 & mask;
        return i;
    }

    /** Null: nobody uses it. */
    Use find(BackendAddress address) {
        return table[slot(address)];
    }

    /** With the number that the kernel has for it, or the next one. */
    Use get(BackendAddress address) {
        int i = slot(address);
        if (table[i] != null) return table[i];
        if (4 * (size + 1) > 3 * table.length) {
            grow();
            i = slot(address);
        }
        Integer known = seeds.isEmpty() ? null : seeds.remove(address);
        size++;
        return table[i] = new Use(address, known != null ? known : next());
    }

    private void grow() {
        Use[] old = table;
        table = new Use[2 * old.length];
        for (Use use : old) {
            if (use != null) table[slot(use.address)] = use;
        }
    }

    void remove(Use use) {
        int hole = slot(use.address);
        if (table[hole] == null) return;
        table[hole] = null;
        size--;
        // Whoever was displaced by it is put anew.
        int mask = table.length - 1;
        for (int i = hole + 1 & mask; table[i] != null; i = i + 1 & mask) {
            Use moved = table[i];
            table[i] = null;
            table[slot(moved.address)] = moved;
        }
    }

    /** A number that was given up is not given out again for a long time: a slot or a flow may name it until it is rewritten. */
    private int next() {
        int number = last == Integer.MAX_VALUE ? 1 : last + 1;
        wrapped |= number < last;
        while (wrapped && isTaken(number)) number = number == Integer.MAX_VALUE ? 1 : number + 1;
        last = number;
        return number;
    }

    private boolean isTaken(int number) {
        if (seeds.containsValue(number)) return true;
        for (Use use : table) {
            if (use != null && use.id == number) return true;
        }
        return false;
    }
}
