package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.ConfigMap;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.cluster.decode.PodObject;
import io.patchbay.cluster.decode.Workload;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The cluster's rows, kept up to date change by change: what a service has is made again when it, its record or a pod that it may select changed;
 * pods and nodes all together when one of them did. A kind without a change keeps its very map. Not thread-safe.
 */
final class ClusterRows {
    private final ManifestIndex index;
    private final SortedMap<String, Namespace> namespaces = new TreeMap<>();
    private final SortedMap<String, Node> manifestNodes = new TreeMap<>();
    private final SortedMap<String, PodObject> podManifests = new TreeMap<>();
    private final SortedMap<String, Workload> workloads = new TreeMap<>();
    private final SortedMap<ObjectKey, Service> services = new TreeMap<>();
    private final Map<ObjectKey, EndpointSlice> givenSlices = new HashMap<>();
    private final Map<ObjectKey, List<EndpointSlice>> madeSlices = new HashMap<>();
    private final SortedMap<ObjectKey, EndpointSlice> slices = new TreeMap<>();
    private final SortedMap<Long, CiliumIdentity> manifestIdentities = new TreeMap<>();
    private final SortedMap<ObjectKey, ConfigMap> configMaps = new TreeMap<>();
    private final SortedMap<String, PolicyObject> policies = new TreeMap<>();
    private final SortedMap<String, CidrGroup> groups = new TreeMap<>();
    /** Services with a selector by its first label: whoever has not that label is none of their endpoints. */
    private final Map<ObjectKey, Set<ObjectKey>> selectors = new HashMap<>();
    private EndpointController endpoints = new EndpointController(List.of(), Map.of());
    private Map<String, NodeRecord> nodeRecords = Map.of();
    private Map<Long, CiliumIdentity> recordedIdentities = Map.of();
    private Map<ObjectKey, PodStatus> statuses = Map.of();
    private ClusterObjects last;

    private final Set<Class<?>> dirty = new HashSet<>();
    private final Set<ObjectKey> changedServices = new HashSet<>();

    ClusterRows(ManifestIndex index) {
        this.index = index;
        for (String name : ManifestIndex.IMPLICIT_NAMESPACES) namespaces.put(name, implicit(name));
        dirty.addAll(List.of(Namespace.class, Node.class, Pod.class, Service.class, EndpointSlice.class, CiliumIdentity.class, ConfigMap.class,
                PolicyObject.class, CidrGroup.class));
    }

    private static Namespace implicit(String name) {
        return new Namespace(name, Map.of(Namespace.NAME_LABEL, name), Map.of());
    }

    Map<String, Node> manifestNodes() {
        return manifestNodes;
    }

    void change(ManifestIndex.Changed changed) {
        changed.before().forEach((key, m) -> {
            if (!changed.after().containsKey(key)) put(key, m, false);
        });
        changed.after().forEach((key, m) -> put(key, m, true));
        changedServices.addAll(changed.records().keySet());
    }

    private void put(String key, Manifest m, boolean there) {
        Object row = m.row();
        if (row instanceof Namespace n) {
            dirty.add(Namespace.class);
            set(namespaces, n.name(), n, there);
            if (!there && ManifestIndex.IMPLICIT_NAMESPACES.contains(n.name())) namespaces.put(n.name(), implicit(n.name()));
        } else if (row instanceof Node n) {
            dirty.add(Node.class);
            set(manifestNodes, n.name(), n, there);
        } else if (row instanceof PodObject p) {
            dirty.add(Pod.class);
            set(podManifests, key, p, there);
        } else if (row instanceof Workload w) {
            dirty.add(Pod.class);
            set(workloads, key, w, there);
        } else if (row instanceof Service s) {
            changedServices.add(s.key());
        } else if (row instanceof EndpointSlice s) {
            set(givenSlices, s.key(), s, there);
            if (there) slice(s.key(), s);
            else slice(s.key(), made(s.key()));
        } else if (row instanceof CiliumIdentity i) {
            dirty.add(CiliumIdentity.class);
            set(manifestIdentities, i.id(), i, there);
        } else if (row instanceof ConfigMap c) {
            dirty.add(ConfigMap.class);
            set(configMaps, c.key(), c, there);
        } else if (row instanceof PolicyObject p) {
            dirty.add(PolicyObject.class);
            set(policies, key, p, there);
        } else if (row instanceof CidrGroup g) {
            dirty.add(CidrGroup.class);
            set(groups, key, g, there);
        }
    }

