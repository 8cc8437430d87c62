package io.patchbay.tables.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Subscription;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableIndex;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSink;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.cluster.TableSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class TablesTest {
    private final Tables tables = new Tables();
    private final Source source = new Source("one", TableId.NAMESPACES, TableId.PODS, TableId.ENDPOINT_SLICES);

    @AfterEach
    void close() {
        tables.close();
    }

    private static final class Source implements TableSource {
        final String name;
        final Set<TableId<?, ?>> declared;
        TableSink sink;
        boolean stopped;

        Source(String name, TableId<?, ?>... declared) {
            this.name = name;
            this.declared = Set.of(declared);
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public Set<TableId<?, ?>> tables() {
            return declared;
        }

        @Override
        public void start(TableSink s) {
            sink = s;
        }

        @Override
        public void stop() {
            stopped = true;
        }
    }

    /** Runs what it is given when told to. */
    private static final class Manual implements java.util.concurrent.Executor {
        final Deque<Runnable> tasks = new ArrayDeque<>();

        @Override
        public synchronized void execute(Runnable r) {
            tasks.add(r);
        }

        void runAll() {
            while (true) {
                Runnable r;
                synchronized (this) {
                    r = tasks.poll();
                }
                if (r == null) return;
                r.run();
            }
        }
    }

    private static class Recorder<K, R> implements TableListener<K, R> {
        final List<String> calls = new ArrayList<>();
        final Map<K, R> state = new HashMap<>();

        @Override
        public void onSnapshot(TableSnapshot<K, R> snapshot) {
            calls.add("snapshot " + snapshot.size());
            state.clear();
            state.putAll(snapshot.asMap());
        }

        @Override
        public void onChanges(TableSnapshot<K, R> now, List<Change<K, R>> changes) {
            calls.add("changes " + changes.size() + (now.isSynced() ? " synced" : ""));
            for (Change<K, R> c : changes) {
                assertEquals(c.before(), state.get(c.key()), "a change starts from what the subscriber knows");
                if (c.after() == null) state.remove(c.key());
                else state.put(c.key(), c.after());
            }
            assertEquals(now.asMap(), state);
        }
    }

    private static Namespace ns(String name, String... labels) {
        Map<String, String> map = new HashMap<>();
        for (int i = 0; i < labels.length; i += 2) map.put(labels[i], labels[i + 1]);
        return new Namespace(name, map, Map.of());
    }

    private static Pod pod(String name, String node) {
        return Pod.builder("a", name).nodeName(node).build();
    }

    @Test
    void snapshotThenCoalescedChanges() {
        tables.add(source);
        source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("a")));
        Manual executor = new Manual();
        Recorder<String, Namespace> recorder = new Recorder<>();
        tables.namespaces().subscribe(executor, recorder);
        executor.runAll();
        assertEquals(List.of("snapshot 1"), recorder.calls);
        source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("a", "x", "1")));
        source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("b")));
        source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("c")));
        source.sink.commit(t -> t.delete(TableId.NAMESPACES, "c"));
        executor.runAll();
        assertEquals(List.of("snapshot 1", "changes 2"), recorder.calls);
        source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("b")));
        executor.runAll();
        source.sink.commit(t -> t.synced(TableId.NAMESPACES));
        executor.runAll();
        assertEquals(List.of("snapshot 1", "changes 2", "changes 0 synced"), recorder.calls);
        assertEquals(Set.of("a", "b"), recorder.state.keySet());
    }

    @Test
    void replaceAllPublishesTheDifferenceAndOnlyOwnRows() {
        tables.add(source);
        Source other = new Source("two", TableId.NAMESPACES);
        tables.add(other);
        other.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("foreign")));
        source.sink.commit(t -> t.replaceAll(TableId.NAMESPACES, List.of(ns("a"), ns("b"))));
        Manual executor = new Manual();
        Recorder<String, Namespace> recorder = new Recorder<>();
        tables.namespaces().subscribe(executor, recorder);
        executor.runAll();
        source.sink.commit(t -> t.replaceAll(TableId.NAMESPACES, List.of(ns("b"), ns("c"))));
        executor.runAll();
        assertEquals(List.of("snapshot 3", "changes 2"), recorder.calls);
        assertEquals(Set.of("b", "c", "foreign"), recorder.state.keySet());
        assertThrows(IllegalStateException.class, () -> source.sink.commit(t -> t.delete(TableId.NAMESPACES, "foreign")));
        tables.remove(other);
        source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("foreign", "taken", "over")));
        source.sink.commit(t -> t.replaceAll(TableId.NAMESPACES, List.of()));
        assertEquals(0, tables.namespaces().snapshot().size());
    }

    @Test
    void aTransactionThatThrowsChangesNothing() {
        tables.add(source);
        long revision = tables.snapshot().revision();
        assertThrows(IllegalArgumentException.class, () -> source.sink.commit(t -> {
            t.upsert(TableId.NAMESPACES, ns("a"));
            throw new IllegalArgumentException();
        }));
        assertEquals(revision, tables.snapshot().revision());
        assertEquals(0, tables.namespaces().snapshot().size());
        source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("a")));
        assertEquals(1, tables.namespaces().snapshot().size());
    }

    @Test
    void syncedNeedsEverySourceAndRowsOutliveTheirSource() {
        tables.add(source);
        Source other = new Source("two", TableId.NAMESPACES);
        tables.add(other);
        source.sink.commit(t -> {
            t.upsert(TableId.NAMESPACES, ns("a"));
            t.synced(TableId.NAMESPACES);
            t.synced(TableId.PODS);
        });
        assertTrue(tables.pods().snapshot().isSynced());
        assertFalse(tables.namespaces().snapshot().isSynced());
        assertFalse(tables.namespaces().synced().isDone());
        other.sink.commit(t -> t.synced(TableId.NAMESPACES));
        assertTrue(tables.namespaces().snapshot().isSynced());
        assertTrue(tables.namespaces().synced().isDone());

        TableSink old = source.sink;
        tables.remove(source);
        assertTrue(source.stopped);
        assertThrows(IllegalStateException.class, () -> old.commit(t -> { }));
        assertEquals(1, tables.namespaces().snapshot().size());
        assertEquals(List.of("the source one is not running; its rows stay as they were"), tables.problems());
        tables.add(source);
        assertEquals(List.of(), tables.problems());
        source.sink.commit(t -> t.replaceAll(TableId.NAMESPACES, List.of()));
        assertEquals(0, tables.namespaces().snapshot().size());
    }

    @Test
    void indexesFollowAndTablesAreConsistentAmongEachOther() {
        tables.add(source);
        source.sink.commit(t -> {
            for (int i = 0; i < 100; i++) t.upsert(TableId.PODS, pod("p" + i, "n" + i % 3));
            t.upsert(TableId.PODS, pod("unscheduled", ""));
            t.upsert(TableId.ENDPOINT_SLICES, new EndpointSlice("a", "s-1", "s", EndpointSlice.AddressType.IPV4, Map.of(), List.of(), List.of()));
            t.upsert(TableId.ENDPOINT_SLICES, new EndpointSlice("a", "s-2", "s", EndpointSlice.AddressType.IPV6, Map.of(), List.of(), List.of()));
        });
        TableSnapshot<ObjectKey, Pod> before = tables.pods().snapshot();
        assertEquals(34, before.by(TableIndex.PODS_BY_NODE, "n0").size());
        assertEquals(2, before.cluster().endpointSlices().by(TableIndex.SLICES_BY_SERVICE, new ObjectKey("a", "s")).size());
        assertEquals(101, before.by(TableIndex.PODS_BY_NAMESPACE, "a").size());
        source.sink.commit(t -> {
            t.upsert(TableId.PODS, pod("p0", "n9"));
            t.delete(TableId.PODS, new ObjectKey("a", "p3"));
            t.delete(TableId.ENDPOINT_SLICES, new ObjectKey("a", "s-1"));
        });
        TableSnapshot<ObjectKey, Pod> after = tables.pods().snapshot();
        assertEquals(32, after.by(TableIndex.PODS_BY_NODE, "n0").size());
        assertEquals(List.of("p0"), after.by(TableIndex.PODS_BY_NODE, "n9").stream().map(Pod::name).toList());
        assertEquals(0, after.by(TableIndex.PODS_BY_NODE, "n77").size());
        assertEquals(34, before.by(TableIndex.PODS_BY_NODE, "n0").size());
        assertEquals(2, before.cluster().endpointSlices().size());
        assertEquals(1, after.cluster().endpointSlices().size());
    }

    @Test
    void aListenerThatThrowsStartsOverFromASnapshot() throws Exception {
        tables.add(source);
        LinkedBlockingQueue<String> calls = new LinkedBlockingQueue<>();
        AtomicInteger count = new AtomicInteger();
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            tables.namespaces().subscribe(executor, new TableListener<>() {
                @Override
                public void onSnapshot(TableSnapshot<String, Namespace> snapshot) {
                    calls.add("snapshot " + snapshot.size());
                }

                @Override
                public void onChanges(TableSnapshot<String, Namespace> now, List<Change<String, Namespace>> changes) {
                    if (count.getAndIncrement() == 0) throw new IllegalStateException("broken on purpose");
                    calls.add("changes " + changes.size());
                }
            });
            assertEquals("snapshot 0", calls.poll(10, TimeUnit.SECONDS));
            source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("a")));
            assertEquals("snapshot 1", calls.poll(10, TimeUnit.SECONDS));
            source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("b")));
            assertEquals("changes 1", calls.poll(10, TimeUnit.SECONDS));
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void closedMeansNoMoreCallsAndADeadExecutorHarmsNobody() {
        tables.add(source);
        Manual executor = new Manual();
        Recorder<String, Namespace> recorder = new Recorder<>();
        Subscription subscription = tables.namespaces().subscribe(executor, recorder);
        subscription.close();
        executor.runAll();
        assertEquals(List.of(), recorder.calls);
        ExecutorService dead = Executors.newSingleThreadExecutor();
        dead.shutdown();
        tables.namespaces().subscribe(dead, recorder);
        source.sink.commit(t -> t.upsert(TableId.NAMESPACES, ns("a")));
        assertEquals(List.of(), tables.problems());
    }

    @Test
    void slowSubscribersUnderConcurrentWritersLoseNothing() throws Exception {
        List<Source> writers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Source s = new Source("w" + i, TableId.PODS, TableId.NAMESPACES);
            tables.add(s);
            writers.add(s);
        }
        ExecutorService pool = Executors.newFixedThreadPool(4);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<Recorder<ObjectKey, Pod>> recorders = new ArrayList<>();
        CountDownLatch done = new CountDownLatch(5);
        try {
            for (int i = 0; i < 5; i++) {
                int slow = i;
                Recorder<ObjectKey, Pod> recorder = new Recorder<>() {
                    private final AtomicInteger inside = new AtomicInteger();

                    @Override
                    public void onChanges(TableSnapshot<ObjectKey, Pod> now, List<Change<ObjectKey, Pod>> changes) {
                        try {
                            assertEquals(1, inside.incrementAndGet(), "one call at a time");
                            super.onChanges(now, changes);
                            // every transaction writes pod w/p and namespace w-p together: the two tables must agree
                            Set<String> pods = new HashSet<>();
                            now.rows().forEach(p -> pods.add(p.namespace() + "-" + p.name()));
                            Set<String> names = new HashSet<>();
                            now.cluster().namespaces().rows().forEach(n -> names.add(n.name()));
                            assertEquals(names, pods);
                            long until = System.nanoTime() + slow * 300_000L;
                            while (System.nanoTime() < until) Thread.onSpinWait();
                            inside.decrementAndGet();
                            if (now.asMap().containsKey(new ObjectKey("end", "end"))) done.countDown();
                        } catch (Throwable e) {
                            failure.compareAndSet(null, e);
                            while (done.getCount() > 0) done.countDown();
                            throw e;
                        }
                    }
                };
                recorders.add(recorder);
                tables.pods().subscribe(pool, recorder);
            }
            List<Thread> threads = new ArrayList<>();
            for (Source w : writers) {
                Thread thread = new Thread(() -> {
                    Random random = new Random(w.name.hashCode());
                    for (int i = 0; i < 2000; i++) {
                        String name = "p" + random.nextInt(40);
                        boolean delete = random.nextInt(3) == 0;
                        String node = "n" + random.nextInt(3);
                        w.sink.commit(t -> {
                            if (delete) {
                                t.delete(TableId.PODS, new ObjectKey(w.name, name));
                                t.delete(TableId.NAMESPACES, w.name + "-" + name);
                            } else {
                                t.upsert(TableId.PODS, Pod.builder(w.name, name).nodeName(node).build());
                                t.upsert(TableId.NAMESPACES, ns(w.name + "-" + name));
                            }
                        });
                    }
                });
                threads.add(thread);
                thread.start();
            }
            for (Thread thread : threads) thread.join();
            writers.get(0).sink.commit(t -> {
                t.upsert(TableId.PODS, Pod.builder("end", "end").build());
                t.upsert(TableId.NAMESPACES, ns("end-end"));
            });
            assertTrue(done.await(30, TimeUnit.SECONDS));
            if (failure.get() != null) throw new AssertionError(failure.get());
            for (Recorder<ObjectKey, Pod> r : recorders) assertEquals(tables.pods().snapshot().asMap(), r.state);
        } finally {
            pool.shutdownNow();
        }
    }
}
