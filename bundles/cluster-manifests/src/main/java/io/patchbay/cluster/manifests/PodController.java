package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.cluster.decode.PodObject;
import io.patchbay.cluster.decode.PodSpec;
import io.patchbay.cluster.decode.Workload;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;

/**
 * Makes pods of workloads and gives every pod a node. Pure and deterministic: who reads the same folder makes the same pods with the same names,
 * uids and nodes. A pod that runs somewhere stays there when nodes come.
 */
final class PodController {
    /** The label by which every node can be selected. */
    static final String HOSTNAME_LABEL = "kubernetes.io/hostname";
    /** The alphabet of Kubernetes' generated names: no vowels, so no words. */
    private static final String SAFE = "bcdfghjklmnpqrstvwxz2456789";

    private final SortedMap<String, Node> nodes;
    private final Map<ObjectKey, PodStatus> statuses;
    private final SortedMap<ObjectKey, PodObject> result = new TreeMap<>();

    private PodController(SortedMap<String, Node> nodes, Map<ObjectKey, PodStatus> statuses) {
        this.nodes = nodes;
        this.statuses = statuses;
    }

    static SortedMap<ObjectKey, PodObject> desired(Collection<PodObject> pods, Collection<Workload> workloads, SortedMap<String, Node> nodes,
                                                   Map<ObjectKey, PodStatus> statuses) {
        PodController c = new PodController(nodes, statuses);
        for (PodObject pod : pods) c.bare(pod);
        for (Workload workload : workloads) c.make(workload);
        return c.result;
    }

    private void bare(PodObject object) {
        Pod pod = object.pod();
        String uid = pod.uid().isEmpty() ? uid(pod.namespace(), pod.name(), object.spec().toString()) : pod.uid();
        add(pod.toBuilder().uid(uid), pod.key(), uid, object.spec(), 0);
    }

    private void make(Workload w) {
        String templateHash = safe(w.templateHash() & 0xffffffffL, 10);
        Map<String, String> labels = new HashMap<>(w.labels());
        if (w.kind() == Workload.Kind.DAEMON_SET) {
            labels.put("controller-revision-hash", templateHash);
            Set<String> suffixes = new HashSet<>();
            for (Node node : nodes.values()) {
                if (!eligible(w.spec(), node)) continue;
                PodSpec pinned = withNode(w.spec(), node.name());
                make(w, pinned, w.name() + "-" + suffix(w.namespace() + "/" + w.name() + "@" + node.name(), suffixes), labels, templateHash, 0);
            }
            return;
        }
        boolean stateful = w.kind() == Workload.Kind.STATEFUL_SET;
        labels.put(stateful ? "controller-revision-hash" : "pod-template-hash", templateHash);
        Set<String> suffixes = new HashSet<>();
        for (int i = 0; i < w.replicas(); i++) {
            String name;
            Map<String, String> own = labels;
            if (stateful) {
                name = w.name() + "-" + i;
                own = new HashMap<>(labels);
                own.put("statefulset.kubernetes.io/pod-name", name);
                own.put("apps.kubernetes.io/pod-index", Integer.toString(i));
            } else {
                String seed = w.namespace() + "/" + w.name() + "/" + templateHash + "/" + i;
                name = w.name() + (w.kind() == Workload.Kind.DEPLOYMENT ? "-" + templateHash : "") + "-" + suffix(seed, suffixes);
            }
            make(w, w.spec(), name, own, templateHash, i);
        }
    }

    private void make(Workload w, PodSpec spec, String name, Map<String, String> labels, String templateHash, int ordinal) {
        String uid = uid(w.namespace(), name, templateHash);
        Pod.Builder b = Pod.builder(w.namespace(), name).uid(uid).labels(labels).annotations(w.annotations()).serviceAccount(spec.serviceAccount())
                .hostNetwork(spec.hostNetwork()).ports(spec.ports());
        // workloads start at different nodes, so that many with one replica don't all meet on the first
        add(b, new ObjectKey(w.namespace(), name), uid, spec, ordinal + Math.floorMod((w.namespace() + "/" + w.name()).hashCode(), 1 << 16));
    }

    private void add(Pod.Builder b, ObjectKey key, String uid, PodSpec spec, int offset) {
        Pod pod = b.nodeName(schedule(key, uid, spec, offset)).build();
        // a bare pod whose name a workload happens to make wins: it was named by the user
        result.putIfAbsent(key, new PodObject(pod, spec));
    }

    private String schedule(ObjectKey key, String uid, PodSpec spec, int offset) {
        if (!spec.nodeName().isEmpty()) return spec.nodeName();
        PodStatus status = statuses.get(key);
        if (status != null && status.pod().uid().equals(uid) && nodes.containsKey(status.pod().nodeName())) return status.pod().nodeName();
        List<String> eligible = nodes.values().stream().filter(n -> eligible(spec, n)).map(Node::name).toList();
        return eligible.isEmpty() ? "" : eligible.get(offset % eligible.size());
    }

    private static boolean eligible(PodSpec spec, Node node) {
        if (!spec.nodeName().isEmpty() && !spec.nodeName().equals(node.name())) return false;
        return node.labels().entrySet().containsAll(spec.nodeSelector().entrySet());
    }

    private static PodSpec withNode(PodSpec s, String node) {
        return new PodSpec(node, s.nodeSelector(), s.serviceAccount(), s.hostNetwork(), s.restartPolicy(), s.terminationGracePeriodSeconds(),
                s.initContainers(), s.containers());
    }

    private static String uid(String namespace, String name, String incarnation) {
        return UUID.nameUUIDFromBytes((namespace + "/" + name + "/" + incarnation).getBytes(StandardCharsets.UTF_8)).toString();
    }

    private static String suffix(String seed, Set<String> taken) {
        for (int salt = 0;; salt++) {
            String suffix = safe(UUID.nameUUIDFromBytes((seed + "/" + salt).getBytes(StandardCharsets.UTF_8)).getMostSignificantBits(), 5);
            if (taken.add(suffix)) return suffix;
        }
    }

    private static String safe(long value, int length) {
        StringBuilder text = new StringBuilder();
        long rest = value;
        for (int i = 0; i < length; i++) {
            text.append(SAFE.charAt((int) Long.remainderUnsigned(rest, SAFE.length())));
            rest = Long.divideUnsigned(rest, SAFE.length());
            if (rest == 0) rest = value * 0x9E3779B97F4A7C15L + i + 1;
        }
        return text.toString();
    }
}
