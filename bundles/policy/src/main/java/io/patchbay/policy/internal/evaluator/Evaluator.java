package io.patchbay.policy.internal.evaluator;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.IcmpMatch;
import io.patchbay.api.cluster.policy.Peer;
import io.patchbay.api.cluster.policy.PolicyKind;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.cluster.policy.PolicyRule;
import io.patchbay.api.cluster.policy.PortMatch;
import io.patchbay.api.cluster.policy.RuleElement;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.labels.LabelSelector.Requirement;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.RuleOrigin;
import io.patchbay.policy.internal.model.ServiceFacts;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Policy objects and a connection in, verdict and reason out. Works on pods and addresses, knows no identity numbers, keeps nothing between calls.
 * Thread-safe.
 */
public final class Evaluator {
    private static final String NAMESPACE = "io.kubernetes.pod.namespace";
    private static final String NAMESPACE_LABEL = "io.cilium.k8s.namespace.labels.";
    private static final String CLUSTER = "io.cilium.k8s.policy.cluster";
    private static final int DENIED = 133;
    private static final int UNKNOWN_PROTOCOL = 137;
    private static final int DENIED_EXPLICITLY = 181;

    private final PolicyOptions options;
    private final List<PolicyObject> policies;
    private final List<CidrGroup> groups;
    private final Cluster cluster;
    private final Map<IpAddress, Cluster.Pod> pods = new HashMap<>();
    private final Map<IpAddress, Cluster.Node> nodes = new HashMap<>();

    public Evaluator(PolicyOptions options, List<PolicyObject> policies, List<CidrGroup> groups, Cluster cluster) {
        this.options = options;
        this.policies = policies.stream().sorted((a, b) -> a.key().compareTo(b.key())).toList();
        this.groups = List.copyOf(groups);
        this.cluster = cluster;
        cluster.nodes().forEach(n -> n.addresses().forEach(a -> nodes.putIfAbsent(a, n)));
        cluster.pods().forEach(p -> p.addresses().forEach(a -> pods.putIfAbsent(a, p)));
    }

    /** An end of the connection: exactly one of pod and node, or neither for an address outside. */
    private record End(IpAddress address, Cluster.Pod pod, Cluster.Node node) {
        boolean outside() {
            return pod == null && node == null;
        }

        String nodeName() {
            return pod != null ? pod.node() : node != null ? node.name() : "";
        }

        String name() {
            return pod != null ? pod.name() : node != null ? "node " + node.name() : address.toString();
        }
    }

    /** The verdict on a forward packet of a connection; replies never ask. */
    public TraceResult evaluate(Connection connection) {
        int protocol = connection.protocol();
        boolean known = protocol == 6 || protocol == 17 || protocol == 1 || protocol == 58 || protocol == 132 && options.sctp();
        if (!known && (pods.get(connection.source()) != null || pods.get(connection.destination()) != null)) {
            return skipped(connection, UNKNOWN_PROTOCOL, "protocol " + protocol + " is not handled");
        }
        if (protocol == 1 && connection.icmpType() == 3 && connection.icmpCode() == 4) {
            return skipped(connection, 0, "ICMP fragmentation needed always passes");
        }
        End from = end(connection.source());
        End to = end(connection.destination());
        boolean discovery = protocol == 58 && (connection.icmpType() >= 130 && connection.icmpType() <= 137 || connection.icmpType() == 143);
        if (discovery && from.pod() == null && to.pod() == null) return skipped(connection, 0, "neighbour discovery of a node always passes");
        if (from.pod() != null && from.pod() == to.pod()) return skipped(connection, 0, "a pod reaches itself");
        if (from.node() != null && from.node() == to.node()) return skipped(connection, 0, "what a node says to itself meets no policy");
        Optional<TraceResult.Side> source = from.outside() ? Optional.empty() : Optional.of(side(Direction.EGRESS, from, to, connection));
        Optional<TraceResult.Side> target = to.outside() ? Optional.empty() : Optional.of(side(Direction.INGRESS, to, from, connection));
        if (!known) {
            // a node speaks more than its pods do: what no rule closes passes
            boolean closed = source.map(TraceResult.Side::closed).orElse(false) || target.map(TraceResult.Side::closed).orElse(false);
            return skipped(connection, closed ? UNKNOWN_PROTOCOL : 0, "protocol " + protocol + (closed ? " is not handled" : " of a node that no rule closes"));
        }
        int reason = source.map(TraceResult.Side::reason).orElse(0);
        if (reason == 0) reason = target.map(TraceResult.Side::reason).orElse(0);
        return new TraceResult(connection, reason == 0, reason, "", source, target);
    }

