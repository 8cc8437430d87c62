package io.patchbay.hubble.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class HistoryTest {
    private static final long S = 1_000_000_000L;

    private final AtomicLong horizon = new AtomicLong();
    private final History<String, String> history = new History<>(horizon::get);

    @Test
    void answersAsOfThen() {
        history.put("10.0.0.1", "a", 10 * S);
        history.put("10.0.0.1", null, 100 * S);
        history.put("10.0.0.1", "b", 200 * S);
        assertEquals("a", history.at("10.0.0.1", 10 * S));
        assertEquals("a", history.at("10.0.0.1", 99 * S));
        assertNull(history.at("10.0.0.1", 150 * S));
        assertEquals("b", history.at("10.0.0.1", 200 * S));
        assertEquals("b", history.now("10.0.0.1"));
        assertEquals(Set.of("10.0.0.1"), history.keys());
    }

    @Test
    void newsMayBeLateButNotForLong() {
        history.put("k", "a", 100 * S);
        assertEquals("a", history.at("k", 96 * S));
        assertNull(history.at("k", 94 * S));
        history.put("k", null, 110 * S);
        history.put("k", "b", 120 * S);
        assertNull(history.at("k", 112 * S));
        assertEquals("b", history.at("k", 117 * S));
        assertEquals("a", history.at("k", 109 * S), "late news never replace what was known");
    }

    @Test
    void forgetsWhatNoFlowCanAskFor() {
        for (int i = 0; i < 1000; i++) {
            history.put("pod" + i, "x", i * S);
            history.put("pod" + i, null, i * S + 1);
        }
        assertEquals(1000, history.size());
        horizon.set(2000 * S);
        history.put("last", "y", 2001 * S);
        assertEquals(1, history.size());
    }

    @Test
    void keepsWhatIsInForce() {
        history.put("k", "a", 1);
        history.put("k", "b", 2);
        history.put("k", "c", 3);
        horizon.set(100);
        history.put("other", "x", 101);
        history.put("other", "y", 102);
        assertEquals("c", history.at("k", 50 * S));
        assertEquals("c", history.now("k"));
    }

    @Test
    void boundedWhenFlowsStayForEver() {
        for (int i = 0; i < History.MAX_OLD * 2; i++) history.put("k" + i % 1000, "v" + i, i);
        assertEquals(1000, history.size());
        assertEquals("v" + (History.MAX_OLD * 2 - 1), history.now("k" + (History.MAX_OLD * 2 - 1) % 1000));
    }

    @Test
    void removalOfAnotherIsNone() {
        history.put("k", "a", 1);
        history.put("k", "b", 2);
        history.remove("k", "a", 3);
        assertEquals("b", history.now("k"));
        history.remove("k", "b", 4);
        assertTrue(history.keys().isEmpty());
    }
}
