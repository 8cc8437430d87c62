package io.patchbay.cluster.decode;

import java.util.List;

/**
 * Decodes one kind of object. Stateless.
 *
 * @param <R> the row
 */
public interface KindDecoder<R> {
    /** As in {@code kind:}. */
    String kind();

    /** The accepted {@code apiVersion}s, the preferred one first. */
    List<String> apiVersions();

    /** Whether objects of the kind live in a namespace. */
    boolean namespaced();

    /**
     * Reads one object. {@code apiVersion}, {@code kind} and {@code metadata} have been read; the decoder asks for the other fields. The caller
     * ends {@code fields} afterwards. Problems are reported to the tree, never thrown; the result is discarded if there are any.
     */
    R decode(Meta meta, Fields fields);
}
