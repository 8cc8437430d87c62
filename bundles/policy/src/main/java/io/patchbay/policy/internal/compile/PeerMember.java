package io.patchbay.policy.internal.compile;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.model.PortName;
import java.util.Map;
import java.util.Optional;

/**
 * Something that a packet can carry as its peer: an identity or a peer class.
 *
 * @param number    what stands in the table: see {@link io.patchbay.policy.internal.table.PeerNumbers}
 * @param labels    of the identity; of a class, those of the identity it refines
 * @param cidr      for identities outside the cluster: the longest known prefix around the addresses that carry it ({@code reserved:world}: /0)
 * @param block     for classes: the longest block around the address
 * @param ports     for classes: the named ports of the pod that egress rules ask for
 * @param node      for classes: the labels of the node
 * @param peerClass whether this is a class
 */
public record PeerMember(int number, LabelSet labels, Optional<Prefix> cidr, Optional<Prefix> block, Map<PortName, Integer> ports,
        Optional<LabelSet> node, boolean peerClass) {
    public PeerMember {
        ports = Map.copyOf(ports);
    }

    public static PeerMember identity(int number, LabelSet labels) {
        return new PeerMember(number, labels, Optional.empty(), Optional.empty(), Map.of(), Optional.empty(), false);
    }

    public static PeerMember cidr(int number, LabelSet labels, Prefix prefix) {
        return new PeerMember(number, labels, Optional.of(prefix), Optional.empty(), Map.of(), Optional.empty(), false);
    }

    public static PeerMember peerClass(int number, LabelSet labels, Optional<Prefix> block, Map<PortName, Integer> ports,
            Optional<LabelSet> node) {
        return new PeerMember(number, labels, Optional.empty(), block, ports, node, true);
    }
}
