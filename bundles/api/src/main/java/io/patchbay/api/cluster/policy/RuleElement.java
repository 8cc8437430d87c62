package io.patchbay.api.cluster.policy;

import java.util.List;
import java.util.Optional;

/**
 * One item of a section: peers and what may be exchanged with them.
 *
 * @param peers absent if no peer field was written; an empty list if one was written as {@code []}. (In a NetworkPolicy the two mean the same, in
 *              the other kinds they are opposites.)
 * @param ports absent if {@code toPorts} or {@code ports} wasn't written. The ports of all items of {@code toPorts}, whose union is meant
 * @param icmps absent if {@code icmps} wasn't written; never present together with ports
 */
public record RuleElement(Optional<List<Peer>> peers, Optional<List<PortMatch>> ports, Optional<List<IcmpMatch>> icmps) {
    public RuleElement {
        peers = peers.map(List::copyOf);
        ports = ports.map(List::copyOf);
        icmps = icmps.map(List::copyOf);
        if (ports.isPresent() && icmps.isPresent()) throw new IllegalArgumentException("ports together with icmps");
    }
}
