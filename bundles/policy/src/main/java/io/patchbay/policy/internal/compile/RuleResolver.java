package io.patchbay.policy.internal.compile;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.Entity;
import io.patchbay.api.cluster.policy.IcmpMatch;
import io.patchbay.api.cluster.policy.Peer;
import io.patchbay.api.cluster.policy.PolicyKind;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.cluster.policy.PolicyRule;
import io.patchbay.api.cluster.policy.PortMatch;
import io.patchbay.api.cluster.policy.RuleElement;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.labels.LabelSelector.Operator;
import io.patchbay.api.labels.LabelSelector.Requirement;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.compile.ResolvedRule.Grant;
import io.patchbay.policy.internal.compile.ResolvedRule.L4;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.RuleOrigin;
import io.patchbay.policy.internal.model.ServiceFacts;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** From rows to {@link ResolvedRule}s: everything about a policy that doesn't depend on identities. Stateless but for its inputs. */
final class RuleResolver {
    private static final Requirement HAS_NAMESPACE = new Requirement("k8s", IdentityLabels.NAMESPACE, Operator.EXISTS, Set.of());

    private final PolicyOptions options;
    private final Collection<ServiceFacts> services;
    private final Collection<CidrGroup> groups;

    RuleResolver(PolicyOptions options, Collection<ServiceFacts> services, Collection<CidrGroup> groups) {
        this.options = options;
        this.services = services;
        this.groups = groups;
    }

    List<ResolvedRule> resolve(PolicyObject object) {
        List<ResolvedRule> resolved = new ArrayList<>();
        for (int i = 0; i < object.rules().size(); i++) {
            PolicyRule rule = object.rules().get(i);
            resolved.add(object.kind() == PolicyKind.NETWORK_POLICY ? networkPolicy(object, rule) : ciliumRule(object, rule, i));
        }
        return resolved;
    }

    /** Whether the object must be resolved again when services or groups change. */
    static boolean dependsOnServicesOrGroups(PolicyObject object) {
        for (PolicyRule rule : object.rules()) {
            for (Direction direction : Direction.values()) {
                for (boolean deny : new boolean[] {false, true}) {
                    for (RuleElement element : rule.section(direction, deny).orElse(List.of())) {
                        for (Peer peer : element.peers().orElse(List.of())) {
                            if (peer instanceof Peer.Service || peer instanceof Peer.ServiceSelector || peer instanceof Peer.CidrGroupRef
                                    || peer instanceof Peer.CidrGroupSelector) return true;
                        }
                    }
                }
            }
        }
        return false;
    }

    // ---- NetworkPolicy ---------------------------------------------------------------------------------------------

    private ResolvedRule networkPolicy(PolicyObject object, PolicyRule rule) {
        Set<Direction> types = rule.policyTypes().filter(t -> !t.isEmpty()).orElseGet(() -> {
            Set<Direction> defaults = EnumSet.of(Direction.INGRESS);
            if (!rule.egress().orElse(List.of()).isEmpty()) defaults.add(Direction.EGRESS);
            return defaults;
        });
        Set<Direction> closes = EnumSet.noneOf(Direction.class);
        List<Grant> grants = new ArrayList<>();
        for (Direction direction : Direction.values()) {
            List<RuleElement> elements = rule.section(direction, false).orElse(List.of());
            if (options.ciliumNetworkPolicy()) {
                // Cilium's translation looks at the rules first: what is written applies, whatever policyTypes says
                boolean closed = !elements.isEmpty() || (direction == Direction.INGRESS
                        ? types.contains(Direction.INGRESS) || !types.contains(Direction.EGRESS) : types.contains(Direction.EGRESS));
                if (!closed) continue;
            } else if (!types.contains(direction)) {
                continue;
            }
            closes.add(direction);
            for (int i = 0; i < elements.size(); i++) {
                RuleElement element = elements.get(i);
                List<Peer> peers = element.peers().orElse(List.of());
                List<PortMatch> ports = element.ports().orElse(List.of());
                Set<PeerSelector> selectors = new LinkedHashSet<>();
                for (Peer peer : peers) {
                    if (peer instanceof Peer.Pods pods) {
                        selectors.add(new PeerSelector.ByLabels(podPeer(object.namespace(), pods)));
                    } else if (peer instanceof Peer.IpBlock block) {
                        selectors.add(new PeerSelector.ByPrefix(block.cidr(), block.except(), !options.ciliumNetworkPolicy()));
                    } else {
                        throw new IllegalArgumentException(peer + " in a NetworkPolicy");
                    }
                }
                RuleOrigin origin = new RuleOrigin(object.key(), object.uid(), 0, direction, false, i, rule.log());
                grants.add(new Grant(direction, false, origin, peers.isEmpty(), List.copyOf(selectors), l4(ports)));
            }
        }
        LabelSelector subject = rule.subject().and(inNamespace(object.namespace()));
        return new ResolvedRule(false, subject, closes, grants);
    }

