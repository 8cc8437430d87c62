package io.patchbay.agent.internal;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a command's help says of its options: their names, and the values of {@code -o}. Completion offers just that, so an option
 * is never in one of them and not in the other.
 */
record HelpOptions(Set<String> names, List<String> outputs) {
    private static final Pattern NAME = Pattern.compile("(?<![\\w/.-])(-[A-Za-z0-9]|--[a-z][a-z0-9-]*[a-z0-9])(?![\\w-]|\\.\\.\\.)");
    private static final Pattern OUTPUTS = Pattern.compile("(?<![\\w-])-o ([a-z]+(?:\\|[a-z]+)*)");
    private static final Set<String> OUTPUT = Set.of("-o", "--output");

    static HelpOptions of(List<String> help) {
        Set<String> names = new LinkedHashSet<>();
        List<String> outputs = new ArrayList<>();
        for (String line : help) {
            Matcher n = NAME.matcher(line);
            while (n.find()) {
                names.add(n.group(1));
            }
            Matcher o = OUTPUTS.matcher(line);
            if (outputs.isEmpty() && o.find()) {
                outputs.addAll(List.of(o.group(1).split("\\|")));
            }
        }
        return new HelpOptions(names, outputs);
    }

    /** Whether the word before is the option that says in which form to print. */
    static boolean isOutput(String word) {
        return OUTPUT.contains(word);
    }
}
