package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.net.IpAddress;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.Values;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a service was given that its manifest leaves open.
 *
 * @param nodePorts by port name and protocol, as in {@code http/TCP}
 */
record ServiceRecord(ObjectKey key, List<IpAddress> clusterIps, Map<String, Integer> nodePorts, int healthCheckNodePort) {
    static ServiceRecord read(Fields f) {
        Map<String, Integer> ports = new LinkedHashMap<>();
        f.optional("nodePorts").ifPresent(t -> t.entries().forEach((k, v) -> ports.put(k, v.integer(1, 65535))));
        ServiceRecord record = new ServiceRecord(new ObjectKey(f.required("namespace").nonEmpty(), f.required("name").nonEmpty()),
                Values.addresses(f.list("clusterIPs")), ports, f.integer("healthCheckNodePort", 0, 65535, 0));
        f.end();
        return record;
    }

    static ServiceRecord empty(ObjectKey key) {
        return new ServiceRecord(key, List.of(), Map.of(), 0);
    }

    static String portKey(Service.Port port) {
        return port.name() + "/" + port.protocol();
    }

    Map<String, Object> toMap() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("namespace", key.namespace());
        m.put("name", key.name());
        m.put("clusterIPs", clusterIps.stream().map(IpAddress::toString).toList());
        m.put("nodePorts", new TreeMap<>(nodePorts));
        m.put("healthCheckNodePort", healthCheckNodePort);
        return m;
    }

    /** The service with what it was given put in where its manifest says nothing. */
    Service complete(Service service) {
        Service.Builder b = service.toBuilder();
        if (service.clusterIps().isEmpty() && !service.headless()) b.clusterIps(clusterIps);
        b.ports(service.ports().stream().map(p -> p.nodePort() != 0 ? p : p.withNodePort(nodePorts.getOrDefault(portKey(p), 0))).toList());
        if (service.healthCheckNodePort() == 0) b.healthCheckNodePort(healthCheckNodePort);
        return b.build();
    }
}
