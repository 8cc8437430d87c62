package io.patchbay.reconcile.internal;

import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Target;
import io.patchbay.api.status.Controllers.Controller;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Desired state against the kernel's. Callers only note what differs; one pass at a time, on a worker, takes all that was noted and
 * applies it. What fails is set aside until its retry, and does not hold up what is new.
 */
final class StateReconciler<K, V> implements Reconciler<K, V> {
    private static final Logger LOG = LoggerFactory.getLogger(StateReconciler.class);
    private static final long CLOSE_SECONDS = 5;
    private static final int NAMED_FAILURES = 3;

    /** Waits for all that was noted up to {@code mark}. */
    private record Waiter(long mark, CompletableFuture<Void> future) {
    }

    /**
     * What one pass does.
     *
     * @param noted keys that were looked at, with their marks
     */
    private record Batch<K, V>(Map<K, Long> noted, Map<K, V> puts, Set<K> deletes) {
    }

    private final String name;
    private final Target<K, V> target;
    private final Controller controller;
    private final Executor workers;
    private final ScheduledExecutorService timer;
    private final Backoff backoff;

    // Guarded by this.
    private final Map<K, V> desired = new OpenMap<>();
    /**
     * Where the kernel differs from what is desired, as far as we know: its value, or one of the two below. What is not in here the kernel has as
     * it is desired, which is nearly everything: a second map of three hundred thousand entries would only say the same again.
     */
    private Map<K, Object> deviating = new OpenMap<>();
    private static final Object ABSENT = new Object();
    /** There, with a value that could not be read. */
    private static final Object UNREADABLE = new Object();
    /** Keys that may differ, with the mark of the oldest call that noted them. */
    private Map<K, Long> noted = new OpenMap<>();
    /** Keys that were found and that nobody has put yet: to be deleted, once the sources have synced. */
    private final Set<K> leftovers = Collections.newSetFromMap(new OpenMap<>());
    /** Keys that failed, kept out of passes until the retry. */
    private final Map<K, Long> aside = new LinkedHashMap<>();
    private final List<Waiter> waiters = new ArrayList<>();
    private long mark;
    private boolean mustRead = true;
    private boolean synced;
    private boolean running;
    private boolean waitingForRead;
    private boolean closed;
    private int failures;
    private ScheduledFuture<?> retry;

    StateReconciler(String name, Target<K, V> target, Controller controller, Executor workers, ScheduledExecutorService timer, Backoff backoff) {
        this.name = name;
        this.target = target;
        this.controller = controller;
        this.workers = workers;
        this.timer = timer;
        this.backoff = backoff;
        synchronized (this) {
            start();
        }
    }

    @Override
    public synchronized void put(K key, V value) {
        put(key, value, ++mark);
        start();
    }

    @Override
    public synchronized void remove(K key) {
        // A key that was only found, and never put, waits for synced(): its source may not have spoken yet.
        if (removed(key, ++mark)) {
            start();
        }
    }

    @Override
    public synchronized void change(Map<K, V> puts, Iterable<K> removes) {
        Long now = ++mark;
        for (K key : removes) {
            removed(key, now);
        }
        puts.forEach((k, v) -> put(k, v, now));
        start();
    }

    private boolean removed(K key, Long now) {
        V before = desired.remove(key);
        if (before == null) {
            return false;
        }
        deviating.putIfAbsent(key, before);
        if (deviating.get(key) == ABSENT) {
            deviating.remove(key);
        }
        note(key, now);
        return true;
    }

    private void put(K key, V value, Long now) {
        Objects.requireNonNull(value);
        V before = desired.put(key, value);
        if (!value.equals(before)) {
            deviating.putIfAbsent(key, before == null ? ABSENT : before);
            note(key, now);
        }
        if (!leftovers.isEmpty()) {
            leftovers.remove(key);
        }
    }

    @Override
    public synchronized void synced() {
        if (!synced) {
            synced = true;
            noteLeftovers();
            start();
        }
    }

    @Override
    public synchronized CompletableFuture<Void> flush() {
        CompletableFuture<Void> future = new CompletableFuture<>();
        if (closed) {
            future.completeExceptionally(new IllegalStateException(name + " is closed"));
        } else if (!running && !mustRead && noted.isEmpty() && aside.isEmpty()) {
            future.complete(null);
        } else {
            waiters.add(new Waiter(mark, future));
            start();
        }
        return future;
    }

