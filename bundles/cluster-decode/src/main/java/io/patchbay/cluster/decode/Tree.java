package io.patchbay.cluster.decode;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.nodes.Tag;

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
        void report(Node at, String path, String message) {
            Mark mark = at == null ? null : at.getStartMark().orElse(null);
            problems.add(new Problem(file, document, mark == null ? 0 : mark.getLine() + 1, mark == null ? 0 : mark.getColumn() + 1, path, message));
        }
    }

    static final Set<String> YAML11_BOOLEANS = Set.of("yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF");

    private final Origin origin;
    private final Node node;
    private final String path;
    private final boolean present;

    Tree(Origin origin, Node node, String path, boolean present) {
        this.origin = origin;
        this.node = node;
        this.path = path;
        this.present = present;
    }

    Origin origin() {
        return origin;
    }

    /** False for the placeholder of a required field that is missing: its getters answer placeholders and report nothing more. */
    public boolean isPresent() {
        return present;
    }

    /** The field's path from the document's root, as in {@code spec.ports[0].name}. */
    public String path() {
        return path;
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
        return node == null ? 0 : node.getStartMark().map(m -> m.getLine() + 1).orElse(0);
    }

    /** Reports a problem at this value. */
    public void problem(String message) {
        if (present) origin.report(node, path, message);
    }

    /** Where this document's problems go. */
    public Problems problems() {
        return origin.problems;
    }

    /** The same value under another path: for wrappers such as a List's items, whose users expect paths from the object's own root. */
    public Tree rooted(String newPath) {
        return new Tree(origin, node, newPath, present);
    }

    public boolean isNull() {
        return node instanceof ScalarNode && node.getTag().equals(Tag.NULL);
    }

    public boolean isObject() {
        return node instanceof MappingNode;
    }

    public boolean isList() {
        return node instanceof SequenceNode;
    }

    public boolean isString() {
        return node instanceof ScalarNode && node.getTag().equals(Tag.STR);
    }

    public boolean isInteger() {
        return node instanceof ScalarNode && node.getTag().equals(Tag.INT);
    }

    public boolean isBoolean() {
        return node instanceof ScalarNode && node.getTag().equals(Tag.BOOL);
    }

    /** Starts the strict reading of an object: see {@link Fields}. Something else than an object is reported. */
    public Fields fields() {
        if (present && !(node instanceof MappingNode)) problem("must be an object, not " + describe());
        return new Fields(this, node instanceof MappingNode map ? map : null);
    }

    /** The items of a list. */
    public List<Tree> list() {
        if (!present) return List.of();
        if (!(node instanceof SequenceNode list)) {
            problem("must be a list, not " + describe());
            return List.of();
        }
        List<Tree> items = new ArrayList<>(list.getValue().size());
        for (Node item : list.getValue()) items.add(new Tree(origin, item, path + "[" + items.size() + "]", true));
        return items;
    }

    /** The items of a list of strings. */
    public List<String> strings() {
        return list().stream().map(Tree::string).toList();
    }

    /** An object's values by key, in the text's order: for maps with free keys. */
    public Map<String, Tree> entries() {
        if (!present) return Map.of();
        if (!(node instanceof MappingNode map)) {
            problem("must be an object, not " + describe());
            return Map.of();
        }
        Map<String, Tree> entries = new LinkedHashMap<>();
        for (NodeTuple tuple : map.getValue()) {
            String key = ((ScalarNode) tuple.getKeyNode()).getValue();
            entries.put(key, new Tree(origin, tuple.getValueNode(), join(path, key), true));
        }
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
            problem("must be a string, not " + describe() + (node instanceof ScalarNode && !isNull() ? "; put it in quotes" : ""));
            return "";
        }
        ScalarNode scalar = (ScalarNode) node;
        if (scalar.isPlain() && YAML11_BOOLEANS.contains(scalar.getValue())) {
            problem("Kubernetes reads an unquoted " + scalar.getValue() + " as a boolean; put it in quotes");
        }
        return scalar.getValue();
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
            String text = ((ScalarNode) node).getValue();
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
        return Boolean.parseBoolean(((ScalarNode) node).getValue());
    }

    /** The subtree as plain Java values: Map (in the text's order), List, String, Long or BigInteger, Double, Boolean, null. */
    public Object value() {
        return value(node);
    }

    private static Object value(Node node) {
        if (node instanceof MappingNode map) {
            Map<String, Object> result = new LinkedHashMap<>();
            for (NodeTuple tuple : map.getValue()) result.put(((ScalarNode) tuple.getKeyNode()).getValue(), value(tuple.getValueNode()));
            return result;
        }
        if (node instanceof SequenceNode list) {
            List<Object> result = new ArrayList<>(list.getValue().size());
            for (Node item : list.getValue()) result.add(value(item));
            return result;
        }
        if (!(node instanceof ScalarNode scalar) || scalar.getTag().equals(Tag.NULL)) return null;
        String text = scalar.getValue();
        if (scalar.getTag().equals(Tag.BOOL)) return Boolean.valueOf(text);
        try {
            if (scalar.getTag().equals(Tag.INT)) return Long.valueOf(text);
            if (scalar.getTag().equals(Tag.FLOAT)) return Double.valueOf(text);
        } catch (NumberFormatException e) {
            return text;
        }
        return text;
    }

    String describe() {
        if (node instanceof MappingNode) return "an object";
        if (node instanceof SequenceNode) return "a list";
        if (isNull()) return "null";
        if (isString()) return "the string \"" + shorten(((ScalarNode) node).getValue()) + "\"";
        if (isBoolean()) return "the boolean " + ((ScalarNode) node).getValue();
        if (node instanceof ScalarNode scalar) return "the number " + shorten(scalar.getValue());
        return "nothing";
    }

    private static String shorten(String text) {
        return text.length() <= 60 ? text : text.substring(0, 57) + "...";
    }

    static String join(String path, String key) {
        boolean plain = !key.isEmpty() && key.chars().allMatch(c -> c < 128 && (Character.isLetterOrDigit(c) || c == '_' || c == '-' || c == '$'));
        if (!plain) return path + "[" + key + "]";
        return path.isEmpty() ? key : path + "." + key;
    }

    @Override
    public String toString() {
        return "file " + origin.file + ", document " + origin.document + ", line " + line() + ": " + path;
    }
}
