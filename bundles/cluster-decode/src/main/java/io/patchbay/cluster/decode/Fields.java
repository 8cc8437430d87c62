package io.patchbay.cluster.decode;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Reads the fields of one object strictly: a field that was neither asked for nor {@linkplain #ignore ignored} is unknown, and {@link #end()}
 * reports it. Ask for every field that the kind has, on every path through the code, then call {@code end()}.
 *
 * <p>Absent, null and empty: {@link #state}, {@link #any} tell the three apart; {@link #optional} and the shorthands take null as absent, which
 * is what Kubernetes' API server does with null for a field that isn't a nullable custom one.
 */
public final class Fields {
    /** How a field stands in the text. */
    public enum State {
        ABSENT, NULL, EMPTY, VALUE
    }

    private final Tree object;
    private final Parsed.Mapping fields;
    /** As they were asked for, perhaps more than once: few, and cheaper to look through than to hash. */
    private final List<String> known = new ArrayList<>();

    Fields(Tree object, Parsed.Mapping node) {
        this.object = object;
        this.fields = node == null ? new Parsed.Mapping(List.of(), 0, 0) : node;
    }

    /** The object whose fields these are. */
    public Tree object() {
        return object;
    }

    /** EMPTY is an object, list or string with nothing in it. */
    public State state(String name) {
        known.add(name);
        Parsed.Member field = fields.member(name);
        if (field == null) return State.ABSENT;
        Tree value = tree(field);
        if (value.isNull()) return State.NULL;
        boolean empty = value.isObject() ? value.entries().isEmpty()
                : value.isList() ? value.list().isEmpty()
                : value.isString() && value.string().isEmpty();
        return empty ? State.EMPTY : State.VALUE;
    }

    /** The field if it stands in the text, be it null. */
    public Optional<Tree> any(String name) {
        known.add(name);
        Parsed.Member field = fields.member(name);
        return field == null ? Optional.empty() : Optional.of(tree(field));
    }

    /** The field if it stands in the text and isn't null. */
    public Optional<Tree> optional(String name) {
        return any(name).filter(t -> !t.isNull());
    }

    /** The field; that it is absent or null is reported, and a {@linkplain Tree#isPresent() placeholder} returned. */
    public Tree required(String name) {
        Optional<Tree> field = optional(name);
        if (field.isPresent()) return field.get();
        Step path = object.step().key(name);
        if (object.isPresent() && (object.isObject())) {
            Parsed.Member there = fields.member(name);
            if (there != null) tree(there).problem("is required and must not be null");
            else object.rooted(path.toString()).problem("is required");
        }
        return new Tree(object.origin(), null, path, false);
    }

    public String string(String name, String fallback) {
        return optional(name).map(Tree::string).orElse(fallback);
    }

    public boolean bool(String name, boolean fallback) {
        return optional(name).map(Tree::bool).orElse(fallback);
    }

    public int integer(String name, int min, int max, int fallback) {
        return optional(name).map(t -> t.integer(min, max)).orElse(fallback);
    }

    /** The items of an optional list; absent, null and empty all give an empty one. */
    public List<Tree> list(String name) {
        return optional(name).map(Tree::list).orElse(List.of());
    }

    public List<String> strings(String name) {
        return optional(name).map(Tree::strings).orElse(List.of());
    }

    public Map<String, String> stringMap(String name) {
        return optional(name).map(Tree::stringMap).orElse(Map.of());
    }

    /** Fields that the kind has and that mean nothing to us: accepted with whatever is in them. */
    public Fields ignore(String... names) {
        known.addAll(List.of(names));
        return this;
    }

    public Fields ignore(Collection<String> names) {
        known.addAll(names);
        return this;
    }

    /** Names the fields that exist in the text, asked for or not. */
    public Set<String> names() {
        Set<String> names = new LinkedHashSet<>();
        for (Parsed.Member field : fields.members()) names.add(field.key());
        return names;
    }

    /** Reports a field that the kind has but that Patchbay doesn't support: for what would change meaning if it were skipped silently. */
    public void refuse(String name, String why) {
        optional(name).ifPresent(t -> reportAtKey(name, why));
    }

    /** Reports more than one (or, with {@code exactlyOne}, not exactly one) of the named fields being there. */
    public void oneOf(boolean exactlyOne, String... names) {
        List<String> there = new ArrayList<>();
        for (String name : names) if (optional(name).isPresent()) there.add(name);
        if (there.size() > 1) object.problem("only one of " + String.join(", ", names) + " may be given, not " + String.join(" and ", there));
        else if (exactlyOne && there.isEmpty()) object.problem("one of " + String.join(", ", names) + " is required");
    }

    /** Reports the fields that nobody asked for. */
    public void end() {
        for (Parsed.Member field : fields.members()) {
            if (known.contains(field.key())) continue;
            String near = nearest(field.key(), known);
            reportAtKey(field.key(), "unknown field" + (near == null ? "" : "; did you mean " + near + "?"));
        }
    }

    private Tree tree(Parsed.Member field) {
        return new Tree(object.origin(), field.value(), object.step().key(field.key()), true);
    }

    private void reportAtKey(String name, String message) {
        Parsed.Member key = fields.member(name);
        object.origin().report(key.line(), key.column(), object.step().key(name), message);
    }

    /** The candidate closest to a misspelt name (case-insensitive edit distance at most a third of its length), or null. */
    static String nearest(String name, Collection<String> candidates) {
        String best = null;
        int bestDistance = Math.max(1, Math.min(3, name.length() / 3)) + 1;
        for (String candidate : candidates) {
            int d = distance(name.toLowerCase(Locale.ROOT), candidate.toLowerCase(Locale.ROOT), bestDistance);
            if (d < bestDistance) {
                best = candidate;
                bestDistance = d;
            }
        }
        return best;
    }

    /** Insertions, deletions, replacements and swaps of neighbours; anything from the limit on is the limit or more. */
    private static int distance(String a, String b, int limit) {
        if (Math.abs(a.length() - b.length()) >= limit) return limit;
        int[][] d = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) d[i][0] = i;
        for (int j = 0; j <= b.length(); j++) d[0][j] = j;
        for (int i = 1; i <= a.length(); i++) {
            for (int j = 1; j <= b.length(); j++) {
                int replace = d[i - 1][j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                d[i][j] = Math.min(replace, 1 + Math.min(d[i - 1][j], d[i][j - 1]));
                boolean swapped = i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1);
                if (swapped) d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
        return d[a.length()][b.length()];
    }
}
