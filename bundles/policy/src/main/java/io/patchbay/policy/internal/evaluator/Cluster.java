package io.patchbay.policy.internal.evaluator;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.ServiceFacts;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A cluster as the evaluator sees it.
 *
 * @param apiServers addresses of the Kubernetes API server that are outside the cluster
 * @param dualStack  whether both families are on: the world is then told apart by family
 */
public record Cluster(List<Pod> pods, List<Node> nodes, List<ServiceFacts> services, Set<IpAddress> apiServers, boolean dualStack) {
    /**
     * An endpoint with an identity of its own (not hostNetwork).
     *
     * @param labels its identity labels
     * @param ports  its named container ports
     */
    public record Pod(String name, LabelSet labels, List<IpAddress> addresses, String node, Map<PortName, Integer> ports) {
    }

    /**
     * A node.
     *
     * @param labels    node labels, any source
     * @param apiServer whether it hosts the Kubernetes API server
     */
    public record Node(String name, LabelSet labels, List<IpAddress> addresses, boolean apiServer) {
    }

    public Cluster {
        pods = List.copyOf(pods);
        nodes = List.copyOf(nodes);
        services = List.copyOf(services);
        apiServers = Set.copyOf(apiServers);
    }
}
