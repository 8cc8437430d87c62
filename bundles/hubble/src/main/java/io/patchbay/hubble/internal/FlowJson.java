package io.patchbay.hubble.internal;

import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.Flow.Peer;
import io.patchbay.api.flow.Flow.Type;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.LostFlows;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.Label;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.policy.PolicyRules;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonBuilderFactory;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import java.util.Locale;
import java.util.Map;

/**
 * Hubble's proto3 JSON with the proto's own names: fields in the proto's order, enums by name, zero values left out, 64-bit numbers as
 * text. What the proto has and the datapath does not tell (MACs, the file of a drop) is left out too.
 */
final class FlowJson {
    private static final String[] TRACE_REASONS = {"", "NEW", "ESTABLISHED", "REPLY", "RELATED"};

    private final JsonBuilderFactory json = Json.createBuilderFactory(Map.of());
    private final String node;

    FlowJson(String node) {
        this.node = node;
    }

    JsonObject response(FlowEvent event) {
        JsonObjectBuilder o = json.createObjectBuilder();
        if (event instanceof Flow f) {
            o.add("flow", flow(f));
        } else if (event instanceof LostFlows l) {
            o.add("lost_events", json.createObjectBuilder().add("source", l.source().name()).add("num_events_lost", Long.toString(l.count())));
        }
        return o.add("node_name", node).add("time", event.time().toString()).build();
    }

    private JsonObjectBuilder flow(Flow f) {
        JsonObjectBuilder o = json.createObjectBuilder().add("time", f.time().toString()).add("uuid", f.uuid().toString())
                .add("verdict", f.verdict().name());
        number(o, "drop_reason", f.dropReason());
        if (f.source().address() != null) {
            JsonObjectBuilder ip = json.createObjectBuilder().add("source", f.source().address().toString())
                    .add("destination", f.destination().address().toString()).add("ipVersion", f.source().address().isV4() ? "IPv4" : "IPv6");
            f.translatedSource().ifPresent(a -> ip.add("source_xlated", a.toString()));
            o.add("IP", ip);
        }
        layer4(o, f);
        o.add("source", endpoint(f.source())).add("destination", endpoint(f.destination()));
        o.add("Type", f.type() == Type.SOCKET ? "SOCK" : "L3_L4").add("node_name", node);
        JsonObjectBuilder eventType = json.createObjectBuilder().add("type", f.type().number());
        number(eventType, "sub_type", subType(f));
        o.add("event_type", eventType);
        service(o, "source_service", f.source());
        service(o, "destination_service", f.destination());
        if (f.direction() != Flow.Direction.UNKNOWN) o.add("traffic_direction", f.direction().name());
        if (f.type() == Type.POLICY_VERDICT) number(o, "policy_match_type", f.origin().policyMatch());
        FlowText.Point point = f.type() == Type.TRACE ? FlowText.Point.of(f) : null;
        if (point != null && !point.proto.isEmpty()) o.add("trace_observation_point", point.proto);
        String reason = DropReasons.name(f.dropReason());
        if (!reason.isEmpty()) o.add("drop_reason_desc", reason);
        f.reply().ifPresent(r -> o.add("is_reply", r.booleanValue()));
        if (f.origin().ifindex() != 0) o.add("interface", json.createObjectBuilder().add("index", f.origin().ifindex()));
        if (f.type() == Type.SOCKET) o.add("sock_xlate_point", "SOCK_XLATE_POINT_POST_DIRECTION_FWD");
        if (f.type() == Type.TRACE && f.origin().conntrack() > 0 && f.origin().conntrack() < TRACE_REASONS.length) {
            o.add("trace_reason", TRACE_REASONS[f.origin().conntrack()]);
        }
        f.rule().ifPresent(r -> {
            o.add(f.direction().name().toLowerCase(Locale.ROOT) + (FlowText.denies(f) ? "_denied_by" : "_allowed_by"), json.createArrayBuilder().add(policy(r)));
            if (!r.log().isEmpty()) o.add("policy_log", json.createArrayBuilder().add(r.log()));
        });
        return o.add("Summary", FlowText.summary(f));
    }

