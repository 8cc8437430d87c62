package io.patchbay.cluster.decode;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A value of a YAML or JSON document together with its place in the text.
 *
 * <p>The typed getters never throw: what doesn't fit is reported to the document's {@link Problems}, and a harmless placeholder (empty string,
 * 0, false, empty list) is returned so that decoding goes on and finds the next problem. The caller throws the whole result away when there are
 * problems ({@link Problems#throwIfAny()}), so no placeholder is ever used. Immutable but for the reporting; not thread-safe.
 */
public final class Tree {
    /** Where a document came from and where its problems go. */
    record Origin(String file, int document, Problems problems) {
        void report(int line, int column, Step path, String message) {
            problems.add(new Problem(file, document, line, column, path.toString(), message));
        }
    }

    static final Set<String> YAML11_BOOLEANS = Set.of("yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF");

    private final Origin origin;
    private final Parsed node;
    private final Step path;
    private final boolean present;

    Tree(Origin origin, Parsed node, Step path, boolean present) {
        this.origin = origin;
        this.node = node;
        this.path = path;
        this.present = present;
    }

    Origin origin() {
        return origin;
    }

    Step step() {
        return path;
    }

    /** False for the placeholder of a required field that is missing: its getters answer placeholders and report nothing more. */
    public boolean isPresent() {
        return present;
    }

    /** The field's path from the document's root, as in {@code spec.ports[0].name}. */
    public String path() {
        return path.toString();
    }

    public String file() {
        return origin.file;
    }

    /** From 1. */
    public int document() {
        return origin.document;
    }

    /** From 1; 0 if unknown. */
    public int line() {
        return node == null ? 0 : node.line();
    }

    /** Reports a problem at this value. */
    public void problem(String message) {
        if (present) origin.report(node == null ? 0 : node.line(), node == null ? 0 : node.column(), path, message);
    }

    /** Where this document's problems go. */
    public Problems problems() {
        return origin.problems;
    }

    /** The same value under another path: for wrappers such as a List's items, whose users expect paths from the object's own root. */
    public Tree rooted(String newPath) {
        return new Tree(origin, node, new Step(null, newPath), present);
    }

    public boolean isNull() {
        return node instanceof Parsed.Scalar s && s.type() == Parsed.Type.NULL;
    }

    public boolean isObject() {
        return node instanceof Parsed.Mapping;
    }

    public boolean isList() {
        return node instanceof Parsed.Sequence;
    }

    public boolean isString() {
        return node instanceof Parsed.Scalar s && s.type() == Parsed.Type.STRING;
    }

    public boolean isInteger() {
        return node instanceof Parsed.Scalar s && s.type() == Parsed.Type.INTEGER;
    }

    public boolean isBoolean() {
        return node instanceof Parsed.Scalar s && s.type() == Parsed.Type.BOOLEAN;
    }

    /** Starts the strict reading of an object: see {@link Fields}. Something else than an object is reported. */
    public Fields fields() {
        if (present && !(node instanceof Parsed.Mapping)) problem("must be an object, not " + describe());
        return new Fields(this, node instanceof Parsed.Mapping map ? map : null);
    }

    /** The items of a list. */
    public List<Tree> list() {
        if (!present) return List.of();
        if (!(node instanceof Parsed.Sequence list)) {
            problem("must be a list, not " + describe());
            return List.of();
        }
        List<Tree> items = new ArrayList<>(list.items().size());
        for (Parsed item : list.items()) items.add(new Tree(origin, item, path.item(items.size()), true));
        return items;
    }

    /** The items of a list of strings. */
    public List<String> strings() {
        return list().stream().map(Tree::string).toList();
    }

    /** An object's values by key, in the text's order: for maps with free keys. */
    public Map<String, Tree> entries() {
        if (!present) return Map.of();
        if (!(node instanceof Parsed.Mapping map)) {
            problem("must be an object, not " + describe());
            return Map.of();
        }
        Map<String, Tree> entries = new LinkedHashMap<>();
        for (Parsed.Member member : map.members()) entries.put(member.key(), new Tree(origin, member.value(), path.key(member.key()), true));
        return entries;
    }

    /** A map of strings with free keys, as labels and annotations are. */
    public Map<String, String> stringMap() {
        Map<String, String> map = new LinkedHashMap<>();
        entries().forEach((key, value) -> map.put(key, value.string()));
        return map;
    }

    public String string() {
        if (!present) return "";
        if (!isString()) {
            problem("must be a string, not " + describe() + (node instanceof Parsed.Scalar && !isNull() ? "; put it in quotes" : ""));
            return "";
        }
        Parsed.Scalar scalar = (Parsed.Scalar) node;
        if (scalar.plain() && YAML11_BOOLEANS.contains(scalar.text())) {
            problem("Kubernetes reads an unquoted " + scalar.text() + " as a boolean; put it in quotes");
        }
        return scalar.text();
    }

    /** A string that must not be empty. */
    public String nonEmpty() {
        String value = string();
        if (present && isString() && value.isEmpty()) problem("must not be empty");
        return value;
    }

    /** A string out of a closed set; the match is exact. */
    public String oneOf(String... allowed) {
        String value = string();
        if (!present || !isString()) return value;
        for (String a : allowed) if (a.equals(value)) return value;
        String near = Fields.nearest(value, List.of(allowed));
        problem("\"" + value + "\" is not one of " + String.join(", ", allowed) + (near == null ? "" : "; did you mean " + near + "?"));
        return value;
    }

    /** An enum constant by its exact name; a wrong one is reported, and null returned. */
    public <E extends Enum<E>> E oneOf(Class<E> type) {
        E[] constants = type.getEnumConstants();
        String[] names = new String[constants.length];
        for (int i = 0; i < names.length; i++) names[i] = constants[i].name();
        String value = oneOf(names);
        for (E c : constants) if (c.name().equals(value)) return c;
        return null;
    }

    /** A whole number within bounds, both included. */
    public long integer(long min, long max) {
        if (!present) return min;
        if (!isInteger()) {
            problem("must be a whole number, not " + describe());
            return min;
        }
        long value;
        try {
            String text = ((Parsed.Scalar) node).text();
            if (text.startsWith("0x")) value = Long.parseLong(text.substring(2), 16);
            else if (text.startsWith("0o")) value = Long.parseLong(text.substring(2), 8);
            else value = Long.parseLong(text);
        } catch (NumberFormatException e) {
            problem("out of range " + min + " to " + max);
            return min;
        }
        if (value < min || value > max) {
            problem(value + " is out of range " + min + " to " + max);
            return min;
        }
        return value;
    }

    /** A whole number within bounds, both included. */
    public int integer(int min, int max) {
        return (int) integer((long) min, (long) max);
    }

    public boolean bool() {
        if (!present) return false;
        if (!isBoolean()) {
            problem("must be true or false, not " + describe());
            return false;
        }
        return Boolean.parseBoolean(((Parsed.Scalar) node).text());
    }

    /** The subtree as plain Java values: Map (in the text's order), List, String, Long or BigInteger, Double, Boolean, null. */
    public Object value() {
        return value(node);
    }

    private static Object value(Parsed node) {
        if (node instanceof Parsed.Mapping map) {
            Map<String, Object> result = new LinkedHashMap<>();
            for (Parsed.Member member : map.members()) result.put(member.key(), value(member.value()));
            return result;
        }
        if (node instanceof Parsed.Sequence list) {
            List<Object> result = new ArrayList<>(list.items().size());
            for (Parsed item : list.items()) result.add(value(item));
            return result;
        }
        if (!(node instanceof Parsed.Scalar scalar)) return null;
        String text = scalar.text();
        try {
            return switch (scalar.type()) {
                case NULL -> null;
                case BOOLEAN -> Boolean.valueOf(text);
                case INTEGER -> Long.valueOf(text);
                case FLOAT -> Double.valueOf(text);
                case STRING -> text;
            };
        } catch (NumberFormatException e) {
            return text;
        }
    }

    String describe() {
        if (node instanceof Parsed.Mapping) return "an object";
        if (node instanceof Parsed.Sequence) return "a list";
        if (isNull()) return "null";
        if (isString()) return "the string \"" + shorten(((Parsed.Scalar) node).text()) + "\"";
        if (isBoolean()) return "the boolean " + ((Parsed.Scalar) node).text();
        if (node instanceof Parsed.Scalar scalar) return "the number " + shorten(scalar.text());
        return "nothing";
    }

    private static String shorten(String text) {
        return text.length() <= 60 ? text : text.substring(0, 57) + "...";
    }

    @Override
    public String toString() {
        return "file " + origin.file + ", document " + origin.document + ", line " + line() + ": " + path;
    }
}
