package io.patchbay.api.labels;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * A label selector as Kubernetes has it (matchLabels and matchExpressions, all ANDed), with keys that may name a label source. No requirement
 * at all selects everything; that an object had no selector is for whoever holds this to say (an {@code Optional}).
 *
 * @param requirements in the order of the object: matchLabels by key, then matchExpressions
 */
public record LabelSelector(List<Requirement> requirements) {
    public static final LabelSelector EVERYTHING = new LabelSelector(List.of());
    /** The source of a key that was written without one: matches labels of every source. */
    public static final String ANY = "any";

    /** The four operators of matchExpressions; a matchLabels pair is {@code IN} with one value. */
    public enum Operator {
        IN("In"), NOT_IN("NotIn"), EXISTS("Exists"), DOES_NOT_EXIST("DoesNotExist");

        private final String text;

        Operator(String text) {
            this.text = text;
        }

        /** As Kubernetes writes it. */
        public String text() {
            return text;
        }
    }

    /**
     * One condition.
     *
     * @param source label source, or {@link #ANY}
     * @param values sorted; at least one for IN and NOT_IN, none for the others
     */
    public record Requirement(String source, String key, Operator operator, Set<String> values) {
        public Requirement {
            Objects.requireNonNull(source);
            if (key.isEmpty()) throw new IllegalArgumentException("selector with an empty key");
            boolean needsValues = operator == Operator.IN || operator == Operator.NOT_IN;
            if (needsValues == values.isEmpty()) {
                throw new IllegalArgumentException(operator.text() + (needsValues ? " needs values" : " takes no values"));
            }
            values = java.util.Collections.unmodifiableSet(new TreeSet<>(values));
        }

        /** NOT_IN and DOES_NOT_EXIST hold for a set without the key, as in Kubernetes. */
        public boolean matches(LabelSet labels) {
            boolean exists = false;
            boolean in = false;
            for (Label label : labels.labels()) {
                if (!label.key().equals(key) || !(source.equals(ANY) || label.source().equals(source))) continue;
                exists = true;
                in |= values.contains(label.value());
            }
            return switch (operator) {
                case IN -> in;
                case NOT_IN -> !in;
                case EXISTS -> exists;
                case DOES_NOT_EXIST -> !exists;
            };
        }

        @Override
        public String toString() {
            String name = source.equals(ANY) ? key : source + ":" + key;
            return switch (operator) {
                case IN -> values.size() == 1 ? name + "=" + values.iterator().next() : name + " in " + values;
                case NOT_IN -> name + " not in " + values;
                case EXISTS -> name;
                case DOES_NOT_EXIST -> "!" + name;
            };
        }
    }

    public LabelSelector {
        requirements = List.copyOf(requirements);
    }

    /** matchLabels alone; keys may name a source as {@code k8s:app}. */
    public static LabelSelector of(Map<String, String> matchLabels) {
        List<Requirement> list = new ArrayList<>();
        new TreeMap<>(matchLabels).forEach((key, value) -> list.add(requirement(key, Operator.IN, Set.of(value))));
        return new LabelSelector(list);
    }

    /** A requirement whose key may name a source: {@code k8s:app}, {@code reserved:host}; without one it is {@link #ANY}. */
    public static Requirement requirement(String extendedKey, Operator operator, Set<String> values) {
        int colon = extendedKey.indexOf(':');
        if (colon > 0) return new Requirement(extendedKey.substring(0, colon), extendedKey.substring(colon + 1), operator, values);
        return new Requirement(ANY, colon == 0 ? extendedKey.substring(1) : extendedKey, operator, values);
    }

    /** This selector and one requirement more. */
    public LabelSelector and(Requirement more) {
        List<Requirement> list = new ArrayList<>(requirements);
        list.add(more);
        return new LabelSelector(list);
    }

    public boolean isEmpty() {
        return requirements.isEmpty();
    }

    public boolean matches(LabelSet labels) {
        for (Requirement requirement : requirements) if (!requirement.matches(labels)) return false;
        return true;
    }

    @Override
    public String toString() {
        return requirements.isEmpty() ? "{}" : requirements.stream().map(Requirement::toString).collect(Collectors.joining(", ", "{", "}"));
    }
}
