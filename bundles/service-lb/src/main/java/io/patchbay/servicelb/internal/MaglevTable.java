package io.patchbay.servicelb.internal;

import java.lang.ref.WeakReference;
import java.util.Arrays;
import java.util.List;

/**
 * Maglev's table of one set, made when it is written: thirty thousand of them are more than a hundred MiB, of which the names of the backends say
 * everything. Immutable; equal when it says the same.
 */
final class MaglevTable {
    private final int size;
    private final List<Member> members;
    private final int[] numbers;
    /** The last that was made: parts of a table are written one after the other. */
    private WeakReference<int[]> made = new WeakReference<>(null);

    /**
     * @param members those that get new connections
     * @param numbers theirs in lb_backends, in the same order; perhaps of more
     */
    MaglevTable(int size, List<Member> members, int[] numbers) {
        this.size = size;
        this.members = members;
        this.numbers = numbers;
    }

    /** Numbers of backends at the places of a part, 0 behind the table's end. */
    synchronized int[] part(int part) {
        int[] all = made.get();
        if (all == null) {
            all = Maglev.table(members.stream().map(m -> m.backend().toString()).toList(), size);
            for (int i = 0; i < all.length; i++) all[i] = numbers[all[i]];
            made = new WeakReference<>(all);
        }
        int from = part * LbValue.Maglev.SIZE;
        return Arrays.copyOfRange(all, from, from + LbValue.Maglev.SIZE);
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof MaglevTable t && size == t.size && members.equals(t.members) && Arrays.equals(numbers, 0, members.size(), t.numbers, 0, members.size());
    }

    @Override
    public int hashCode() {
        return size * 31 + members.hashCode();
    }
}
