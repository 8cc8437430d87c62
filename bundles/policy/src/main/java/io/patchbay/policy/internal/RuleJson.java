package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.IcmpMatch;
import io.patchbay.api.cluster.policy.Peer;
import io.patchbay.api.cluster.policy.PolicyKind;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.cluster.policy.PolicyRule;
import io.patchbay.api.cluster.policy.PortMatch;
import io.patchbay.api.cluster.policy.RuleElement;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.labels.LabelSelector.Operator;
import io.patchbay.api.labels.LabelSelector.Requirement;
import io.patchbay.api.net.Prefix;
import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** Rules as {@code policy get} prints them: the form of Cilium's API, with the labels that say which object a rule comes from. */
final class RuleJson {
    private RuleJson() {
    }

    static JsonArray of(Collection<PolicyObject> objects) {
        JsonArrayBuilder all = Json.createArrayBuilder();
        for (PolicyObject o : objects) for (PolicyRule rule : o.rules()) all.add(rule(o, rule));
        return all.build();
    }

    private static JsonObjectBuilder rule(PolicyObject o, PolicyRule rule) {
        JsonObjectBuilder json = Json.createObjectBuilder();
        json.add(rule.subjectKind() == PolicyRule.SubjectKind.NODES ? "nodeSelector" : "endpointSelector", selector(rule.subject()));
        for (Direction d : Direction.values()) {
            boolean in = d == Direction.INGRESS;
            boolean kubernetes = o.kind() == PolicyKind.NETWORK_POLICY;
            rule.section(d, false).ifPresent(s -> json.add(d.text(), section(s, in, kubernetes)));
            rule.section(d, true).ifPresent(s -> json.add(d.text() + "Deny", section(s, in, kubernetes)));
        }
        JsonArrayBuilder labels = Json.createArrayBuilder();
        label(labels, "derived-from", o.kind().text());
        label(labels, "name", o.name());
        if (!o.namespace().isEmpty()) label(labels, "namespace", o.namespace());
        if (!o.uid().isEmpty()) label(labels, "uid", o.uid());
        rule.labels().forEach(l -> labels.add(Json.createObjectBuilder().add("key", l.key()).add("value", l.value()).add("source", l.source())));
        json.add("labels", labels);
        if (!rule.defaultDeny().isEmpty()) {
            JsonObjectBuilder deny = Json.createObjectBuilder();
            rule.defaultDeny().forEach((d, on) -> deny.add(d.text(), on));
            json.add("enableDefaultDeny", deny);
        }
        rule.policyTypes().ifPresent(types -> {
            JsonArrayBuilder list = Json.createArrayBuilder();
            types.stream().sorted().forEach(t -> list.add(t == Direction.INGRESS ? "Ingress" : "Egress"));
            json.add("policyTypes", list);
        });
        if (!rule.description().isEmpty()) json.add("description", rule.description());
        if (!rule.log().isEmpty()) json.add("log", Json.createObjectBuilder().add("value", rule.log()));
        return json;
    }

    private static void label(JsonArrayBuilder to, String key, String value) {
        to.add(Json.createObjectBuilder().add("key", "io.cilium.k8s.policy." + key).add("value", value).add("source", "k8s"));
    }

    private static JsonObjectBuilder selector(LabelSelector selector) {
        JsonObjectBuilder labels = Json.createObjectBuilder();
        JsonArrayBuilder expressions = Json.createArrayBuilder();
        boolean anyLabel = false;
        boolean anyExpression = false;
        for (Requirement r : selector.requirements()) {
            String key = r.source() + ":" + r.key();
            if (r.operator() == Operator.IN && r.values().size() == 1) {
                labels.add(key, r.values().iterator().next());
                anyLabel = true;
                continue;
            }
            JsonObjectBuilder e = Json.createObjectBuilder().add("key", key).add("operator", r.operator().text());
            if (!r.values().isEmpty()) e.add("values", strings(new TreeSet<>(r.values())));
            expressions.add(e);
            anyExpression = true;
        }
        JsonObjectBuilder json = Json.createObjectBuilder();
        if (anyLabel) json.add("matchLabels", labels);
        if (anyExpression) json.add("matchExpressions", expressions);
        return json;
    }

    private static JsonArrayBuilder strings(Collection<String> values) {
        JsonArrayBuilder list = Json.createArrayBuilder();
        values.forEach(list::add);
        return list;
    }

    private static JsonArrayBuilder section(List<RuleElement> elements, boolean in, boolean kubernetes) {
        JsonArrayBuilder list = Json.createArrayBuilder();
        for (RuleElement e : elements) list.add(element(e, in, kubernetes));
        return list;
    }

