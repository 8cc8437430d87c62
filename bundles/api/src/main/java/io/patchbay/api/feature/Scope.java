package io.patchbay.api.feature;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Everything that an activation starts, closed in reverse with a deadline; what does not end is named in the log.
 * Thread-safe. A task that throws makes its controller unhealthy in {@code status} and is retried with backoff.
 */
@ProviderType
public interface Scope extends AutoCloseable {
    /** One thread of this scope's own: tasks run in order, never two at once. */
    Executor executor();

    /** Runs a named controller at once and then every {@code period}; errors show in {@code status} under its name. */
    void every(String controller, Duration period, Callable<?> task);

    /** Runs a named controller now, until it succeeds: backoff from 100 ms to 30 s. */
    CompletableFuture<Void> untilDone(String controller, Callable<?> task);

    /** Runs after a delay. */
    void later(Duration delay, Runnable task);

    /** A daemon thread that is interrupted at close; for loops that wait on a kernel object. */
    void thread(String name, Runnable body);

    /** Closed with the scope, last registered first. */
    <T extends AutoCloseable> T closing(T resource);

    @Override
    void close();
}
