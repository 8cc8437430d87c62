package io.patchbay.api.shell;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Options of one call, parsed as GNU tools do: {@code --last 20}, {@code --last=20}, {@code -o json}, {@code --} ends them.
 * An unknown option is refused, never ignored.
 */
public final class Options {
    private final Map<String, List<String>> values = new HashMap<>();
    private final List<String> words = new ArrayList<>();

    private Options() {
    }

    /**
     * @param flags  options without a value, with dashes: {@code --follow}; synonyms joined by {@code |}: {@code -f|--follow}
     * @param valued options with a value, likewise
     */
    public static Options parse(List<String> arguments, Set<String> flags, Set<String> valued) throws UsageException {
        Options o = new Options();
        Map<String, String> flag = names(flags);
        Map<String, String> value = names(valued);
        for (int i = 0; i < arguments.size(); i++) {
            String a = arguments.get(i);
            if (a.equals("--")) {
                o.words.addAll(arguments.subList(i + 1, arguments.size()));
                break;
            }
            int eq = a.startsWith("--") ? a.indexOf('=') : -1;
            String name = eq > 0 ? a.substring(0, eq) : a;
            if (flag.containsKey(name) && eq < 0) {
                o.add(flag.get(name), "true");
            } else if (value.containsKey(name)) {
                if (eq < 0 && i + 1 == arguments.size()) {
                    throw new UsageException(name + " needs a value");
                }
                o.add(value.get(name), eq > 0 ? a.substring(eq + 1) : arguments.get(++i));
            } else if (a.startsWith("-") && a.length() > 1) {
                Set<String> known = new LinkedHashSet<>(flags);
                known.addAll(valued);
                throw new UsageException("unknown option " + name + (known.isEmpty() ? "; there are none" : "; known: " + String.join(" ", known)));
            } else {
                o.words.add(a);
            }
        }
        return o;
    }

    /** As {@link #parse}, for a command that takes options only: a word is refused, as an unknown option is. */
    public static Options parseOnly(List<String> arguments, Set<String> flags, Set<String> valued) throws UsageException {
        Options o = parse(arguments, flags, valued);
        if (!o.words.isEmpty()) {
            throw new UsageException("'" + o.words.get(0) + "' is too much: it takes options only");
        }
        return o;
    }

    private static Map<String, String> names(Set<String> declared) {
        Map<String, String> m = new HashMap<>();
        for (String d : declared) {
            String[] all = d.split("\\|");
            for (String n : all) {
                m.put(n, all[all.length - 1]);
            }
        }
        return m;
    }

    private void add(String name, String value) {
        values.computeIfAbsent(name, k -> new ArrayList<>()).add(value);
    }

    /** Whether a flag was given; by its last synonym. */
    public boolean has(String name) {
        return values.containsKey(name);
    }

    /** The last value given. */
    public Optional<String> value(String name) {
        List<String> v = values.get(name);
        return v == null ? Optional.empty() : Optional.of(v.get(v.size() - 1));
    }

    /** All values given, in order. */
    public List<String> values(String name) {
        return values.getOrDefault(name, List.of());
    }

    /** What is no option. */
    public List<String> words() {
        return words;
    }

    /** {@code -o}: one of {@code allowed}, the first by default; declared as {@code -o|--output}. */
    public String output(String... allowed) throws UsageException {
        String o = value("--output").orElse(allowed[0]);
        for (String a : allowed) {
            if (a.equals(o)) {
                return o;
            }
        }
        throw new UsageException("-o " + o + " is not known; one of " + String.join(", ", allowed));
    }
}
