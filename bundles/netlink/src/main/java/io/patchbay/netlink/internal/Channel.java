package io.patchbay.netlink.internal;

import io.patchbay.netlink.NetlinkException;
import jnr.ffi.Memory;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import jnr.ffi.byref.PointerByReference;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * A netlink socket with request and answer. It belongs to the network namespace of the thread that opens it.
 * Requests are serialised; a datagram is read by one thread at a time.
 */
public final class Channel implements AutoCloseable {

    private static final int BUFFER = 1 << 20;
    private static final int DUMP_TRIES = 10;

    private final Pointer socket;
    private final int fd;
    private final Pointer peer = Memory.allocateDirect(Runtime.getRuntime(LibNl.NL), 16);
    private int sequence;
    private boolean closed;

    private Channel(Pointer socket) {
        this.socket = socket;
        this.fd = LibNl.NL.nl_socket_get_fd(socket);
    }

    /** Opens a route socket in the calling thread's network namespace. */
    public static Channel open() {
        return open(Rt.NETLINK_ROUTE);
    }

    /** Opens a socket of a netlink family, {@code Rt.NETLINK_*}, in the calling thread's network namespace. */
    public static Channel open(int family) {
        Pointer s = LibNl.NL.nl_socket_alloc();
        if (s == null) {
            throw new NetlinkException("open", "netlink socket", NetlinkException.ENOMEM, null);
        }
        int r = LibNl.NL.nl_connect(s, family);
        if (r < 0) {
            LibNl.NL.nl_socket_free(s);
            throw failure("open", "netlink socket", r);
        }
        LibNl.NL.nl_socket_set_buffer_size(s, BUFFER, BUFFER);
        Channel c = new Channel(s);
        byte[] one = ByteBuffer.allocate(4).order(ByteOrder.nativeOrder()).putInt(1).array();
        // older kernels have neither; then there is the number without the kernel's explanation
        Libc.C.setsockopt(c.fd, Rt.SOL_NETLINK, Rt.NETLINK_EXT_ACK, one, one.length);
        Libc.C.setsockopt(c.fd, Rt.SOL_NETLINK, Rt.NETLINK_CAP_ACK, one, one.length);
        return c;
    }

    private static NetlinkException failure(String operation, String object, int libnl) {
        return new NetlinkException(operation, object, 0, LibNl.NL.nl_geterror(libnl));
    }

    /** Its descriptor, for poll. */
    public int fd() {
        return fd;
    }

    public void join(int group) {
        int r = LibNl.NL.nl_socket_add_membership(socket, group);
        if (r < 0) {
            throw failure("join", "netlink group " + group, r);
        }
    }

    /** Sends a change and waits for its acknowledgement. */
    public void change(String operation, String object, Request request) {
        exchange(operation, object, request, Rt.NLM_F_ACK);
    }

    /** Asks for one object: what came before the acknowledgement. */
    public List<Reply> get(String operation, String object, Request request) {
        return exchange(operation, object, request, Rt.NLM_F_ACK);
    }

    /** Asks for all objects; asks again when the kernel's table changed under the answer. */
    public List<Reply> dump(String operation, String object, Request request) {
        for (int i = 1;; i++) {
            List<Reply> all = exchange(operation, object, request, Rt.NLM_F_DUMP);
            if (i == DUMP_TRIES || all.stream().noneMatch(r -> (r.flags() & Rt.NLM_F_DUMP_INTR) != 0)) {
                return all;
            }
        }
    }

    private synchronized List<Reply> exchange(String operation, String object, Request request, int flags) {
        if (closed) {
            throw new IllegalStateException("netlink socket is closed");
        }
        int mine = ++sequence;
        byte[] message = request.finish(mine, flags);
        int sent = LibNl.NL.nl_sendto(socket, message, message.length);
        if (sent < 0) {
            throw failure(operation, object, sent);
        }
        List<Reply> answer = new ArrayList<>();
        while (true) {
            byte[] datagram = receive();
            if (datagram == null) {
                throw new NetlinkException(operation, object, NetlinkException.ENOBUFS, null);
            }
            for (Reply r : Reply.split(datagram)) {
                if (r.sequence() != mine) {
                    continue;
                }
                if (r.type() == Rt.NLMSG_ERROR || r.type() == Rt.NLMSG_DONE) {
                    int error = r.payload().length < 4 ? 0 : r.fixed().getInt(0);
                    if (error < 0) {
                        throw new NetlinkException(operation, object, -error, explanation(r));
                    }
                    return answer;
                }
                answer.add(r);
            }
        }
    }

    /** The kernel's own words about a refusal, or null. */
    private static String explanation(Reply r) {
        if (r.type() != Rt.NLMSG_ERROR || (r.flags() & Rt.NLM_F_ACK_TLVS) == 0 || r.payload().length < 20) {
            return null;
        }
        int original = (r.flags() & Rt.NLM_F_CAPPED) != 0 ? 16 : r.fixed().getInt(4);
        int from = 4 + (original + 3 & ~3);
        return from >= r.payload().length ? null
                : Attributes.read(r.payload(), from, r.payload().length).text(Rt.NLMSGERR_ATTR_MSG);
    }

    /** The next datagram; null when the kernel dropped some for want of room. Blocks. */
    public byte[] receive() {
        PointerByReference at = new PointerByReference();
        while (true) {
            int n = LibNl.NL.nl_recv(socket, peer, at, null);
            if (n > 0) {
                Pointer p = at.getValue();
                byte[] data = new byte[n];
                p.get(0, data, 0, n);
                Libc.C.free(p);
                return data;
            }
            if (n == -LibNl.NLE_NOMEM) {
                return null;
            }
            if (n < 0 && n != -LibNl.NLE_INTR && n != -LibNl.NLE_AGAIN) {
                throw failure("receive", "netlink socket", n);
            }
        }
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            LibNl.NL.nl_socket_free(socket);
        }
    }
}
