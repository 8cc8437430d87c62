package io.patchbay.api.cluster.policy;

/**
 * Where an object was read.
 *
 * @param file     file name, or the API path of an object from a cluster
 * @param document number of the document in the file, from 1; 0 if unknown
 * @param line     from 1; 0 if unknown
 */
public record SourcePosition(String file, int document, int line) {
    public static final SourcePosition UNKNOWN = new SourcePosition("", 0, 0);

    @Override
    public String toString() {
        return file + (document > 0 ? ", document " + document : "") + (line > 0 ? ", line " + line : "");
    }
}
