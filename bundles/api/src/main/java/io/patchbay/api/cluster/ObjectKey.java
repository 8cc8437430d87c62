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
        // Most have the very same namespace, and comparing texts does not look for that.
        int c = namespace == o.namespace ? 0 : namespace.compareTo(o.namespace);
        return c != 0 ? c : name.compareTo(o.name);
    }

    // By hand: a cluster's names are hashed and compared by the hundred thousand before a record's own methods are compiled.
    @Override
    public final int hashCode() {
        return namespace.hashCode() * 31 + name.hashCode();
    }

    @Override
    public final boolean equals(Object o) {
        return this == o || o instanceof ObjectKey k && name.equals(k.name) && namespace.equals(k.namespace);
    }

    /** {@code namespace/name}. */
    @Override
    public String toString() {
        return namespace + "/" + name;
    }
}
