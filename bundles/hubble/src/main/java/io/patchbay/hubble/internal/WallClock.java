package io.patchbay.hubble.internal;

import java.time.Instant;

/**
 * From CLOCK_MONOTONIC, which events are stamped with, to the time of day. System.nanoTime is that clock on Linux. The offset follows
 * steps of the system's time, but not the jitter of measuring it, so that flows stay in order.
 */
final class WallClock {
    private static final int TRIES = 5;
    private static final long JITTER = 500_000;

    private volatile long offset = measure();

    /** ns since 1970 minus ns of CLOCK_MONOTONIC. */
    long offset() {
        return offset;
    }

    /** To be called now and then. */
    void adjust() {
        long measured = measure();
        if (Math.abs(measured - offset) > JITTER) offset = measured;
    }

    /** The reading that was interrupted least. */
    private static long measure() {
        long best = 0;
        long shortest = Long.MAX_VALUE;
        for (int i = 0; i < TRIES; i++) {
            long before = System.nanoTime();
            Instant now = Instant.now();
            long after = System.nanoTime();
            if (after - before < shortest) {
                shortest = after - before;
                best = now.getEpochSecond() * 1_000_000_000L + now.getNano() - (before + (after - before) / 2);
            }
        }
        return best;
    }
}
