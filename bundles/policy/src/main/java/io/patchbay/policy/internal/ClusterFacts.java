package io.patchbay.policy.internal;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.ClusterSnapshot;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.TableIndex;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.control.PeerFact;
import io.patchbay.policy.internal.control.PolicyControl;
import io.patchbay.policy.internal.control.PolicyControl.Sources;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.ServiceFacts;
import io.patchbay.policy.internal.table.PeerNumbers;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** What policy needs of the cluster's tables. Thread-safe. */
final class ClusterFacts {
    private static final LabelSet HOST = LabelSet.of(Label.reserved("host"));
    private static final LabelSet REMOTE = LabelSet.of(Label.reserved("remote-node"));

    private final ClusterTables tables;
    private final Identities identities;
    private final String nodeName;

    ClusterFacts(ClusterTables tables, Identities identities, String nodeName) {
        this.tables = tables;
        this.identities = identities;
        this.nodeName = nodeName;
    }

    /** Empty while a table has not synced: before that, a missing policy says nothing. */
    Optional<Sources> sources() {
        ClusterSnapshot now = tables.snapshot();
        boolean synced = now.policies().isSynced() && now.cidrGroups().isSynced() && now.namespaces().isSynced() && now.pods().isSynced()
                && now.nodes().isSynced() && now.services().isSynced() && now.endpointSlices().isSynced() && now.identities().isSynced();
        if (!synced) return Optional.empty();
        return Optional.of(new Sources(now.policies().rows(), () -> services(now),
                now.cidrGroups().rows().stream().sorted(Comparator.comparing(g -> g.name())).toList()));
    }

    /** Identities that the cluster has for its pods. */
    Set<Integer> identities() {
        Set<Integer> all = new HashSet<>();
        for (CiliumIdentity row : tables.identities().snapshot().rows()) if (row.id() >= PeerNumbers.FIRST_POD && row.id() <= PeerNumbers.LAST_POD) all.add((int) row.id());
        return all;
    }

    /** Policies of the cluster that the tables in force don't have, or have another version of. */
    List<PolicyObject.Key> notInForce(PolicyControl.InForce now) {
        return tables.snapshot().policies().rows().stream().filter(p -> !now.policies().contains(p)).map(PolicyObject::key).sorted().toList();
    }

    private static List<ServiceFacts> services(ClusterSnapshot now) {
        List<ServiceFacts> all = new ArrayList<>();
        for (Service s : now.services().rows()) {
            List<Label> labels = new ArrayList<>();
            s.labels().forEach((k, v) -> labels.add(Label.k8s(k, v)));
            Set<IpAddress> endpoints = new HashSet<>();
            if (s.selector().isEmpty()) {
                for (EndpointSlice slice : now.endpointSlices().by(TableIndex.SLICES_BY_SERVICE, s.key())) {
                    slice.endpoints().forEach(e -> endpoints.addAll(e.addresses()));
                }
            }
            all.add(new ServiceFacts(s.namespace(), s.name(), LabelSet.of(labels), s.selector().orElse(Map.of()), endpoints));
        }
        all.sort(Comparator.comparing(ServiceFacts::namespace).thenComparing(ServiceFacts::name));
        return all;
    }

    private static Map<PortName, Integer> ports(Pod pod) {
        Map<PortName, Integer> ports = new HashMap<>();
        for (Pod.Port p : pod.ports()) {
            if (!p.name().isEmpty()) ports.putIfAbsent(new PortName(p.name().toLowerCase(Locale.ROOT), p.protocol().number()), p.number());
        }
        return ports;
    }

    private <T> void pods(ClusterSnapshot now, Function<Pod, T> use) {
        for (Pod pod : now.pods().rows()) if (!pod.hostNetwork() && !pod.phase().isEnded() && !pod.ips().isEmpty()) use.apply(pod);
    }

    private LabelSet labels(ClusterSnapshot now, Pod pod) {
        Namespace namespace = now.namespaces().get(pod.namespace()).orElseGet(() -> new Namespace(pod.namespace(), Map.of(), Map.of()));
        return identities.labelsOf(pod, namespace);
    }

    private static LabelSet labels(Node n) {
        List<Label> labels = new ArrayList<>();
        n.labels().forEach((k, v) -> labels.add(Label.k8s(k, v)));
        return LabelSet.of(labels);
    }

    /** A node's own: internal IPs, and its router address in each pod CIDR, the first usable one, which is what pods see as its source. */
    private static List<IpAddress> addresses(Node n) {
        List<IpAddress> all = new ArrayList<>(n.internalIps());
        for (Prefix cidr : n.podCidrs()) all.add(cidr.isSingle() ? cidr.address() : cidr.address().plus(1));
        return all;
    }

    /** An endpoint that says nothing of its pod, as the rows of its identity and its pod have it. */
    Endpoint whole(Endpoint found) {
        ClusterSnapshot now = tables.snapshot();
        Optional<Pod> pod = now.pods().get(new ObjectKey(found.namespace(), found.pod()))
                .filter(p -> p.uid().isEmpty() || found.podUid().isEmpty() || p.uid().equals(found.podUid()));
        Map<String, Integer> ports = new HashMap<>();
        pod.ifPresent(p -> p.ports().forEach(x -> {
            if (!x.name().isEmpty()) ports.putIfAbsent(x.protocol().name() + "/" + x.name(), x.number());
        }));
        Optional<LabelSet> labels = now.identities().get((long) found.identity()).map(CiliumIdentity::labels).or(() -> pod.map(p -> labels(now, p)));
        return labels.map(l -> found.withIdentity(found.identity(), l).withPod(found.annotations(), ports)).orElse(found);
    }

    /** Addresses inside the cluster. */
    Map<IpAddress, PeerFact> addresses() {
        ClusterSnapshot now = tables.snapshot();
        Map<IpAddress, PeerFact> facts = new HashMap<>();
        for (Node n : now.nodes().rows()) {
            PeerFact fact = new PeerFact(n.name().equals(nodeName) ? HOST : REMOTE, Map.of(), Optional.of(labels(n)));
            for (IpAddress a : addresses(n)) facts.put(a, fact);
        }
        pods(now, pod -> {
            PeerFact fact = new PeerFact(labels(now, pod), ports(pod));
            pod.ips().forEach(a -> facts.put(a, fact));
            return null;
        });
        return facts;
    }

    /** The cluster as the evaluator sees it. */
    Cluster cluster(boolean dualStack) {
        ClusterSnapshot now = tables.snapshot();
        List<Cluster.Pod> pods = new ArrayList<>();
        pods(now, pod -> pods.add(new Cluster.Pod(pod.key().toString(), labels(now, pod), pod.ips(), pod.nodeName(), ports(pod))));
        Set<IpAddress> apiServers = new HashSet<>();
        now.endpointSlices().rows().stream().filter(s -> s.namespace().equals("default") && s.serviceName().equals("kubernetes"))
                .forEach(s -> s.endpoints().forEach(e -> apiServers.addAll(e.addresses())));
        List<Cluster.Node> nodes = new ArrayList<>();
        Set<IpAddress> outside = new HashSet<>(apiServers);
        for (Node n : now.nodes().rows()) {
            nodes.add(new Cluster.Node(n.name(), labels(n), addresses(n), n.internalIps().stream().anyMatch(apiServers::contains)));
            addresses(n).forEach(outside::remove);
        }
        return new Cluster(pods, nodes, services(now), outside, dualStack);
    }
}
