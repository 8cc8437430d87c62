package io.patchbay.api.labels;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which labels count for an identity. Cilium's rule: a label counts if nothing excludes it and the user gave no includes, or if the longest
 * matching include is longer than the shortest matching exclude. Labels that don't count are information only; policies on them match nothing.
 * Immutable.
 */
public final class LabelFilter {
    private static final List<String> DEFAULT_INCLUDES = List.of("reserved:.*", "io\\.kubernetes\\.pod\\.namespace",
            "io\\.cilium\\.k8s\\.namespace\\.labels", "app\\.kubernetes\\.io", "io\\.cilium\\.k8s\\.policy\\.cluster",
            "io\\.cilium\\.k8s\\.policy\\.serviceaccount");
    private static final List<String> DEFAULT_EXCLUDES = List.of("io\\.kubernetes", "kubernetes\\.io",
            "statefulset\\.kubernetes\\.io/pod-name", "apps\\.kubernetes\\.io/pod-index", "batch\\.kubernetes\\.io/job-completion-index",
            "batch\\.kubernetes\\.io/controller-uid", ".*beta\\.kubernetes\\.io", "k8s\\.io", "pod-template-generation", "pod-template-hash",
            "controller-revision-hash", "controller-uid", "annotation.*", "etcd_node", "topology\\.kubernetes\\.io");
    private static final LabelFilter DEFAULTS = new LabelFilter(List.of());

    private record Rule(String source, Pattern prefix) {
        /** Length of the key's matched prefix, -1 if it doesn't match. */
        int match(Label label) {
            if (!source.isEmpty() && !source.equals(label.source())) return -1;
            Matcher matcher = prefix.matcher(label.key());
            return matcher.lookingAt() ? matcher.end() : -1;
        }
    }

    private final List<Rule> includes = new ArrayList<>();
    private final List<Rule> excludes = new ArrayList<>();
    private final boolean whitelist;

    private LabelFilter(List<String> userRules) {
        DEFAULT_INCLUDES.forEach(text -> includes.add(rule(text)));
        DEFAULT_EXCLUDES.forEach(text -> excludes.add(rule(text)));
        boolean userIncludes = false;
        for (String text : userRules) {
            if (text.startsWith("!")) {
                excludes.add(rule(text.substring(1)));
            } else {
                includes.add(rule(text));
                userIncludes = true;
            }
        }
        whitelist = userIncludes;
    }

    public static LabelFilter defaults() {
        return DEFAULTS;
    }

    /**
     * The defaults and the user's rules (the {@code labels} option): regular expressions on the key's beginning, with {@code !} in front to
     * exclude and {@code source:} to concern one source only. Any include means that only included labels count.
     *
     * @throws java.util.regex.PatternSyntaxException for a rule that is no regular expression
     */
    public static LabelFilter of(List<String> userRules) {
        return new LabelFilter(userRules);
    }

    private static Rule rule(String text) {
        int colon = text.indexOf(':');
        return colon < 0 ? new Rule("", Pattern.compile(text)) : new Rule(text.substring(0, colon), Pattern.compile(text.substring(colon + 1)));
    }

    /** Whether the label takes part in the identity. */
    public boolean counts(Label label) {
        int include = -1;
        for (Rule rule : includes) include = Math.max(include, rule.match(label));
        int exclude = Integer.MAX_VALUE;
        for (Rule rule : excludes) {
            int length = rule.match(label);
            if (length >= 0) exclude = Math.min(exclude, length);
        }
        boolean excluded = exclude != Integer.MAX_VALUE;
        if (!excluded && !whitelist) return true;
        return include >= 0 && (!excluded || include > exclude);
    }
}
