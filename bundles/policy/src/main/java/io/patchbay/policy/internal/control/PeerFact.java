package io.patchbay.policy.internal.control;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.policy.internal.model.PortName;
import java.util.Map;

/** What counts of an address inside the cluster: identity labels, and a pod's named ports. */
public record PeerFact(LabelSet labels, Map<PortName, Integer> ports) {
    public PeerFact {
        ports = Map.copyOf(ports);
    }
}
