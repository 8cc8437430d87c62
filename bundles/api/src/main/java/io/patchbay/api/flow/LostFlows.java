package io.patchbay.api.flow;

import java.time.Instant;

/** Here events are missing. @param count how many, at least 1 */
public record LostFlows(long sequence, Instant time, Source source, long count) implements FlowEvent {
    /** Where they were lost; the names are Hubble's ({@code flow.LostEventSource}). */
    public enum Source {
        /** The kernel's ring was full. */
        PERF_EVENT_RING_BUFFER,
        /** The flow ring went round before this reader had read them. */
        HUBBLE_RING_BUFFER
    }
}
