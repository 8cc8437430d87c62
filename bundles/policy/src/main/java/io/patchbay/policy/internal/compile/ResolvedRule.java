package io.patchbay.policy.internal.compile;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.RuleOrigin;
import java.util.List;
import java.util.Set;

/**
 * A rule whose defaults, scopes, services and groups are worked out: what is left depends on identities and subjects only.
 *
 * @param host    the subject is a node
 * @param subject scoped
 * @param closes  directions that this rule closes for its subject
 */
record ResolvedRule(boolean host, LabelSelector subject, Set<Direction> closes, List<Grant> grants) {
    /**
     * What one element of a rule allows or denies.
     *
     * @param anyPeer peers doesn't count
     * @param ports   empty: everything
     */
    record Grant(Direction direction, boolean deny, RuleOrigin origin, boolean anyPeer, List<PeerSelector> peers, List<L4> ports) {
    }

    /** One block of ports (or an ICMP type), or one named port. */
    sealed interface L4 {
        record Block(int protocol, int port, int portBits) implements L4 {
        }

        record Named(PortName name) implements L4 {
        }
    }
}
