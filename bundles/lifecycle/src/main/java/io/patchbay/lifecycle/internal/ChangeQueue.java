package io.patchbay.lifecycle.internal;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The lifecycle's one thread, and who waits for it. */
final class ChangeQueue {
    private static final Logger LOG = LoggerFactory.getLogger(ChangeQueue.class);

    private final ScheduledThreadPoolExecutor executor;
    private final Duration patience;
    private final Supplier<String> underWay;
    private volatile Thread worker;

    /**
     * @param patience how long a change waits for those before it
     * @param underWay what is being done, for whom has to wait; "" when nothing is known
     */
    ChangeQueue(Duration patience, Supplier<String> underWay) {
        this.patience = patience;
        this.underWay = underWay;
        executor = new ScheduledThreadPoolExecutor(1, work -> {
            Thread t = new Thread(work, "lifecycle");
            t.setDaemon(true);
            t.setContextClassLoader(null);
            worker = t;
            return t;
        });
        executor.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        executor.prestartAllCoreThreads();
    }

    /** Its thread. */
    ScheduledThreadPoolExecutor executor() {
        return executor;
    }

    boolean isOwnThread() {
        return Thread.currentThread() == worker;
    }

    /**
     * Makes a change after those before it, and waits for it.
     *
     * @throws ChangeRefused its own reason, or that it did not get its turn; then it is not made
     */
    <T> T run(Callable<T> change) throws ChangeRefused, IOException {
        AtomicBoolean decided = new AtomicBoolean();
        Future<T> result = executor.submit(() -> {
            if (!decided.compareAndSet(false, true)) {
                return null; // nobody waits for it any more
            }
            return change.call();
        });
        try {
            while (true) {
                try {
                    return result.get(patience.toMillis(), TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    if (decided.compareAndSet(false, true)) {
                        String other = underWay.get();
                        throw new ChangeRefused("another change is under way, and this one has not begun within " + patience.toSeconds() + " s: nothing has changed, try again"
                                + (other.isEmpty() ? "" : " (" + other + ")"));
                    }
                    LOG.warn("A change goes on after {} s and more: {}{}", patience.toSeconds(), underWay.get(), stack(worker));
                }
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ChangeRefused c) {
                throw c;
            }
            if (e.getCause() instanceof IOException io) {
                throw io;
            }
            throw new IllegalStateException(e.getCause().getMessage(), e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted; 'feature list' shows how far the change came", e);
        }
    }

    private static String stack(Thread thread) {
        StringBuilder s = new StringBuilder();
        for (StackTraceElement e : thread.getStackTrace()) {
            s.append("\n    at ").append(e);
        }
        return s.toString();
    }

    /** @return whether what was under way has ended */
    boolean close(Duration atMost) {
        executor.shutdown();
        try {
            return executor.awaitTermination(atMost.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
