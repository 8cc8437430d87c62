package io.patchbay.netlink;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;

/**
 * A connected TCP or UDP socket, as the kernel tells it. Addresses of an IPv6 socket that talks IPv4 are IPv4 ones.
 *
 * @param v6     a socket of the family IPv6, whatever it talks
 * @param cookie what {@code bpf_get_socket_cookie} returns for it; never used twice
 * @param id     the kernel's own words for it (struct inet_diag_sockid), for {@link SocketDiag#destroy}
 */
public record InetSocket(Protocol protocol, boolean v6, IpAddress local, int localPort, IpAddress remote, int remotePort, long cookie, Id id) {

    /** Opaque. */
    public static final class Id {
        private final byte[] bytes;

        Id(byte[] bytes) {
            this.bytes = bytes;
        }

        byte[] bytes() {
            return bytes;
        }
    }

    @Override
    public String toString() {
        return protocol + " " + local + ":" + localPort + " to " + remote + ":" + remotePort;
    }
}
