package io.patchbay.api.shell;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * Text in columns as Cilium's commands print it (Go's tabwriter with minimum width 5 and padding 3): as wide as the widest cell, three
 * spaces between, no borders, nothing after the last cell. Not thread-safe.
 */
public final class TextTable {
    private static final int MIN_WIDTH = 5;
    private static final int PADDING = 3;

    private final List<String[]> rows = new ArrayList<>();

    public TextTable(String... header) {
        rows.add(header);
    }

    /** Cells that are missing at the end are empty. */
    public TextTable row(String... cells) {
        rows.add(cells);
        return this;
    }

    /** One line a row. */
    public List<String> lines() {
        List<String> lines = new ArrayList<>(rows.size());
        int[] widths = widths();
        for (String[] row : rows) lines.add(line(row, widths));
        return lines;
    }

    /** Line by line: of a long table its text is not kept beside its cells. */
    public void print(PrintStream out) {
        int[] widths = widths();
        for (String[] row : rows) out.println(line(row, widths));
    }

    /** A long table, none of which is kept: {@code rows} gives all rows, the header first, to whoever asks; once for the widths, once to be printed. */
    public static void print(PrintStream out, Consumer<Consumer<String[]>> rows) {
        Widths widths = new Widths();
        rows.accept(widths::add);
        rows.accept(row -> out.println(line(row, widths.widths)));
    }

    private int[] widths() {
        Widths widths = new Widths();
        rows.forEach(widths::add);
        return widths.widths;
    }

    private static final class Widths {
        private int[] widths = {};

        void add(String[] row) {
            int known = widths.length;
            if (row.length > known) {
                widths = Arrays.copyOf(widths, row.length);
                Arrays.fill(widths, known, row.length, MIN_WIDTH);
            }
            for (int i = 0; i < row.length; i++) widths[i] = Math.max(widths[i], row[i].length() + PADDING);
        }
    }

    private static String line(String[] row, int[] widths) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < row.length; i++) {
            line.append(row[i]);
            if (i < widths.length - 1) line.append(" ".repeat(widths[i] - row[i].length()));
        }
        return line.toString().stripTrailing();
    }
}
