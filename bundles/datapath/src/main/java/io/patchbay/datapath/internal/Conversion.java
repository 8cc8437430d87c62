package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Layout;
import java.util.ArrayList;
import java.util.List;

/**
 * From one layout of a struct to another, member by member by name: new members are zero, members that are gone are
 * dropped, a wider integer keeps its value. Pure.
 */
final class Conversion {
    private record Move(int from, int to, int length) {
    }

    private final Layout to;
    private final List<Move> moves = new ArrayList<>();
    private final List<String> dropped = new ArrayList<>();
    private final List<String> added = new ArrayList<>();

    /** @throws DatapathException when a member became narrower or of another shape, which would lose what it says */
    Conversion(String what, Layout from, Layout to) {
        this.to = to;
        for (Layout.Field f : from.fields()) {
            if (!to.has(f.path())) {
                dropped.add(f.path());
                continue;
            }
            Layout.Field t = to.field(f.path());
            boolean number = isNumber(f) && isNumber(t);
            if (t.size() != f.size() && !(number && t.size() > f.size())) {
                throw new DatapathException(what + ": member " + f.path() + " was " + f.typeName() + " (" + f.size() + " bytes) and is " + t.typeName() + " ("
                        + t.size() + " bytes): it can't be copied\nold " + from + "\nnew " + to);
            }
            // Little-endian: the low bytes come first, so a wider integer is the old one with zeros behind.
            moves.add(new Move(f.offset(), t.offset(), f.size()));
        }
        for (Layout.Field t : to.fields()) {
            if (!from.has(t.path())) {
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

    List<String> dropped() {
        return dropped;
    }

    List<String> added() {
        return added;
    }
}