    @Override
    public synchronized CompletableFuture<Void> refresh() {
        mustRead = true;
        waitingForRead = false;
        return flush();
    }

    @Override
    public void close() {
        List<Waiter> left;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            if (retry != null) {
                retry.cancel(false);
            }
            // Whoever takes over this state next must not meet a batch of ours that is still on its way.
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(CLOSE_SECONDS);
            boolean interrupted = false;
            while (running && System.nanoTime() < end) {
                try {
                    wait(Math.max(1, TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime())));
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (running) {
                LOG.warn("Reconciler {}: a batch has not ended within {} s and goes on", name, CLOSE_SECONDS);
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            left = List.copyOf(waiters);
            waiters.clear();
        }
        controller.close();
        left.forEach(w -> w.future.completeExceptionally(new IllegalStateException(name + " was closed before this was done")));
    }

    private void note(K key, Long now) {
        Long old = aside.isEmpty() ? null : aside.remove(key);
        noted.putIfAbsent(key, old == null ? now : old);
    }

    private void noteLeftovers() {
        Long now = ++mark;
        leftovers.forEach(key -> note(key, now));
        leftovers.clear();
    }

    /** Lets a pass begin, unless one runs (which looks again at its end) or there is nothing to do. */
    private void start() {
        boolean work = mustRead ? !waitingForRead : !noted.isEmpty();
        if (running || closed || !work) {
            return;
        }
        running = true;
        try {
            workers.execute(this::pass);
        } catch (RejectedExecutionException e) {
            running = false;
            LOG.debug("Reconciler {}: the core is stopping", name);
        }
    }

    private void pass() {
        List<Runnable> outside = new ArrayList<>();
        try {
            if (mustReadNow()) {
                Map<K, V> found;
                try {
                    found = target.actual();
                } catch (Throwable e) {
                    unreadable(e, outside).run();
                    return;
                }
                took(found);
            }
            Batch<K, V> batch = take();
            Map<K, String> failed = Map.of();
            Throwable reason = null;
            if (!batch.puts.isEmpty() || !batch.deletes.isEmpty()) {
                try {
                    failed = Objects.requireNonNullElse(target.apply(batch.puts, batch.deletes), Map.of());
                } catch (Throwable e) {
                    reason = e;
                }
            }
            // The controller knows before this pass is over: nobody is told that all is done by one that still looks unhealthy.
            applied(batch, failed, reason, outside).run();
        } finally {
            synchronized (this) {
                running = false;
                notifyAll();
                // Who asked between the end of the batch and here has nobody else to answer.
                completeWaiters(outside);
                start();
            }
            outside.forEach(Runnable::run);
        }
    }

    private synchronized boolean mustReadNow() {
        return mustRead && !closed;
    }

    private synchronized void took(Map<K, V> found) {
        mustRead = false;
        waitingForRead = false;
        deviating = new OpenMap<>();
        leftovers.clear();
        Long now = ++mark;
        found.forEach((k, v) -> {
            V want = desired.get(k);
            if (want == null) {
                leftovers.add(k);
            }
            if (want == null || !want.equals(v)) {
                deviating.put(k, v == null ? UNREADABLE : v);
            }
        });
        desired.forEach((k, v) -> {
            if (!found.containsKey(k)) {
                deviating.put(k, ABSENT);
            }
            if (deviating.containsKey(k)) {
                note(k, now);
            }
        });
        if (synced) {
            noteLeftovers();
        }
    }

    private synchronized Batch<K, V> take() {
        if (closed) {
            return new Batch<>(Map.of(), Map.of(), Set.of());
        }
        Map<K, Long> taken = noted;
        noted = new OpenMap<>();
        Map<K, V> puts = new OpenMap<>(taken.size());
        Set<K> deletes = new LinkedHashSet<>();
        taken.forEach((key, since) -> {
            V want = desired.get(key);
            Object has = deviating.get(key);
            if (want != null && has != null && !want.equals(has)) {
                puts.put(key, want);
            } else if (want == null && has != null) {
                deletes.add(key);
            } else {
                deviating.remove(key);
            }
        });
        return new Batch<>(taken, puts, deletes);
    }

    /** @return what the controller is to be told, without the lock */
    private synchronized Runnable applied(Batch<K, V> batch, Map<K, String> failed, Throwable reason, List<Runnable> outside) {
        Set<K> bad = new HashSet<>(failed.keySet());
        if (reason != null) {
            // Some of it may be in the kernel: only reading says which.
            mustRead = true;
            waitingForRead = true;
            bad.addAll(batch.puts.keySet());
            bad.addAll(batch.deletes);
        }
        batch.puts.forEach((k, v) -> {
            if (!bad.contains(k)) {
                // Meanwhile it may be another one that is desired.
                if (v.equals(desired.get(k))) {
                    deviating.remove(k);
                } else {
                    deviating.put(k, v);
                }
            }
        });
        batch.deletes.forEach(k -> {
            if (!bad.contains(k)) {
                if (desired.containsKey(k)) {
                    deviating.put(k, ABSENT);
                } else {
                    deviating.remove(k);
                }
            }
        });
        if (deviating.isEmpty()) {
            // It would keep the room that it once had.
            deviating.clear();
        }
        // Set aside under their old mark; unless noted again meanwhile, then the next pass has them anyway.
        for (K k : bad) {
            Long since = batch.noted.get(k);
            if (since != null) {
                if (noted.containsKey(k)) {
                    noted.put(k, since);
                } else {
                    aside.put(k, since);
                }
            }
        }
        Runnable report = () -> { };
        if (bad.isEmpty()) {
            if (aside.isEmpty() && !mustRead) {
                failures = 0;
                report = controller::succeeded;
            }
        } else {
            failures++;
            Throwable shown = reason != null ? reason : new IllegalStateException(summary(failed));
            report = () -> controller.failed(shown);
            failWaiters(shown, outside);
            retryLater();
        }
        completeWaiters(outside);
        return report;
    }

    private synchronized Runnable unreadable(Throwable e, List<Runnable> outside) {
        failures++;
        waitingForRead = true;
        failWaiters(e, outside);
        retryLater();
        return () -> controller.failed(e);
    }

    /** A first failure may be a passing one, and those who wait are told of the second. */
    private void failWaiters(Throwable reason, List<Runnable> outside) {
        if (failures < 2) {
            return;
        }
        long oldest = mustRead ? Long.MIN_VALUE : oldestAside();
        for (Iterator<Waiter> i = waiters.iterator(); i.hasNext();) {
            Waiter w = i.next();
            if (w.mark >= oldest) {
                i.remove();
                outside.add(() -> w.future.completeExceptionally(reason));
            }
        }
    }

    private void completeWaiters(List<Runnable> outside) {
        if (mustRead || waiters.isEmpty()) {
            return;
        }
        long oldest = Math.min(oldestAside(), noted.values().stream().mapToLong(Long::longValue).min().orElse(Long.MAX_VALUE));
        for (Iterator<Waiter> i = waiters.iterator(); i.hasNext();) {
            Waiter w = i.next();
            if (w.mark < oldest) {
                i.remove();
                outside.add(() -> w.future.complete(null));
            }
        }
    }

    private long oldestAside() {
        return aside.values().stream().mapToLong(Long::longValue).min().orElse(Long.MAX_VALUE);
    }

    private void retryLater() {
        if (closed || retry != null && !retry.isDone()) {
            return;
        }
        try {
            retry = timer.schedule(this::retry, backoff.after(failures), TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("Reconciler {}: the core is stopping", name);
        }
    }

    private synchronized void retry() {
        retry = null;
        aside.forEach(noted::putIfAbsent);
        aside.clear();
        waitingForRead = false;
        start();
    }

    private String summary(Map<K, String> failed) {
        StringBuilder s = new StringBuilder();
        s.append(failed.size()).append(failed.size() == 1 ? " entry fails: " : " entries fail: ");
        int shown = 0;
        for (Map.Entry<K, String> e : failed.entrySet()) {
            if (shown == NAMED_FAILURES) {
                s.append("; …");
                break;
            }
            s.append(shown++ == 0 ? "" : "; ").append(e.getKey()).append(": ").append(e.getValue());
        }
        return s.toString();
    }
}
