package io.patchbay.itests;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** Waits for facts; how long it took is no matter, as long as they come. */
final class Await {
    private static final Duration DEADLINE = Duration.ofSeconds(60);
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private Await() {
    }

    static void that(String fact, BooleanSupplier holds) {
        value(fact, holds::getAsBoolean, Boolean::booleanValue);
    }

    /** The first value that is wanted. */
    static <T> T value(String fact, Supplier<T> look, Predicate<T> wanted) {
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (true) {
            T seen = look.get();
            if (wanted.test(seen)) {
                return seen;
            }
            if (System.nanoTime() > end) {
                throw new AssertionError("did not come true within " + DEADLINE.toSeconds() + " s: " + fact + "; last seen: " + seen);
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    /** As {@link #that} for an assertion: true once it throws nothing. */
    static void passes(String fact, Runnable assertion) {
        AssertionError[] last = new AssertionError[1];
        try {
            that(fact, () -> {
                try {
                    assertion.run();
                    return true;
                } catch (AssertionError e) {
                    last[0] = e;
                    return false;
                }
            });
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage(), last[0]);
        }
    }
}
