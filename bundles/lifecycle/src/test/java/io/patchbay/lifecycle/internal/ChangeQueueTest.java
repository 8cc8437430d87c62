package io.patchbay.lifecycle.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ChangeQueueTest {
    private final ChangeQueue queue = new ChangeQueue(Duration.ofMillis(100), () -> "change 7, policy 1.0.0 -> 1.1.0");

    @AfterEach
    void close() {
        queue.close(Duration.ofSeconds(10));
    }

    @Test
    void whoDoesNotGetATurnIsToldWhoseItIsAndNothingIsDone() throws Exception {
        CountDownLatch let = new CountDownLatch(1);
        AtomicBoolean made = new AtomicBoolean();
        queue.executor().execute(() -> {
            try {
                let.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> queue.run(() -> {
            made.set(true);
            return null;
        }));
        assertTrue(e.getMessage().contains("another change is under way") && e.getMessage().contains("change 7, policy 1.0.0 -> 1.1.0"), e.getMessage());
        let.countDown();
        assertEquals("next", queue.run(() -> "next"));
        assertFalse(made.get());
    }

    @Test
    void aChangeThatHasBegunIsWaitedFor() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        assertEquals("done", queue.run(() -> {
            assertFalse(begun.await(300, java.util.concurrent.TimeUnit.MILLISECONDS));
            return "done";
        }));
    }

    @Test
    void whatAChangeThrowsIsThrown() {
        assertEquals("no", assertThrows(ChangeRefused.class, () -> queue.run(() -> {
            throw new ChangeRefused("no");
        })).getMessage());
        assertEquals("disk", assertThrows(IOException.class, () -> queue.run(() -> {
            throw new IOException("disk");
        })).getMessage());
        assertEquals("other", assertThrows(IllegalStateException.class, () -> queue.run(() -> {
            throw new AssertionError("other");
        })).getMessage());
    }
}
