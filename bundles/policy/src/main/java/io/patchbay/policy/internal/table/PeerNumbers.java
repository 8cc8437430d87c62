package io.patchbay.policy.internal.table;

/** Number ranges of what can stand as the peer of an entry. */
public final class PeerNumbers {
    /** Identity of the node itself. */
    public static final int HOST = 1;
    /** Identities of pods, the same on every node. */
    public static final int FIRST_POD = 256;
    public static final int LAST_POD = 65535;
    /** Prefixes, local to the node: from 2^24. */
    public static final int CIDR_SCOPE = 1;
    /** Peer classes, local to the node; never an identity: from 3 * 2^24. */
    public static final int CLASS_SCOPE = 3;

    private PeerNumbers() {
    }
}