    /** The labels are those that Cilium gives the rules of an object, and one that says which of them decided. The object's revision at that time is not kept. */
    private JsonObjectBuilder policy(PolicyRules.Rule r) {
        JsonObjectBuilder o = json.createObjectBuilder().add("name", r.name());
        if (!r.namespace().isEmpty()) o.add("namespace", r.namespace());
        JsonArrayBuilder labels = json.createArrayBuilder();
        if (r.kind().isEmpty()) {
            labels.add("reserved:io.cilium.policy.derived-from=allow-localhost-ingress");
        } else {
            labels.add("k8s:io.cilium.k8s.policy.derived-from=" + r.kind()).add("k8s:io.cilium.k8s.policy.name=" + r.name());
            if (!r.namespace().isEmpty()) labels.add("k8s:io.cilium.k8s.policy.namespace=" + r.namespace());
            if (!r.uid().isEmpty()) labels.add("k8s:io.cilium.k8s.policy.uid=" + r.uid());
            labels.add("patchbay:decided-by=" + r.text());
        }
        o.add("labels", labels);
        if (!r.kind().isEmpty()) o.add("kind", r.kind());
        return o;
    }

    private static int subType(Flow f) {
        return switch (f.type()) {
            case DROP -> f.code();
            case TRACE -> {
                FlowText.Point p = FlowText.Point.of(f);
                yield p == null ? 1000 + f.code() : p.subType;
            }
            case POLICY_VERDICT -> 0;
            case SOCKET -> 2;
        };
    }

    private void layer4(JsonObjectBuilder o, Flow f) {
        Protocol protocol = Protocol.ofNumber(f.packet().protocol());
        if (protocol == null) return;
        JsonObjectBuilder l = json.createObjectBuilder();
        switch (protocol) {
            case TCP -> {
                ports(l, f);
                if (f.packet().tcpFlags() != 0) {
                    JsonObjectBuilder flags = json.createObjectBuilder();
                    // The proto's order, not that of the summary.
                    for (String name : new String[] {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}) {
                        if ((f.packet().tcpFlags() & FlowText.tcpFlag(name)) != 0) flags.add(name, true);
                    }
                    l.add("flags", flags);
                }
                o.add("l4", json.createObjectBuilder().add("TCP", l));
            }
            case UDP, SCTP -> {
                ports(l, f);
                o.add("l4", json.createObjectBuilder().add(protocol.name(), l));
            }
            case ICMP, ICMPV6 -> {
                number(l, "type", f.packet().icmpType());
                number(l, "code", f.packet().icmpCode());
                o.add("l4", json.createObjectBuilder().add(protocol == Protocol.ICMP ? "ICMPv4" : "ICMPv6", l));
            }
        }
    }

    private static void ports(JsonObjectBuilder l, Flow f) {
        number(l, "source_port", f.source().port());
        number(l, "destination_port", f.destination().port());
    }

    private JsonObjectBuilder endpoint(Peer p) {
        JsonObjectBuilder o = json.createObjectBuilder();
        number(o, "ID", p.endpointId());
        if (p.identity() != 0) o.add("identity", Integer.toUnsignedLong(p.identity()));
        p.labels().get("k8s", IdentityLabels.CLUSTER).ifPresent(c -> o.add("cluster_name", c));
        if (!p.namespace().isEmpty()) o.add("namespace", p.namespace());
        if (!p.labels().isEmpty()) {
            JsonArrayBuilder labels = json.createArrayBuilder();
            for (Label l : p.labels()) labels.add(l.toString());
            o.add("labels", labels);
        }
        if (!p.pod().isEmpty()) o.add("pod_name", p.pod());
        p.workload().ifPresent(w -> o.add("workloads",
                json.createArrayBuilder().add(json.createObjectBuilder().add("name", w.name()).add("kind", w.kind()))));
        return o;
    }

    private void service(JsonObjectBuilder o, String name, Peer p) {
        p.service().ifPresent(s -> o.add(name, json.createObjectBuilder().add("name", s.name()).add("namespace", s.namespace())));
    }

    private static void number(JsonObjectBuilder o, String name, int value) {
        if (value != 0) o.add(name, value);
    }
}
