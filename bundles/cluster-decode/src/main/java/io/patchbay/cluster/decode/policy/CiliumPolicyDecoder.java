package io.patchbay.cluster.decode.policy;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.Entity;
import io.patchbay.api.cluster.policy.IcmpMatch;
import io.patchbay.api.cluster.policy.Peer;
import io.patchbay.api.cluster.policy.PolicyKind;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.cluster.policy.PolicyRule;
import io.patchbay.api.cluster.policy.PolicyRule.SubjectKind;
import io.patchbay.api.cluster.policy.PortMatch;
import io.patchbay.api.cluster.policy.RuleElement;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.net.Prefix;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.KindDecoder;
import io.patchbay.cluster.decode.Meta;
import io.patchbay.cluster.decode.Tree;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;

/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of cilium.io/v2. */
final class CiliumPolicyDecoder implements KindDecoder<PolicyObject> {
    private static final int MAX_PORTS = 40;
    private static final Pattern PORT_NAME = Pattern.compile("(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*");
    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,5}");
    private static final String NOT_BUILT = " is not supported by this version of Patchbay; the whole policy is refused, since leaving the rule out "
            + "would change what the others mean";

    private final PolicyKind kind;

    private CiliumPolicyDecoder(PolicyKind kind) {
        this.kind = kind;
    }

    static CiliumPolicyDecoder forNamespaces() {
        return new CiliumPolicyDecoder(PolicyKind.CILIUM_NETWORK_POLICY);
    }

    static CiliumPolicyDecoder forCluster() {
        return new CiliumPolicyDecoder(PolicyKind.CILIUM_CLUSTERWIDE_NETWORK_POLICY);
    }

    @Override
    public String kind() {
        return kind.text();
    }

    @Override
    public List<String> apiVersions() {
        return List.of("cilium.io/v2");
    }

    @Override
    public boolean namespaced() {
        return kind == PolicyKind.CILIUM_NETWORK_POLICY;
    }

    @Override
    public PolicyObject decode(Meta meta, Fields fields) {
        fields.ignore("status");
        List<PolicyRule> rules = new ArrayList<>();
        Values.notNull(fields, "spec").ifPresent(t -> rules.add(rule(t)));
        Values.notNull(fields, "specs").ifPresent(t -> t.list().forEach(item -> rules.add(rule(item))));
        if (rules.isEmpty()) {
            fields.object().problem("spec or specs is required");
            rules.add(new PolicyRule(SubjectKind.ENDPOINTS, LabelSelector.EVERYTHING, Optional.empty(), Optional.empty(), Optional.empty(),
                    Optional.empty(), Map.of(), Optional.empty(), List.of(), "", ""));
        }
        return new PolicyObject(kind, meta.namespace(), meta.name(), meta.uid(), Values.position(fields), rules);
    }

    private PolicyRule rule(Tree tree) {
        Fields f = tree.fields();
        Optional<LabelSelector> endpoints = Values.notNull(f, "endpointSelector").map(t -> Values.selector(t, null));
        Optional<Tree> nodesTree = Values.notNull(f, "nodeSelector");
        Optional<LabelSelector> nodes = nodesTree.map(t -> Values.selector(t, null));
        if (kind == PolicyKind.CILIUM_NETWORK_POLICY) {
            nodesTree.ifPresent(t -> t.problem("nodeSelector exists in CiliumClusterwideNetworkPolicy only"));
            if (endpoints.isEmpty()) tree.problem("endpointSelector is required");
        } else if (endpoints.isPresent() == nodes.isPresent()) {
            tree.problem("exactly one of endpointSelector and nodeSelector is required");
        }
        Optional<List<RuleElement>> ingress = section(f, Direction.INGRESS, false);
        Optional<List<RuleElement>> egress = section(f, Direction.EGRESS, false);
        Optional<List<RuleElement>> ingressDeny = section(f, Direction.INGRESS, true);
        Optional<List<RuleElement>> egressDeny = section(f, Direction.EGRESS, true);
        if (List.of(ingress, egress, ingressDeny, egressDeny).stream().allMatch(s -> s.orElse(List.of()).isEmpty())) {
            tree.problem("at least one of ingress, ingressDeny, egress and egressDeny must have an element");
        }
        Map<Direction, Boolean> defaultDeny = new EnumMap<>(Direction.class);
        Values.notNull(f, "enableDefaultDeny").ifPresent(t -> {
            Fields d = t.fields();
            Values.notNull(d, "ingress").ifPresent(v -> defaultDeny.put(Direction.INGRESS, v.bool()));
            Values.notNull(d, "egress").ifPresent(v -> defaultDeny.put(Direction.EGRESS, v.bool()));
            d.end();
        });
        List<Label> labels = Values.notNull(f, "labels").map(t -> t.list().stream().flatMap(item -> label(item).stream()).toList()).orElse(List.of());
        String description = f.string("description", "");
        String log = Values.notNull(f, "log").map(t -> {
            Fields l = t.fields();
            String value = l.string("value", "");
            l.end();
            return value;
        }).orElse("");
        f.end();
        boolean host = nodes.isPresent() && endpoints.isEmpty();
        return new PolicyRule(host ? SubjectKind.NODES : SubjectKind.ENDPOINTS, host ? nodes.get() : endpoints.orElse(LabelSelector.EVERYTHING),
                ingress, egress, ingressDeny, egressDeny, defaultDeny, Optional.empty(), labels, description, log);
    }

    private static Optional<Label> label(Tree item) {
        Fields f = item.fields();
        Tree key = f.required("key");
        String text = key.nonEmpty();
        String value = f.string("value", "");
        String source = f.string("source", "unspec");
        f.end();
        if (!key.isPresent() || text.isEmpty()) return Optional.empty();
        try {
            return Optional.of(new Label(source.isEmpty() ? "unspec" : source, text, value));
        } catch (IllegalArgumentException e) {
            item.problem(e.getMessage());
            return Optional.empty();
        }
    }

    // ---- sections --------------------------------------------------------------------------------------------------

    private static Optional<List<RuleElement>> section(Fields f, Direction direction, boolean deny) {
        return Values.notNull(f, direction.text() + (deny ? "Deny" : ""))
                .map(t -> t.list().stream().map(item -> element(item, direction, deny)).toList());
    }

    private static RuleElement element(Tree item, Direction direction, boolean deny) {
        Fields f = item.fields();
        String way = direction == Direction.INGRESS ? "from" : "to";
        PeerFields peers = new PeerFields(f);
        peers.read(way + "Endpoints", t -> new Peer.Endpoints(Values.selector(t, null)));
        peers.read(way + "CIDR", t -> new Peer.Cidr(Values.cidr(t), List.of()));
        peers.read(way + "CIDRSet", CiliumPolicyDecoder::cidrSet);
        peers.read(way + "Entities", CiliumPolicyDecoder::entity);
        peers.read(way + "Nodes", t -> new Peer.Nodes(Values.selector(t, null)));
        if (direction == Direction.EGRESS) {
            peers.read("toServices", CiliumPolicyDecoder::service);
            if (!deny) refuse(f, "toFQDNs", "the toFQDNs rule");
        }
        refuse(f, way + "Groups", "the " + way + "Groups rule");
        f.any(way + "Requires").ifPresent(t -> t.problem(way + "Requires was removed from Cilium 1.19; name its requirements in each peer"));
        if (!deny) Values.notNull(f, "authentication").ifPresent(CiliumPolicyDecoder::authentication);
        Optional<List<PortMatch>> ports = Values.notNull(f, "toPorts").map(t -> {
            List<PortMatch> all = new ArrayList<>();
            for (Tree entry : t.list()) portRule(entry, deny, all);
            return all;
        });
        Optional<List<IcmpMatch>> icmps = Values.notNull(f, "icmps").map(t -> {
            List<IcmpMatch> all = new ArrayList<>();
            for (Tree entry : t.list()) icmpRule(entry, all);
            return all;
        });
        f.end();
        if (ports.isPresent() && icmps.isPresent()) {
            item.problem("toPorts and icmps can't be combined in one element; write two");
            icmps = Optional.empty();
        }
        return new RuleElement(peers.result(item), ports, icmps);
    }

    /** Mode disabled says that nothing is to be authenticated, which is how it is. */
    private static void authentication(Tree tree) {
        Fields f = tree.fields();
        Tree mode = f.required("mode");
        String text = mode.oneOf("disabled", "required", "test-always-fail");
        f.end();
        if (text.equals("required") || text.equals("test-always-fail")) mode.problem("authentication" + NOT_BUILT);
    }

    private static void refuse(Fields f, String field, String what) {
        f.any(field).ifPresent(t -> t.problem(what + NOT_BUILT));
    }

    /** Collects the peer fields of an element: at most one kind of peers may have any. */
    private static final class PeerFields {
        private final Fields fields;
        private final List<String> filled = new ArrayList<>();
        private List<Peer> peers;

        PeerFields(Fields fields) {
            this.fields = fields;
        }

        void read(String name, Function<Tree, Peer> one) {
            Values.notNull(fields, name).ifPresent(t -> {
                if (peers == null) peers = new ArrayList<>();
                List<Tree> items = t.list();
                if (!items.isEmpty()) filled.add(name);
                for (Tree item : items) {
                    Peer peer = one.apply(item);
                    if (peer != null) peers.add(peer);
                }
            });
        }

        Optional<List<Peer>> result(Tree item) {
            if (filled.size() > 1) item.problem("combining " + String.join(" and ", filled) + " in one element is not possible; write two");
            return Optional.ofNullable(peers);
        }
    }

    private static Peer cidrSet(Tree item) {
        Fields f = item.fields();
        Optional<Tree> cidr = Values.notNull(f, "cidr");
        Optional<Tree> ref = Values.notNull(f, "cidrGroupRef");
        Optional<Tree> selector = Values.notNull(f, "cidrGroupSelector");
        List<Prefix> except = new ArrayList<>();
        Optional<Prefix> prefix = cidr.map(Values::cidr);
        Values.notNull(f, "except").ifPresent(t -> t.list().forEach(e -> {
            Prefix p = Values.cidr(e);
            if (prefix.isPresent() && !prefix.get().contains(p)) e.problem(p + " does not lie within " + prefix.get());
            except.add(p);
        }));
        f.oneOf(true, "cidr", "cidrGroupRef", "cidrGroupSelector");
        f.end();
        if (prefix.isPresent()) return new Peer.Cidr(prefix.get(), except);
        if (ref.isPresent()) return new Peer.CidrGroupRef(ref.get().nonEmpty(), except);
        return selector.map(t -> new Peer.CidrGroupSelector(Values.selector(t, null), except)).orElse(null);
    }

    private static Peer entity(Tree item) {
        String text = item.oneOf("all", "world", "cluster", "host", "init", "ingress", "unmanaged", "remote-node", "health", "none",
                "kube-apiserver");
        return Entity.of(text).map(Peer.OfEntity::new).orElse(null);
    }

    private static Peer service(Tree item) {
        Fields f = item.fields();
        Optional<Tree> byName = Values.notNull(f, "k8sService");
        Optional<Tree> bySelector = Values.notNull(f, "k8sServiceSelector");
        f.oneOf(true, "k8sService", "k8sServiceSelector");
        f.end();
        if (byName.isPresent()) {
            Fields s = byName.get().fields();
            Peer peer = new Peer.Service(s.string("namespace", ""), s.required("serviceName").nonEmpty());
            s.end();
            return peer;
        }
        if (bySelector.isEmpty()) return null;
        Fields s = bySelector.get().fields();
        Peer peer = new Peer.ServiceSelector(s.string("namespace", ""), Values.selector(s.required("selector"), null));
        s.end();
        return peer;
    }

    // ---- ports -----------------------------------------------------------------------------------------------------

    private static void portRule(Tree entry, boolean deny, List<PortMatch> all) {
        Fields f = entry.fields();
        Tree ports = f.required("ports");
        List<Tree> items = ports.list();
        if (ports.isPresent() && ports.isList() && items.isEmpty()) ports.problem("must not be empty; for all ports leave toPorts out");
        if (items.size() > MAX_PORTS) ports.problem("has " + items.size() + " ports, more than " + MAX_PORTS);
        for (Tree item : items) all.add(port(item));
        if (!deny) {
            Values.notNull(f, "rules").ifPresent(CiliumPolicyDecoder::layer7);
            refuse(f, "terminatingTLS", "the terminatingTLS rule");
            refuse(f, "originatingTLS", "the originatingTLS rule");
            refuse(f, "serverNames", "the serverNames rule");
            refuse(f, "listener", "the listener rule");
        }
        f.end();
    }

    /** An empty list of L7 rules is none: plain L4, as in Cilium. */
    private static void layer7(Tree tree) {
        Fields f = tree.fields();
        for (String name : List.of("http", "dns")) {
            Values.notNull(f, name).ifPresent(t -> {
                if (!t.isList() || !t.list().isEmpty()) t.problem("the L7 rule " + name + NOT_BUILT);
            });
        }
        for (String name : List.of("kafka", "l7proto", "l7")) f.any(name).ifPresent(t -> t.problem("the L7 rule " + name + " was removed from Cilium"));
        f.end();
    }

    private static PortMatch port(Tree item) {
        Fields f = item.fields();
        Tree portTree = f.required("port");
        String text = portTree.string().toLowerCase(Locale.ROOT);
        String protocolText = f.optional("protocol").map(t -> t.oneOf("TCP", "UDP", "SCTP", "ANY")).orElse("ANY");
        Optional<Tree> endPort = Values.notNull(f, "endPort");
        int end = endPort.map(t -> t.integer(0, 65535)).orElse(0);
        f.end();
        PortMatch.Protocol protocol = switch (protocolText) {
            case "TCP" -> PortMatch.Protocol.TCP;
            case "UDP" -> PortMatch.Protocol.UDP;
            case "SCTP" -> PortMatch.Protocol.SCTP;
            default -> PortMatch.Protocol.ANY;
        };
        if (!portTree.isPresent() || !portTree.isString()) return PortMatch.all(protocol);
        if (!NUMBER.matcher(text).matches()) {
            if (PORT_NAME.matcher(text).matches()) return PortMatch.named(protocol, text);
            portTree.problem("\"" + text + "\" is neither a port number nor a port name");
            return PortMatch.all(protocol);
        }
        int port = Integer.parseInt(text);
        if (text.length() > 1 && text.startsWith("0")) {
            portTree.problem(text + " is octal to Cilium: write it without zeros in front");
            return PortMatch.all(protocol);
        }
        if (port > 65535) {
            portTree.problem(port + " is out of range 0 to 65535");
            return PortMatch.all(protocol);
        }
        if (port == 0) {
            if (end > 0) endPort.get().problem("a range can't begin with port 0, which means all ports");
            return PortMatch.all(protocol);
        }
        return PortMatch.range(protocol, port, Math.max(port, end));
    }

    private static void icmpRule(Tree entry, List<IcmpMatch> all) {
        Fields f = entry.fields();
        Tree fields = f.required("fields");
        List<Tree> items = fields.list();
        if (fields.isPresent() && fields.isList() && items.isEmpty()) fields.problem("must not be empty");
        if (items.size() > MAX_PORTS) fields.problem("has " + items.size() + " fields, more than " + MAX_PORTS);
        for (Tree item : items) {
            Fields i = item.fields();
            boolean v6 = i.optional("family").map(t -> t.oneOf("IPv4", "IPv6")).orElse("IPv4").equals("IPv6");
            Tree type = i.required("type");
            i.end();
            if (!type.isPresent()) continue;
            if (type.isInteger()) {
                all.add(new IcmpMatch(v6, type.integer(0, 255)));
                continue;
            }
            String name = type.string();
            Integer number = (v6 ? IcmpTypes.V6 : IcmpTypes.V4).get(name);
            if (number == null && name.matches("[0-9]{1,3}") && Integer.parseInt(name) < 256) number = Integer.valueOf(name);
            if (number == null) type.problem("\"" + name + "\" is not a type of " + (v6 ? "ICMPv6" : "ICMP"));
            else all.add(new IcmpMatch(v6, number));
        }
        f.end();
    }
}
