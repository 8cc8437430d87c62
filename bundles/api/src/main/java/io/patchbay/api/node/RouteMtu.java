package io.patchbay.api.node;

import org.osgi.annotation.versioning.ConsumerType;

/** Something on the way between nodes takes bytes from each packet (an overlay, encryption); a service. */
@ConsumerType
public interface RouteMtu {
    /** Bytes per packet. */
    int overhead();
}
