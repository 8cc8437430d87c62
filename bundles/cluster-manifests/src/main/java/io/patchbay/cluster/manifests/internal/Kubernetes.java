package io.patchbay.cluster.manifests.internal;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.labels.Label;
import io.patchbay.api.net.IpAddress;
import io.patchbay.cluster.manifests.ClusterObjects;
import io.patchbay.cluster.manifests.Manifest;
import io.patchbay.cluster.manifests.ManifestsFolder;
import io.patchbay.cluster.manifests.PolicyStatus;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** Objects in Kubernetes' own shape and columns, for {@code manifests get}: the manifest, with what the cluster added to it. */
final class Kubernetes {
    /** An object for the user: its columns for the table, and itself, for which its manifest is read. */
    record Item(String namespace, String name, List<String> cells, Supplier<Map<String, Object>> object) {
    }

    /** A kind that can be asked for. */
    record View(String kind, boolean namespaced, List<String> columns, List<Item> items) {
    }

    private static final Map<String, String> ALIASES = Map.ofEntries(Map.entry("po", "Pod"), Map.entry("svc", "Service"), Map.entry("ns", "Namespace"),
            Map.entry("no", "Node"), Map.entry("deploy", "Deployment"), Map.entry("ds", "DaemonSet"), Map.entry("sts", "StatefulSet"),
            Map.entry("rs", "ReplicaSet"), Map.entry("cm", "ConfigMap"), Map.entry("netpol", "NetworkPolicy"), Map.entry("cnp", "CiliumNetworkPolicy"),
            Map.entry("ccnp", "CiliumClusterwideNetworkPolicy"), Map.entry("ccg", "CiliumCIDRGroup"), Map.entry("ciliumid", "CiliumIdentity"),
            Map.entry("eps", "EndpointSlice"), Map.entry("sa", "ServiceAccount"));

    private final ClusterObjects c;
    private final ManifestsFolder folder;
    private final ManifestsFolder.ManifestTexts texts;
    private final Map<String, SortedMap<String, String>> notInForce;

    Kubernetes(ClusterObjects objects, ManifestsFolder folder) throws IOException {
        this.c = objects;
        this.folder = folder;
        this.texts = folder.new ManifestTexts();
        this.notInForce = folder.policyStatuses();
    }

    /** The kind that a user's word means: kind, plural or short name, in any case. */
    static Optional<String> kind(String word, List<String> kinds) {
        String w = word.toLowerCase(Locale.ROOT);
        if (ALIASES.containsKey(w)) return Optional.of(ALIASES.get(w));
        return kinds.stream().filter(k -> {
            String kind = k.toLowerCase(Locale.ROOT);
            String plural = kind.endsWith("y") ? kind.substring(0, kind.length() - 1) + "ies" : kind.endsWith("s") ? kind + "es" : kind + "s";
            return w.equals(kind) || w.equals(plural);
        }).findFirst();
    }