    private static <K, V> void set(Map<K, V> map, K key, V value, boolean there) {
        if (there) map.put(key, value);
        else map.remove(key);
    }

    /** The slice that a service's controller made under this name, if one did; asked only when a user's slice of that name goes. */
    private EndpointSlice made(ObjectKey key) {
        return madeSlices.values().stream().flatMap(List::stream).filter(s -> s.key().equals(key)).findFirst().orElse(null);
    }

    private void slice(ObjectKey key, EndpointSlice slice) {
        EndpointSlice before = slice == null ? slices.remove(key) : slices.put(key, slice);
        if (before != slice) dirty.add(EndpointSlice.class);
    }

    /** What others wrote; the same maps when nothing has changed. */
    void records(Map<String, NodeRecord> nodes, Map<Long, CiliumIdentity> identities, Map<ObjectKey, PodStatus> podStatuses) {
        if (!nodes.equals(nodeRecords)) dirty.add(Node.class);
        if (!identities.equals(recordedIdentities)) dirty.add(CiliumIdentity.class);
        if (podStatuses != statuses) dirty.add(Pod.class);
        nodeRecords = nodes;
        recordedIdentities = identities;
        statuses = podStatuses;
    }

    ClusterObjects compose() {
        SortedMap<String, Node> nodes = dirty.contains(Node.class) ? nodeRows() : (SortedMap<String, Node>) last.nodes();
        boolean all = last == null || dirty.contains(Node.class) && !zones(nodes).equals(zones(last.nodes()));
        SortedMap<ObjectKey, PodObject> desired = last == null ? null : (SortedMap<ObjectKey, PodObject>) last.desiredPods();
        SortedMap<ObjectKey, Pod> pods = last == null ? null : (SortedMap<ObjectKey, Pod>) last.pods();
        Set<ObjectKey> remake = new HashSet<>(changedServices);
        if (dirty.contains(Pod.class) || dirty.contains(Node.class)) {
            desired = PodController.desired(podManifests.values(), workloads.values(), nodes, statuses);
            SortedMap<ObjectKey, Pod> now = pods(desired);
            SortedMap<ObjectKey, Pod> before = pods == null ? new TreeMap<>() : pods;
            if (all || !now.equals(before)) {
                endpoints = new EndpointController(now.values(), nodes);
                now.forEach((key, pod) -> {
                    Pod old = before.get(key);
                    if (pod.equals(old)) return;
                    selectedBy(pod, remake);
                    if (old != null) selectedBy(old, remake);
                });
                before.forEach((key, pod) -> {
                    if (!now.containsKey(key)) selectedBy(pod, remake);
                });
            }
            pods = now.equals(before) && last != null ? before : now;
            if (last != null && desired.equals(last.desiredPods())) desired = (SortedMap<ObjectKey, PodObject>) last.desiredPods();
        }
        for (ObjectKey key : changedServices) row(key);
        if (all) remake.addAll(services.keySet());
        for (ObjectKey key : remake) slicesOf(key);
        SortedMap<Long, CiliumIdentity> identities = new TreeMap<>(recordedIdentities);
        identities.putAll(manifestIdentities);
        last = new ClusterObjects(copy(Namespace.class, namespaces, last == null ? null : last.namespaces()), nodes, desired, pods,
                copy(Service.class, services, last == null ? null : last.services()),
                copy(EndpointSlice.class, slices, last == null ? null : last.endpointSlices()),
                copy(CiliumIdentity.class, identities, last == null ? null : last.identities()),
                copy(ConfigMap.class, configMaps, last == null ? null : last.configMaps()),
                dirty.contains(PolicyObject.class) ? List.copyOf(policies.values()) : last.policies(),
                dirty.contains(CidrGroup.class) ? List.copyOf(groups.values()) : last.cidrGroups());
        dirty.clear();
        changedServices.clear();
        return last;
    }

    private <K, V> Map<K, V> copy(Class<?> kind, SortedMap<K, V> map, Map<K, V> before) {
        return dirty.contains(kind) ? Collections.unmodifiableSortedMap(new TreeMap<>(map)) : before;
    }

