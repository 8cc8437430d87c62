package io.patchbay.api.cluster;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.List;
import java.util.Map;

/**
 * A node.
 *
 * @param internalIps the addresses other nodes reach it by, the preferred one first
 * @param podCidrs    what its pods' addresses come from; empty until assigned
 */
public record Node(String name, Map<String, String> labels, Map<String, String> annotations, List<IpAddress> internalIps, List<Prefix> podCidrs) {
    /** Label: the zone, for topology-aware services. */
    public static final String ZONE_LABEL = "topology.kubernetes.io/zone";

    public Node {
        labels = Map.copyOf(labels);
        annotations = Map.copyOf(annotations);
        internalIps = List.copyOf(internalIps);
        podCidrs = List.copyOf(podCidrs);
    }

    /** "" if unknown. */
    public String zone() {
        return labels.getOrDefault(ZONE_LABEL, "");
    }
}
