package io.patchbay.policy.internal.table;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.net.Protocol;

/**
 * One entry of a policy table.
 *
 * @param peer     identity or peer class; 0 = any
 * @param protocol IP protocol number; 0 = any, and then portBits is 0
 * @param port     first port of the block, or the ICMP type; 0 where portBits is 0
 * @param portBits how many leading bits of the port count: 0 (any port) to 16 (this port)
 * @param cookie   which rule: see {@link Cookies}
 */
public record PolicyEntry(Direction direction, int peer, int protocol, int port, int portBits, boolean deny, int cookie) {
    public PolicyEntry {
        if (portBits < 0 || portBits > 16 || port < 0 || port > 65535 || (port & (0xffff >>> portBits)) != 0 && portBits < 16
                || protocol < 0 || protocol > 255 || protocol == 0 && (port != 0 || portBits != 0)) {
            throw new IllegalArgumentException("protocol " + protocol + " port " + port + "/" + portBits);
        }
    }

    @Override
    public String toString() {
        String l4 = protocol == 0 ? "any" : Protocol.text(protocol) + "/" + (portBits == 0 ? "any" : portBits == 16 ? "" + port
                : port + "-" + (port | 0xffff >>> portBits));
        return direction.text() + " " + (deny ? "deny " : "allow ") + (peer == 0 ? "any" : Integer.toString(peer)) + " " + l4;
    }
}
