package io.patchbay.hubble.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class FlowRingTest {
    private static void add(FlowRing ring) {
        long s = ring.next();
        ring.add(new RawFlow(s, s, s));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2, 4, 4096, 65534, 131071, -1})
    void refusesSizesThatHubbleRefuses(int size) {
        assertTrue(assertThrows(IllegalArgumentException.class, () -> new FlowRing(size)).getMessage().contains("2^n - 1"));
    }

    @Test
    void keepsTheLastN() {
        FlowRing ring = new FlowRing(7);
        assertNull(ring.get(0));
        assertEquals(0, ring.oldest());
        for (int i = 0; i < 100; i++) {
            add(ring);
            assertNotNull(ring.get(i));
            assertEquals(Math.max(0, i + 1 - 7), ring.oldest());
            for (long s = ring.oldest(); s < ring.next(); s++) assertEquals(s, ring.get(s).sequence);
            if (i > 7) assertNull(ring.get(i - 8));
        }
    }

    @Test
    void aReaderThatWasOvertakenLearnsHowMany() {
        FlowRing ring = new FlowRing(7);
        FlowRing.Reader reader = ring.reader(0);
        for (int i = 0; i < 20; i++) add(ring);
        assertEquals(13, reader.skipOverwritten());
        assertEquals(0, reader.skipOverwritten());
        for (int i = 13; i < 20; i++) assertEquals(i, reader.poll().sequence);
        assertNull(reader.poll());
        assertEquals(13, reader.lost());
        assertEquals(13, ring.readersLost());
    }

    @Test
    void waitsAndEnds() throws Exception {
        FlowRing ring = new FlowRing(15);
        FlowRing.Reader reader = ring.reader(0);
        assertFalse(reader.await(1000));
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<Boolean> waiting = pool.submit(() -> reader.await(TimeUnit.MINUTES.toNanos(5)));
            add(ring);
            assertTrue(waiting.get());
            assertEquals(0, reader.poll().sequence);
            Future<Boolean> ended = pool.submit(() -> reader.await(TimeUnit.MINUTES.toNanos(5)));
            reader.close();
            assertTrue(ended.get());
            assertTrue(reader.isClosed());
            assertNull(reader.poll());
        } finally {
            pool.shutdownNow();
        }
    }

    /** Whatever the pace of writer and readers: in order, each once, and what is missing is counted. */
    @Test
    void everyEntryIsReadOnceOrCountedAsLost() throws Exception {
        int total = 1_000_000;
        FlowRing ring = new FlowRing(1023);
        ExecutorService pool = Executors.newCachedThreadPool();
        CountDownLatch ready = new CountDownLatch(3);
        List<Future<Long>> readers = new ArrayList<>();
        try {
            for (int r = 0; r < 3; r++) {
                int slow = r;
                FlowRing.Reader reader = ring.reader(0);
                readers.add(pool.submit(() -> {
                    ready.countDown();
                    long read = 0;
                    long lost = 0;
                    long last = -1;
                    while (read + lost < total) {
                        lost += reader.skipOverwritten();
                        RawFlow f = reader.poll();
                        if (f == null) {
                            reader.await(TimeUnit.SECONDS.toNanos(1));
                            continue;
                        }
                        assertTrue(f.sequence > last && f.ts == f.sequence, "in order, whole");
                        last = f.sequence;
                        read++;
                        for (int i = 0; i < slow * 200; i++) Thread.onSpinWait();
                    }
                    assertEquals(total, read + lost);
                    assertEquals(total - 1, last);
                    return reader.lost();
                }));
            }
            ready.await();
            for (int i = 0; i < total; i++) add(ring);
            long lost = 0;
            for (Future<Long> f : readers) lost += f.get();
            assertEquals(lost, ring.readersLost());
        } finally {
            pool.shutdownNow();
        }
    }
}
