package io.patchbay.api.flow;

import java.time.Instant;

/** An entry of the node's flow ring. Immutable. */
public sealed interface FlowEvent permits Flow, LostFlows {
    /** Place in the ring: grows by one with each entry, begins at 0 when the feature is activated. */
    long sequence();

    /** By the node's clock as it stood when the event was read. */
    Instant time();
}
