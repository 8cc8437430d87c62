package io.patchbay.servicelb.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;

/** Where an endpoint listens. */
record BackendAddress(IpAddress address, int port, Protocol protocol) implements Comparable<BackendAddress> {
    /** By hand: a hundred thousand of these are hashed several times while a node starts, before anything is compiled. */
    @Override
    public int hashCode() {
        long h = address.low() * 0x9E3779B97F4A7C15L + address.high() * 31 + (port << 3) + protocol.ordinal();
        return (int) (h ^ h >>> 32);
    }

    @Override
    public boolean equals(Object o) {
        return this == o || o instanceof BackendAddress b && port == b.port && protocol == b.protocol && address.low() == b.address.low()
                && address.high() == b.address.high();
    }

    @Override
    public int compareTo(BackendAddress o) {
        int c = address.compareTo(o.address);
        c = c != 0 ? c : Integer.compare(port, o.port);
        return c != 0 ? c : protocol.compareTo(o.protocol);
    }

    @Override
    public String toString() {
        return Texts.endpoint(address, port, protocol);
    }
}
