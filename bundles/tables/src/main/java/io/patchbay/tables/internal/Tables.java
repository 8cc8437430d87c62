package io.patchbay.tables.internal;

import io.patchbay.api.cluster.ClusterSnapshot;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Subscription;
import io.patchbay.api.cluster.Table;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSink;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.cluster.TableSource;
import io.patchbay.api.cluster.TableTransaction;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArraySet;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Consumer;

/**
 * The cluster tables. Writers take one lock; readers take none: a transaction publishes a new {@link ClusterState}. No OSGi in here.
 */
final class Tables implements ClusterTables, AutoCloseable {
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(r -> {
        Thread thread = new Thread(r, "tables-retry");
        thread.setDaemon(true);
        return thread;
    });
    private final Map<TableId<?, ?>, TableHandle<?, ?>> handles = new HashMap<>();
    private volatile ClusterState state = ClusterState.empty();

    // guarded by lock
    private final Object lock = new Object();
    private final Map<String, SourceState> sources = new LinkedHashMap<>();
    private final Map<TableId<?, ?>, Map<Object, SourceState>> owners = new HashMap<>();

    /** What is known of a source name: it outlives the source, as its rows do. */
    private static final class SourceState {
        final String name;
        final Map<TableId<?, ?>, Set<Object>> keys = new HashMap<>();
        Set<TableId<?, ?>> declared = Set.of();
        final Set<TableId<?, ?>> synced = new HashSet<>();
        Sink sink;
        volatile String health;

        SourceState(String name) {
            this.name = name;
        }
    }

    Tables() {
        for (TableId<?, ?> id : TableId.all()) handles.put(id, new TableHandle<>(id));
    }

    @Override
    @SuppressWarnings("unchecked")
    public <K, R> Table<K, R> table(TableId<K, R> id) {
        TableHandle<?, ?> handle = handles.get(id);
        if (handle == null) throw new IllegalArgumentException("no table " + id);
        return (Table<K, R>) handle;
    }

    @Override
    public ClusterSnapshot snapshot() {
        return state;
    }

    /** Starts a source. */
    void add(TableSource source) {
        Sink sink;
        synchronized (lock) {
            SourceState s = sources.computeIfAbsent(source.name(), SourceState::new);
            if (s.sink != null) throw new IllegalStateException("there is already a source named " + source.name());
            s.declared = Set.copyOf(source.tables());
            s.health = null;
            sink = new Sink(s);
            s.sink = sink;
        }
        source.start(sink);
    }

    /** Stops a source; its rows stay. */
    void remove(TableSource source) {
        synchronized (lock) {
            SourceState s = sources.get(source.name());
            if (s == null || s.sink == null) return;
            s.sink.stopped = true;
            s.sink = null;
            s.health = "the source " + s.name + " is not running; its rows stay as they were";
        }
        source.stop();
    }

    /** What is wrong with sources and subscribers, a line each. */
    List<String> problems() {
        List<String> problems = new ArrayList<>();
        synchronized (lock) {
            for (SourceState s : sources.values()) if (s.health != null) problems.add(s.health);
        }
        for (TableHandle<?, ?> handle : handles.values()) {
            for (Subscriber<?, ?> subscriber : handle.subscribers) {
                String failure = subscriber.failure();
                if (failure != null) problems.add(failure);
            }
        }
        return problems;
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }

    private final class TableHandle<K, R> implements Table<K, R> {
        private final TableId<K, R> id;
        private final Set<Subscriber<K, R>> subscribers = new CopyOnWriteArraySet<>();
        private final CompletableFuture<Void> synced = new CompletableFuture<>();

        TableHandle(TableId<K, R> id) {
            this.id = id;
        }

        @Override
        public TableId<K, R> id() {
            return id;
        }

        @Override
        public TableSnapshot<K, R> snapshot() {
            return state.table(id);
        }

        @Override
        public Subscription subscribe(Executor executor, TableListener<K, R> listener) {
            Subscriber<K, R> subscriber;
            synchronized (lock) {
                subscriber = new Subscriber<>(id, executor, listener, timer, state, this::forget);
                subscribers.add(subscriber);
            }
            subscriber.start();
            return subscriber;
        }

        private void forget(Subscriber<?, ?> subscriber) {
            subscribers.remove(subscriber);
        }

        @Override
        public CompletableFuture<Void> synced() {
            return synced.copy();
        }

        @SuppressWarnings("unchecked")
        void changed(ClusterState now, Map<?, ?> befores, boolean syncChanged) {
            for (Subscriber<K, R> subscriber : subscribers) subscriber.changed(now, (Map<K, R>) befores, syncChanged);
        }
    }

    private final class Sink implements TableSink {
        private final SourceState source;
        private boolean stopped;

        Sink(SourceState source) {
            this.source = source;
        }

        @Override
        public void commit(Consumer<TableTransaction> work) {
            List<CompletableFuture<Void>> nowSynced = new ArrayList<>();
            synchronized (lock) {
                if (stopped) throw new IllegalStateException("the source " + source.name + " has been stopped");
                Transaction transaction = new Transaction(source);
                try {
                    work.accept(transaction);
                } finally {
                    transaction.open = false;
                }
                publish(transaction, nowSynced);
            }
            // dependents of the future run here, outside of the lock
            for (CompletableFuture<Void> future : nowSynced) future.complete(null);
        }

