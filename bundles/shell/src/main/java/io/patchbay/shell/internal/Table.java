package io.patchbay.shell.internal;

import java.util.ArrayList;
import java.util.List;

/** Columns padded with spaces to the widest cell, as Go's text/tabwriter does; the last cell of a row is not padded. */
final class Table {
    private final int minWidth;
    private final int padding;
    private final List<List<String>> rows = new ArrayList<>();

    Table(int minWidth, int padding) {
        this.minWidth = minWidth;
        this.padding = padding;
    }

    void row(List<String> cells) {
        rows.add(cells);
    }

    /**
     * A column's width is shared by adjacent rows that have a cell after it, and by those alone: a row that ends earlier
     * divides the column into blocks.
     */
    List<String> lines() {
        List<StringBuilder> lines = new ArrayList<>();
        rows.forEach(r -> lines.add(new StringBuilder()));
        int columns = rows.stream().mapToInt(List::size).max().orElse(0);
        for (int c = 0; c < columns; c++) {
            for (int from = 0; from < rows.size();) {
                if (rows.get(from).size() <= c + 1) {
                    if (rows.get(from).size() == c + 1) {
                        lines.get(from).append(rows.get(from).get(c));
                    }
                    from++;
                    continue;
                }
                int to = from;
                int width = minWidth;
                while (to < rows.size() && rows.get(to).size() > c + 1) {
                    width = Math.max(width, rows.get(to).get(c).length() + padding);
                    to++;
                }
                for (; from < to; from++) {
                    String cell = rows.get(from).get(c);
                    lines.get(from).append(cell).append(" ".repeat(width - cell.length()));
                }
            }
        }
        return lines.stream().map(StringBuilder::toString).map(String::stripTrailing).toList();
    }
}
