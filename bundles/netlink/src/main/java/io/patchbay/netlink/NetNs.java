package io.patchbay.netlink;

import io.patchbay.netlink.internal.Channel;
import io.patchbay.netlink.internal.Libc;
import io.patchbay.netlink.internal.Rt;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;

/** An open network namespace: keeps it alive until closed. The owner closes it. */
public final class NetNs implements AutoCloseable {

    private static final Path OWN = Path.of("/proc/thread-self/ns/net");
    private static final int SOL_SOCKET = 1;
    private static final int SO_NETNS_COOKIE = 71;

    private final Path path;
    private final int fd;
    private boolean closed;

    private NetNs(Path path, int fd) {
        this.path = path;
        this.fd = fd;
    }

    /**
     * Opens the namespace that a file stands for.
     *
     * @throws NetlinkException when there is none
     */
    public static NetNs open(Path path) {
        int fd = Libc.C.open(path.toString(), Libc.O_RDONLY | Libc.O_CLOEXEC);
        if (fd < 0) {
            throw new NetlinkException("open", "network namespace " + path, Libc.errno(), null);
        }
        return new NetNs(path, fd);
    }

    /** The namespace of the calling thread. */
    public static NetNs own() {
        return open(OWN);
    }

    public Path path() {
        return path;
    }

    /** A new namespace without a name: it lives as long as this is open or something is in it. */
    public static NetNs create() {
        try {
            return NamespaceThread.apart(NetNs::own);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("create a network namespace", e);
        }
    }

    /** The descriptor, valid until {@link #close()}. */
    public int fd() {
        if (closed) {
            throw new IllegalStateException(path + " is closed");
        }
        return fd;
    }

    /** The inode number that {@code lsns} and {@code /proc/PID/ns/net} show; unique while the namespace lives. */
    public long inode() {
        try {
            return (Long) Files.getAttribute(Path.of("/proc/self/fd/" + fd()), "unix:ino");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What {@code bpf_get_netns_cookie} returns for sockets of this namespace; never used twice. */
    public long cookie() {
        return within("read cookie of", () -> {
            int s = Libc.C.socket(Libc.AF_INET, Libc.SOCK_DGRAM_CLOEXEC, 0);
            if (s < 0) {
                throw new NetlinkException("open socket in", path.toString(), Libc.errno(), null);
            }
            try {
                byte[] value = new byte[8];
                if (Libc.C.getsockopt(s, SOL_SOCKET, SO_NETNS_COOKIE, value, new int[] {8}) != 0) {
                    throw new NetlinkException("read cookie of", path.toString(), Libc.errno(), null);
                }
                return ByteBuffer.wrap(value).order(ByteOrder.nativeOrder()).getLong();
            } finally {
                Libc.C.close(s);
            }
        });
    }

    /** A new netlink socket in this namespace; it outlives this object. */
    public NetlinkSocket socket() {
        return within("open netlink socket in", () -> new NetlinkSocket(Channel.open(), path.toString()));
    }

    /** The TCP and UDP sockets of this namespace; it outlives this object, its owner closes it. */
    public SocketDiag sockets() {
        return within("open netlink socket in", () -> new SocketDiag(Channel.open(Rt.NETLINK_SOCK_DIAG), path.toString()));
    }

    Channel channel() {
        return within("open netlink socket in", Channel::open);
    }

    private <T> T within(String operation, Callable<T> work) {
        try {
            return NamespaceThread.call(this, work);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(operation + " " + path, e);
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            Libc.C.close(fd);
        }
    }

    @Override
    public String toString() {
        return path.toString();
    }
}
