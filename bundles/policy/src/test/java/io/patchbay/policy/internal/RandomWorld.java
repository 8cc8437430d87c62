package io.patchbay.policy.internal;

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
import io.patchbay.api.cluster.policy.SourcePosition;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelFilter;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.labels.LabelSelector.Operator;
import io.patchbay.api.labels.LabelSelector.Requirement;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.ServiceFacts;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/**
 * Small random clusters, policies and connections. The value sets are tiny on purpose: what matters are coincidences, such as two prefixes inside
 * each other or two rules for one peer.
 */
final class RandomWorld {
    private static final String[] NAMESPACES = {"a", "b", "c"};
    private static final String[] PORT_NAMES = {"http", "dns", "none"};
    private static final int[] PORTS = {1, 53, 79, 80, 81, 8080, 8081, 32768, 65535};
    private static final int[] PROTOCOLS = {6, 6, 6, 17, 17, 132, 1, 1, 58, 47};
    private static final String[] V4 = {"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.4/30", "10.0.0.5/32", "192.168.0.0/16",
        "192.168.1.1/32", "1.0.0.0/8", "1.1.0.0/16", "1.1.1.1/32", "8.8.8.0/24"};
    private static final String[] V6 = {"::/0", "fd00::/8", "fd00::4/126", "2001:db8::/32", "2001:db8::1/128"};
    private static final String[] OUTSIDE = {"1.1.1.1", "1.1.2.2", "1.9.9.9", "8.8.8.8", "10.0.0.200", "10.99.0.1"};
    private static final String[] OUTSIDE6 = {"2001:db8::1", "2001:db8::2", "fd00::99", "2a00::1"};

    final Random random;
    final Cluster cluster;
    final List<PolicyObject> policies = new ArrayList<>();
    final List<CidrGroup> groups = new ArrayList<>();
    final PolicyOptions options;

    RandomWorld(long seed) {
        random = new Random(seed);
        options = new PolicyOptions("default", random.nextInt(6) > 0, chance(12) ? PolicyOptions.Mode.ALWAYS : chance(20)
                ? PolicyOptions.Mode.NEVER : PolicyOptions.Mode.DEFAULT, random.nextInt(6) > 0, random.nextBoolean(), chance(4), random.nextBoolean());
        cluster = cluster();
        for (int i = random.nextInt(3); i > 0; i--) {
            groups.add(new CidrGroup("g" + i, LabelSet.of(Label.k8s("kind", pick("x", "y"))), SourcePosition.UNKNOWN, prefixes(1 + random.nextInt(3))));
        }
        for (int i = 1 + random.nextInt(8); i > 0; i--) policies.add(policy("p" + i));
    }

    private boolean chance(int oneIn) {
        return random.nextInt(oneIn) == 0;
    }

    @SafeVarargs
    private <T> T pick(T... values) {
        return values[random.nextInt(values.length)];
    }

    // ---- cluster ---------------------------------------------------------------------------------------------------