    private SortedMap<String, Node> nodeRows() {
        SortedMap<String, Node> rows = new TreeMap<>();
        Set<String> names = new HashSet<>(manifestNodes.keySet());
        nodeRecords.values().stream().filter(NodeRecord::registered).forEach(r -> names.add(r.name()));
        for (String name : names) {
            NodeRecord record = nodeRecords.getOrDefault(name, NodeRecord.empty(name));
            Node node = manifestNodes.getOrDefault(name, new Node(name, Map.of(), Map.of(), List.of(), List.of()));
            Map<String, String> labels = new HashMap<>(node.labels());
            labels.putIfAbsent(PodController.HOSTNAME_LABEL, name);
            Map<String, String> annotations = new HashMap<>(node.annotations());
            annotations.putAll(record.annotations());
            rows.put(name, new Node(name, labels, annotations, node.internalIps().isEmpty() ? record.internalIps() : node.internalIps(),
                    node.podCidrs().isEmpty() ? record.podCidrs() : node.podCidrs()));
        }
        return rows;
    }

    private static Map<String, String> zones(Map<String, Node> nodes) {
        Map<String, String> zones = new HashMap<>();
        nodes.forEach((name, node) -> zones.put(name, node.zone()));
        return zones;
    }

    private SortedMap<ObjectKey, Pod> pods(SortedMap<ObjectKey, PodObject> desired) {
        SortedMap<ObjectKey, Pod> pods = new TreeMap<>();
        desired.forEach((key, object) -> pods.put(key, PodStatus.merge(object.pod(), Optional.ofNullable(statuses.get(key)))));
        statuses.forEach((key, status) -> {
            // a status without a manifest, or of an earlier incarnation: the pod is on its way out and keeps its name until it is gone
            PodObject wanted = desired.get(key);
            boolean old = wanted == null || !status.pod().uid().isEmpty() && !status.pod().uid().equals(wanted.pod().uid());
            if (old) pods.put(key, status.pod().toBuilder().terminating(true).build());
        });
        return pods;
    }

    /** A label in a namespace, as a key: no label's key has a blank, nor has its value. */
    private static ObjectKey label(String namespace, Map.Entry<String, String> label) {
        return new ObjectKey(namespace, label.getKey() + " " + label.getValue());
    }

    private void selectedBy(Pod pod, Set<ObjectKey> into) {
        for (Map.Entry<String, String> label : pod.labels().entrySet()) into.addAll(selectors.getOrDefault(label(pod.namespace(), label), Set.of()));
    }

    private static Optional<ObjectKey> selector(Service service) {
        if (service == null || service.type() == Service.Type.EXTERNAL_NAME) return Optional.empty();
        return service.selector().flatMap(s -> s.entrySet().stream().min(Map.Entry.comparingByKey())).map(l -> label(service.namespace(), l));
    }

    private void row(ObjectKey key) {
        Service manifest = index.service(key);
        ServiceRecord record = index.records().get(key);
        Service now = manifest == null ? null : record == null ? manifest : record.complete(manifest);
        Service before = now == null ? services.remove(key) : services.put(key, now);
        if (now == null ? before == null : now.equals(before)) return;
        dirty.add(Service.class);
        selector(before).ifPresent(s -> {
            Set<ObjectKey> left = selectors.get(s);
            if (left != null && left.remove(key) && left.isEmpty()) selectors.remove(s);
        });
        selector(now).ifPresent(s -> selectors.computeIfAbsent(s, k -> new HashSet<>()).add(key));
    }

    private void slicesOf(ObjectKey key) {
        Service service = services.get(key);
        List<EndpointSlice> now = selector(service).isEmpty() ? List.of() : endpoints.slices(service);
        List<EndpointSlice> before = now.isEmpty() ? madeSlices.remove(key) : madeSlices.put(key, now);
        if (before != null) {
            if (before.equals(now)) {
                madeSlices.put(key, before);
                return;
            }
            Set<ObjectKey> names = new HashSet<>();
            now.forEach(s -> names.add(s.key()));
            for (EndpointSlice s : before) if (!names.contains(s.key()) && !givenSlices.containsKey(s.key())) slice(s.key(), null);
        }
        for (EndpointSlice s : now) if (!givenSlices.containsKey(s.key())) slice(s.key(), s);
    }
}
