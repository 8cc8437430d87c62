package io.patchbay.cluster.decode.policy;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.Peer;
import io.patchbay.api.cluster.policy.PolicyKind;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.cluster.policy.PolicyRule;
import io.patchbay.api.cluster.policy.PortMatch;
import io.patchbay.api.cluster.policy.RuleElement;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.net.Prefix;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.KindDecoder;
import io.patchbay.cluster.decode.Meta;
import io.patchbay.cluster.decode.Tree;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/** NetworkPolicy of networking.k8s.io/v1, with the validation of Kubernetes' API server. */
final class NetworkPolicyDecoder implements KindDecoder<PolicyObject> {
    private static final Pattern PORT_NAME = Pattern.compile("(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*");

    @Override
    public String kind() {
        return "NetworkPolicy";
    }

    @Override
    public List<String> apiVersions() {
        return List.of("networking.k8s.io/v1");
    }

    @Override
    public boolean namespaced() {
        return true;
    }

    @Override
    public PolicyObject decode(Meta meta, Fields fields) {
        fields.ignore("status");
        Fields spec = fields.required("spec").fields();
        LabelSelector subject = Values.notNull(spec, "podSelector").map(t -> Values.selector(t, "k8s")).orElse(LabelSelector.EVERYTHING);
        Optional<List<RuleElement>> ingress = Values.notNull(spec, "ingress").map(t -> elements(t, "from"));
        Optional<List<RuleElement>> egress = Values.notNull(spec, "egress").map(t -> elements(t, "to"));
        Optional<Set<Direction>> types = Values.notNull(spec, "policyTypes").map(NetworkPolicyDecoder::types);
        spec.end();
        PolicyRule rule = new PolicyRule(PolicyRule.SubjectKind.ENDPOINTS, subject, ingress, egress, Optional.empty(), Optional.empty(), Map.of(),
                types, List.of(), "", "");
        return new PolicyObject(PolicyKind.NETWORK_POLICY, meta.namespace(), meta.name(), meta.uid(), Values.position(fields), List.of(rule));
    }

    private static Set<Direction> types(Tree tree) {
        Set<Direction> types = EnumSet.noneOf(Direction.class);
        for (Tree item : tree.list()) {
            switch (item.oneOf("Ingress", "Egress")) {
                case "Ingress" -> types.add(Direction.INGRESS);
                case "Egress" -> types.add(Direction.EGRESS);
                default -> { }
            }
        }
        return types;
    }

    private static List<RuleElement> elements(Tree section, String peersField) {
        List<RuleElement> elements = new ArrayList<>();
        for (Tree item : section.list()) {
            Fields f = item.fields();
            Optional<List<Peer>> peers = Values.notNull(f, peersField).map(t -> t.list().stream().map(NetworkPolicyDecoder::peer).toList());
            Optional<List<PortMatch>> ports = Values.notNull(f, "ports").map(t -> t.list().stream().map(NetworkPolicyDecoder::port).toList());
            f.end();
            elements.add(new RuleElement(peers, ports, Optional.empty()));
        }
        return elements;
    }

    private static Peer peer(Tree item) {
        Fields f = item.fields();
        Optional<LabelSelector> pods = Values.notNull(f, "podSelector").map(t -> Values.selector(t, "k8s"));
        Optional<LabelSelector> namespaces = Values.notNull(f, "namespaceSelector").map(t -> Values.selector(t, "k8s"));
        Optional<Peer> block = Values.notNull(f, "ipBlock").map(NetworkPolicyDecoder::ipBlock);
        f.end();
        if (block.isPresent()) {
            if (pods.isPresent() || namespaces.isPresent()) item.problem("ipBlock can't be combined with podSelector or namespaceSelector");
            return block.get();
        }
        if (pods.isEmpty() && namespaces.isEmpty()) item.problem("a peer needs podSelector, namespaceSelector or ipBlock");
        return new Peer.Pods(pods, namespaces);
    }

    private static Peer ipBlock(Tree tree) {
        Fields f = tree.fields();
        Prefix cidr = Values.cidr(f.required("cidr"));
        List<Prefix> except = new ArrayList<>();
        for (Tree item : f.list("except")) {
            Prefix e = Values.cidr(item);
            if (!cidr.contains(e) || cidr.equals(e)) item.problem(e + " must lie within " + cidr + " and be smaller");
            except.add(e);
        }
        f.end();
        return new Peer.IpBlock(cidr, except);
    }

    private static PortMatch port(Tree item) {
        Fields f = item.fields();
        String protocolText = f.optional("protocol").map(t -> t.oneOf("TCP", "UDP", "SCTP")).orElse("TCP");
        Optional<Tree> port = Values.notNull(f, "port");
        Optional<Tree> endPort = Values.notNull(f, "endPort");
        f.end();
        PortMatch.Protocol protocol = switch (protocolText) {
            case "UDP" -> PortMatch.Protocol.UDP;
            case "SCTP" -> PortMatch.Protocol.SCTP;
            default -> PortMatch.Protocol.TCP;
        };
        if (port.isEmpty()) {
            endPort.ifPresent(t -> t.problem("endPort needs a port"));
            return PortMatch.all(protocol);
        }
        if (port.get().isString()) {
            String name = port.get().string();
            if (name.length() > 15 || !PORT_NAME.matcher(name).matches()) {
                port.get().problem("\"" + name + "\" is not a port name (at most 15 lower case letters, digits and single '-', with a letter)");
            }
            endPort.ifPresent(t -> t.problem("endPort can't be combined with a named port"));
            return name.isEmpty() ? PortMatch.all(protocol) : PortMatch.named(protocol, name);
        }
        int first = port.get().integer(1, 65535);
        int last = endPort.map(t -> t.integer(1, 65535)).orElse(first);
        if (last < first) {
            endPort.ifPresent(t -> t.problem("endPort must not be smaller than port"));
            last = first;
        }
        return PortMatch.range(protocol, first, last);
    }
}
