package io.patchbay.lifecycle.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.status.Controllers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class TaskScopeTest {
    private final List<String> events = Collections.synchronizedList(new ArrayList<>());
    private final TaskScope scope = new TaskScope("f/c", new Recorder(), () -> events.add("closed"));

    @Test
    void closesInReverse() {
        scope.closing(() -> events.add("first"));
        scope.closing(() -> events.add("second"));
        scope.close();
        scope.close();
        assertEquals(List.of("second", "first", "closed"), events);
    }

    @Test
    void whatComesAfterCloseIsClosedAtOnce() {
        scope.close();
        scope.closing(() -> events.add("late"));
        scope.executor().execute(() -> events.add("never"));
        assertEquals(List.of("closed", "late"), events);
    }

    @Test
    void retriesUntilDone() throws Exception {
        AtomicInteger attempts = new AtomicInteger();
        scope.untilDone("sync", () -> {
            if (attempts.incrementAndGet() < 3) {
                throw new IllegalStateException("not yet");
            }
            return null;
        }).get(10, TimeUnit.SECONDS);
        assertEquals(List.of("sync failed not yet", "sync failed not yet", "sync ok"), List.copyOf(events));
        scope.close();
    }

    @Test
    void taskOnItsWayEndsBeforeResourcesAreClosed() throws Exception {
        CountDownLatch entered = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        scope.closing(() -> events.add("resource"));
        scope.executor().execute(() -> {
            entered.countDown();
            try {
                go.await();
            } catch (InterruptedException e) {
                events.add("interrupted");
            }
            events.add("task");
        });
        entered.await();
        CompletableFuture<Void> closing = CompletableFuture.runAsync(scope::close);
        go.countDown();
        closing.get();
        assertEquals(List.of("task", "resource", "closed"), events);
    }

    @Test
    void threadIsInterruptedAndGone() throws Exception {
        CountDownLatch entered = new CountDownLatch(1);
        Thread[] t = new Thread[1];
        scope.thread("reader", () -> {
            t[0] = Thread.currentThread();
            entered.countDown();
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                events.add("interrupted");
            }
        });
        entered.await();
        scope.close();
        assertFalse(t[0].isAlive());
        assertTrue(events.contains("interrupted"));
    }

    @Test
    void periodicTaskGoesOnAfterAFailure() throws Exception {
        CountDownLatch thrice = new CountDownLatch(3);
        scope.every("tick", Duration.ofMillis(1), () -> {
            thrice.countDown();
            throw new IllegalStateException("again");
        });
        thrice.await();
        scope.close();
        assertTrue(events.contains("tick failed again"));
    }

    @Test
    void unfinishedUntilDoneFailsAtClose() {
        CompletableFuture<Void> f = scope.untilDone("x", () -> {
            throw new IllegalStateException("never");
        });
        scope.close();
        assertThrows(ExecutionException.class, () -> f.get(1, TimeUnit.SECONDS));
    }

    private final class Recorder implements Controllers {
        @Override
        public Controller register(String name) {
            return new Controller() {
                @Override
                public void succeeded() {
                    events.add(name + " ok");
                }

                @Override
                public void failed(Throwable reason) {
                    events.add(name + " failed " + reason.getMessage());
                }

                @Override
                public void close() {
                    // Nothing to give back.
                }
            };
        }

        @Override
        public List<State> list() {
            return List.of();
        }
    }
}
