package io.patchbay.netlink;

import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Rt;

import java.nio.ByteBuffer;

/** Counters of a device, struct rtnl_link_stats64: packets, bytes, errors and drops since it was made. */
public record LinkStats(long rxPackets, long txPackets, long rxBytes, long txBytes, long rxErrors, long txErrors,
                        long rxDropped, long txDropped, long rxNoHandler) {

    private static final int NO_HANDLER = 23;

    static LinkStats of(Reply r) {
        ByteBuffer b = r.attributes(Link.FIXED).buffer(Rt.IFLA_STATS64);
        if (b == null || b.remaining() < 64) {
            throw new IllegalStateException("the kernel gave no 64-bit counters");
        }
        return new LinkStats(b.getLong(0), b.getLong(8), b.getLong(16), b.getLong(24), b.getLong(32), b.getLong(40),
                b.getLong(48), b.getLong(56), b.remaining() >= 8 * (NO_HANDLER + 1) ? b.getLong(8 * NO_HANDLER) : 0);
    }
}
