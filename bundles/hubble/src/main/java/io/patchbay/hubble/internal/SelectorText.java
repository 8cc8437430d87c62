package io.patchbay.hubble.internal;

import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.labels.LabelSelector.Operator;
import io.patchbay.api.shell.UsageException;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Label selectors as kubectl takes them: {@code a=b,c!=d,e in (f,g),!h}; a key may name its source, {@code reserved:world}. */
final class SelectorText {
    private static final Pattern SET = Pattern.compile("\\s*([^\\s!=,()]+)\\s+(in|notin)\\s*\\(([^)]*)\\)\\s*(?:,|$)");
    private static final Pattern EQUALITY = Pattern.compile("\\s*([^\\s!=,()]+)\\s*(==|=|!=)\\s*([^,()]*?)\\s*(?:,|$)");
    private static final Pattern EXISTENCE = Pattern.compile("\\s*(!?)\\s*([^\\s!=,()]+)\\s*(?:,|$)");

    private SelectorText() {
    }

    static LabelSelector parse(String option, String text) throws UsageException {
        LabelSelector selector = LabelSelector.EVERYTHING;
        int at = 0;
        while (at < text.length()) {
            Matcher m = SET.matcher(text).region(at, text.length());
            if (m.lookingAt()) {
                Set<String> values = new TreeSet<>(Arrays.stream(m.group(3).split(",")).map(String::trim).toList());
                selector = selector.and(LabelSelector.requirement(m.group(1), m.group(2).equals("in") ? Operator.IN : Operator.NOT_IN, values));
            } else if ((m = EQUALITY.matcher(text).region(at, text.length())).lookingAt()) {
                selector = selector.and(LabelSelector.requirement(m.group(1), m.group(2).equals("!=") ? Operator.NOT_IN : Operator.IN,
                        Set.of(m.group(3))));
            } else if ((m = EXISTENCE.matcher(text).region(at, text.length())).lookingAt()) {
                selector = selector.and(LabelSelector.requirement(m.group(2), m.group(1).isEmpty() ? Operator.EXISTS : Operator.DOES_NOT_EXIST,
                        Set.of()));
            } else {
                throw new UsageException(option + " " + text + " is no label selector, from \"" + text.substring(at) + "\": as in app=web,tier!=db");
            }
            at = m.end();
        }
        if (selector.isEmpty()) throw new UsageException(option + " needs a label selector, as in app=web,tier!=db");
        return selector;
    }
}
