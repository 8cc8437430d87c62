package io.patchbay.bandwidth.internal;

import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.Qdisc;
import java.util.List;
import java.util.Optional;

/**
 * The discipline that keeps departure times on the node's devices. A device with several queues has an mq as root, which keeps
 * none itself: there each queue has to have it.
 */
final class Pacing {
    /** The only discipline of the kernel that keeps them. */
    static final String FQ = "fq";
    private static final String MQ = "mq";

    private final NetlinkSocket netlink;
    private final String kind;

    /** @param netlink socket of the node's namespace; stays the caller's */
    Pacing(NetlinkSocket netlink, String kind) {
        this.netlink = netlink;
        this.kind = kind;
    }

    /** Puts it where it isn't. @return what was there instead; empty: nothing had to be done */
    Optional<String> ensure(int ifindex) {
        List<Qdisc> all = netlink.qdiscs().list(ifindex);
        if (isComplete(all)) return Optional.empty();
        Qdisc root = root(all).orElse(null);
        if (root == null || !root.kind().equals(MQ)) {
            netlink.qdiscs().replaceRoot(ifindex, kind);
            return Optional.of(root == null ? "no queue" : root.kind());
        }
        if (root.handle() == 0) {
            // The kernel's own: its queues can't be named before it has a handle.
            netlink.qdiscs().replaceRoot(ifindex, MQ);
            all = netlink.qdiscs().list(ifindex);
            root = root(all).orElse(root);
        }
        String before = "";
        for (Qdisc q : queues(all, root)) {
            if (q.kind().equals(kind)) continue;
            before = q.kind();
            netlink.qdiscs().replace(ifindex, q.parent(), kind);
        }
        return Optional.of(MQ + " of " + (before.isEmpty() ? "none" : before));
    }

    /** Whether departure times are kept on all ways out of the device. */
    boolean isInForce(int ifindex) {
        return isComplete(netlink.qdiscs().list(ifindex));
    }

    private boolean isComplete(List<Qdisc> all) {
        return root(all).map(r -> {
            if (!r.kind().equals(MQ)) return r.kind().equals(kind);
            List<Qdisc> queues = queues(all, r);
            return !queues.isEmpty() && queues.stream().allMatch(q -> q.kind().equals(kind));
        }).orElse(false);
    }

    private static Optional<Qdisc> root(List<Qdisc> all) {
        return all.stream().filter(Qdisc::isRoot).findFirst();
    }

    private static List<Qdisc> queues(List<Qdisc> all, Qdisc root) {
        return all.stream().filter(q -> !q.isRoot() && q.parent() >>> 16 == root.handle() >>> 16 && !q.kind().equals("clsact") && !q.kind().equals("ingress")).toList();
    }
}
