package io.patchbay.servicelb.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;

/**
 * What a client asks for: an address and port that stand for a service.
 *
 * @param inside for clients inside the cluster alone, where they are told apart from others
 */
record Frontend(IpAddress address, int port, Protocol protocol, boolean inside) implements LbKey {
    Frontend(IpAddress address, int port, Protocol protocol) {
        this(address, port, protocol, false);
    }

    /** {@code 10.96.0.10:53/UDP}, {@code [fd00::1]:80/TCP}, {@code 172.18.0.11:30080/TCP/i} for clients inside. */
    @Override
    public String toString() {
        return Texts.endpoint(address, port, protocol) + (inside ? "/i" : "");
    }
}
