package io.patchbay.servicelb.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;

/**
 * Where an endpoint listens. The address lies in here as it is, not as an object: there are hundreds of thousands of these.
 *
 * @param high as {@link IpAddress#high}
 * @param low  as {@link IpAddress#low}
 */
record BackendAddress(long high, long low, int port, Protocol protocol) implements Comparable<BackendAddress> {
    BackendAddress(IpAddress address, int port, Protocol protocol) {
        this(address.high(), address.low(), port, protocol);
    }

    IpAddress address() {
        return new IpAddress(high, low);
    }

    /** By hand: a hundred thousand of these are hashed several times while a node starts, before anything is compiled. */
    @Override
    public int hashCode() {
        long h = low * 0x9E3779B97F4A7C15L + high * 31 + (port << 3) + protocol.ordinal();
        return (int) (h ^ h >>> 32);
    }

    @Override
    public boolean equals(Object o) {
        return this == o || o instanceof BackendAddress b && port == b.port && protocol == b.protocol && low == b.low && high == b.high;
    }

    @Override
    public int compareTo(BackendAddress o) {
        int c = Long.compareUnsigned(high, o.high);
        c = c != 0 ? c : Long.compareUnsigned(low, o.low);
        c = c != 0 ? c : Integer.compare(port, o.port);
        return c != 0 ? c : protocol.compareTo(o.protocol);
    }

    @Override
    public String toString() {
        return Texts.endpoint(address(), port, protocol);
    }
}