    private static TraceResult skipped(Connection connection, int reason, String why) {
        return new TraceResult(connection, reason == 0, reason, why, Optional.empty(), Optional.empty());
    }

    private End end(IpAddress address) {
        Cluster.Pod pod = pods.get(address);
        return new End(address, pod, pod == null ? nodes.get(address) : null);
    }

    /** The labels that an end has for a subject on the given node. */
    private LabelSet labelsSeenFrom(End end, String node) {
        if (end.pod() != null) return end.pod().labels();
        List<Label> labels = new ArrayList<>();
        if (end.node() == null) {
            labels.add(Label.reserved(!cluster.dualStack() ? "world" : end.address().isV4() ? "world-ipv4" : "world-ipv6"));
            if (cluster.apiServers().contains(end.address())) labels.add(Label.reserved("kube-apiserver"));
            return LabelSet.of(labels);
        }
        labels.add(Label.reserved(end.node().name().equals(node) ? "host" : "remote-node"));
        if (end.node().apiServer()) labels.add(Label.reserved("kube-apiserver"));
        return LabelSet.of(labels);
    }

    // ---- one direction of one subject ------------------------------------------------------------------------------

    private TraceResult.Side side(Direction direction, End subject, End peer, Connection connection) {
        LabelSet peerLabels = labelsSeenFrom(peer, subject.nodeName());
        List<TraceResult.Selecting> selecting = new ArrayList<>();
        List<RuleOrigin> denies = new ArrayList<>();
        List<RuleOrigin> allows = new ArrayList<>();
        boolean closed = false;
        boolean isHost = subject.node() != null;
        if (!isHost && options.mode() == PolicyOptions.Mode.ALWAYS) closed = true;
        if (!isHost && options.mode() != PolicyOptions.Mode.NEVER && subject.pod().labels().isReserved("init")) closed = true;

        for (PolicyObject object : policies) {
            if (options.mode() == PolicyOptions.Mode.NEVER) break;
            for (int r = 0; r < object.rules().size(); r++) {
                PolicyRule rule = object.rules().get(r);
                if (!selectsSubject(object, rule, subject)) continue;
                boolean closes = closes(object, rule, direction);
                selecting.add(new TraceResult.Selecting(object.key().toString(), r, closes));
                closed |= closes;
                if (!applies(object, rule, direction)) continue;
                for (boolean deny : new boolean[] {true, false}) {
                    List<RuleElement> elements = rule.section(direction, deny).orElse(List.of());
                    for (int e = 0; e < elements.size(); e++) {
                        if (!elementMatches(object, elements.get(e), direction, subject, peer, peerLabels, connection)) continue;
                        (deny ? denies : allows).add(new RuleOrigin(object.key(), object.uid(), r, direction, deny, e, rule.log()));
                    }
                }
            }
        }
        if (closed && direction == Direction.INGRESS && !isHost && options.allowLocalhost() && peerLabels.isReserved("host")) {
            allows.add(RuleOrigin.LOCALHOST);
        }

        List<RuleOrigin> matches = new ArrayList<>(denies);
        matches.addAll(allows);
        Optional<RuleOrigin> deciding = matches.stream().findFirst();
        boolean allowed = denies.isEmpty() && (!allows.isEmpty() || !closed);
        int reason = allowed ? 0 : denies.isEmpty() ? DENIED : DENIED_EXPLICITLY;
        return new TraceResult.Side(direction, subject.name(), peerLabels + " " + peer.address(), selecting, closed, matches, deciding, allowed,
                reason);
    }

    private boolean selectsSubject(PolicyObject object, PolicyRule rule, End subject) {
        if (rule.subjectKind() == PolicyRule.SubjectKind.NODES) {
            return options.hostFirewall() && subject.node() != null && all(rule.subject(), subject.node().labels());
        }
        if (subject.pod() == null) return false;
        LabelSet labels = subject.pod().labels();
        if (object.kind() == PolicyKind.CILIUM_CLUSTERWIDE_NETWORK_POLICY) return all(rule.subject(), labels);
        if (!object.namespace().equals(value(labels, "k8s", NAMESPACE))) return false;
        for (Requirement requirement : rule.subject().requirements()) {
            boolean replaced = requirement.source().equals("k8s") && requirement.key().equals(NAMESPACE)
                    && requirement.operator() == LabelSelector.Operator.IN && object.kind() == PolicyKind.CILIUM_NETWORK_POLICY;
            if (!replaced && !one(requirement, labels)) return false;
        }
        return true;
    }

