package io.patchbay.netlink;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import io.patchbay.netlink.internal.Channel;
import io.patchbay.netlink.internal.Libc;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Request;
import io.patchbay.netlink.internal.Rt;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The TCP and UDP sockets of one network namespace (linux/sock_diag.h, linux/inet_diag.h): lists those that are connected, and ends
 * them. Every method throws {@link NetlinkException} when the kernel refuses. Requests are serialised. The owner closes it.
 */
public final class SocketDiag implements AutoCloseable {

    private static final int ID = 48;
    /** Bits of the states of linux/tcp_states.h in which a socket has a peer that it may still hear of. */
    private static final int CONNECTED = 1 << 1 /* ESTABLISHED */ | 1 << 2 /* SYN_SENT */ | 1 << 4 /* FIN_WAIT1 */ | 1 << 5 /* FIN_WAIT2 */
            | 1 << 8 /* CLOSE_WAIT */ | 1 << 9 /* LAST_ACK */ | 1 << 11 /* CLOSING */;

    private final Channel channel;
    private final String where;

    SocketDiag(Channel channel, String where) {
        this.channel = channel;
        this.where = where;
    }

    /**
     * Whether this kernel ends sockets when asked to (CONFIG_INET_DIAG_DESTROY): it is asked for one that does not exist.
     *
     * @param protocol TCP or UDP
     */
    public boolean canDestroy(Protocol protocol) {
        try {
            channel.change("end", "a socket of " + where, new Request(Rt.SOCK_DESTROY, 0).sockets(Libc.AF_INET, protocol.number(), -1, new byte[ID]));
            return true;
        } catch (NetlinkException e) {
            if (e.errno() == NetlinkException.ENOENT) {
                return true;
            }
            if (e.errno() == NetlinkException.EOPNOTSUPP) {
                return false;
            }
            throw e;
        }
    }

    /** Sockets with a peer, of both families. @param protocol TCP or UDP */
    public List<InetSocket> connected(Protocol protocol) {
        List<InetSocket> all = new ArrayList<>();
        for (int family : new int[] {Libc.AF_INET, Libc.AF_INET6}) {
            Request request = new Request(Rt.SOCK_DIAG_BY_FAMILY, 0).sockets(family, protocol.number(), CONNECTED, new byte[ID]);
            for (Reply r : channel.dump("list", protocol + " sockets of " + where, request)) {
                if (r.type() == Rt.SOCK_DIAG_BY_FAMILY && r.payload().length >= 4 + ID) {
                    all.add(socket(protocol, r));
                }
            }
        }
        return all;
    }

    /** struct inet_diag_msg: family, state, timer, retrans, then struct inet_diag_sockid: ports and addresses in network order, device, cookie. */
    private static InetSocket socket(Protocol protocol, Reply r) {
        byte[] id = Arrays.copyOfRange(r.payload(), 4, 4 + ID);
        ByteBuffer network = ByteBuffer.wrap(id);
        ByteBuffer host = ByteBuffer.wrap(id).order(ByteOrder.nativeOrder());
        boolean v6 = r.payload()[0] == Libc.AF_INET6;
        long cookie = host.getInt(40) & 0xffffffffL | (long) host.getInt(44) << 32;
        return new InetSocket(protocol, v6, address(id, 4, v6), network.getShort(0) & 0xffff, address(id, 20, v6), network.getShort(2) & 0xffff, cookie,
                new InetSocket.Id(id));
    }

    private static IpAddress address(byte[] id, int at, boolean v6) {
        return v6 ? IpAddress.ofBytes(Arrays.copyOfRange(id, at, at + 16)) : IpAddress.ofV4(ByteBuffer.wrap(id).getInt(at));
    }

    /**
     * Ends a socket: its owner's calls fail with ECONNABORTED, a TCP peer gets a reset. It is known by its cookie, so no other one that
     * has come to the same ports is meant.
     *
     * @return false when it is gone already
     */
    public boolean destroy(InetSocket socket) {
        try {
            channel.change("end", socket + " of " + where, new Request(Rt.SOCK_DESTROY, 0)
                    .sockets(socket.v6() ? Libc.AF_INET6 : Libc.AF_INET, socket.protocol().number(), -1, socket.id().bytes()));
            return true;
        } catch (NetlinkException e) {
            if (e.errno() == NetlinkException.ENOENT || e.errno() == NetlinkException.ESTALE) {
                return false;
            }
            throw e;
        }
    }

    @Override
    public void close() {
        channel.close();
    }
}
