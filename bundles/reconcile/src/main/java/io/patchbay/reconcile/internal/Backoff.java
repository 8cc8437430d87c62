package io.patchbay.reconcile.internal;

/** Milliseconds between attempts: doubled each time, up to a limit. */
record Backoff(long first, long most) {
    static final Backoff DEFAULT = new Backoff(100, 30_000);

    /** @param failures consecutive, at least 1 */
    long after(int failures) {
        return Math.min(most, first << Math.min(20, failures - 1));
    }
}
