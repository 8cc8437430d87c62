package io.patchbay.api.cluster.policy;

/**
 * One ICMP type, with every code.
 *
 * @param v6   ICMPv6 instead of ICMP
 * @param type 0-255; 0 is that type only
 */
public record IcmpMatch(boolean v6, int type) {
    public IcmpMatch {
        if (type < 0 || type > 255) throw new IllegalArgumentException("ICMP type " + type);
    }

    /** The IP protocol number: 1 or 58. */
    public int protocol() {
        return v6 ? 58 : 1;
    }

    @Override
    public String toString() {
        return (v6 ? "ICMPv6/" : "ICMP/") + type;
    }
}
