package io.patchbay.servicelb.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;

/** How addresses with ports are written. */
final class Texts {
    private Texts() {
    }

    static String endpoint(IpAddress address, int port, Protocol protocol) {
        return (address.isV4() ? address.toString() : "[" + address + "]") + ":" + port + "/" + protocol;
    }
}