    private Cluster cluster() {
        boolean dual = chance(3);
        Map<String, Map<String, String>> namespaces = new HashMap<>();
        for (String n : NAMESPACES) {
            Map<String, String> labels = new HashMap<>(Map.of("kubernetes.io/metadata.name", n));
            if (random.nextBoolean()) labels.put("team", pick("x", "y"));
            namespaces.put(n, labels);
        }
        List<Cluster.Pod> pods = new ArrayList<>();
        int count = 3 + random.nextInt(8);
        for (int i = 0; i < count; i++) {
            String namespace = pick(NAMESPACES);
            Map<String, String> labels = new HashMap<>();
            if (!chance(5)) labels.put("app", pick("web", "db", "cli"));
            if (chance(3)) labels.put("tier", pick("front", "back"));
            if (chance(6)) labels.put("pod-template-hash", "h" + i);
            Map<PortName, Integer> ports = new HashMap<>();
            if (random.nextBoolean()) ports.put(new PortName("http", 6), pick(80, 8080, 8081));
            if (chance(3)) ports.put(new PortName("dns", pick(6, 17)), pick(53, 81));
            LabelSet set = chance(15) ? LabelSet.of(Label.reserved("init")) : chance(15) ? LabelSet.of(Label.reserved("health"))
                    : IdentityLabels.ofPod(namespace, "default", labels, namespaces.get(namespace), chance(10) ? "other" : "default",
                            LabelFilter.defaults());
            List<IpAddress> addresses = new ArrayList<>();
            addresses.add(IpAddress.parse("10.0." + (i % 2) + "." + (i + 3)));
            if (dual) addresses.add(IpAddress.parse("fd00::" + Integer.toHexString(i + 3)));
            pods.add(new Cluster.Pod("pod" + i, set, addresses, "n" + (1 + i % 2), ports));
        }
        List<Cluster.Node> nodes = new ArrayList<>();
        int apiServer = random.nextInt(4);
        for (int i = 1; i <= 3; i++) {
            List<IpAddress> addresses = new ArrayList<>(List.of(IpAddress.parse("192.168.1." + i)));
            if (dual) addresses.add(IpAddress.parse("fd01::" + i));
            nodes.add(new Cluster.Node("n" + i, LabelSet.of(Label.k8s("zone", i == 1 ? "x" : "y")), addresses, apiServer == i));
        }
        List<ServiceFacts> services = new ArrayList<>();
        for (int i = random.nextInt(4); i > 0; i--) {
            boolean headful = random.nextBoolean();
            Set<IpAddress> endpoints = new HashSet<>();
            for (int k = random.nextInt(3); k > 0; k--) endpoints.add(IpAddress.parse(pick("1.1.1.1", "8.8.8.8", "10.0.0.3", "10.99.0.1")));
            services.add(new ServiceFacts(pick(NAMESPACES), "s" + random.nextInt(2), LabelSet.of(Label.k8s("app", pick("web", "db"))),
                    headful ? Map.of("app", pick("web", "db", "cli")) : Map.of(), endpoints));
        }
        Set<IpAddress> apiServers = new HashSet<>();
        if (chance(3)) apiServers.add(IpAddress.parse(pick(OUTSIDE)));
        if (dual && chance(3)) apiServers.add(IpAddress.parse(pick(OUTSIDE6)));
        return new Cluster(pods, nodes, services, apiServers, dual);
    }

    private Prefix prefix() {
        return Prefix.parse(cluster != null && cluster.dualStack() && chance(3) ? pick(V6) : pick(V4));
    }

    private List<Prefix> prefixes(int count) {
        List<Prefix> list = new ArrayList<>();
        for (int i = 0; i < count; i++) list.add(prefix());
        return list;
    }

    private List<Prefix> except(Prefix cidr) {
        List<Prefix> list = new ArrayList<>();
        for (int i = random.nextInt(3); i > 0; i--) {
            Prefix p = prefix();
            if (cidr.contains(p)) list.add(p);
        }
        return list;
    }

    // ---- policies --------------------------------------------------------------------------------------------------

    PolicyObject policy(String name) {
        PolicyKind kind = pick(PolicyKind.values());
        String namespace = kind == PolicyKind.CILIUM_CLUSTERWIDE_NETWORK_POLICY ? "" : pick(NAMESPACES);
        List<PolicyRule> rules = new ArrayList<>();
        int count = kind == PolicyKind.NETWORK_POLICY ? 1 : 1 + random.nextInt(2);
        for (int i = 0; i < count; i++) rules.add(kind == PolicyKind.NETWORK_POLICY ? networkPolicy() : rule(kind));
        return new PolicyObject(kind, namespace, name, "", SourcePosition.UNKNOWN, rules);
    }

    private PolicyRule networkPolicy() {
        Optional<Set<Direction>> types = Optional.empty();
        if (random.nextBoolean()) {
            Set<Direction> set = EnumSet.noneOf(Direction.class);
            if (random.nextBoolean()) set.add(Direction.INGRESS);
            if (random.nextBoolean()) set.add(Direction.EGRESS);
            types = Optional.of(set);
        }
        return new PolicyRule(PolicyRule.SubjectKind.ENDPOINTS, plainSelector("k8s"), networkSection(), networkSection(), Optional.empty(),
                Optional.empty(), Map.of(), types, List.of(), "", "");
    }

