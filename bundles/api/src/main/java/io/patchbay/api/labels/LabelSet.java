package io.patchbay.api.labels;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The labels of an identity: immutable, sorted, at most one value for a source and key. Equal sets have equal {@link #canonical()} texts on
 * every node, so that text is what identity numbers are derived from.
 */
public final class LabelSet implements Iterable<Label> {
    private static final LabelSet EMPTY = new LabelSet(List.of());

    private final List<Label> labels;
    private final int hash;

    private LabelSet(List<Label> sorted) {
        this.labels = sorted;
        this.hash = sorted.hashCode();
    }

    public static LabelSet empty() {
        return EMPTY;
    }

    /** @throws IllegalArgumentException if two labels have one source and key but different values */
    public static LabelSet of(Collection<Label> labels) {
        Label[] sorted = labels.toArray(new Label[0]);
        Arrays.sort(sorted);
        List<Label> unique = new ArrayList<>(sorted.length);
        for (Label label : sorted) {
            Label last = unique.isEmpty() ? null : unique.get(unique.size() - 1);
            if (label.equals(last)) continue;
            if (last != null && last.source().equals(label.source()) && last.key().equals(label.key())) {
                throw new IllegalArgumentException("two values for " + label.source() + ":" + label.key());
            }
            unique.add(label);
        }
        return unique.isEmpty() ? EMPTY : new LabelSet(List.copyOf(unique));
    }

    public static LabelSet of(Label... labels) {
        return of(Arrays.asList(labels));
    }

    /** From texts such as {@code k8s:app=web}. */
    public static LabelSet parse(String... texts) {
        return of(Arrays.stream(texts).map(Label::parse).toList());
    }

    /** Reads what {@link #canonical()} wrote. */
    public static LabelSet parseCanonical(String canonical) {
        if (canonical.isEmpty()) return EMPTY;
        return of(Arrays.stream(canonical.split(";")).filter(s -> !s.isEmpty()).map(Label::parse).toList());
    }

    /** Sorted. */
    public List<Label> labels() {
        return labels;
    }

    public int size() {
        return labels.size();
    }

    public boolean isEmpty() {
        return labels.isEmpty();
    }

    public Optional<String> get(String source, String key) {
        for (Label label : labels) if (label.source().equals(source) && label.key().equals(key)) return Optional.of(label.value());
        return Optional.empty();
    }

    public boolean has(String source, String key) {
        return get(source, key).isPresent();
    }

    /** Whether {@code reserved:name} is among them. */
    public boolean isReserved(String name) {
        return has("reserved", name);
    }

    /** The namespace of the pods that carry this identity; empty for identities that aren't pods'. */
    public Optional<String> namespace() {
        return get("k8s", IdentityLabels.NAMESPACE);
    }

    /** This set and more labels; a label given here replaces one with the same source and key. */
    public LabelSet with(Label... more) {
        List<Label> all = new ArrayList<>(labels);
        for (Label label : more) {
            all.removeIf(l -> l.source().equals(label.source()) && l.key().equals(label.key()));
            all.add(label);
        }
        return of(all);
    }

    /** Every label followed by a semicolon, sorted: {@code k8s:app=web;k8s:io.kubernetes.pod.namespace=a;}. */
    public String canonical() {
        StringBuilder text = new StringBuilder();
        for (Label label : labels) text.append(label.source()).append(':').append(label.key()).append('=').append(label.value()).append(';');
        return text.toString();
    }

    @Override
    public Iterator<Label> iterator() {
        return labels.iterator();
    }

    @Override
    public boolean equals(Object o) {
        return this == o || o instanceof LabelSet other && hash == other.hash && labels.equals(other.labels);
    }

    @Override
    public int hashCode() {
        return hash;
    }

    /** The labels separated by commas. */
    @Override
    public String toString() {
        return labels.stream().map(Label::toString).collect(Collectors.joining(","));
    }
}
