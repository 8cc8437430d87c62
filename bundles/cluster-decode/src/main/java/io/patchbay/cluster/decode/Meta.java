package io.patchbay.cluster.decode;

import java.util.Map;
import java.util.regex.Pattern;

/**
 * The part of an object's {@code metadata} that Patchbay reads.
 *
 * @param name        a DNS subdomain
 * @param namespace   "" for a kind without namespaces; {@code default} where the text names none
 * @param labels      checked for Kubernetes' syntax
 * @param annotations in the text's order
 * @param uid         "" in manifests
 * @param terminating true if there is a deletionTimestamp
 */
public record Meta(String name, String namespace, Map<String, String> labels, Map<String, String> annotations, String uid, boolean terminating) {
    private static final Pattern DNS_SUBDOMAIN = Pattern.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*");
    private static final Pattern DNS_LABEL = Pattern.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?");
    private static final Pattern QUALIFIED_NAME = Pattern.compile("[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?");

    public Meta {
        labels = Map.copyOf(labels);
        annotations = Map.copyOf(annotations);
    }

    /** Reads {@code metadata} of an object whose fields are given. */
    public static Meta read(Fields object, boolean namespaced) {
        Fields f = object.required("metadata").fields();
        Tree nameTree = f.required("name");
        String name = nameTree.string();
        if (nameTree.isString() && (name.length() > 253 || !DNS_SUBDOMAIN.matcher(name).matches())) {
            nameTree.problem("\"" + name + "\" is not a valid name: lower case letters, digits, '-' and '.'");
        }
        String namespace = "";
        if (namespaced) {
            // the same few for tens of thousands of objects
            namespace = f.string("namespace", "default").intern();
            String given = namespace;
            f.optional("namespace").filter(t -> given.length() > 63 || !DNS_LABEL.matcher(given).matches())
                    .ifPresent(t -> t.problem("\"" + given + "\" is not a valid namespace name"));
            // a placeholder, for rows that insist on a namespace
            if (namespace.isEmpty()) namespace = "default";
        } else {
            f.optional("namespace").ifPresent(t -> t.problem("this kind has no namespace"));
        }
        Map<String, String> labels = f.optional("labels").map(Meta::labels).orElse(Map.of());
        Map<String, String> annotations = f.stringMap("annotations");
        String uid = f.string("uid", "");
        boolean terminating = f.optional("deletionTimestamp").isPresent();
        f.ignore("generateName", "resourceVersion", "generation", "creationTimestamp", "deletionGracePeriodSeconds", "finalizers",
                "ownerReferences", "managedFields", "selfLink").end();
        return new Meta(name, namespace, labels, annotations, uid, terminating);
    }

    /** A map of labels (also a selector's matchLabels), its keys and values checked for Kubernetes' syntax. */
    public static Map<String, String> labels(Tree tree) {
        Map<String, String> labels = tree.stringMap();
        tree.entries().forEach((key, value) -> {
            if (!isLabelKey(key)) value.problem("\"" + key + "\" is not a valid label key");
            String text = labels.get(key);
            if (value.isString() && !isLabelValue(text)) value.problem("\"" + text + "\" is not a valid label value");
        });
        return labels;
    }

    /** {@code [prefix/]name}, prefix a DNS subdomain, name at most 63 characters. */
    public static boolean isLabelKey(String key) {
        int slash = key.indexOf('/');
        String prefix = slash < 0 ? null : key.substring(0, slash);
        String name = key.substring(slash + 1);
        return name.length() <= 63 && QUALIFIED_NAME.matcher(name).matches()
                && (prefix == null || prefix.length() <= 253 && DNS_SUBDOMAIN.matcher(prefix).matches());
    }

    /** Empty, or at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends. */
    public static boolean isLabelValue(String value) {
        return value.isEmpty() || value.length() <= 63 && QUALIFIED_NAME.matcher(value).matches();
    }

    /** {@code namespace/name}, or the name alone for a kind without namespaces. */
    public String qualifiedName() {
        return namespace.isEmpty() ? name : namespace + "/" + name;
    }
}
