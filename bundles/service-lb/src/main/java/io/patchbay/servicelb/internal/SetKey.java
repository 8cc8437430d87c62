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
}
