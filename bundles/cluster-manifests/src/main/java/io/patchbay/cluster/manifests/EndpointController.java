package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.net.IpAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Makes endpoint slices of services and pods, as kube-controller-manager does: one slice a family and set of resolved ports (a port's name can
 * mean different numbers in different pods). Pure.
 */
final class EndpointController {
    private final Map<String, Map<Map.Entry<String, String>, List<Pod>>> byLabel = new HashMap<>();
    private final Map<String, Node> nodes;

    /** @param pods in the order in which endpoints shall be listed */
    EndpointController(Collection<Pod> pods, Map<String, Node> nodes) {
        this.nodes = nodes;
        for (Pod pod : pods) {
            if (pod.nodeName().isEmpty() || pod.ips().isEmpty() || pod.phase().isEnded()) continue;
            Map<Map.Entry<String, String>, List<Pod>> labels = byLabel.computeIfAbsent(pod.namespace(), n -> new HashMap<>());
            for (Map.Entry<String, String> label : pod.labels().entrySet()) labels.computeIfAbsent(label, l -> new ArrayList<>()).add(pod);
        }
    }

    /** Of a service with a selector. */
    List<EndpointSlice> slices(Service service) {
        boolean headless = service.clusterIps().isEmpty();
        List<EndpointSlice> slices = new ArrayList<>();
        for (boolean v4 : new boolean[] {true, false}) {
            boolean wanted = headless ? v4 : service.clusterIps().stream().anyMatch(ip -> ip.isV4() == v4);
            Map<List<EndpointSlice.Port>, List<EndpointSlice.Endpoint>> groups = new LinkedHashMap<>();
            for (Pod pod : matching(service)) {
                Optional<IpAddress> ip = pod.ips().stream().filter(a -> a.isV4() == v4).findFirst();
                if (ip.isEmpty()) continue;
                wanted = true;
                groups.computeIfAbsent(ports(service, pod), p -> new ArrayList<>()).add(endpoint(service, pod, ip.get()));
            }
            if (!wanted || !headless && service.clusterIps().stream().noneMatch(ip -> ip.isV4() == v4)) continue;
            if (groups.isEmpty()) groups.put(List.of(), List.of());
            int n = 0;
            for (Map.Entry<List<EndpointSlice.Port>, List<EndpointSlice.Endpoint>> group : groups.entrySet()) {
                String name = service.name() + (v4 ? "-v4-" : "-v6-") + n++;
                Map<String, String> labels = new HashMap<>(service.labels());
                labels.put(EndpointSlice.SERVICE_LABEL, service.name());
                labels.put("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io");
                if (headless) labels.put("service.kubernetes.io/headless", "");
                slices.add(new EndpointSlice(service.namespace(), name, service.name(),
                        v4 ? EndpointSlice.AddressType.IPV4 : EndpointSlice.AddressType.IPV6, labels, group.getKey(), group.getValue()));
            }
        }
        return slices;
    }

    private List<Pod> matching(Service service) {
        Map<String, String> selector = service.selector().orElseThrow();
        Map<Map.Entry<String, String>, List<Pod>> labels = byLabel.getOrDefault(service.namespace(), Map.of());
        List<Pod> fewest = null;
        for (Map.Entry<String, String> label : selector.entrySet()) {
            List<Pod> pods = labels.getOrDefault(Map.entry(label.getKey(), label.getValue()), List.of());
            if (fewest == null || pods.size() < fewest.size()) fewest = pods;
        }
        if (fewest == null) return List.of();
        return fewest.stream().filter(p -> p.labels().entrySet().containsAll(selector.entrySet())).toList();
    }

    private static List<EndpointSlice.Port> ports(Service service, Pod pod) {
        List<EndpointSlice.Port> ports = new ArrayList<>();
        for (Service.Port port : service.ports()) {
            int number = port.targetPort();
            if (!port.targetName().isEmpty()) {
                number = pod.ports().stream().filter(p -> p.name().equals(port.targetName()) && p.protocol() == port.protocol())
                        .mapToInt(Pod.Port::number).findFirst().orElse(0);
            }
            // a pod that doesn't have the named port doesn't serve this port of the service
            if (number != 0) ports.add(new EndpointSlice.Port(port.name(), number, port.protocol(), port.appProtocol()));
        }
        return ports;
    }

    private EndpointSlice.Endpoint endpoint(Service service, Pod pod, IpAddress ip) {
        boolean serving = pod.ready();
        boolean ready = service.publishNotReadyAddresses() || serving && !pod.terminating();
        Node node = nodes.get(pod.nodeName());
        String zone = node == null ? "" : node.zone();
        // KEP-4444: with trafficDistribution an endpoint is for those of its own zone (those of its node are told by its node's name).
        Set<String> forZones = service.trafficDistribution().isEmpty() || zone.isEmpty() ? Set.of() : Set.of(zone);
        return new EndpointSlice.Endpoint(List.of(ip), ready, serving, pod.terminating(), pod.nodeName(), zone, forZones, Optional.of(pod.key()));
    }
}