        @Override
        public void health(String problem) {
            source.health = problem;
        }
    }

    private void publish(Transaction t, List<CompletableFuture<Void>> nowSynced) {
        t.ownership.forEach(Runnable::run);
        t.source.synced.addAll(t.synced);
        Set<TableId<?, ?>> touched = new HashSet<>(t.synced);
        t.befores.forEach((id, befores) -> {
            befores.entrySet().removeIf(e -> {
                Object after = t.states.get(id).rows().get(e.getKey());
                return e.getValue() == null ? after == null : e.getValue().equals(after);
            });
            if (!befores.isEmpty()) touched.add(id);
        });
        Map<TableId<?, ?>, TableState<?, ?>> changed = new HashMap<>();
        Set<TableId<?, ?>> syncChanged = new HashSet<>();
        long revision = state.revision() + 1;
        for (TableId<?, ?> id : touched) {
            TableState<?, ?> old = state.state(id);
            boolean synced = isSynced(id);
            boolean rows = t.befores.containsKey(id) && !t.befores.get(id).isEmpty();
            if (synced != old.synced()) syncChanged.add(id);
            if (!rows && synced == old.synced()) continue;
            TableState<?, ?> next = t.states.getOrDefault(id, old);
            changed.put(id, next.at(revision, synced));
        }
        if (changed.isEmpty()) return;
        ClusterState now = state.with(revision, changed);
        state = now;
        for (TableId<?, ?> id : changed.keySet()) {
            TableHandle<?, ?> handle = handles.get(id);
            handle.changed(now, t.befores.getOrDefault(id, new LinkedHashMap<>()), syncChanged.contains(id));
            if (now.state(id).synced()) nowSynced.add(handle.synced);
        }
    }

    /** Every running source that declares the table has delivered its initial state, and there was one. */
    private boolean isSynced(TableId<?, ?> id) {
        boolean any = false;
        for (SourceState s : sources.values()) {
            if (!s.declared.contains(id) || s.sink == null && !s.synced.contains(id)) continue;
            if (!s.synced.contains(id)) return false;
            any = true;
        }
        return any;
    }

    private final class Transaction implements TableTransaction {
        private final SourceState source;
        private final Map<TableId<?, ?>, TableState<?, ?>> states = new HashMap<>();
        /** The rows as they were before the transaction, null values for those that weren't there; LinkedHashMap for those nulls. */
        private final Map<TableId<?, ?>, Map<Object, Object>> befores = new HashMap<>();
        private final Set<TableId<?, ?>> synced = new HashSet<>();
        /** Changes of who owns what, done only when the whole transaction succeeds. */
        private final List<Runnable> ownership = new ArrayList<>();
        private boolean open = true;

        Transaction(SourceState source) {
            this.source = source;
        }

        @SuppressWarnings("unchecked")
        private <K, R> TableState<K, R> current(TableId<K, R> id) {
            if (!open) throw new IllegalStateException("the transaction is over");
            TableState<?, ?> changed = states.get(id);
            return changed == null ? state.state(id) : (TableState<K, R>) changed;
        }

        private <K, R> void replace(TableId<K, R> id, K key, R after) {
            TableState<K, R> current = current(id);
            R before = current.rows().get(key);
            if (before == null ? after == null : before.equals(after)) return;
            if (before != null) {
                SourceState owner = owners.getOrDefault(id, Map.of()).get(key);
                if (owner != null && owner != source && owner.sink != null) {
                    throw new IllegalStateException(id + " " + key + " comes from " + owner.name + "; " + source.name + " can't change it");
                }
            }
            befores.computeIfAbsent(id, x -> new LinkedHashMap<>()).putIfAbsent(key, before);
            states.put(id, current.replace(key, before, after));
            ownership.add(() -> {
                Set<Object> keys = source.keys.computeIfAbsent(id, x -> new HashSet<>());
                Map<Object, SourceState> tableOwners = owners.computeIfAbsent(id, x -> new HashMap<>());
                SourceState owner = after == null ? tableOwners.remove(key) : tableOwners.put(key, source);
                if (owner != null && owner != source) owner.keys.get(id).remove(key);
                if (after == null) keys.remove(key);
                else keys.add(key);
            });
        }

        @Override
        public <K, R> void upsert(TableId<K, R> table, R row) {
            replace(table, table.keyOf(row), row);
        }

        @Override
        public <K, R> void delete(TableId<K, R> table, K key) {
            replace(table, key, null);
        }

        @Override
        @SuppressWarnings("unchecked")
        public <K, R> void replaceAll(TableId<K, R> table, Collection<? extends R> rows) {
            Set<Object> gone = new HashSet<>(source.keys.getOrDefault(table, Set.of()));
            // rows that this transaction has put there so far
            Map<Object, Object> here = befores.get(table);
            if (here != null) gone.addAll(here.keySet());
            for (R row : rows) {
                gone.remove(table.keyOf(row));
                upsert(table, row);
            }
            for (Object key : gone) delete(table, (K) key);
        }

        @Override
        public void synced(TableId<?, ?> table) {
            current(table);
            if (!source.declared.contains(table)) {
                throw new IllegalArgumentException(source.name + " did not declare " + table);
            }
            synced.add(table);
        }
    }
}