    /** No peers, or an empty list of them, means anybody in a NetworkPolicy; in Cilium's form neither says so for sure, the entity does. */
    private static JsonObjectBuilder element(RuleElement e, boolean in, boolean kubernetes) {
        JsonObjectBuilder json = Json.createObjectBuilder();
        if (kubernetes && e.peers().orElse(List.of()).isEmpty()) json.add(in ? "fromEntities" : "toEntities", strings(List.of("all")));
        e.peers().ifPresent(peers -> {
            Map<String, JsonArrayBuilder> byField = new LinkedHashMap<>();
            if (peers.isEmpty() && !kubernetes) byField.put("Endpoints", Json.createArrayBuilder());
            for (Peer peer : peers) peer(peer, byField);
            byField.forEach((field, list) -> json.add((in ? "from" : "to") + field, list));
        });
        e.ports().filter(ports -> !ports.isEmpty()).ifPresent(ports -> {
            JsonArrayBuilder list = Json.createArrayBuilder();
            for (PortMatch p : ports) {
                boolean all = !p.isNamed() && p.first() == 0;
                JsonObjectBuilder port = Json.createObjectBuilder().add("port", p.isNamed() ? p.name() : all ? "0" : Integer.toString(p.first()));
                if (!p.isNamed() && !all && p.last() > p.first()) port.add("endPort", p.last());
                list.add(port.add("protocol", p.protocol().name()));
            }
            json.add("toPorts", Json.createArrayBuilder().add(Json.createObjectBuilder().add("ports", list)));
        });
        e.icmps().filter(icmps -> !icmps.isEmpty()).ifPresent(icmps -> {
            JsonArrayBuilder list = Json.createArrayBuilder();
            for (IcmpMatch i : icmps) list.add(Json.createObjectBuilder().add("family", i.v6() ? "IPv6" : "IPv4").add("type", i.type()));
            json.add("icmps", Json.createArrayBuilder().add(Json.createObjectBuilder().add("fields", list)));
        });
        return json;
    }

    private static void peer(Peer peer, Map<String, JsonArrayBuilder> to) {
        if (peer instanceof Peer.Endpoints p) {
            list(to, "Endpoints").add(selector(p.selector()));
        } else if (peer instanceof Peer.Cidr p) {
            list(to, "CIDRSet").add(cidr(Json.createObjectBuilder().add("cidr", p.cidr().toString()), p.except()));
        } else if (peer instanceof Peer.CidrGroupRef p) {
            list(to, "CIDRSet").add(cidr(Json.createObjectBuilder().add("cidrGroupRef", p.name()), p.except()));
        } else if (peer instanceof Peer.CidrGroupSelector p) {
            list(to, "CIDRSet").add(cidr(Json.createObjectBuilder().add("cidrGroupSelector", selector(p.selector())), p.except()));
        } else if (peer instanceof Peer.OfEntity p) {
            list(to, "Entities").add(p.entity().text());
        } else if (peer instanceof Peer.Nodes p) {
            list(to, "Nodes").add(selector(p.selector()));
        } else if (peer instanceof Peer.Service p) {
            list(to, "Services").add(Json.createObjectBuilder().add("k8sService",
                    Json.createObjectBuilder().add("serviceName", p.name()).add("namespace", p.namespace())));
        } else if (peer instanceof Peer.ServiceSelector p) {
            list(to, "Services").add(Json.createObjectBuilder().add("k8sServiceSelector",
                    Json.createObjectBuilder().add("selector", selector(p.selector())).add("namespace", p.namespace())));
        } else if (peer instanceof Peer.Pods p) {
            JsonObjectBuilder json = Json.createObjectBuilder();
            p.podSelector().ifPresent(s -> json.add("podSelector", selector(s)));
            p.namespaceSelector().ifPresent(s -> json.add("namespaceSelector", selector(s)));
            list(to, "Pods").add(json);
        } else if (peer instanceof Peer.IpBlock p) {
            list(to, "IPBlocks").add(cidr(Json.createObjectBuilder().add("cidr", p.cidr().toString()), p.except()));
        }
    }

    private static JsonArrayBuilder list(Map<String, JsonArrayBuilder> to, String field) {
        return to.computeIfAbsent(field, f -> Json.createArrayBuilder());
    }

    private static JsonObjectBuilder cidr(JsonObjectBuilder json, List<Prefix> except) {
        if (!except.isEmpty()) json.add("except", strings(except.stream().map(Prefix::toString).toList()));
        return json;
    }
}
