package io.patchbay.endpoint.internal;

import io.patchbay.api.feature.Scope;
import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where operations on endpoints run: several at once for different ones, one at a time for a container's interface. Thread-safe. */
final class Workers {
    private static final Logger LOG = LoggerFactory.getLogger(Workers.class);
    private static final int WORKERS = 8;
    private static final int STRIPES = 64;
    private static final long WAIT_SECONDS = 20;

    /** An operation without a result. */
    interface Work {
        void run() throws Exception;
    }

    private final ExecutorService pool;
    private final ReentrantLock[] locks = new ReentrantLock[STRIPES];

    /** @param scope waits for what is under way when it closes */
    Workers(Scope scope) {
        AtomicInteger number = new AtomicInteger();
        pool = Executors.newFixedThreadPool(WORKERS, work -> {
            Thread t = new Thread(work, "endpoint/worker-" + number.incrementAndGet());
            t.setDaemon(true);
            t.setContextClassLoader(null);
            return t;
        });
        scope.closing(() -> {
            pool.shutdown();
            if (!pool.awaitTermination(5, TimeUnit.SECONDS)) LOG.warn("An endpoint operation has not ended within 5 s");
        });
        for (int i = 0; i < STRIPES; i++) locks[i] = new ReentrantLock();
    }

    /** @param device the name that the container's interface has on the node's side: see {@link EndpointRecord#deviceName} */
    <T> T locked(String device, Callable<T> work) throws Exception {
        ReentrantLock lock = locks[Math.floorMod(device.hashCode(), STRIPES)];
        lock.lock();
        try {
            return work.call();
        } finally {
            lock.unlock();
        }
    }

    /** Runs it on a worker; a failure is logged. While stopping, it is left to the next start. */
    void submit(Work work) {
        try {
            pool.execute(() -> {
                try {
                    work.run();
                } catch (Exception e) {
                    LOG.error("Endpoint operation failed: {}", e.toString(), e);
                }
            });
        } catch (RejectedExecutionException e) {
            LOG.debug("Stopping: an operation is left to the next start");
        }
    }

    /** Runs it on a worker, once {@code before} is done. */
    <T> CompletableFuture<T> after(CompletableFuture<?> before, Callable<T> work) {
        return before.thenApplyAsync(x -> {
            try {
                return work.call();
            } catch (Exception e) {
                throw new CompletionException(e);
            }
        }, pool);
    }

    /** @throws Exception what the future failed with, or that it takes too long */
    static <T> T await(Future<T> future, String what) throws Exception {
        try {
            return future.get(WAIT_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new IOException(what + " takes longer than " + WAIT_SECONDS + " s", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Exception cause) throw cause;
            throw e;
        }
    }
}