    private boolean closes(PolicyObject object, PolicyRule rule, Direction direction) {
        if (object.kind() == PolicyKind.NETWORK_POLICY) return applies(object, rule, direction);
        Boolean written = rule.defaultDeny().get(direction);
        if (written != null) return written;
        return rule.section(direction, false).map(List::size).orElse(0) + rule.section(direction, true).map(List::size).orElse(0) > 0;
    }

    private boolean applies(PolicyObject object, PolicyRule rule, Direction direction) {
        if (object.kind() != PolicyKind.NETWORK_POLICY) return true;
        boolean hasRules = !rule.section(direction, false).orElse(List.of()).isEmpty();
        boolean typesWritten = rule.policyTypes().isPresent() && !rule.policyTypes().get().isEmpty();
        if (!typesWritten) return direction == Direction.INGRESS || hasRules;
        if (rule.policyTypes().get().contains(direction)) return true;
        return options.ciliumNetworkPolicy() && hasRules;
    }

    // ---- one element -----------------------------------------------------------------------------------------------

    private boolean elementMatches(PolicyObject object, RuleElement element, Direction direction, End subject, End peer, LabelSet peerLabels,
            Connection connection) {
        boolean kubernetes = object.kind() == PolicyKind.NETWORK_POLICY;
        boolean peersWritten = element.peers().isPresent() && !(kubernetes && element.peers().get().isEmpty());
        boolean l4Written = element.ports().map(List::size).orElse(0) + element.icmps().map(List::size).orElse(0) > 0;
        if (!peersWritten && !l4Written && !kubernetes) return false;
        if (peersWritten) {
            boolean any = false;
            for (Peer p : element.peers().get()) any |= peerMatches(object, p, peer, peerLabels);
            if (!any) return false;
        }
        if (!l4Written) return true;
        for (PortMatch port : element.ports().orElse(List.of())) {
            Cluster.Pod owner = direction == Direction.INGRESS ? subject.pod() : peer.pod();
            if (portMatches(port, owner, connection)) return true;
        }
        for (IcmpMatch icmp : element.icmps().orElse(List.of())) {
            if (connection.protocol() == (icmp.v6() ? 58 : 1) && connection.icmpType() == icmp.type()) return true;
        }
        return false;
    }

    private static boolean portMatches(PortMatch port, Cluster.Pod owner, Connection connection) {
        int protocol = connection.protocol();
        if (protocol != 6 && protocol != 17 && protocol != 132) return false;
        if (port.protocol() != PortMatch.Protocol.ANY && port.protocol().number() != protocol) return false;
        if (!port.isNamed()) return port.first() <= connection.port() && connection.port() <= port.last();
        Integer number = owner == null ? null : owner.ports().get(new PortName(port.name(), protocol));
        return number != null && number == connection.port();
    }

    private boolean peerMatches(PolicyObject object, Peer written, End peer, LabelSet labels) {
        if (written instanceof Peer.Endpoints p) return endpointMatches(object, p.selector(), labels);
        if (written instanceof Peer.Cidr p) return peer.outside() && inside(peer.address(), p.cidr(), p.except());
        if (written instanceof Peer.CidrGroupRef p) {
            for (CidrGroup group : groups) if (group.name().equals(p.name()) && inGroup(group, p.except(), peer)) return true;
            return false;
        }
        if (written instanceof Peer.CidrGroupSelector p) {
            for (CidrGroup group : groups) if (all(p.selector(), group.labels()) && inGroup(group, p.except(), peer)) return true;
            return false;
        }
        if (written instanceof Peer.OfEntity p) return entityMatches(p, labels);
        if (written instanceof Peer.Nodes p) return labels.isReserved("remote-node") && all(p.selector(), peer.node().labels());
        if (written instanceof Peer.Service p) {
            for (ServiceFacts s : cluster.services()) {
                boolean meant = s.name().equals(p.name()) && (p.namespace().isEmpty() || p.namespace().equals(s.namespace()));
                if (meant && serviceMatches(s, peer, labels)) return true;
            }
            return false;
        }
        if (written instanceof Peer.ServiceSelector p) {
            for (ServiceFacts s : cluster.services()) {
                boolean meant = all(p.selector(), s.labels()) && (p.namespace().isEmpty() || p.namespace().equals(s.namespace()));
                if (meant && serviceMatches(s, peer, labels)) return true;
            }
            return false;
        }
        if (written instanceof Peer.Pods p) return kubernetesPeerMatches(object, p, labels);
        Peer.IpBlock block = (Peer.IpBlock) written;
        if (options.ciliumNetworkPolicy() && !peer.outside()) return false;
        return inside(peer.address(), block.cidr(), block.except());
    }