    View view(String kind) {
        List<Item> items = new ArrayList<>();
        switch (kind) {
            case "Namespace" -> {
                for (Namespace n : c.namespaces().values()) {
                    items.add(new Item("", n.name(), List.of("Active"), () -> {
                        Map<String, Object> o = base(kind, "v1", "", n.name(), n.labels(), n.annotations());
                        o.put("status", Map.of("phase", "Active"));
                        return o;
                    }));
                }
                return new View(kind, false, List.of("STATUS"), items);
            }
            case "Node" -> {
                for (Node n : c.nodes().values()) items.add(node(n));
                return new View(kind, false, List.of("INTERNAL-IP", "POD-CIDR"), items);
            }
            case "Pod" -> {
                for (Pod p : c.pods().values()) items.add(pod(p));
                return new View(kind, true, List.of("READY", "STATUS", "IP", "NODE"), items);
            }
            case "Service" -> {
                for (Service s : c.services().values()) items.add(service(s));
                return new View(kind, true, List.of("TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)"), items);
            }
            case "EndpointSlice" -> {
                for (EndpointSlice s : c.endpointSlices().values()) items.add(slice(s));
                return new View(kind, true, List.of("ADDRESSTYPE", "PORTS", "ENDPOINTS"), items);
            }
            case "CiliumIdentity" -> {
                for (CiliumIdentity i : c.identities().values()) {
                    items.add(new Item("", Long.toString(i.id()), List.of(i.labels().toString()), () -> {
                        Map<String, Object> o = base(kind, "cilium.io/v2", "", Long.toString(i.id()), Map.of(), Map.of());
                        Map<String, Object> labels = new LinkedHashMap<>();
                        for (Label label : i.labels()) labels.put(label.source() + ":" + label.key(), label.value());
                        o.put("security-labels", labels);
                        return o;
                    }));
                }
                return new View(kind, false, List.of("LABELS"), items);
            }
            case "NetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy" -> {
                for (Manifest m : folder.manifests(kind)) items.add(policy(m));
                boolean cilium = !kind.equals("NetworkPolicy");
                return new View(kind, !kind.equals("CiliumClusterwideNetworkPolicy"), cilium ? List.of("VALID", "ENFORCED") : List.of("ENFORCED"), items);
            }
            default -> {
                boolean namespaced = false;
                for (Manifest m : folder.manifests(kind)) {
                    namespaced |= !m.meta().namespace().isEmpty();
                    items.add(new Item(m.meta().namespace(), m.meta().name(), List.of(),
                            () -> base(kind, m.apiVersion(), m.meta().namespace(), m.meta().name(), m.meta().labels(), m.meta().annotations())));
                }
                return new View(kind, namespaced, List.of(), items);
            }
        }
    }

    /**
     * A policy, and what the nodes say of it. One that is not valid is never an object of the cluster: its document is refused. Condition Valid is Cilium's; Enforced, and
     * the nodes that can't, are there when a node can't.
     */
    private Item policy(Manifest m) {
        SortedMap<String, String> failing = notInForce.getOrDefault(PolicyStatus.key(m.kind(), m.meta().namespace(), m.meta().name()), new TreeMap<>());
        String enforced = failing.isEmpty() ? "True" : "not on " + String.join(",", failing.keySet());
        boolean cilium = !m.kind().equals("NetworkPolicy");
        return new Item(m.meta().namespace(), m.meta().name(), cilium ? List.of("True", enforced) : List.of(enforced), () -> {
            Map<String, Object> o = base(m.kind(), m.apiVersion(), m.meta().namespace(), m.meta().name(), m.meta().labels(), m.meta().annotations());
            List<Object> conditions = new ArrayList<>();
            if (cilium) conditions.add(condition("Valid", "True", "Policy validation succeeded"));
            Map<String, Object> nodes = new TreeMap<>();
            failing.forEach((node, why) -> nodes.put(node, Map.of("ok", false, "error", why)));
            if (!failing.isEmpty()) {
                conditions.add(condition("Enforced", "False", failing.entrySet().stream().map(e -> e.getKey() + ": " + e.getValue()).collect(Collectors.joining("; "))));
            }
            if (!conditions.isEmpty()) part(o, "status").put("conditions", conditions);
            if (!nodes.isEmpty()) part(o, "status").put("nodes", nodes);
            return o;
        });
    }

    private static Map<String, Object> condition(String type, String status, String message) {
        Map<String, Object> c = new LinkedHashMap<>();
        c.put("type", type);
        c.put("status", status);
        c.put("message", message);
        return c;
    }

