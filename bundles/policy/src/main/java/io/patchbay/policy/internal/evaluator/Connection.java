package io.patchbay.policy.internal.evaluator;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;

/**
 * The first packet of a connection, after service translation.
 *
 * @param protocol IP protocol number
 * @param port     destination port; unused for ICMP
 * @param icmpType type of ICMP or ICMPv6
 * @param icmpCode its code
 */
public record Connection(IpAddress source, IpAddress destination, int protocol, int port, int icmpType, int icmpCode) {
    public static Connection port(IpAddress source, IpAddress destination, int protocol, int port) {
        return new Connection(source, destination, protocol, port, 0, 0);
    }

    public static Connection icmp(IpAddress source, IpAddress destination, int type, int code) {
        return new Connection(source, destination, source.isV4() ? 1 : 58, 0, type, code);
    }

    public boolean isIcmp() {
        return protocol == 1 || protocol == 58;
    }

    @Override
    public String toString() {
        return source + " -> " + destination + (isIcmp() ? " " + Protocol.text(protocol) + " type " + icmpType
                : ":" + port + "/" + Protocol.text(protocol));
    }
}
