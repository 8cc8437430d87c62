package io.patchbay.netlink;

import io.patchbay.netlink.internal.Channel;
import io.patchbay.netlink.internal.Libc;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Rt;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Consumer;

/**
 * Reports changes of the devices and addresses of a namespace, on a thread of its own, in the kernel's order. It listens
 * from the moment {@link #start} returns: who lists after that misses nothing. The owner closes it.
 */
public final class LinkMonitor implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(LinkMonitor.class);

    private final Channel channel;
    private final boolean removals;
    private final Consumer<LinkEvent> listener;
    private final int[] wake = new int[2];
    private final Thread thread;
    private volatile boolean closed;

    private LinkMonitor(Channel channel, String where, boolean removals, Consumer<LinkEvent> listener) {
        this.channel = channel;
        this.removals = removals;
        this.listener = listener;
        if (Libc.C.pipe2(wake, Libc.O_CLOEXEC | Libc.O_NONBLOCK) != 0) {
            throw new NetlinkException("open", "pipe", Libc.errno(), null);
        }
        thread = new Thread(this::run, "link-monitor " + where);
        thread.setDaemon(true);
    }

    /** In the calling thread's namespace. */
    public static LinkMonitor start(Consumer<LinkEvent> listener) {
        return start(Channel.open(), "own", false, listener);
    }

    /** Only what goes: devices, and traffic control's filters. For who is not concerned by the many changes that a device that comes makes. */
    public static LinkMonitor startRemovals(Consumer<LinkEvent> listener) {
        return start(Channel.open(), "own", true, listener);
    }

    /** In an open namespace, which may be closed afterwards. */
    public static LinkMonitor start(NetNs ns, Consumer<LinkEvent> listener) {
        return start(ns.channel(), ns.toString(), false, listener);
    }

    /** The same as {@link #startRemovals(Consumer)}, in an open namespace. */
    public static LinkMonitor startRemovals(NetNs ns, Consumer<LinkEvent> listener) {
        return start(ns.channel(), ns.toString(), true, listener);
    }

    private static LinkMonitor start(Channel channel, String where, boolean removals, Consumer<LinkEvent> listener) {
        try {
            channel.join(Rt.RTNLGRP_LINK);
            if (removals) {
                channel.join(Rt.RTNLGRP_TC);
            } else {
                channel.join(Rt.RTNLGRP_IPV4_IFADDR);
                channel.join(Rt.RTNLGRP_IPV6_IFADDR);
            }
            LinkMonitor m = new LinkMonitor(channel, where, removals, listener);
            m.thread.start();
            return m;
        } catch (RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private void run() {
        // two struct pollfd: int fd, short events, short revents
        ByteBuffer fds = ByteBuffer.allocate(16).order(ByteOrder.nativeOrder());
        fds.putInt(0, channel.fd()).putShort(4, (short) Libc.POLLIN);
        fds.putInt(8, wake[0]).putShort(12, (short) Libc.POLLIN);
        while (!closed) {
            fds.putShort(6, (short) 0).putShort(14, (short) 0);
            int n = Libc.C.poll(fds.array(), 2, -1);
            if (n > 0 && fds.getShort(14) != 0) {
                return;
            }
            if (n <= 0 || fds.getShort(6) == 0) {
                continue;
            }
            byte[] datagram;
            try {
                datagram = channel.receive();
            } catch (NetlinkException e) {
                LOG.error("link monitor ends: {}", e.getMessage());
                return;
            }
            if (datagram == null) {
                tell(new LinkEvent.Overrun());
                continue;
            }
            for (Reply r : Reply.split(datagram)) {
                LinkEvent e = event(r);
                if (e != null && !closed) {
                    tell(e);
                }
            }
        }
    }

    private LinkEvent event(Reply r) {
        return switch (r.type()) {
            // family 7 (bridge) repeats a port's state without the device's own attributes
            case Rt.RTM_NEWLINK -> !removals && r.fixed().get(0) == 0 ? new LinkEvent.Changed(Link.of(r)) : null;
            case Rt.RTM_DELLINK -> r.fixed().get(0) == 0 ? new LinkEvent.Removed(Link.of(r)) : null;
            case Rt.RTM_NEWADDR -> new LinkEvent.AddressAdded(IfAddress.of(r));
            case Rt.RTM_DELADDR -> new LinkEvent.AddressRemoved(IfAddress.of(r));
            // struct tcmsg: the device is behind four bytes of family and padding
            case Rt.RTM_DELTFILTER, Rt.RTM_DELQDISC -> new LinkEvent.FiltersRemoved(r.fixed().getInt(4));
            default -> null;
        };
    }

    private void tell(LinkEvent e) {
        try {
            listener.accept(e);
        } catch (RuntimeException x) {
            LOG.error("listener failed on {}", e, x);
        }
    }

    /** Ends the thread and waits for it, unless the listener itself closes. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        Libc.C.write(wake[1], new byte[1], 1);
        boolean interrupted = false;
        while (Thread.currentThread() != thread && thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        channel.close();
        Libc.C.close(wake[0]);
        Libc.C.close(wake[1]);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
