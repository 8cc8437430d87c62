package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.compile.AddressDemand;
import io.patchbay.policy.internal.compile.PeerMember;
import io.patchbay.policy.internal.compile.PolicyEngine;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.SubjectClass;
import io.patchbay.policy.internal.table.Cookies;
import io.patchbay.policy.internal.table.DirectionTable;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** A cluster with compiled tables, one set a node, and what the datapath does with them: the other party to the evaluator. */
final class CompiledCluster {
    private final PolicyOptions options;
    private final Cluster cluster;
    private final Map<String, NodeView> views = new HashMap<>();

    /** What one node knows. */
    static final class NodeView {
        final String node;
        final Cluster cluster;
        final PolicyEngine engine;
        final boolean sctp;
        final Map<LabelSet, Integer> identities = new HashMap<>();
        final Map<Prefix, Integer> prefixes = new HashMap<>();
        final Map<List<Object>, Integer> peerClasses = new HashMap<>();
        final Map<Integer, PeerMember> members = new TreeMap<>();
        final Map<SubjectClass, Integer> classes = new LinkedHashMap<>();
        private AddressDemand demand = new AddressDemand(Set.of(), Set.of(), Set.of(), false);

        NodeView(String node, Cluster cluster, PolicyOptions options) {
            this.node = node;
            this.cluster = cluster;
            this.engine = new PolicyEngine(options, new Cookies());
            this.sctp = options.sctp();
        }

        /** The members that this demand makes necessary, besides those there are. */
        List<PeerMember> allocate(AddressDemand next) {
            demand = next;
            List<PeerMember> fresh = new ArrayList<>();
            if (identities.isEmpty()) {
                for (Cluster.Node n : cluster.nodes()) {
                    LabelSet labels = nodeLabels(n);
                    int number = n.name().equals(node) ? 1 : n.apiServer() ? 7 : 6;
                    if (identities.putIfAbsent(labels, number) == null) fresh.add(PeerMember.identity(number, labels));
                }
                if (cluster.dualStack()) {
                    fresh.add(PeerMember.cidr(9, LabelSet.of(Label.reserved("world-ipv4")), Prefix.parse("0.0.0.0/0")));
                    fresh.add(PeerMember.cidr(10, LabelSet.of(Label.reserved("world-ipv6")), Prefix.parse("::/0")));
                } else {
                    fresh.add(PeerMember.cidr(2, LabelSet.of(Label.reserved("world")), Prefix.parse("0.0.0.0/0")));
                }
            }
            for (Cluster.Pod pod : cluster.pods()) {
                if (identities.containsKey(pod.labels())) continue;
                int number = pod.labels().isReserved("init") ? 5 : pod.labels().isReserved("health") ? 4 : 256 + identities.size();
                identities.put(pod.labels(), number);
                fresh.add(PeerMember.identity(number, pod.labels()));
            }
            Set<Prefix> wanted = new TreeSet<>(next.prefixes());
            for (IpAddress a : cluster.apiServers()) wanted.add(Prefix.of(a));
            for (Prefix prefix : wanted) {
                if (prefix.length() == 0 || prefixes.containsKey(prefix)) continue;
                int number = (1 << 24) + 1 + prefixes.size();
                prefixes.put(prefix, number);
                List<Label> labels = new ArrayList<>(IdentityLabels.ofPrefix(prefix.toString(), cluster.dualStack()).labels());
                if (prefix.isSingle() && cluster.apiServers().contains(prefix.address())) labels.add(Label.reserved("kube-apiserver"));
                fresh.add(PeerMember.cidr(number, LabelSet.of(labels), prefix));
            }
            for (Cluster.Pod pod : cluster.pods()) for (IpAddress a : pod.addresses()) peerClass(a, pod.labels(), pod.ports(), Optional.empty(), fresh);
            for (Cluster.Node n : cluster.nodes()) for (IpAddress a : n.addresses()) peerClass(a, nodeLabels(n), Map.of(), Optional.of(n.labels()), fresh);
            for (PeerMember m : fresh) members.put(m.number(), m);
            return fresh;
        }

