package io.patchbay.cluster.decode;

import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Service and EndpointSlice. Field names and rules: Kubernetes 1.33's API reference and validation. */
final class ServiceKinds {
    private ServiceKinds() {
    }

    static Service service(Meta meta, Fields fields) {
        Fields spec = fields.required("spec").fields();
        String typeText = spec.optional("type").map(t -> t.oneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")).orElse("ClusterIP");
        Service.Type type = switch (typeText) {
            case "NodePort" -> Service.Type.NODE_PORT;
            case "LoadBalancer" -> Service.Type.LOAD_BALANCER;
            case "ExternalName" -> Service.Type.EXTERNAL_NAME;
            default -> Service.Type.CLUSTER_IP;
        };
        boolean external = type == Service.Type.NODE_PORT || type == Service.Type.LOAD_BALANCER;
        Service.Builder b = Service.builder(meta.namespace(), meta.name()).type(type).labels(meta.labels()).annotations(meta.annotations());
        // an empty selector selects nothing, which is what an absent one does: the endpoints come from elsewhere
        spec.optional("selector").map(Meta::labels).filter(s -> !s.isEmpty()).ifPresent(b::selector);

        Optional<Tree> one = spec.optional("clusterIP").filter(t -> !(t.isString() && t.string().isEmpty()));
        List<Tree> all = spec.list("clusterIPs");
        boolean headless = one.isPresent() && one.get().isString() && one.get().string().equals("None")
                || !all.isEmpty() && all.get(0).isString() && all.get(0).string().equals("None");
        if (headless) {
            b.headless(true);
            if (external) spec.object().problem("a service of type " + typeText + " can't be headless");
            if (one.isPresent() && !one.get().string().equals("None") || all.size() > 1) {
                spec.object().problem("clusterIP and clusterIPs contradict each other");
            }
        } else {
            List<IpAddress> ips = new ArrayList<>(Values.addresses(all));
            one.flatMap(Values::address).ifPresent(ip -> {
                if (ips.isEmpty()) ips.add(ip);
                else if (!ips.get(0).equals(ip)) one.get().problem("must equal clusterIPs[0], " + ips.get(0));
            });
            if (ips.size() > 2 || ips.size() == 2 && ips.get(0).isV4() == ips.get(1).isV4()) {
                spec.object().problem("clusterIPs has at most one address of each family");
            }
            if (type == Service.Type.EXTERNAL_NAME && !ips.isEmpty()) spec.object().problem("a service of type ExternalName has no clusterIP");
            b.clusterIps(ips);
        }
        List<Service.Port> ports = ports(spec, external);
        if (ports.isEmpty() && !headless && type != Service.Type.EXTERNAL_NAME && spec.state("ports") != Fields.State.VALUE) {
            spec.required("ports");
            if (spec.state("ports") == Fields.State.EMPTY) spec.object().problem("ports must not be empty");
        }
        b.ports(ports);
        b.externalIps(Values.addresses(spec.list("externalIPs")));
        b.loadBalancerClass(spec.string("loadBalancerClass", ""));
        b.sourceRanges(Values.prefixes(spec.list("loadBalancerSourceRanges")));
        boolean sticky = spec.optional("sessionAffinity").map(t -> t.oneOf("None", "ClientIP")).orElse("None").equals("ClientIP");
        int timeout = Service.DEFAULT_AFFINITY_TIMEOUT;
        Optional<Tree> affinity = spec.optional("sessionAffinityConfig");
        if (affinity.isPresent()) {
            Fields config = affinity.get().fields();
            Optional<Tree> client = config.optional("clientIP");
            config.end();
            if (client.isPresent()) {
                Fields c = client.get().fields();
                timeout = c.integer("timeoutSeconds", 1, 86400, timeout);
                c.end();
            }
            if (!sticky) affinity.get().problem("is only allowed with sessionAffinity: ClientIP");
        }
        b.clientIpAffinity(sticky, timeout);
        b.externalTrafficPolicy(trafficPolicy(spec.optional("externalTrafficPolicy")));
        b.internalTrafficPolicy(trafficPolicy(spec.optional("internalTrafficPolicy")));
        b.healthCheckNodePort(spec.integer("healthCheckNodePort", 0, 65535, 0));
        b.publishNotReadyAddresses(spec.bool("publishNotReadyAddresses", false));
        b.allocateLoadBalancerNodePorts(spec.bool("allocateLoadBalancerNodePorts", true));
        b.trafficDistribution(spec.optional("trafficDistribution").map(t -> t.oneOf("PreferClose", "PreferSameZone", "PreferSameNode")).orElse(""));
        if (type == Service.Type.EXTERNAL_NAME) b.externalName(spec.required("externalName").nonEmpty());
        else spec.ignore("externalName");
        List<String> families = spec.list("ipFamilies").stream().map(t -> t.oneOf("IPv4", "IPv6")).toList();
        Optional<Tree> policy = spec.optional("ipFamilyPolicy");
        // as the API server completes it: two families ask for both
        boolean dual = policy.map(t -> t.oneOf("SingleStack", "PreferDualStack", "RequireDualStack")).orElse(families.size() > 1 ? "RequireDualStack" : "SingleStack")
                .endsWith("DualStack");
        if (families.size() > 2 || families.size() == 2 && families.get(0).equals(families.get(1))) spec.object().problem("ipFamilies names each family once");
        if (families.size() == 2 && !dual) policy.get().problem("SingleStack goes with one of ipFamilies");
        b.dualStack(dual);
        spec.ignore("loadBalancerIP").end();

        fields.optional("status").ifPresent(t -> {
            Fields status = t.fields();
            status.optional("loadBalancer").ifPresent(lb -> b.ingress(ingress(lb)));
            status.ignore("conditions").end();
        });
        return b.build();
    }

    private static List<Service.Port> ports(Fields spec, boolean external) {
        List<Service.Port> ports = new ArrayList<>();
        Set<String> names = new HashSet<>();
        Set<String> numbers = new HashSet<>();
        List<Tree> items = spec.list("ports");
        for (Tree item : items) {
            Fields f = item.fields();
            String name = f.string("name", "");
            if (items.size() > 1 && name.isEmpty()) f.required("name").nonEmpty();
            if (!names.add(name)) item.problem("the name \"" + name + "\" is given to two ports");
            int port = f.required("port").integer(1, 65535);
            Protocol protocol = Values.protocol(f.optional("protocol"));
            if (!numbers.add(port + "/" + protocol)) item.problem("port " + port + "/" + protocol + " is given twice");
            Optional<Tree> target = f.optional("targetPort");
            int targetPort = port;
            String targetName = "";
            if (target.isPresent() && target.get().isString()) {
                targetPort = 0;
                targetName = Values.portName(target.get());
            } else if (target.isPresent()) {
                targetPort = target.get().integer(0, 65535);
                if (targetPort == 0) targetPort = port;
            }
            int nodePort = f.integer("nodePort", 0, 65535, 0);
            if (nodePort != 0 && !external) item.problem("a nodePort needs a service of type NodePort or LoadBalancer");
            ports.add(new Service.Port(name, port, targetPort, targetName, protocol, nodePort, f.string("appProtocol", "")));
            f.end();
        }
        return ports;
    }

    private static Service.TrafficPolicy trafficPolicy(Optional<Tree> tree) {
        return tree.map(t -> t.oneOf("Cluster", "Local")).orElse("").equals("Local") ? Service.TrafficPolicy.LOCAL : Service.TrafficPolicy.CLUSTER;
    }

    private static List<Service.Ingress> ingress(Tree loadBalancer) {
        List<Service.Ingress> ingress = new ArrayList<>();
        Fields fields = loadBalancer.fields();
        for (Tree item : fields.list("ingress")) {
            Fields f = item.fields();
            boolean proxy = f.optional("ipMode").map(t -> t.oneOf("VIP", "Proxy")).orElse("VIP").equals("Proxy");
            f.optional("ip").flatMap(Values::address).ifPresent(ip -> ingress.add(new Service.Ingress(ip, proxy)));
            f.ignore("hostname", "ports").end();
        }
        fields.end();
        return ingress;
    }

    static EndpointSlice endpointSlice(Meta meta, Fields fields) {
        EndpointSlice.AddressType type = switch (fields.required("addressType").oneOf("IPv4", "IPv6", "FQDN")) {
            case "IPv6" -> EndpointSlice.AddressType.IPV6;
            case "FQDN" -> EndpointSlice.AddressType.FQDN;
            default -> EndpointSlice.AddressType.IPV4;
        };
        List<EndpointSlice.Port> ports = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (Tree item : fields.list("ports")) {
            Fields f = item.fields();
            String name = f.string("name", "");
            if (!names.add(name)) item.problem("the name \"" + name + "\" is given to two ports");
            ports.add(new EndpointSlice.Port(name, f.integer("port", 1, 65535, 0), Values.protocol(f.optional("protocol")),
                    f.string("appProtocol", "")));
            f.end();
        }
        List<EndpointSlice.Endpoint> endpoints = new ArrayList<>();
        for (Tree item : fields.list("endpoints")) endpoints.add(endpoint(meta, item, type));
        return new EndpointSlice(meta.namespace(), meta.name(), meta.labels().getOrDefault(EndpointSlice.SERVICE_LABEL, ""), type, meta.labels(),
                ports, endpoints);
    }

    private static EndpointSlice.Endpoint endpoint(Meta meta, Tree item, EndpointSlice.AddressType type) {
        Fields f = item.fields();
        Tree addressList = f.required("addresses");
        List<IpAddress> addresses = new ArrayList<>();
        if (addressList.isList() && addressList.list().isEmpty()) addressList.problem("must not be empty");
        for (Tree address : addressList.list()) {
            if (type == EndpointSlice.AddressType.FQDN) {
                address.nonEmpty();
                continue;
            }
            Values.address(address).ifPresent(ip -> {
                if (ip.isV4() != (type == EndpointSlice.AddressType.IPV4)) address.problem(ip + " is not of the slice's addressType");
                addresses.add(ip);
            });
        }
        boolean ready = true;
        boolean serving = true;
        boolean terminating = false;
        Optional<Tree> conditions = f.optional("conditions");
        if (conditions.isPresent()) {
            Fields c = conditions.get().fields();
            ready = c.bool("ready", true);
            serving = c.bool("serving", ready);
            terminating = c.bool("terminating", false);
            c.end();
        }
        Set<String> forZones = new LinkedHashSet<>();
        f.optional("hints").ifPresent(t -> {
            Fields hints = t.fields();
            for (Tree zone : hints.list("forZones")) {
                Fields z = zone.fields();
                forZones.add(z.required("name").nonEmpty());
                z.end();
            }
            hints.ignore("forNodes").end();
        });
        Optional<ObjectKey> pod = Optional.empty();
        Optional<Tree> ref = f.optional("targetRef");
        if (ref.isPresent()) {
            Fields r = ref.get().fields();
            String kind = r.string("kind", "");
            String namespace = r.string("namespace", meta.namespace());
            String name = r.string("name", "");
            if (kind.equals("Pod") && !name.isEmpty()) pod = Optional.of(new ObjectKey(namespace, name));
            r.ignore("apiVersion", "fieldPath", "resourceVersion", "uid").end();
        }
        String node = f.string("nodeName", "");
        String zone = f.string("zone", "");
        f.ignore("deprecatedTopology", "hostname").end();
        return new EndpointSlice.Endpoint(addresses, ready, serving, terminating, node, zone, forZones, pod);
    }
}
