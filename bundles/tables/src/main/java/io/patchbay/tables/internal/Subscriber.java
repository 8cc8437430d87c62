package io.patchbay.tables.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.Subscription;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableListener;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One listener. While it is busy, changes gather as "this key was such when you last looked": the batch that it gets next is computed against
 * the then current state, so its size is bounded by the rows that differ.
 */
final class Subscriber<K, R> implements Subscription {
    private static final Logger LOG = LoggerFactory.getLogger(Subscriber.class);
    private static final long MAX_PAUSE_MILLIS = 30_000;

    private final TableId<K, R> id;
    private final Executor executor;
    private final TableListener<K, R> listener;
    private final ScheduledExecutorService timer;
    private final Consumer<Subscriber<?, ?>> onClose;

    // guarded by this
    private final Map<K, Before<R>> pending = new LinkedHashMap<>();
    private ClusterState latest;
    private boolean snapshotDue = true;
    private boolean syncChanged;
    private boolean scheduled;
    private boolean closed;
    private int failures;
    private String failure;

    private record Before<R>(R row) {
    }

    Subscriber(TableId<K, R> id, Executor executor, TableListener<K, R> listener, ScheduledExecutorService timer, ClusterState now,
               Consumer<Subscriber<?, ?>> onClose) {
        this.id = id;
        this.executor = executor;
        this.listener = listener;
        this.timer = timer;
        this.latest = now;
        this.onClose = onClose;
    }

    TableId<K, R> id() {
        return id;
    }

    /** The last exception of the listener that hasn't been made good by a successful call, as a line; or null. */
    synchronized String failure() {
        return failure;
    }

    void start() {
        schedule();
    }

    /** Called for every transaction that changes the table, in order, under the tables' lock. */
    void changed(ClusterState now, Map<K, R> befores, boolean synced) {
        synchronized (this) {
            if (closed) return;
            latest = now;
            syncChanged |= synced;
            if (!snapshotDue) befores.forEach((key, before) -> pending.putIfAbsent(key, new Before<>(before)));
        }
        schedule();
    }

    private void schedule() {
        synchronized (this) {
            if (closed || scheduled) return;
            scheduled = true;
        }
        try {
            executor.execute(this::deliver);
        } catch (RejectedExecutionException e) {
            LOG.debug("a subscriber of {} is closed because its executor takes no more work", id);
            close();
        }
    }

    private void deliver() {
        ClusterState now;
        boolean snapshot;
        List<Change<K, R>> changes = new ArrayList<>();
        synchronized (this) {
            if (closed) return;
            now = latest;
            snapshot = snapshotDue;
            pending.forEach((key, before) -> {
                R after = now(key);
                if (before.row != null ? !before.row.equals(after) : after != null) changes.add(new Change<>(key, before.row, after));
            });
            boolean nothing = !snapshot && changes.isEmpty() && !syncChanged;
            pending.clear();
            snapshotDue = false;
            syncChanged = false;
            if (nothing) {
                scheduled = false;
                return;
            }
        }
        try {
            if (snapshot) listener.onSnapshot(now.table(id));
            else listener.onChanges(now.table(id), List.copyOf(changes));
        } catch (Throwable e) {
            failed(e);
            return;
        }
        boolean more;
        synchronized (this) {
            failures = 0;
            failure = null;
            scheduled = false;
            more = !pending.isEmpty() || syncChanged || snapshotDue;
        }
        if (more) schedule();
    }

    private R now(K key) {
        return latest.state(id).rows().get(key);
    }

    private void failed(Throwable e) {
        long pause;
        synchronized (this) {
            failure = "a subscriber of " + id + " failed: " + e;
            pause = Math.min(MAX_PAUSE_MILLIS, 100L << Math.min(failures++, 20));
            snapshotDue = true;
            pending.clear();
        }
        LOG.error("A subscriber of {} failed; it starts over from a snapshot in {} ms", id, pause, e);
        timer.schedule(() -> {
            synchronized (this) {
                scheduled = false;
            }
            schedule();
        }, pause, TimeUnit.MILLISECONDS);
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            pending.clear();
        }
        onClose.accept(this);
    }
}
