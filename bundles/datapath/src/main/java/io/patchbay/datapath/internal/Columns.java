package io.patchbay.datapath.internal;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;

/** Rows that line up. */
final class Columns {
    private final List<List<String>> rows = new ArrayList<>();

    Columns row(Object... cells) {
        List<String> r = new ArrayList<>();
        for (Object c : cells) {
            r.add(String.valueOf(c));
        }
        rows.add(r);
        return this;
    }

    /** @param right whether columns behind the first are flush right, as numbers are */
    void print(PrintStream out, String indent, boolean right) {
        List<Integer> widths = new ArrayList<>();
        for (List<String> r : rows) {
            for (int i = 0; i < r.size(); i++) {
                if (i == widths.size()) {
                    widths.add(0);
                }
                widths.set(i, Math.max(widths.get(i), r.get(i).length()));
            }
        }
        for (List<String> r : rows) {
            StringBuilder line = new StringBuilder(indent);
            for (int i = 0; i < r.size(); i++) {
                String pad = " ".repeat(widths.get(i) - r.get(i).length());
                line.append(right && i > 0 ? pad + r.get(i) : r.get(i) + pad).append("   ");
            }
            out.println(line.toString().stripTrailing());
        }
    }
}