    private Optional<List<RuleElement>> networkSection() {
        if (chance(3)) return Optional.empty();
        List<RuleElement> elements = new ArrayList<>();
        for (int i = random.nextInt(3); i > 0; i--) {
            Optional<List<Peer>> peers = Optional.empty();
            if (!chance(4)) {
                List<Peer> list = new ArrayList<>();
                for (int k = random.nextInt(3); k > 0; k--) {
                    if (chance(3)) {
                        Prefix cidr = prefix();
                        list.add(new Peer.IpBlock(cidr, except(cidr)));
                    } else {
                        boolean pods = random.nextBoolean();
                        list.add(new Peer.Pods(pods ? Optional.of(plainSelector("k8s")) : Optional.empty(),
                                !pods || random.nextBoolean() ? Optional.of(namespaceSelector()) : Optional.empty()));
                    }
                }
                peers = Optional.of(list);
            }
            elements.add(new RuleElement(peers, random.nextBoolean() ? Optional.empty() : Optional.of(ports(random.nextInt(3), false)), Optional.empty()));
        }
        return Optional.of(elements);
    }

    private PolicyRule rule(PolicyKind kind) {
        boolean host = kind == PolicyKind.CILIUM_CLUSTERWIDE_NETWORK_POLICY && chance(3);
        Map<Direction, Boolean> defaultDeny = new EnumMap<>(Direction.class);
        for (Direction d : Direction.values()) if (chance(4)) defaultDeny.put(d, random.nextBoolean());
        LabelSelector subject = host ? (random.nextBoolean() ? LabelSelector.EVERYTHING : LabelSelector.of(Map.of("zone", pick("x", "y"))))
                : selector();
        return new PolicyRule(host ? PolicyRule.SubjectKind.NODES : PolicyRule.SubjectKind.ENDPOINTS, subject, section(Direction.INGRESS, 2),
                section(Direction.EGRESS, 2), section(Direction.INGRESS, 2), section(Direction.EGRESS, 2), defaultDeny, Optional.empty(), List.of(), "",
                "");
    }

    private Optional<List<RuleElement>> section(Direction direction, int oneIn) {
        if (!chance(oneIn)) return Optional.empty();
        List<RuleElement> elements = new ArrayList<>();
        for (int i = random.nextInt(5); i > 0; i--) elements.add(element(direction));
        return Optional.of(elements);
    }

    private RuleElement element(Direction direction) {
        Optional<List<Peer>> peers = Optional.empty();
        if (!chance(4)) {
            List<Peer> list = new ArrayList<>();
            int kind = random.nextInt(7);
            for (int i = random.nextInt(4); i > 0; i--) {
                Prefix cidr = prefix();
                list.add(switch (kind) {
                    case 0, 1 -> new Peer.Endpoints(selector());
                    case 2 -> new Peer.Cidr(cidr, except(cidr));
                    case 3 -> chance(2) ? new Peer.CidrGroupRef("g" + random.nextInt(3), prefixes(random.nextInt(2)))
                            : new Peer.CidrGroupSelector(LabelSelector.of(Map.of("kind", pick("x", "y"))), prefixes(random.nextInt(2)));
                    case 4 -> new Peer.OfEntity(pick(Entity.values()));
                    case 5 -> direction == Direction.INGRESS ? new Peer.Nodes(chance(2) ? LabelSelector.EVERYTHING : LabelSelector.of(Map.of("zone", pick("x", "y"))))
                            : chance(2) ? new Peer.Service(chance(2) ? "" : pick(NAMESPACES), "s" + random.nextInt(3))
                            : new Peer.ServiceSelector(chance(2) ? "" : pick(NAMESPACES), chance(3) ? LabelSelector.EVERYTHING
                                    : LabelSelector.of(Map.of("app", pick("web", "db"))));
                    default -> new Peer.Nodes(chance(2) ? LabelSelector.EVERYTHING : LabelSelector.of(Map.of("zone", pick("x", "y"))));
                });
            }
            peers = Optional.of(list);
        }
        if (chance(4)) {
            List<IcmpMatch> icmps = new ArrayList<>();
            for (int i = random.nextInt(3); i > 0; i--) icmps.add(new IcmpMatch(chance(3), pick(0, 8, 128)));
            return new RuleElement(peers, Optional.empty(), Optional.of(icmps));
        }
        return new RuleElement(peers, random.nextBoolean() ? Optional.empty() : Optional.of(ports(random.nextInt(3), true)), Optional.empty());
    }

