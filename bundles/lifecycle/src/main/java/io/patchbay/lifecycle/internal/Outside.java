package io.patchbay.lifecycle.internal;

import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.osgi.framework.BundleException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Calls that run code which is not ours: the framework's, and through it a feature's own when its bundle or its components begin or end. Each on a
 * thread of its own and with a deadline, so that code which does not return ends a change, and not this node's ability to change. Used on the
 * lifecycle's one thread.
 */
final class Outside {
    private static final Logger LOG = LoggerFactory.getLogger(Outside.class);
    /** What is interrupted may still want to say why it fails. */
    private static final Duration AFTER_INTERRUPT = Duration.ofSeconds(2);

    /** A call under way, or one that was given up. */
    private record Call(String feature, String doing, Thread thread) {
        @Override
        public String toString() {
            return feature + ": " + doing;
        }

        String where() {
            StackTraceElement[] stack = thread.getStackTrace();
            StringBuilder s = new StringBuilder();
            for (int i = 0; i < stack.length && i < 40; i++) {
                s.append("\n    at ").append(stack[i]);
            }
            return s.toString();
        }

        /** The innermost place that is not the JDK's: who waits, not in what. */
        String place() {
            StackTraceElement[] stack = thread.getStackTrace();
            for (StackTraceElement e : stack) {
                if (!e.getClassName().startsWith("java.") && !e.getClassName().startsWith("jdk.") && !e.getClassName().startsWith("sun.")) {
                    return e.getClassName() + "." + e.getMethodName() + "(" + e.getFileName() + ":" + e.getLineNumber() + ")";
                }
            }
            return stack.length == 0 ? "code that has just ended" : stack[0].toString();
        }
    }

    private static final class Caller extends Thread {
        Caller(Runnable work, String feature) {
            super(work, "lifecycle/" + feature);
            setDaemon(true);
            setContextClassLoader(null);
        }
    }

    private final Supplier<Duration> patience;
    private final Consumer<String> late;
    /** By feature: calls that nobody waits for any more, and that have not ended. */
    private final Map<String, Call> stuck = new ConcurrentHashMap<>();
    private volatile Call now;

    /**
     * @param patience how long a call may take
     * @param late     told the feature whose call has ended after it was given up; on the call's thread
     */
    Outside(Supplier<Duration> patience, Consumer<String> late) {
        this.patience = patience;
        this.late = late;
    }

    /** Whether the calling thread is one of these: what it does to bundles is done for a change. */
    static boolean isOurs() {
        return Thread.currentThread() instanceof Caller;
    }

    /** What is being done, and where the thread that does it is; "" when nothing is. */
    String now() {
        Call c = now;
        return c == null ? "" : c + c.where();
    }

    /** The same, with nothing to take back. */
    <T> T call(String feature, String doing, Callable<T> work) throws ChangeRefused, BundleException, IOException {
        return call(feature, doing, work, x -> { });
    }

    /**
     * @param doing  for messages: {@code starting its bundle}
     * @param unwant takes back what the work made, when it ends after it was given up
     * @throws ChangeRefused the work has not ended in time, or an earlier one of this feature still has not; the message says where it is
     */
    <T> T call(String feature, String doing, Callable<T> work, Consumer<T> unwant) throws ChangeRefused, BundleException, IOException {
        Call before = stuck.get(feature);
        if (before != null) {
            throw new ChangeRefused(feature + " is stuck: " + before.doing + " was given up and has not ended yet; it is in " + before.place());
        }
        FutureTask<T> task = new FutureTask<>(work);
        Caller thread = new Caller(task, feature);
        Call call = new Call(feature, doing, thread);
        now = call;
        try {
            thread.start();
            Duration atMost = patience.get();
            try {
                return task.get(atMost.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                throw giveUp(feature, doing, call, task, unwant, atMost);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw giveUp(feature, doing, call, task, unwant, Duration.ZERO);
            }
        } catch (ExecutionException e) {
            throw rethrown(e.getCause());
        } finally {
            now = null;
        }
    }

    private <T> ChangeRefused giveUp(String feature, String doing, Call call, FutureTask<T> task, Consumer<T> unwant, Duration atMost) {
        String place = call.place();
        LOG.error("{} has not ended within {} s{}", call, atMost.toSeconds(), call.where());
        stuck.put(feature, call);
        call.thread.interrupt();
        Thread after = new Thread(() -> {
            try {
                unwant.accept(task.get());
            } catch (InterruptedException | ExecutionException | RuntimeException e) {
                LOG.warn("{}, which was given up, has failed", call, e);
            }
            stuck.remove(feature);
            late.accept(feature);
        }, "lifecycle/" + feature + "/late");
        after.setDaemon(true);
        after.setContextClassLoader(null);
        after.start();
        try {
            after.join(AFTER_INTERRUPT.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return new ChangeRefused(feature + ": " + doing + " did not end within " + atMost.toSeconds() + " s; it waits in " + place);
    }

    private static RuntimeException rethrown(Throwable cause) throws BundleException, IOException {
        if (cause instanceof BundleException b) {
            throw b;
        }
        if (cause instanceof IOException io) {
            throw io;
        }
        if (cause instanceof Error error) {
            throw error;
        }
        return cause instanceof RuntimeException r ? r : new IllegalStateException(cause);
    }
}