    private LabelSelector podPeer(String ownNamespace, Peer.Pods peer) {
        List<Requirement> all = new ArrayList<>();
        if (peer.namespaceSelector().isPresent()) {
            all.add(HAS_NAMESPACE);
            for (Requirement r : peer.namespaceSelector().get().requirements()) {
                all.add(new Requirement("k8s", IdentityLabels.NAMESPACE_LABELS_PREFIX + r.key(), r.operator(), r.values()));
            }
        } else {
            all.add(inNamespace(ownNamespace));
        }
        peer.podSelector().ifPresent(s -> all.addAll(s.requirements()));
        if (options.defaultLocalCluster()) all.add(localCluster());
        return new LabelSelector(all);
    }

    // ---- CiliumNetworkPolicy and its clusterwide twin ---------------------------------------------------------------

    private ResolvedRule ciliumRule(PolicyObject object, PolicyRule rule, int index) {
        Set<Direction> closes = EnumSet.noneOf(Direction.class);
        List<Grant> grants = new ArrayList<>();
        for (Direction direction : Direction.values()) {
            boolean anyRule = false;
            for (boolean deny : new boolean[] {true, false}) {
                List<RuleElement> elements = rule.section(direction, deny).orElse(List.of());
                anyRule |= !elements.isEmpty();
                for (int i = 0; i < elements.size(); i++) {
                    RuleOrigin origin = new RuleOrigin(object.key(), object.uid(), index, direction, deny, i, rule.log());
                    grant(object, elements.get(i), direction, deny, origin, grants);
                }
            }
            if (rule.defaultDeny().getOrDefault(direction, anyRule)) closes.add(direction);
        }
        return new ResolvedRule(rule.subjectKind() == PolicyRule.SubjectKind.NODES, subject(object, rule), closes, grants);
    }

    private static LabelSelector subject(PolicyObject object, PolicyRule rule) {
        if (object.namespace().isEmpty()) return rule.subject();
        // A match on the namespace that names the source is Cilium's own label: the object's namespace takes its place.
        List<Requirement> all = new ArrayList<>();
        for (Requirement r : rule.subject().requirements()) {
            boolean own = r.source().equals("k8s") && r.key().equals(IdentityLabels.NAMESPACE) && r.operator() == Operator.IN;
            if (!own) all.add(r);
        }
        all.add(inNamespace(object.namespace()));
        return new LabelSelector(all);
    }

    private void grant(PolicyObject object, RuleElement element, Direction direction, boolean deny, RuleOrigin origin, List<Grant> grants) {
        List<L4> ports = new ArrayList<>();
        if (element.ports().isPresent()) ports.addAll(l4(element.ports().get()));
        for (IcmpMatch icmp : element.icmps().orElse(List.of())) ports.add(new L4.Block(icmp.protocol(), icmp.type(), 16));
        boolean l4Written = element.ports().filter(p -> !p.isEmpty()).isPresent() || element.icmps().filter(p -> !p.isEmpty()).isPresent();
        if (element.peers().isEmpty()) {
            // neither peers nor ports says nothing; ports alone mean anyone
            if (l4Written) grants.add(new Grant(direction, deny, origin, true, List.of(), ports));
            return;
        }
        Set<PeerSelector> selectors = new LinkedHashSet<>();
        boolean any = false;
        for (Peer peer : element.peers().get()) {
            if (peer instanceof Peer.OfEntity e && e.entity() == Entity.ALL) any = true;
            else selectors.addAll(selectors(object, peer));
        }
        if (any) grants.add(new Grant(direction, deny, origin, true, List.of(), ports));
        else if (!selectors.isEmpty()) grants.add(new Grant(direction, deny, origin, false, List.copyOf(selectors), ports));
    }

    private List<PeerSelector> selectors(PolicyObject object, Peer peer) {
        List<PeerSelector> result = new ArrayList<>();
        if (peer instanceof Peer.Endpoints endpoints) {
            result.add(new PeerSelector.ByLabels(endpointPeer(object.namespace(), endpoints.selector())));
        } else if (peer instanceof Peer.Cidr cidr) {
            result.add(new PeerSelector.ByPrefix(cidr.cidr(), cidr.except(), false));
        } else if (peer instanceof Peer.CidrGroupRef ref) {
            for (CidrGroup group : groups) if (group.name().equals(ref.name())) group(group, ref.except(), result);
        } else if (peer instanceof Peer.CidrGroupSelector selector) {
            for (CidrGroup group : groups) if (selector.selector().matches(group.labels())) group(group, selector.except(), result);
        } else if (peer instanceof Peer.OfEntity entity) {
            entity(entity.entity(), result);
        } else if (peer instanceof Peer.Nodes nodes) {
            result.add(nodes.selector().requirements().isEmpty() ? byReserved("remote-node") : new PeerSelector.ByNode(nodes.selector()));
        } else if (peer instanceof Peer.Service service) {
            for (ServiceFacts s : services) {
                if (s.name().equals(service.name()) && inNamespaceOrAny(service.namespace(), s)) service(s, result);
            }
        } else if (peer instanceof Peer.ServiceSelector selector) {
            for (ServiceFacts s : services) {
                if (inNamespaceOrAny(selector.namespace(), s) && selector.selector().matches(s.labels())) service(s, result);
            }
        } else {
            throw new IllegalArgumentException(peer + " in a " + object.kind().text());
        }
        return result;
    }

