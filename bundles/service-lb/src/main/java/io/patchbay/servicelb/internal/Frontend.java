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

    // By hand, as other keys (LbKey).
    @Override
    public int hashCode() {
        long h = address.low() * 0x9E3779B97F4A7C15L + address.high() * 31 + (port << 3) + (protocol.ordinal() << 1) + (inside ? 1 : 0);
        return (int) (h ^ h >>> 32);
    }

    @Override
    public boolean equals(Object o) {
        return this == o || o instanceof Frontend f && port == f.port && inside == f.inside && protocol == f.protocol && address.low() == f.address.low()
                && address.high() == f.address.high();
    }

    /** {@code 10.96.0.10:53/UDP}, {@code [fd00::1]:80/TCP}, {@code 172.18.0.11:30080/TCP/i} for clients inside. */
    @Override
    public String toString() {
        return Texts.endpoint(address, port, protocol) + (inside ? "/i" : "");
    }
}