    private List<PortMatch> ports(int count, boolean anyProtocol) {
        List<PortMatch> list = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            PortMatch.Protocol protocol = anyProtocol ? pick(PortMatch.Protocol.values())
                    : pick(PortMatch.Protocol.TCP, PortMatch.Protocol.UDP, PortMatch.Protocol.SCTP);
            switch (random.nextInt(5)) {
                case 0 -> list.add(PortMatch.all(protocol));
                case 1 -> list.add(PortMatch.named(protocol, pick(PORT_NAMES)));
                case 2 -> {
                    int a = PORTS[random.nextInt(PORTS.length)];
                    int b = PORTS[random.nextInt(PORTS.length)];
                    list.add(PortMatch.range(protocol, Math.min(a, b), Math.max(a, b)));
                }
                default -> list.add(PortMatch.number(protocol, PORTS[random.nextInt(PORTS.length)]));
            }
        }
        return list;
    }

    private LabelSelector plainSelector(String source) {
        List<Requirement> list = new ArrayList<>();
        if (chance(3)) return LabelSelector.EVERYTHING;
        list.add(new Requirement(source, "app", Operator.IN, Set.of(pick("web", "db", "cli"))));
        if (chance(4)) list.add(expression(source, "tier", "front", "back"));
        if (chance(5)) list.set(0, expression(source, "app", "web", "db", "cli"));
        return new LabelSelector(list);
    }

    private LabelSelector namespaceSelector() {
        if (chance(3)) return LabelSelector.EVERYTHING;
        if (chance(3)) return new LabelSelector(List.of(expression("k8s", "team", "x", "y")));
        return new LabelSelector(List.of(new Requirement("k8s", "kubernetes.io/metadata.name", Operator.IN, Set.of(pick(NAMESPACES)))));
    }

    private Requirement expression(String source, String key, String... values) {
        Operator operator = pick(Operator.values());
        boolean needs = operator == Operator.IN || operator == Operator.NOT_IN;
        return new Requirement(source, key, operator, needs ? new HashSet<>(List.of(pick(values), pick(values))) : Set.of());
    }

    private LabelSelector selector() {
        if (chance(10)) return new LabelSelector(List.of(new Requirement("reserved", pick("host", "init", "health", "remote-node", "world"),
                chance(4) ? Operator.DOES_NOT_EXIST : Operator.EXISTS, Set.of())));
        LabelSelector s = plainSelector(pick("any", "any", "k8s"));
        if (chance(4)) s = s.and(new Requirement(pick("any", "k8s"), IdentityLabels.NAMESPACE, Operator.IN, Set.of(pick(NAMESPACES))));
        if (chance(6)) s = s.and(expression("k8s", IdentityLabels.NAMESPACE, NAMESPACES));
        if (chance(6)) s = s.and(expression("k8s", IdentityLabels.NAMESPACE_LABELS_PREFIX + "team", "x", "y"));
        if (chance(10)) s = s.and(expression("k8s", IdentityLabels.CLUSTER, "default", "other"));
        return s;
    }

    // ---- connections -----------------------------------------------------------------------------------------------

    Connection connection() {
        boolean v6 = cluster.dualStack() && chance(3);
        IpAddress source = address(v6);
        IpAddress destination = address(v6);
        int protocol = PROTOCOLS[random.nextInt(PROTOCOLS.length)];
        if (protocol == 1 || protocol == 58) return new Connection(source, destination, protocol, 0, pick(0, 3, 8, 128), pick(0, 4));
        return Connection.port(source, destination, protocol, chance(10) ? random.nextInt(65536) : PORTS[random.nextInt(PORTS.length)]);
    }

    private IpAddress address(boolean v6) {
        int at = v6 ? 1 : 0;
        return switch (random.nextInt(6)) {
            case 0 -> IpAddress.parse(v6 ? pick(OUTSIDE6) : pick(OUTSIDE));
            case 1 -> cluster.nodes().get(random.nextInt(cluster.nodes().size())).addresses().get(at);
            default -> cluster.pods().get(random.nextInt(cluster.pods().size())).addresses().get(at);
        };
    }
}
