package io.patchbay.cluster.decode.policy;

import io.patchbay.api.cluster.policy.SourcePosition;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.labels.LabelSelector.Operator;
import io.patchbay.api.labels.LabelSelector.Requirement;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.Meta;
import io.patchbay.cluster.decode.Tree;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** Values that several policy kinds have. */
final class Values {
    private static final Set<String> SOURCES = Set.of("k8s", "reserved", "any", "cidr", "cidrgroup", "fqdn", "container", "unspec", "node", "cni",
            "generated", "ingress", "policy");
    private static final Prefix PLACEHOLDER = Prefix.of(IpAddress.ofV4(0));

    private Values() {
    }

    static SourcePosition position(Fields fields) {
        Tree object = fields.object();
        return new SourcePosition(object.file(), object.document(), object.line());
    }

    /**
     * A field where null would be a trap: absent can mean anyone and empty nobody, so null, which could be meant as either, is refused.
     */
    static Optional<Tree> notNull(Fields fields, String name) {
        Optional<Tree> field = fields.any(name);
        field.filter(Tree::isNull).ifPresent(t -> t.problem("must not be null: leave the field out, or write an empty value if that is meant"));
        return field.filter(t -> !t.isNull());
    }

    /** An address range in CIDR notation; bits beyond the length are dropped. */
    static Prefix cidr(Tree tree) {
        String text = tree.string();
        if (!tree.isPresent() || !tree.isString()) return PLACEHOLDER;
        if (text.indexOf('/') < 0) {
            tree.problem("\"" + text + "\" is not a CIDR: it has no /length");
            return PLACEHOLDER;
        }
        try {
            return Prefix.parse(text);
        } catch (IllegalArgumentException e) {
            tree.problem("\"" + text + "\" is not a CIDR: " + e.getMessage());
            return PLACEHOLDER;
        }
    }

    /**
     * A selector.
     *
     * @param source the source of every key; null if keys may name their source, as {@code k8s:app}
     */
    static LabelSelector selector(Tree tree, String source) {
        Fields f = tree.fields();
        List<Requirement> requirements = new ArrayList<>();
        notNull(f, "matchLabels").ifPresent(t -> new TreeMap<>(t.entries()).forEach((key, value) -> {
            String text = value.string();
            if (value.isString() && !Meta.isLabelValue(text)) value.problem("\"" + text + "\" is not a valid label value");
            requirement(value, key, source, Operator.IN, Set.of(text)).ifPresent(requirements::add);
        }));
        notNull(f, "matchExpressions").ifPresent(t -> t.list().forEach(item -> expression(item, source).ifPresent(requirements::add)));
        f.end();
        return new LabelSelector(requirements);
    }

    private static Optional<Requirement> expression(Tree item, String source) {
        Fields f = item.fields();
        Tree keyTree = f.required("key");
        Tree operatorTree = f.required("operator");
        String key = keyTree.string();
        String text = operatorTree.oneOf("In", "NotIn", "Exists", "DoesNotExist");
        Set<String> values = new TreeSet<>();
        f.optional("values").ifPresent(t -> t.list().forEach(v -> {
            String value = v.string();
            if (v.isString() && !Meta.isLabelValue(value)) v.problem("\"" + value + "\" is not a valid label value");
            values.add(value);
        }));
        f.end();
        Operator operator = null;
        for (Operator o : Operator.values()) if (o.text().equals(text)) operator = o;
        if (operator == null || !keyTree.isPresent()) return Optional.empty();
        boolean needsValues = operator == Operator.IN || operator == Operator.NOT_IN;
        if (needsValues == values.isEmpty()) {
            item.problem(text + (needsValues ? " needs at least one value" : " takes no values"));
            return Optional.empty();
        }
        return requirement(keyTree, key, source, operator, values);
    }

    private static Optional<Requirement> requirement(Tree at, String key, String source, Operator operator, Set<String> values) {
        if (source != null) {
            if (Meta.isLabelKey(key)) return Optional.of(new Requirement(source, key, operator, values));
            at.problem("\"" + key + "\" is not a valid label key");
            return Optional.empty();
        }
        int colon = key.indexOf(':');
        String keySource = colon < 0 ? LabelSelector.ANY : key.substring(0, colon);
        String rest = key.substring(colon + 1);
        if (!SOURCES.contains(keySource)) {
            at.problem("\"" + keySource + "\" is not a label source");
        } else if (rest.isEmpty() || rest.chars().anyMatch(c -> c <= ' ' || c == '=')) {
            at.problem("\"" + key + "\" is not a valid label key");
        } else {
            return Optional.of(new Requirement(keySource, rest, operator, values));
        }
        return Optional.empty();
    }
}
