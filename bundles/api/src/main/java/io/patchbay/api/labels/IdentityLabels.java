package io.patchbay.api.labels;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The labels that identities are made of: names, and how a pod's and a prefix' are built. */
public final class IdentityLabels {
    public static final String NAMESPACE = "io.kubernetes.pod.namespace";
    public static final String NAMESPACE_LABELS_PREFIX = "io.cilium.k8s.namespace.labels.";
    public static final String CLUSTER = "io.cilium.k8s.policy.cluster";
    public static final String SERVICE_ACCOUNT = "io.cilium.k8s.policy.serviceaccount";

    private IdentityLabels() {
    }

    /**
     * The identity labels of a pod. Labels that the filter drops are left out; a label of the pod that carries one of the names above, or the
     * namespace label prefix, is ignored, since otherwise a pod could claim to be another's.
     *
     * @param serviceAccount empty if unknown: then there is no such label
     */
    public static LabelSet ofPod(String namespace, String serviceAccount, Map<String, String> podLabels, Map<String, String> namespaceLabels,
            String cluster, LabelFilter filter) {
        List<Label> labels = new ArrayList<>();
        podLabels.forEach((key, value) -> {
            if (!isDerived(key)) add(labels, Label.k8s(key, value), filter);
        });
        namespaceLabels.forEach((key, value) -> addNamespaceLabel(labels, key, value, filter));
        add(labels, Label.k8s(NAMESPACE, namespace), filter);
        add(labels, Label.k8s(CLUSTER, cluster), filter);
        if (!serviceAccount.isEmpty()) add(labels, Label.k8s(SERVICE_ACCOUNT, serviceAccount), filter);
        return LabelSet.of(labels);
    }

    /** Whether the label's name is one that only the agent may give. */
    public static boolean isDerived(String key) {
        return key.equals(NAMESPACE) || key.startsWith(NAMESPACE_LABELS_PREFIX) || key.equals(CLUSTER) || key.equals(SERVICE_ACCOUNT);
    }

    /**
     * The labels of an address prefix outside the cluster: its {@code cidr:} label and the world's.
     *
     * @param text     the prefix in canonical form, as {@code 10.0.0.0/8} or {@code 2001:db8::/32}
     * @param dualStack whether both families are on: then the world is told apart by family
     */
    public static LabelSet ofPrefix(String text, boolean dualStack) {
        boolean v6 = text.indexOf(':') >= 0;
        String world = !dualStack ? "world" : v6 ? "world-ipv6" : "world-ipv4";
        return LabelSet.of(new Label("cidr", cidrKey(text), ""), Label.reserved(world));
    }

    /** Colons can't stand in a label's key: {@code -} replaces them, with a {@code 0} where the key would begin or end with it. */
    private static String cidrKey(String text) {
        if (text.indexOf(':') < 0) return text;
        int slash = text.indexOf('/');
        String address = text.substring(0, slash).replace(':', '-');
        if (address.startsWith("-")) address = "0" + address;
        if (address.endsWith("-")) address = address + "0";
        return address + text.substring(slash);
    }

    private static void addNamespaceLabel(List<Label> labels, String key, String value, LabelFilter filter) {
        // namespace labels are included whatever their own key is: the include of the prefix is longer than any exclude that could match
        add(labels, Label.k8s(NAMESPACE_LABELS_PREFIX + key, value), filter);
    }

    private static void add(List<Label> labels, Label label, LabelFilter filter) {
        if (filter.counts(label)) labels.add(label);
    }
}