    private boolean endpointMatches(PolicyObject object, LabelSelector selector, LabelSet labels) {
        boolean reserved = false;
        boolean namespace = false;
        boolean clusterKey = false;
        for (Requirement r : selector.requirements()) {
            reserved |= r.source().equals("reserved");
            boolean kubernetes = r.source().equals("k8s") || r.source().equals("any");
            namespace |= kubernetes && (r.key().equals(NAMESPACE) || r.key().startsWith(NAMESPACE_LABEL));
            clusterKey |= kubernetes && r.key().equals(CLUSTER);
        }
        if (!all(selector, labels)) return false;
        if (reserved) return true;
        String peerNamespace = value(labels, "k8s", NAMESPACE);
        if (!namespace && peerNamespace == null) return false;
        if (!namespace && !object.namespace().isEmpty() && !object.namespace().equals(peerNamespace)) return false;
        return clusterKey || !options.defaultLocalCluster() || isLocalCluster(labels);
    }

    private boolean kubernetesPeerMatches(PolicyObject object, Peer.Pods peer, LabelSet labels) {
        String namespace = value(labels, "k8s", NAMESPACE);
        if (namespace == null) return false;
        if (options.defaultLocalCluster() && !isLocalCluster(labels)) return false;
        if (peer.podSelector().isPresent() && !all(peer.podSelector().get(), labels)) return false;
        if (peer.namespaceSelector().isEmpty()) return namespace.equals(object.namespace());
        List<Label> namespaceLabels = new ArrayList<>();
        for (Label l : labels) {
            if (l.source().equals("k8s") && l.key().length() > NAMESPACE_LABEL.length() && l.key().startsWith(NAMESPACE_LABEL)) {
                namespaceLabels.add(Label.k8s(l.key().substring(NAMESPACE_LABEL.length()), l.value()));
            }
        }
        return all(peer.namespaceSelector().get(), LabelSet.of(namespaceLabels));
    }

    private boolean entityMatches(Peer.OfEntity peer, LabelSet labels) {
        return switch (peer.entity()) {
            case ALL -> true;
            case NONE -> false;
            case WORLD -> labels.isReserved("world") || labels.isReserved("world-ipv4") || labels.isReserved("world-ipv6");
            case CLUSTER -> isLocalCluster(labels) || labels.isReserved("host") || labels.isReserved("remote-node") || labels.isReserved("init")
                    || labels.isReserved("ingress") || labels.isReserved("health") || labels.isReserved("unmanaged")
                    || labels.isReserved("kube-apiserver");
            default -> labels.isReserved(peer.entity().text());
        };
    }

    private boolean serviceMatches(ServiceFacts service, End peer, LabelSet labels) {
        if (service.selector().isEmpty()) return peer.outside() && service.endpoints().contains(peer.address());
        if (!service.namespace().equals(value(labels, "k8s", NAMESPACE))) return false;
        if (options.defaultLocalCluster() && !isLocalCluster(labels)) return false;
        for (Map.Entry<String, String> e : service.selector().entrySet()) {
            if (!e.getValue().equals(value(labels, "k8s", e.getKey()))) return false;
        }
        return true;
    }

    private static boolean inGroup(CidrGroup group, List<Prefix> except, End peer) {
        if (!peer.outside()) return false;
        for (Prefix cidr : group.cidrs()) {
            List<Prefix> within = except.stream().filter(cidr::contains).toList();
            if (inside(peer.address(), cidr, within)) return true;
        }
        return false;
    }

    private static boolean inside(IpAddress address, Prefix cidr, List<Prefix> except) {
        if (!cidr.contains(address)) return false;
        for (Prefix e : except) if (e.contains(address)) return false;
        return true;
    }

    private boolean isLocalCluster(LabelSet labels) {
        return options.cluster().equals(value(labels, "k8s", CLUSTER));
    }

    // ---- labels ----------------------------------------------------------------------------------------------------

    private static boolean all(LabelSelector selector, LabelSet labels) {
        for (Requirement requirement : selector.requirements()) if (!one(requirement, labels)) return false;
        return true;
    }

    private static boolean one(Requirement requirement, LabelSet labels) {
        List<String> values = new ArrayList<>();
        for (Label l : labels) {
            boolean source = requirement.source().equals("any") || requirement.source().equals(l.source());
            if (source && requirement.key().equals(l.key())) values.add(l.value());
        }
        return switch (requirement.operator()) {
            case IN -> values.stream().anyMatch(requirement.values()::contains);
            case NOT_IN -> values.stream().noneMatch(requirement.values()::contains);
            case EXISTS -> !values.isEmpty();
            case DOES_NOT_EXIST -> values.isEmpty();
        };
    }

    private static String value(LabelSet labels, String source, String key) {
        for (Label l : labels) if (l.source().equals(source) && l.key().equals(key)) return l.value();
        return null;
    }
}
