package io.patchbay.cluster.decode;

/**
 * One thing wrong with a manifest.
 *
 * @param file     the name the text was read under; "-" for standard input
 * @param document number of the document in the file, from 1
 * @param line     from 1; 0 if the problem has no place in the text
 * @param column   from 1; 0 if the problem has no place in the text
 * @param path     the field, as in {@code spec.ports[0].name}; empty for the document itself
 * @param message  what is wrong, and where it helps what to write instead
 */
public record Problem(String file, int document, int line, int column, String path, String message) {
    @Override
    public String toString() {
        StringBuilder s = new StringBuilder("file ").append(file);
        if (document > 0) s.append(", document ").append(document);
        if (line > 0) s.append(", line ").append(line).append(", column ").append(column);
        s.append(": ");
        if (!path.isEmpty()) s.append(path).append(": ");
        return s.append(message).toString();
    }
}
