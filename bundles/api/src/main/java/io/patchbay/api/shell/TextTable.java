package io.patchbay.api.shell;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

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
        int columns = rows.stream().mapToInt(r -> r.length).max().orElse(0);
        int[] width = new int[columns];
        Arrays.fill(width, MIN_WIDTH);
        for (String[] row : rows) {
            for (int i = 0; i < row.length; i++) width[i] = Math.max(width[i], row[i].length() + PADDING);
        }
        List<String> lines = new ArrayList<>(rows.size());
        for (String[] row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < row.length; i++) {
                line.append(row[i]);
                if (i < columns - 1) line.append(" ".repeat(width[i] - row[i].length()));
            }
            lines.add(line.toString().stripTrailing());
        }
        return lines;
    }

    public void print(PrintStream out) {
        lines().forEach(out::println);
    }
}
