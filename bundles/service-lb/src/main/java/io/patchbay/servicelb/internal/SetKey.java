package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.net.Protocol;

/**
 * The backends of one service port in one family, whatever the frontend that leads to them.
 *
 * @param local those of this node alone
 */
record SetKey(ObjectKey service, String portName, int port, Protocol protocol, boolean v4, boolean local) {
    SetKey(ObjectKey service, String portName, int port, Protocol protocol, boolean v4) {
        this(service, portName, port, protocol, v4, false);
    }

    // By hand, as other keys (LbKey).
    @Override
    public int hashCode() {
        return ((service.namespace().hashCode() * 31 + service.name().hashCode()) * 31 + port) * 31 + (v4 ? 1 : 0) + (local ? 2 : 0);
    }

    @Override
    public boolean equals(Object o) {
        return this == o || o instanceof SetKey k && port == k.port && v4 == k.v4 && local == k.local && protocol == k.protocol
                && service.equals(k.service) && portName.equals(k.portName);
    }
}
