package io.patchbay.bandwidth.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.MacAddress;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.Qdisc;
import io.patchbay.netlink.Qdiscs;
import io.patchbay.netlink.Tbf;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Token buckets on a pod's devices: inside the pod for what it sends, so that its own sockets feel the queue instead of losing packets; on the
 * host's side for what it receives. Putting one on a device that is up can lose packets, changing its settings in place never does: a
 * limit that goes is therefore raised out of sight, not removed.
 */
final class Queues {
    private static final Logger LOG = LoggerFactory.getLogger(Queues.class);
    /** Faster than any device: 1 Tbit/s. */
    private static final Tbf UNLIMITED = new Tbf(125_000_000_000L, 256 << 20, 512 << 20);

    private final NetlinkSocket own;

    /** @param own socket of the node's namespace; stays the caller's */
    Queues(NetlinkSocket own) {
        this.own = own;
    }

    /** What the pod sends. @param rate null: no limit */
    void egress(Endpoint pod, Rate rate) {
        try (NetlinkSocket socket = NetlinkSocket.open(Path.of(pod.netns()))) {
            Link link = inside(socket, pod);
            apply(socket.qdiscs(), link, rate, pod.name() + " eth0");
        }
    }

    /** What the pod receives. @param rate null: no limit */
    void ingress(Endpoint pod, Rate rate) {
        apply(own.qdiscs(), own.links().get(pod.ifindex()), rate, pod.device());
    }

    private static Link inside(NetlinkSocket socket, Endpoint pod) {
        MacAddress mac = MacAddress.ofBytes(pod.mac());
        return socket.links().list().stream().filter(l -> mac.equals(l.mac())).findFirst()
                .orElseThrow(() -> new IllegalStateException("no device with address " + mac + " in the namespace of " + pod.name()));
    }

    private static void apply(Qdiscs qdiscs, Link link, Rate rate, String where) {
        Optional<Qdisc> ours = ours(qdiscs, link.index());
        if (ours.isEmpty()) {
            if (rate == null) return;
            if (link.isUp()) LOG.info("{}: a limit comes to a device that is up; packets under way at this moment may be lost", where);
            qdiscs.replaceRootTbf(link.index(), rate.bucket());
            return;
        }
        Tbf wanted = rate == null ? UNLIMITED : rate.bucket();
        // burst comes back rounded to ticks of the clock: the rate says whether it is the one
        if (ours.get().tbf() == null || ours.get().tbf().rate() != wanted.rate()) qdiscs.changeRootTbf(link.index(), wanted);
    }

    private static Optional<Qdisc> ours(Qdiscs qdiscs, int ifindex) {
        return qdiscs.root(ifindex).filter(q -> q.handle() == Qdiscs.HANDLE && q.kind().equals("tbf"));
    }

    /** The bucket that works on what a pod sends, as the kernel has it; empty: no limit is in force. */
    static Optional<Qdisc> inForce(Endpoint pod) {
        try (NetlinkSocket socket = NetlinkSocket.open(Path.of(pod.netns()))) {
            return ours(socket.qdiscs(), inside(socket, pod).index()).filter(Queues::limits);
        } catch (NetlinkException | IllegalStateException gone) {
            return Optional.empty();
        }
    }

    Optional<Qdisc> ingressInForce(Endpoint pod) {
        return ours(own.qdiscs(), pod.ifindex()).filter(Queues::limits);
    }

    private static boolean limits(Qdisc q) {
        return q.tbf() != null && q.tbf().rate() != UNLIMITED.rate();
    }
}
