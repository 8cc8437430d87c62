package io.patchbay.reconcile.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Target;
import io.patchbay.api.status.Controllers;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class StateReconcilerTest {
    private final ExecutorService workers = Executors.newFixedThreadPool(2);
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    private final ControllersComponent controllers = new ControllersComponent();
    private final Kernel kernel = new Kernel();

    @AfterEach
    void stop() {
        timer.shutdownNow();
        workers.shutdownNow();
    }

    @Test
    void writesDifferencesOnly() throws Exception {
        kernel.state.putAll(Map.of("a", 1, "b", 2));
        Reconciler<String, Integer> r = reconciler();
        r.change(Map.of("a", 1, "b", 3, "c", 4), List.of());
        done(r.flush());
        assertEquals(Map.of("a", 1, "b", 3, "c", 4), kernel.state);
        assertEquals(Set.of("b", "c"), kernel.written);
    }

    @Test
    void deletesNothingItFoundBeforeSynced() throws Exception {
        kernel.state.putAll(Map.of("left", 1, "kept", 2));
        Reconciler<String, Integer> r = reconciler();
        r.put("kept", 2);
        r.remove("left");
        done(r.flush());
        assertEquals(Set.of("left", "kept"), kernel.state.keySet());
        r.synced();
        done(r.flush());
        assertEquals(Set.of("kept"), kernel.state.keySet());
    }

    @Test
    void deletesWhatItWroteItself() throws Exception {
        Reconciler<String, Integer> r = reconciler();
        r.put("a", 1);
        done(r.flush());
        r.remove("a");
        done(r.flush());
        assertEquals(Map.of(), kernel.state);
    }

    @Test
    void oneThatFailsHoldsUpNoOther() throws Exception {
        kernel.refused.add("bad");
        Reconciler<String, Integer> r = reconciler();
        r.put("bad", 1);
        Throwable reason = assertThrows(ExecutionException.class, () -> done(r.flush())).getCause();
        assertTrue(reason.getMessage().contains("bad: refused"), reason.getMessage());
        long attempts = kernel.attempts("bad");
        r.put("good", 2);
        kernel.awaitState("good", 2);
        kernel.refused.remove("bad");
        kernel.awaitState("bad", 1);
        assertTrue(kernel.attempts("bad") > attempts);
        done(r.flush());
        assertTrue(controllers.list().get(0).healthy());
    }

    @Test
    void isUnhealthyWhileSomethingFails() throws Exception {
        kernel.refused.add("bad");
        Reconciler<String, Integer> r = reconciler();
        r.put("bad", 1);
        assertThrows(ExecutionException.class, () -> done(r.flush()));
        Controllers.State state = controllers.list().get(0);
        assertTrue(state.failures() >= 2);
        assertTrue(state.message().contains("bad"), state.message());
    }

    @Test
    void batchThatThrewIsReadBack() throws Exception {
        Reconciler<String, Integer> r = reconciler();
        done(r.flush());
        kernel.throwHalfWay = true;
        r.change(new LinkedHashMap<>(Map.of("a", 1, "b", 2, "c", 3)), List.of());
        kernel.awaitState("a", 1);
        kernel.awaitState("b", 2);
        kernel.awaitState("c", 3);
        done(r.flush());
        assertTrue(kernel.reads >= 2);
        assertEquals(3, kernel.written.size());
    }

    @Test
    void unreadableStateIsRetriedAndNothingIsWrittenBlind() throws Exception {
        kernel.unreadable = 3;
        Reconciler<String, Integer> r = reconciler();
        r.put("a", 1);
        assertThrows(ExecutionException.class, () -> done(r.flush()));
        kernel.awaitState("a", 1);
        done(r.flush());
    }

    @Test
    void refreshMendsWhatSomebodyElseChanged() throws Exception {
        Reconciler<String, Integer> r = reconciler();
        r.synced();
        r.change(Map.of("a", 1, "b", 2), List.of());
        done(r.flush());
        kernel.state.remove("a");
        kernel.state.put("b", 9);
        kernel.state.put("foreign", 9);
        done(r.refresh());
        assertEquals(Map.of("a", 1, "b", 2), kernel.state);
    }

    @Test
    void tenThousandChangesDuringOneBatchBecomeOneBatch() throws Exception {
        Reconciler<String, Integer> r = reconciler();
        done(r.flush());
        kernel.hold = new CountDownLatch(1);
        r.put("first", 0);
        kernel.entered.await();
        for (int i = 0; i < 10_000; i++) {
            r.put("k" + i % 100, i);
        }
        kernel.hold.countDown();
        done(r.flush());
        assertEquals(2, kernel.batches, "the one that was held, and one for all that came meanwhile");
        assertEquals(9_999, kernel.state.get("k99"));
    }

    /** A flush that comes while a pass ends, behind its batch: it was forgotten now and then. */
    @Test
    void flushIsAnsweredWheneverItComes() throws Exception {
        Reconciler<String, Integer> r = reconciler();
        for (int i = 0; i < 20_000; i++) {
            r.put("a", i);
            Future<?> one = r.flush();
            while (!one.isDone()) {
                done(r.flush());
            }
            done(r.flush());
        }
    }

    @Test
    void closeWaitsForTheRunningBatchAndThenWritesNoMore() throws Exception {
        Reconciler<String, Integer> r = reconciler();
        done(r.flush());
        kernel.hold = new CountDownLatch(1);
        r.put("first", 0);
        kernel.entered.await();
        r.put("second", 1);
        Future<?> closing = workers.submit(r::close);
        kernel.hold.countDown();
        closing.get();
        assertEquals(Set.of("first"), kernel.state.keySet());
        assertEquals(List.of(), controllers.list());
        assertThrows(ExecutionException.class, () -> done(r.flush()));
    }

    private Reconciler<String, Integer> reconciler() {
        return new StateReconciler<>("test", kernel, controllers.register("test"), workers, timer, new Backoff(1, 5));
    }

    private static void done(Future<?> f) throws Exception {
        f.get(10, TimeUnit.SECONDS);
    }

    /** State in memory that refuses what it is told to. */
    private static final class Kernel implements Target<String, Integer> {
        final Map<String, Integer> state = new HashMap<>();
        final Set<String> written = new HashSet<>();
        final Set<String> refused = java.util.concurrent.ConcurrentHashMap.newKeySet();
        final List<String> tried = new ArrayList<>();
        final CountDownLatch entered = new CountDownLatch(1);
        volatile CountDownLatch hold;
        volatile boolean throwHalfWay;
        volatile int unreadable;
        volatile int reads;
        volatile int batches;

        @Override
        public synchronized Map<String, Integer> actual() {
            reads++;
            if (unreadable > 0) {
                unreadable--;
                throw new IllegalStateException("can't be read");
            }
            return Map.copyOf(state);
        }

        @Override
        public Map<String, String> apply(Map<String, Integer> puts, Set<String> deletes) throws Exception {
            if (hold != null) {
                entered.countDown();
                hold.await();
            }
            synchronized (this) {
                batches++;
                Map<String, String> failed = new HashMap<>();
                int n = 0;
                for (Map.Entry<String, Integer> e : puts.entrySet()) {
                    tried.add(e.getKey());
                    if (throwHalfWay && n++ == 1) {
                        throwHalfWay = false;
                        notifyAll();
                        throw new IllegalStateException("half way");
                    }
                    if (refused.contains(e.getKey())) {
                        failed.put(e.getKey(), "refused");
                    } else {
                        state.put(e.getKey(), e.getValue());
                        written.add(e.getKey());
                    }
                }
                deletes.forEach(state::remove);
                notifyAll();
                return failed;
            }
        }

        synchronized long attempts(String key) {
            return tried.stream().filter(key::equals).count();
        }

        synchronized void awaitState(String key, int value) throws InterruptedException {
            while (!Integer.valueOf(value).equals(state.get(key))) {
                wait();
            }
        }
    }
}
