package io.patchbay.servicelb.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;

/** What a client asks for: an address and port that stand for a service. */
record Frontend(IpAddress address, int port, Protocol protocol) implements LbKey {
    /** {@code 10.96.0.10:53/UDP}, {@code [fd00::1]:80/TCP}. */
    @Override
    public String toString() {
        return Texts.endpoint(address, port, protocol);
    }
}
