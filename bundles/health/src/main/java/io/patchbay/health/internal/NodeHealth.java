package io.patchbay.health.internal;

import io.patchbay.api.net.IpAddress;
import java.time.Duration;
import java.time.Instant;

/** The last probe of a node. @param rtt null when it failed; @param problem empty when it did not */
record NodeHealth(String node, IpAddress address, boolean local, Duration rtt, String problem, Instant at) {
    boolean reachable() {
        return rtt != null;
    }
}
