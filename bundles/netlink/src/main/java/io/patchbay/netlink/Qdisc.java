package io.patchbay.netlink;

import io.patchbay.netlink.internal.Attributes;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Rt;

import java.nio.ByteBuffer;

/**
 * A queueing discipline as the kernel described it.
 *
 * @param linkIndex  device
 * @param kind       {@code tbf}, {@code fq}, {@code noqueue}, {@code clsact}, …
 * @param handle     major number in the upper 16 bits; 0 for one that the kernel put there by itself
 * @param parent     -1 for the root
 * @param tbf        its settings, null for other kinds
 * @param bytes      sent
 * @param packets    sent
 * @param drops      packets it dropped
 * @param overlimits times it held a packet back
 * @param backlog    bytes waiting now
 * @param queued     packets waiting now
 */
public record Qdisc(int linkIndex, String kind, int handle, int parent, Tbf tbf, long bytes, long packets, long drops,
                    long overlimits, long backlog, long queued) {

    static final int FIXED = 20;
    /** One tick of the packet scheduler, PSCHED_SHIFT of net/pkt_sched.h. */
    private static final int TICK_NS = 64;

    static Qdisc of(Reply r) {
        ByteBuffer f = r.fixed();
        Attributes a = r.attributes(FIXED);
        Attributes stats = a.nested(Rt.TCA_STATS2);
        ByteBuffer basic = stats.buffer(Rt.TCA_STATS_BASIC);
        ByteBuffer queue = stats.buffer(Rt.TCA_STATS_QUEUE);
        String kind = a.text(Rt.TCA_KIND);
        boolean b = basic != null && basic.remaining() >= 12;
        boolean q = queue != null && queue.remaining() >= 20;
        return new Qdisc(f.getInt(4), kind, f.getInt(8), f.getInt(12), "tbf".equals(kind) ? tbf(a.nested(Rt.TCA_OPTIONS)) : null,
                b ? basic.getLong(0) : 0, stats.u64(Rt.TCA_STATS_PKT64, b ? basic.getInt(8) & 0xffffffffL : 0),
                q ? queue.getInt(8) & 0xffffffffL : 0, q ? queue.getInt(16) & 0xffffffffL : 0, q ? queue.getInt(4) & 0xffffffffL : 0,
                q ? queue.getInt(0) & 0xffffffffL : 0);
    }

    private static Tbf tbf(Attributes a) {
        ByteBuffer p = a.buffer(Rt.TCA_TBF_PARMS);
        if (p == null || p.remaining() < 36) {
            return null;
        }
        long rate = a.u64(Rt.TCA_TBF_RATE64, p.getInt(8) & 0xffffffffL);
        long burst = Math.round((p.getInt(28) & 0xffffffffL) * (double) TICK_NS * rate / 1e9);
        return rate == 0 ? null : new Tbf(rate, (int) Math.max(1, burst), Math.max(1, p.getInt(24)));
    }

    public boolean isRoot() {
        return parent == Rt.TC_H_ROOT;
    }
}
