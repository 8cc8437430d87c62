package io.patchbay.policy.internal.compile;

import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.model.PortName;
import java.util.Set;

/**
 * What the rules need the ipcache to tell apart.
 *
 * @param prefixes each needs an identity of its own for the addresses outside the cluster that it is the longest prefix of
 * @param blocks   the same for the peer classes of pods and nodes (ipBlock)
 * @param ports    named ports that egress rules use: pods that have one need a peer class
 * @param nodes    whether rules tell nodes apart by their labels: each node's labels need a peer class
 */
public record AddressDemand(Set<Prefix> prefixes, Set<Prefix> blocks, Set<PortName> ports, boolean nodes) {
    public AddressDemand {
        prefixes = Set.copyOf(prefixes);
        blocks = Set.copyOf(blocks);
        ports = Set.copyOf(ports);
    }

    /** Whether any address needs a peer class. */
    public boolean classes() {
        return nodes || !blocks.isEmpty() || !ports.isEmpty();
    }
}
