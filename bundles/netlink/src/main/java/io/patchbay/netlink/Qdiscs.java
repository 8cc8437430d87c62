package io.patchbay.netlink;

import io.patchbay.netlink.internal.Channel;
import io.patchbay.netlink.internal.Request;
import io.patchbay.netlink.internal.Rt;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/** Queueing disciplines. Every method throws {@link NetlinkException} when the kernel refuses. */
public final class Qdiscs {

    /** The handle that our root disciplines carry, so that they are told from others' and changed in place. */
    public static final int HANDLE = 0x0b0b0000;

    private final Channel channel;

    Qdiscs(Channel channel) {
        this.channel = channel;
    }

    /** All of all devices. */
    public List<Qdisc> list() {
        return channel.dump("list", "qdiscs", new Request(Rt.RTM_GETQDISC, 0).traffic(0, 0, 0)).stream()
                .filter(r -> r.type() == Rt.RTM_NEWQDISC).map(Qdisc::of).toList();
    }

    /** All of one device. */
    public List<Qdisc> list(int linkIndex) {
        return channel.dump("list", "qdiscs", new Request(Rt.RTM_GETQDISC, 0).traffic(linkIndex, 0, 0)).stream()
                .filter(r -> r.type() == Rt.RTM_NEWQDISC).map(Qdisc::of).filter(q -> q.linkIndex() == linkIndex).toList();
    }

    /** The root discipline; empty where the device has none of its own (the kernel's {@code noqueue} counts as one). */
    public Optional<Qdisc> root(int linkIndex) {
        return list(linkIndex).stream().filter(Qdisc::isRoot).findFirst();
    }

    /** A token bucket as root, where there is none of ours. On a device that is up, packets waiting or under way may be lost. */
    public void addRootTbf(int linkIndex, Tbf t) {
        tbf("add", linkIndex, t, Rt.NLM_F_CREATE | Rt.NLM_F_EXCL);
    }

    /** A token bucket as root, whatever is there; in place, without loss, when that is one of ours. */
    public void replaceRootTbf(int linkIndex, Tbf t) {
        tbf("set", linkIndex, t, Rt.NLM_F_CREATE | Rt.NLM_F_REPLACE);
    }

    /** New settings of our token bucket, in place; ENOENT when the root is not ours. */
    public void changeRootTbf(int linkIndex, Tbf t) {
        tbf("change", linkIndex, t, 0);
    }

    private void tbf(String operation, int linkIndex, Tbf t, int flags) {
        Request r = new Request(Rt.RTM_NEWQDISC, flags).traffic(linkIndex, HANDLE, Rt.TC_H_ROOT).text(Rt.TCA_KIND, "tbf");
        int options = r.begin(Rt.TCA_OPTIONS);
        // struct tc_tbf_qopt: rate and peak rate (struct tc_ratespec), limit, buffer, mtu; the burst goes in bytes, by its own attribute
        ByteBuffer p = ByteBuffer.allocate(36).order(ByteOrder.nativeOrder());
        p.put(1, (byte) Rt.TC_LINKLAYER_ETHERNET);
        p.putInt(8, (int) Math.min(t.rate(), 0xffffffffL));
        p.putInt(24, t.limit());
        r.bytes(Rt.TCA_TBF_PARMS, p.array()).u32(Rt.TCA_TBF_BURST, t.burst());
        if (t.rate() > 0xffffffffL) {
            r.u64(Rt.TCA_TBF_RATE64, t.rate());
        }
        r.end(options);
        channel.change(operation, "tbf on link " + linkIndex, r);
    }

    /** A discipline as root that needs no settings, such as {@code fq}; ENOENT when the kernel has none of that kind. */
    public void replaceRoot(int linkIndex, String kind) {
        channel.change("set", kind + " on link " + linkIndex, new Request(Rt.RTM_NEWQDISC, Rt.NLM_F_CREATE | Rt.NLM_F_REPLACE)
                .traffic(linkIndex, HANDLE, Rt.TC_H_ROOT).text(Rt.TCA_KIND, kind));
    }

    /** One that needs no settings, in place of the one at a queue of an mq. @param parent of that one, as it is listed */
    public void replace(int linkIndex, int parent, String kind) {
        channel.change("set", kind + " at " + Integer.toHexString(parent) + " of link " + linkIndex,
                new Request(Rt.RTM_NEWQDISC, Rt.NLM_F_CREATE | Rt.NLM_F_REPLACE).traffic(linkIndex, 0, parent).text(Rt.TCA_KIND, kind));
    }

    /** Back to the kernel's default; ENOENT when it is there already. */
    public void deleteRoot(int linkIndex) {
        channel.change("delete", "root qdisc of link " + linkIndex,
                new Request(Rt.RTM_DELQDISC, 0).traffic(linkIndex, 0, Rt.TC_H_ROOT));
    }

    /** Whether filters can be attached at its ingress and egress. */
    public boolean hasClsact(int linkIndex) {
        return list(linkIndex).stream().anyMatch(q -> "clsact".equals(q.kind()));
    }

    /** The filters at one side of a device's clsact, in the order in which they run; none where there is no clsact. */
    public List<Filter> filters(int linkIndex, boolean ingress) {
        // A priority stands in the list with handle 0 before its filters.
        return channel.dump("list", "filters of link " + linkIndex,
                new Request(Rt.RTM_GETTFILTER, 0).traffic(linkIndex, 0, ingress ? Rt.CLSACT_INGRESS : Rt.CLSACT_EGRESS)).stream()
                .filter(r -> r.type() == Rt.RTM_NEWTFILTER).map(r -> Filter.of(r, ingress)).filter(f -> f.linkIndex() == linkIndex && f.handle() != 0).toList();
    }

    /** EEXIST when it is there. */
    public void addClsact(int linkIndex) {
        channel.change("add", "clsact on link " + linkIndex, new Request(Rt.RTM_NEWQDISC, Rt.NLM_F_CREATE | Rt.NLM_F_EXCL)
                .traffic(linkIndex, Rt.CLSACT_HANDLE, Rt.TC_H_CLSACT).text(Rt.TCA_KIND, "clsact"));
    }

    /** With all filters on it, others' too; ENOENT when there is none. */
    public void deleteClsact(int linkIndex) {
        channel.change("delete", "clsact on link " + linkIndex, new Request(Rt.RTM_DELQDISC, 0)
                .traffic(linkIndex, Rt.CLSACT_HANDLE, Rt.TC_H_CLSACT).text(Rt.TCA_KIND, "clsact"));
    }
}
