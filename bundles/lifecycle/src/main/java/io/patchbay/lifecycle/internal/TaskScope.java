package io.patchbay.lifecycle.internal;

import io.patchbay.api.feature.Scope;
import io.patchbay.api.status.Controllers;
import io.patchbay.api.status.Controllers.Controller;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What one activation started: one thread for its tasks and timers, further threads, resources. */
final class TaskScope implements Scope {
    private static final Logger LOG = LoggerFactory.getLogger(TaskScope.class);
    private static final long FIRST_RETRY = 100;
    private static final long LONGEST_RETRY = 30_000;
    /** For all that has to end, together. */
    private static final Duration DEADLINE = Duration.ofSeconds(5);

    private final String name;
    private final Controllers controllers;
    private final Runnable whenClosed;
    private final ScheduledThreadPoolExecutor tasks;
    private final Map<String, Controller> registered = new HashMap<>();
    private final Deque<AutoCloseable> closing = new ArrayDeque<>();
    private volatile Thread worker;
    private boolean closed;

    /** @param name {@code policy/computation}: thread names and messages */
    TaskScope(String name, Controllers controllers, Runnable whenClosed) {
        this.name = name;
        this.controllers = controllers;
        this.whenClosed = whenClosed;
        tasks = new ScheduledThreadPoolExecutor(1, work -> {
            Thread t = daemon(name, work);
            worker = t;
            return t;
        });
        tasks.setRemoveOnCancelPolicy(true);
        tasks.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        tasks.setContinueExistingPeriodicTasksAfterShutdownPolicy(false);
    }

    private static Thread daemon(String name, Runnable work) {
        Thread t = new Thread(work, name);
        t.setDaemon(true);
        t.setContextClassLoader(null);
        return t;
    }

    @Override
    public Executor executor() {
        return task -> submit(() -> guarded(task), 0);
    }

    @Override
    public void every(String controller, Duration period, Callable<?> task) {
        Controller c = controller(controller);
        submit(new Runnable() {
            @Override
            public void run() {
                attempt(c, task);
                submit(this, period.toMillis());
            }
        }, 0);
    }

    @Override
    public CompletableFuture<Void> untilDone(String controller, Callable<?> task) {
        Controller c = controller(controller);
        CompletableFuture<Void> done = new CompletableFuture<>();
        submit(new Runnable() {
            private long pause = FIRST_RETRY;

            @Override
            public void run() {
                if (attempt(c, task)) {
                    done.complete(null);
                } else {
                    submit(this, pause);
                    pause = Math.min(LONGEST_RETRY, 2 * pause);
                }
            }
        }, 0);
        closing(() -> done.completeExceptionally(new IllegalStateException(name + " was closed")));
        return done;
    }

    @Override
    public void later(Duration delay, Runnable task) {
        submit(() -> guarded(task), delay.toMillis());
    }

    @Override
    public void thread(String threadName, Runnable body) {
        // A thread has no successes to count: it is a controller only once it has died.
        Thread t = daemon(name + "/" + threadName, () -> {
            try {
                body.run();
            } catch (Throwable e) {
                if (!isClosed()) {
                    LOG.error("{}: thread {} has ended", name, threadName, e);
                    controller(threadName).failed(e);
                }
            }
        });
        closing(() -> end(t));
        t.start();
    }

    private void end(Thread t) throws InterruptedException {
        t.interrupt();
        if (t != Thread.currentThread()) {
            t.join(DEADLINE.toMillis());
            if (t.isAlive()) {
                named(t);
            }
        }
    }

    @Override
    public <T extends AutoCloseable> T closing(T resource) {
        synchronized (this) {
            if (!closed) {
                closing.push(resource);
                return resource;
            }
        }
        closeQuietly(resource);
        return resource;
    }

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        // Tasks first: they use what is closed below. No interrupt: it would close any FileChannel that a task has in hand.
        tasks.shutdown();
        Thread own = worker;
        if (own != Thread.currentThread()) {
            try {
                if (!tasks.awaitTermination(DEADLINE.toMillis(), TimeUnit.MILLISECONDS) && own != null) {
                    named(own);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        for (AutoCloseable c = next(); c != null; c = next()) {
            closeQuietly(c);
        }
        synchronized (this) {
            registered.values().forEach(Controller::close);
            registered.clear();
        }
        whenClosed.run();
    }

    private synchronized AutoCloseable next() {
        return closing.poll();
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    private void named(Thread t) {
        StringBuilder where = new StringBuilder();
        for (StackTraceElement e : t.getStackTrace()) {
            where.append("\n    at ").append(e);
        }
        LOG.error("{}: thread {} has not ended within {} s and keeps its bundle in memory{}", name, t.getName(), DEADLINE.toSeconds(), where);
    }

    private void closeQuietly(AutoCloseable c) {
        try {
            c.close();
        } catch (Exception e) {
            LOG.warn("{}: {} does not close: {}", name, c, e.toString(), e);
        }
    }

    private Controller controller(String controllerName) {
        synchronized (this) {
            return registered.computeIfAbsent(controllerName, controllers::register);
        }
    }

    private void guarded(Runnable task) {
        try {
            task.run();
            Controller c;
            synchronized (this) {
                c = registered.get(tasksController());
            }
            if (c != null) {
                c.succeeded();
            }
        } catch (Throwable e) {
            LOG.error("{}: a task failed", name, e);
            if (!isClosed()) {
                controller(tasksController()).failed(e);
            }
        }
    }

    private String tasksController() {
        return name.replace('/', '-') + "-tasks";
    }

    private boolean attempt(Controller c, Callable<?> task) {
        try {
            task.call();
            c.succeeded();
            return true;
        } catch (Throwable e) {
            LOG.debug("{}: attempt failed", name, e);
            c.failed(e);
            return false;
        }
    }

    private void submit(Runnable work, long millis) {
        try {
            tasks.schedule(work, millis, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("{} is closed: a task is left out", name);
        }
    }
}
