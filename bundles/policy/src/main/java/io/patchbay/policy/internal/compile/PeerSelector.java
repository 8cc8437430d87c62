package io.patchbay.policy.internal.compile;

import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.net.Prefix;
import java.util.List;

/** A peer of a rule in its final form: scoped, services and groups resolved. Equal selectors are evaluated once. */
public sealed interface PeerSelector {
    /** Whether entries that name the peer by number go to this member. */
    boolean selects(PeerMember member);

    /** Whether named ports of this member are meant by an egress rule. */
    boolean selectsForNamedPort(PeerMember member);

    /** Identities by label. */
    record ByLabels(LabelSelector selector) implements PeerSelector {
        @Override
        public boolean selects(PeerMember member) {
            return !member.peerClass() && selector.matches(member.labels());
        }

        @Override
        public boolean selectsForNamedPort(PeerMember member) {
            return member.peerClass() && !member.ports().isEmpty() && selector.matches(member.labels());
        }
    }

    /** Other nodes by their own labels, which no identity has: peer classes. */
    record ByNode(LabelSelector selector) implements PeerSelector {
        @Override
        public boolean selects(PeerMember member) {
            return member.node().isPresent() && member.labels().isReserved("remote-node") && selector.matches(member.node().get());
        }

        @Override
        public boolean selectsForNamedPort(PeerMember member) {
            return false; // a node has no named ports
        }
    }

    /**
     * Addresses.
     *
     * @param everyone pods and nodes too (ipBlock of the Kubernetes specification)
     */
    record ByPrefix(Prefix cidr, List<Prefix> except, boolean everyone) implements PeerSelector {
        public ByPrefix {
            except = except.stream().filter(cidr::contains).sorted().distinct().toList();
        }

        @Override
        public boolean selects(PeerMember member) {
            if (member.cidr().isPresent()) return covers(member.cidr().get());
            return everyone && member.block().isPresent() && covers(member.block().get());
        }

        @Override
        public boolean selectsForNamedPort(PeerMember member) {
            return member.peerClass() && !member.ports().isEmpty() && selects(member);
        }

        private boolean covers(Prefix prefix) {
            if (!cidr.contains(prefix)) return false;
            for (Prefix e : except) if (e.contains(prefix)) return false;
            return true;
        }
    }
}
