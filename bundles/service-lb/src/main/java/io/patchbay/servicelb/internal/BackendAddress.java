package io.patchbay.servicelb.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;

/** Where an endpoint listens. */
record BackendAddress(IpAddress address, int port, Protocol protocol) implements Comparable<BackendAddress> {
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
