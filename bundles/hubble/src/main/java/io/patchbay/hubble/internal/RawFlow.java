package io.patchbay.hubble.internal;

import io.patchbay.api.flow.LostFlows;

/**
 * An event as the ring keeps it: numbers only, names are looked up when somebody reads. Immutable once it is in the ring. An entry with
 * {@link #lost} above 0 stands for events that are missing and has nothing else but a time.
 */
final class RawFlow {
    final long sequence;
    /** CLOCK_MONOTONIC, ns. */
    final long ts;
    /** ns since 1970, by the offset of the clocks when the event was read. */
    final long wall;
    final long lost;
    final LostFlows.Source lostAt;

    int type;
    int code;
    int hook;
    int flags;
    int epoch;
    int sourceIdentity;
    int destinationIdentity;
    long sourceHigh;
    long sourceLow;
    long destinationHigh;
    long destinationLow;
    int sourcePort;
    int destinationPort;
    int protocol;
    int tcpFlags;
    int icmpType;
    int icmpCode;
    int endpoint;
    int conntrack;
    int policyMatch;
    long policyCookie;
    int ifindex;
    long length;
    long serviceHigh;
    long serviceLow;
    int servicePort;
    int stage;

    RawFlow(long sequence, long ts, long wall) {
        this(sequence, ts, wall, 0, null);
    }

    RawFlow(long sequence, long ts, long wall, long lost, LostFlows.Source lostAt) {
        this.sequence = sequence;
        this.ts = ts;
        this.wall = wall;
        this.lost = lost;
        this.lostAt = lostAt;
    }
}
