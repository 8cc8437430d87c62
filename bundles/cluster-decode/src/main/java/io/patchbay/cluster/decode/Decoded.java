package io.patchbay.cluster.decode;

/**
 * An object of a text.
 *
 * @param row  what its {@link KindDecoder} made of it
 * @param tree the whole object, for showing it as it was written
 */
public record Decoded(String apiVersion, String kind, Meta meta, Object row, Tree tree) {
    /** {@code kind namespace/name}, or without the namespace for kinds that have none: unique in a cluster. */
    public String key() {
        return kind + " " + meta.qualifiedName();
    }
}
