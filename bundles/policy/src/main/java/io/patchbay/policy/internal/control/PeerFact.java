package io.patchbay.policy.internal.control;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.policy.internal.model.PortName;
import java.util.Map;
import java.util.Optional;

/**
 * What counts of an address inside the cluster.
 *
 * @param labels of its identity
 * @param ports  a pod's named ports
 * @param node   of a node's address: the node's own labels
 */
public record PeerFact(LabelSet labels, Map<PortName, Integer> ports, Optional<LabelSet> node) {
    public PeerFact {
        ports = Map.copyOf(ports);
    }

    public PeerFact(LabelSet labels, Map<PortName, Integer> ports) {
        this(labels, ports, Optional.empty());
    }
}
