package io.patchbay.api.cluster;

import java.util.Objects;

/**
 * The name of an object that lives in a namespace. Sorted by namespace, then name.
 *
 * @param namespace never empty
 */
public record ObjectKey(String namespace, String name) implements Comparable<ObjectKey> {
    public ObjectKey {
        Objects.requireNonNull(namespace);
        Objects.requireNonNull(name);
    }

    /** From {@code namespace/name}. */
    public static ObjectKey parse(String text) {
        int slash = text.indexOf('/');
        if (slash <= 0 || slash == text.length() - 1) throw new IllegalArgumentException("\"" + text + "\" is not namespace/name");
        return new ObjectKey(text.substring(0, slash), text.substring(slash + 1));
    }

    @Override
    public int compareTo(ObjectKey o) {
        int c = namespace.compareTo(o.namespace);
        return c != 0 ? c : name.compareTo(o.name);
    }

    /** {@code namespace/name}. */
    @Override
    public String toString() {
        return namespace + "/" + name;
    }
}