        private LabelSet nodeLabels(Cluster.Node n) {
            List<Label> labels = new ArrayList<>(List.of(Label.reserved(n.name().equals(node) ? "host" : "remote-node")));
            if (n.apiServer()) labels.add(Label.reserved("kube-apiserver"));
            return LabelSet.of(labels);
        }

        private int peerClass(IpAddress address, LabelSet labels, Map<PortName, Integer> ports, Optional<LabelSet> ofNode, List<PeerMember> fresh) {
            Optional<Prefix> block = longest(demand.blocks(), address);
            Map<PortName, Integer> named = new HashMap<>(ports);
            named.keySet().retainAll(demand.ports());
            Optional<LabelSet> node = demand.nodes() ? ofNode : Optional.empty();
            if (block.isEmpty() && named.isEmpty() && node.isEmpty()) return 0;
            List<Object> key = List.of(labels, block, named, node);
            Integer number = peerClasses.get(key);
            if (number == null) {
                number = (3 << 24) + 1 + peerClasses.size();
                peerClasses.put(key, number);
                fresh.add(PeerMember.peerClass(number, labels, block, named, node));
            }
            return number;
        }

        private static Optional<Prefix> longest(Collection<Prefix> prefixes, IpAddress address) {
            return prefixes.stream().filter(p -> p.contains(address)).max((a, b) -> Integer.compare(a.length(), b.length()));
        }

        /** What the ipcache says: identity and peer class. */
        int[] lookup(IpAddress address) {
            for (Cluster.Pod pod : cluster.pods()) {
                if (pod.addresses().contains(address)) {
                    return new int[] {identities.get(pod.labels()), peerClass(address, pod.labels(), pod.ports(), Optional.empty(), new ArrayList<>())};
                }
            }
            for (Cluster.Node n : cluster.nodes()) {
                if (n.addresses().contains(address)) {
                    return new int[] {identities.get(nodeLabels(n)), peerClass(address, nodeLabels(n), Map.of(), Optional.of(n.labels()), new ArrayList<>())};
                }
            }
            int world = !cluster.dualStack() ? 2 : address.isV4() ? 9 : 10;
            return new int[] {longest(prefixes.keySet(), address).map(prefixes::get).orElse(world), 0};
        }

        int classOf(SubjectClass subject) {
            Integer number = classes.get(subject);
            if (number == null) {
                number = classes.size() + 1;
                classes.put(subject, number);
                engine.addClass(number, subject);
            }
            return number;
        }
    }

    CompiledCluster(PolicyOptions options, Collection<PolicyObject> policies, List<CidrGroup> groups, Cluster cluster) {
        this.options = options;
        this.cluster = cluster;
        PolicyEngine.Change change = new PolicyEngine.Change(policies, List.of(), cluster.services(), groups);
        for (Cluster.Node node : cluster.nodes()) {
            NodeView view = new NodeView(node.name(), cluster, options);
            view.engine.addMembers(view.allocate(view.engine.demandAfter(change)));
            view.engine.apply(change);
            views.put(node.name(), view);
        }
    }

    NodeView view(String node) {
        return views.get(node);
    }

    /** Whoever decides one direction of one subject. */
    interface Judge {
        /** The drop reason, or 0. */
        int judge(NodeView view, SubjectClass subjectClass, IpAddress subject, IpAddress peer, Direction direction, Connection c);
    }

    /** The drop reason, or 0, by the compiled tables. */
    int verdict(Connection c) {
        return verdict(c, CompiledCluster::decide);
    }

    /** Every direction of every pod and node by this judge; nothing is decided before it. */
    int verdictBy(Judge judge, Connection c) {
        Cluster.Node from = node(c.source());
        if (from != null && from == node(c.destination())) return 0; // by the node's loopback device, where none of our programs is
        int reason = side(c, c.source(), c.destination(), Direction.EGRESS, judge);
        return reason != 0 ? reason : side(c, c.destination(), c.source(), Direction.INGRESS, judge);
    }

