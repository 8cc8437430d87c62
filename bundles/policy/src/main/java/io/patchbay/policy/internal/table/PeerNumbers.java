package io.patchbay.policy.internal.table;

/** Number ranges of what can stand as the peer of an entry. */
public final class PeerNumbers {
    /** Identity of the node itself. */
    public static final int HOST = 1;
    /** Prefixes, local to the node: from 2^24. */
    public static final int CIDR_SCOPE = 1;
    /** Peer classes, local to the node; never an identity: from 3 * 2^24. */
    public static final int CLASS_SCOPE = 3;

    private PeerNumbers() {
    }
}