    private LabelSelector endpointPeer(String ownNamespace, LabelSelector selector) {
        boolean namespaceGiven = false;
        boolean clusterGiven = false;
        for (Requirement r : selector.requirements()) {
            if (r.source().equals("reserved")) return selector;
            if (!r.source().equals("k8s") && !r.source().equals(LabelSelector.ANY)) continue;
            namespaceGiven |= r.key().equals(IdentityLabels.NAMESPACE) || r.key().startsWith(IdentityLabels.NAMESPACE_LABELS_PREFIX);
            clusterGiven |= r.key().equals(IdentityLabels.CLUSTER);
        }
        LabelSelector scoped = selector;
        if (!namespaceGiven) scoped = scoped.and(ownNamespace.isEmpty() ? HAS_NAMESPACE : inNamespace(ownNamespace));
        if (!clusterGiven && options.defaultLocalCluster()) scoped = scoped.and(localCluster());
        return scoped;
    }

    private void entity(Entity entity, List<PeerSelector> result) {
        switch (entity) {
            case ALL -> throw new IllegalStateException("taken care of by the caller");
            case NONE -> { }
            case WORLD -> {
                for (String name : List.of("world", "world-ipv4", "world-ipv6")) result.add(byReserved(name));
            }
            case CLUSTER -> {
                for (String name : List.of("host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver")) {
                    result.add(byReserved(name));
                }
                result.add(new PeerSelector.ByLabels(new LabelSelector(List.of(localCluster()))));
            }
            default -> result.add(byReserved(entity.text()));
        }
    }

    private void service(ServiceFacts service, List<PeerSelector> result) {
        if (service.selector().isEmpty()) {
            // endpoints of a service without selector are addresses and, as such, no pods
            for (IpAddress address : service.endpoints()) result.add(new PeerSelector.ByPrefix(Prefix.of(address), List.of(), false));
            return;
        }
        List<Requirement> all = new ArrayList<>();
        all.add(inNamespace(service.namespace()));
        for (Map.Entry<String, String> e : service.selector().entrySet()) {
            all.add(new Requirement("k8s", e.getKey(), Operator.IN, Set.of(e.getValue())));
        }
        if (options.defaultLocalCluster()) all.add(localCluster());
        all.sort(java.util.Comparator.comparing(Requirement::key));
        result.add(new PeerSelector.ByLabels(new LabelSelector(all)));
    }

    private static void group(CidrGroup group, List<Prefix> except, List<PeerSelector> result) {
        for (Prefix cidr : group.cidrs()) result.add(new PeerSelector.ByPrefix(cidr, except, false));
    }

    private static boolean inNamespaceOrAny(String namespace, ServiceFacts service) {
        return namespace.isEmpty() || namespace.equals(service.namespace());
    }

    private static Requirement inNamespace(String namespace) {
        return new Requirement("k8s", IdentityLabels.NAMESPACE, Operator.IN, Set.of(namespace));
    }

    private Requirement localCluster() {
        return new Requirement("k8s", IdentityLabels.CLUSTER, Operator.IN, Set.of(options.cluster()));
    }

    private static Requirement reserved(String name) {
        return new Requirement("reserved", name, Operator.EXISTS, Set.of());
    }

    private static PeerSelector byReserved(String name) {
        return new PeerSelector.ByLabels(new LabelSelector(List.of(reserved(name))));
    }

    // ---- ports -----------------------------------------------------------------------------------------------------

    private static List<L4> l4(List<PortMatch> ports) {
        Set<L4> result = new LinkedHashSet<>();
        for (PortMatch port : ports) {
            List<Integer> protocols = port.protocol() == PortMatch.Protocol.ANY ? List.of(6, 17, 132) : List.of(port.protocol().number());
            for (int protocol : protocols) {
                if (port.isNamed()) result.add(new L4.Named(new PortName(port.name(), protocol)));
                else split(protocol, port.first(), port.last(), result);
            }
        }
        return List.copyOf(result);
    }

    /** The fewest masked blocks that make up a range. */
    static void split(int protocol, int first, int last, Collection<L4> result) {
        int at = first;
        while (at <= last) {
            int size = at == 0 ? 65536 : Integer.lowestOneBit(at);
            while (at + size - 1 > last) size >>= 1;
            result.add(new L4.Block(protocol, at, 16 - Integer.numberOfTrailingZeros(size)));
            at += size;
        }
    }
}
