package io.patchbay.servicelb.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Maglev's table of one set, made when it is written: thirty thousand of them are more than a hundred MiB, of which the names of the backends say
 * everything. Immutable; equal when it says the same.
 */
final class MaglevTable {
    private record Made(MaglevTable of, int[] numbers) {
    }

    /** The last that was made: parts of a table are written one after the other. */
    private static volatile Made last = new Made(null, null);

    private final int size;
    private final BackendTable.Use[] members;
    private final int eligible;

    /** @param members the first {@code eligible} of which get new connections */
    MaglevTable(int size, BackendTable.Use[] members, int eligible) {
        this.size = size;
        this.members = members;
        this.eligible = eligible;
    }

    /** Numbers of backends at the places of a part, 0 behind the table's end. */
    int[] part(int part) {
        Made made = last;
        if (made.of != this) last = made = new Made(this, make());
        int from = part * LbValue.Maglev.SIZE;
        return Arrays.copyOfRange(made.numbers, from, from + LbValue.Maglev.SIZE);
    }

    private int[] make() {
        List<String> names = new ArrayList<>(eligible);
        for (int i = 0; i < eligible; i++) names.add(members[i].address.toString());
        int[] all = Maglev.table(names, size);
        for (int i = 0; i < all.length; i++) all[i] = members[all[i]].id;
        return all;
    }

    @Override
    public boolean equals(Object o) {
        if (!(o instanceof MaglevTable t) || size != t.size || eligible != t.eligible) return false;
        // A number means one address for as long as anybody uses it.
        for (int i = 0; i < eligible; i++) {
            if (members[i].id != t.members[i].id) return false;
        }
        return true;
    }

    @Override
    public int hashCode() {
        return size * 31 + eligible;
    }
}
