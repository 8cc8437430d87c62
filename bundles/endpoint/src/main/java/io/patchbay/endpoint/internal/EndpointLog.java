package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What happened to each endpoint lately, for {@code endpoint log}. Thread-safe. */
final class EndpointLog {
    private static final int EACH = 64;

    /** @param ok false for what failed */
    record Line(Instant at, boolean ok, Endpoint.State state, String message) {
    }

    private final Map<Integer, Deque<Line>> lines = new HashMap<>();

    synchronized void add(int id, boolean ok, Endpoint.State state, String message) {
        Deque<Line> all = lines.computeIfAbsent(id, x -> new ArrayDeque<>());
        if (all.size() == EACH) all.removeFirst();
        all.addLast(new Line(Instant.now(), ok, state, message));
    }

    /** Newest first. */
    synchronized List<Line> of(int id) {
        List<Line> result = new ArrayList<>(lines.getOrDefault(id, new ArrayDeque<>()));
        java.util.Collections.reverse(result);
        return result;
    }

    synchronized void forget(int id) {
        lines.remove(id);
    }
}
