package io.patchbay.api.labels;

import java.util.Objects;

/**
 * One label of an identity: {@code source:key=value}, or {@code source:key} when the value is empty.
 *
 * @param source where it comes from: {@code k8s}, {@code reserved}, {@code cidr}, {@code cidrgroup}, {@code node}, …; never {@code any},
 *               which exists in selectors only
 * @param key    never empty
 * @param value  may be empty
 */
public record Label(String source, String key, String value) implements Comparable<Label> {
    public Label {
        if (source.isEmpty() || source.indexOf(':') >= 0) throw new IllegalArgumentException("label source \"" + source + "\"");
        if (key.isEmpty() || key.indexOf('=') >= 0) throw new IllegalArgumentException("label key \"" + key + "\"");
        Objects.requireNonNull(value);
    }

    /** A label of Kubernetes: of a pod, its namespace, or derived from them. */
    public static Label k8s(String key, String value) {
        return new Label("k8s", key, value);
    }

    /** {@code reserved:name}. */
    public static Label reserved(String name) {
        return new Label("reserved", name, "");
    }

    /**
     * Reads {@code source:key=value}; without a source it is {@code unspec}.
     *
     * @throws IllegalArgumentException if there is no key
     */
    public static Label parse(String text) {
        int equals = text.indexOf('=');
        String head = equals < 0 ? text : text.substring(0, equals);
        String value = equals < 0 ? "" : text.substring(equals + 1);
        int colon = head.indexOf(':');
        return colon <= 0 ? new Label("unspec", colon == 0 ? head.substring(1) : head, value)
                : new Label(head.substring(0, colon), head.substring(colon + 1), value);
    }

    /** By source, key, then value, each in code point order: the order of {@link LabelSet#canonical()}. */
    @Override
    public int compareTo(Label o) {
        int c = source.compareTo(o.source);
        if (c == 0) c = key.compareTo(o.key);
        return c != 0 ? c : value.compareTo(o.value);
    }

    @Override
    public String toString() {
        return value.isEmpty() ? source + ":" + key : source + ":" + key + "=" + value;
    }
}