    /** The manifest's object if there is one, with its metadata completed. */
    private Map<String, Object> base(String kind, String version, String namespace, String name, Map<String, String> labels,
                                            Map<String, String> annotations) {
        Map<String, Object> o = new LinkedHashMap<>();
        o.put("apiVersion", version);
        o.put("kind", kind);
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("name", name);
        if (!namespace.isEmpty()) metadata.put("namespace", namespace);
        if (!labels.isEmpty()) metadata.put("labels", new TreeMap<>(labels));
        if (!annotations.isEmpty()) metadata.put("annotations", new TreeMap<>(annotations));
        o.put("metadata", metadata);
        if (texts.get(kind + " " + (namespace.isEmpty() ? name : namespace + "/" + name)).orElse(null) instanceof Map<?, ?> manifest) {
            manifest.forEach((key, value) -> {
                if (!o.containsKey(key.toString())) o.put(key.toString(), value);
            });
        }
        return o;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> part(Map<String, Object> object, String name) {
        Map<String, Object> part = object.get(name) instanceof Map<?, ?> m ? new LinkedHashMap<>((Map<String, Object>) m) : new LinkedHashMap<>();
        object.put(name, part);
        return part;
    }

    private static List<String> texts(List<?> values) {
        return values.stream().map(Object::toString).toList();
    }

    private static String join(List<?> values) {
        return values.isEmpty() ? "<none>" : String.join(",", texts(values));
    }

    private Item node(Node n) {
        return new Item("", n.name(), List.of(join(n.internalIps()), join(n.podCidrs())), () -> nodeObject(n));
    }

    private Map<String, Object> nodeObject(Node n) {
        Map<String, Object> o = base("Node", "v1", "", n.name(), n.labels(), n.annotations());
        Map<String, Object> spec = part(o, "spec");
        if (!n.podCidrs().isEmpty()) spec.put("podCIDR", n.podCidrs().get(0).toString());
        spec.put("podCIDRs", texts(n.podCidrs()));
        List<Object> addresses = new ArrayList<>();
        for (IpAddress ip : n.internalIps()) addresses.add(Map.of("type", "InternalIP", "address", ip.toString()));
        part(o, "status").putIfAbsent("addresses", addresses);
        return o;
    }

    private static String phase(Pod p) {
        return p.phase().name().charAt(0) + p.phase().name().substring(1).toLowerCase(Locale.ROOT);
    }

    private Item pod(Pod p) {
        return new Item(p.namespace(), p.name(), List.of(p.ready() ? "yes" : "no", p.terminating() ? "Terminating" : phase(p), join(p.ips()),
                p.nodeName().isEmpty() ? "<none>" : p.nodeName()), () -> podObject(p));
    }

    private Map<String, Object> podObject(Pod p) {
        Map<String, Object> o = base("Pod", "v1", p.namespace(), p.name(), p.labels(), p.annotations());
        Map<String, Object> metadata = part(o, "metadata");
        metadata.put("uid", p.uid());
        Map<String, Object> spec = part(o, "spec");
        spec.put("nodeName", p.nodeName());
        spec.put("serviceAccountName", p.serviceAccount());
        if (p.hostNetwork()) spec.put("hostNetwork", true);
        Map<String, Object> status = part(o, "status");
        status.put("phase", phase(p));
        status.put("conditions", List.of(Map.of("type", "Ready", "status", p.ready() ? "True" : "False")));
        if (!p.ips().isEmpty()) status.put("podIP", p.ips().get(0).toString());
        status.put("podIPs", p.ips().stream().map(ip -> Map.of("ip", ip.toString())).toList());
        return o;
    }

    private static String type(Service s) {
        return switch (s.type()) {
            case NODE_PORT -> "NodePort";
            case LOAD_BALANCER -> "LoadBalancer";
            case EXTERNAL_NAME -> "ExternalName";
            case CLUSTER_IP -> "ClusterIP";
        };
    }

    private static String ip(Service s) {
        return s.headless() ? "None" : s.clusterIps().isEmpty() ? "" : s.clusterIps().get(0).toString();
    }

    private Item service(Service s) {
        String ip = ip(s);
        List<IpAddress> outside = new ArrayList<>(s.externalIps());
        s.ingress().forEach(i -> outside.add(i.ip()));
        String portText = s.ports().stream().map(p -> p.port() + (p.nodePort() != 0 ? ":" + p.nodePort() : "") + "/" + p.protocol())
                .collect(Collectors.joining(","));
        return new Item(s.namespace(), s.name(), List.of(type(s), ip.isEmpty() ? "<none>" : ip, join(outside), portText.isEmpty() ? "<none>" : portText), () -> serviceObject(s));
    }

    private Map<String, Object> serviceObject(Service s) {
        Map<String, Object> o = base("Service", "v1", s.namespace(), s.name(), s.labels(), s.annotations());
        Map<String, Object> spec = part(o, "spec");
        spec.put("type", type(s));
        String ip = ip(s);
        if (!ip.isEmpty()) {
            spec.put("clusterIP", ip);
            spec.put("clusterIPs", s.headless() ? List.of("None") : texts(s.clusterIps()));
        }
        List<Object> ports = new ArrayList<>();
        for (Service.Port port : s.ports()) {
            Map<String, Object> p = new LinkedHashMap<>();
            if (!port.name().isEmpty()) p.put("name", port.name());
            p.put("port", port.port());
            p.put("protocol", port.protocol().name());
            p.put("targetPort", port.targetName().isEmpty() ? (Object) port.targetPort() : port.targetName());
            if (port.nodePort() != 0) p.put("nodePort", port.nodePort());
            if (!port.appProtocol().isEmpty()) p.put("appProtocol", port.appProtocol());
            ports.add(p);
        }
        if (!ports.isEmpty()) spec.put("ports", ports);
        if (s.healthCheckNodePort() != 0) spec.put("healthCheckNodePort", s.healthCheckNodePort());
        return o;
    }

    private static String type(EndpointSlice s) {
        return s.addressType() == EndpointSlice.AddressType.FQDN ? "FQDN" : s.addressType() == EndpointSlice.AddressType.IPV6 ? "IPv6" : "IPv4";
    }

    private Item slice(EndpointSlice s) {
        String addresses = s.endpoints().stream().flatMap(e -> e.addresses().stream()).limit(3).map(IpAddress::toString).collect(Collectors.joining(","));
        if (s.endpoints().size() > 3) addresses += " + " + (s.endpoints().size() - 3) + " more...";
        String portText = s.ports().stream().map(p -> Integer.toString(p.number())).collect(Collectors.joining(","));
        return new Item(s.namespace(), s.name(), List.of(type(s), portText.isEmpty() ? "<none>" : portText, addresses.isEmpty() ? "<none>" : addresses), () -> sliceObject(s));
    }

    private Map<String, Object> sliceObject(EndpointSlice s) {
        Map<String, Object> o = base("EndpointSlice", "discovery.k8s.io/v1", s.namespace(), s.name(), s.labels(), Map.of());
        o.putIfAbsent("addressType", type(s));
        List<Object> ports = new ArrayList<>();
        for (EndpointSlice.Port port : s.ports()) {
            Map<String, Object> p = new LinkedHashMap<>();
            p.put("name", port.name());
            if (port.number() != 0) p.put("port", port.number());
            p.put("protocol", port.protocol().name());
            ports.add(p);
        }
        o.putIfAbsent("ports", ports);
        List<Object> endpoints = new ArrayList<>();
        for (EndpointSlice.Endpoint e : s.endpoints()) {
            Map<String, Object> m = new LinkedHashMap<>();
            m.put("addresses", texts(e.addresses()));
            m.put("conditions", Map.of("ready", e.ready(), "serving", e.serving(), "terminating", e.terminating()));
            if (!e.nodeName().isEmpty()) m.put("nodeName", e.nodeName());
            if (!e.zone().isEmpty()) m.put("zone", e.zone());
            e.pod().map(ObjectKey::name).ifPresent(name -> m.put("targetRef", Map.of("kind", "Pod", "namespace", s.namespace(), "name", name)));
            endpoints.add(m);
        }
        o.putIfAbsent("endpoints", endpoints);
        return o;
    }
}