    /** The same for several, node by node: so a judge that has a node's tables before it needs to fetch them once for all of them. */
    List<Integer> verdictsBy(Judge judge, List<Connection> connections) {
        for (Cluster.Pod pod : cluster.pods()) views.get(pod.node()).classOf(new SubjectClass(pod.labels(), false, pod.ports()));
        for (Cluster.Node node : cluster.nodes()) views.get(node.name()).classOf(new SubjectClass(node.labels(), true, Map.of()));
        Integer[] reasons = new Integer[connections.size()];
        Arrays.fill(reasons, 0);
        for (Direction direction : List.of(Direction.EGRESS, Direction.INGRESS)) {
            for (Cluster.Node node : cluster.nodes()) {
                for (int i = 0; i < reasons.length; i++) {
                    Connection c = connections.get(i);
                    boolean out = direction == Direction.EGRESS;
                    IpAddress subject = out ? c.source() : c.destination();
                    IpAddress peer = out ? c.destination() : c.source();
                    boolean here = node.addresses().contains(subject) || pod(subject) != null && pod(subject).node().equals(node.name());
                    boolean loopback = node.addresses().contains(subject) && node.addresses().contains(peer);
                    if (here && !loopback && reasons[i] == 0) reasons[i] = side(c, subject, peer, direction, judge);
                }
            }
        }
        return List.of(reasons);
    }

    private int verdict(Connection c, Judge judge) {
        boolean known = c.protocol() == 1 || c.protocol() == 6 || c.protocol() == 17 || c.protocol() == 58 || c.protocol() == 132 && options.sctp();
        if (!known && (pod(c.source()) != null || pod(c.destination()) != null)) return 137;
        if (c.protocol() == 1 && c.icmpType() == 3 && c.icmpCode() == 4) return 0;
        Cluster.Pod from = pod(c.source());
        Cluster.Pod to = pod(c.destination());
        if (from != null && from == to) return 0;
        return verdictBy(judge, c);
    }

    private int side(Connection c, IpAddress subject, IpAddress peer, Direction direction, Judge judge) {
        Cluster.Pod pod = pod(subject);
        Cluster.Node node = node(subject);
        if (pod == null && node == null) return 0;
        NodeView view = views.get(pod != null ? pod.node() : node.name());
        SubjectClass sc = pod != null ? new SubjectClass(pod.labels(), false, pod.ports()) : new SubjectClass(node.labels(), true, Map.of());
        return judge.judge(view, sc, subject, peer, direction, c);
    }

    private static int decide(NodeView view, SubjectClass sc, IpAddress subject, IpAddress peer, Direction direction, Connection c) {
        PolicyMap map = view.engine.table(view.classOf(sc));
        boolean known = Set.of(1, 6, 17, 58, 132).contains(c.protocol()) && (c.protocol() != 132 || view.sctp);
        if (!known && sc.host()) return map.table(direction).enforced() ? 137 : 0;
        if (sc.host() && c.protocol() == 58 && (c.icmpType() >= 130 && c.icmpType() <= 137 || c.icmpType() == 143)) return 0;
        int[] ids = view.lookup(peer);
        DirectionTable.Decision decision = map.table(direction).decide(ids[0], ids[1], c.protocol(), c.isIcmp() ? c.icmpType() : c.port());
        return decision.allowed() ? 0 : decision.entry() == null ? 133 : 181;
    }

    private Cluster.Node node(IpAddress address) {
        return cluster.nodes().stream().filter(n -> n.addresses().contains(address)).findFirst().orElse(null);
    }

    private Cluster.Pod pod(IpAddress address) {
        return cluster.pods().stream().filter(p -> p.addresses().contains(address)).findFirst().orElse(null);
    }
}
