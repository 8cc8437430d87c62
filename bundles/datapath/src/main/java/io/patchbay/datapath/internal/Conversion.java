package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Layout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/**
 * From one layout of a struct to another, member by member by name: new members are zero, members that are gone are
 * dropped, a wider integer keeps its value. Members named {@code pad} or {@code spare}, with or without a number, say nothing and
 * may come, go and change. Pure.
 */
final class Conversion {
    /** In {@link #sources} and {@link #reverse}: no byte of the other side. */
    static final int NONE = 0xffff;
    private static final Pattern PADDING = Pattern.compile("(.*\\.)?(pad|spare)\\d*");

    private record Move(int from, int to, int length) {
    }

    private final Layout from;
    private final Layout to;
    private final List<Move> moves = new ArrayList<>();
    private final List<String> dropped = new ArrayList<>();
    private final List<String> added = new ArrayList<>();
    private final List<String> widened = new ArrayList<>();

    /** @throws DatapathException when a member became narrower or of another shape, which would lose what it says */
    Conversion(String what, Layout from, Layout to) {
        this.from = from;
        this.to = to;
        for (Layout.Field f : from.fields()) {
            boolean padding = PADDING.matcher(f.path()).matches();
            if (!to.has(f.path())) {
                if (!padding) {
                    dropped.add(f.path());
                }
                continue;
            }
            Layout.Field t = to.field(f.path());
            if (t.size() != f.size()) {
                if (padding) {
                    continue;
                }
                if (!isNumber(f) || !isNumber(t) || t.size() < f.size()) {
                    throw new DatapathException(what + ": member " + f.path() + " was " + f.typeName() + " (" + f.size() + " bytes) and is " + t.typeName() + " ("
                            + t.size() + " bytes): it can't be copied\nold " + from + "\nnew " + to);
                }
                widened.add(f.path());
            }
            // Little-endian: the low bytes come first, so a wider integer is the old one with zeros behind.
            moves.add(new Move(f.offset(), t.offset(), f.size()));
        }
        for (Layout.Field t : to.fields()) {
            if (!from.has(t.path()) && !PADDING.matcher(t.path()).matches()) {
                added.add(t.path());
            }
        }
    }

    private static boolean isNumber(Layout.Field f) {
        return !f.typeName().startsWith("__be") && (f.size() == 1 || f.size() == 2 || f.size() == 4 || f.size() == 8);
    }

    byte[] apply(byte[] value) {
        byte[] result = new byte[to.size()];
        for (Move m : moves) {
            System.arraycopy(value, m.from, result, m.to, m.length);
        }
        return result;
    }

    /** The bytes of the old struct for one of the new; exact where {@link #isReversible}. */
    byte[] back(byte[] value) {
        byte[] result = new byte[from.size()];
        for (Move m : moves) {
            System.arraycopy(value, m.to, result, m.from, m.length);
        }
        return result;
    }

    /** For each byte of the new struct, the old struct's byte that it is. */
    int[] sources() {
        int[] all = new int[to.size()];
        Arrays.fill(all, NONE);
        for (Move m : moves) {
            for (int i = 0; i < m.length; i++) {
                all[m.to + i] = m.from + i;
            }
        }
        return all;
    }

    /** For each byte of the old struct, the new struct's byte that it becomes. */
    int[] reverse() {
        int[] all = new int[from.size()];
        Arrays.fill(all, NONE);
        for (Move m : moves) {
            for (int i = 0; i < m.length; i++) {
                all[m.from + i] = m.to + i;
            }
        }
        return all;
    }

    /** Whether a new struct's old one is found again: both say the same. */
    boolean isReversible() {
        return dropped.isEmpty() && added.isEmpty() && widened.isEmpty();
    }

    List<String> dropped() {
        return dropped;
    }

    List<String> added() {
        return added;
    }

    /** Members whose values the old layout could not take back. */
    List<String> widened() {
        return widened;
    }
}
