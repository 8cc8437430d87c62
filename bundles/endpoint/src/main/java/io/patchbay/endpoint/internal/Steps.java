package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.EndpointStep;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What other features do for an endpoint, one after the other. Thread-safe. */
final class Steps {
    private static final Logger LOG = LoggerFactory.getLogger(Steps.class);

    private record Step(int ranking, EndpointStep step) {
    }

    private final List<Step> all = new CopyOnWriteArrayList<>();

    /** @param ranking the highest comes first */
    synchronized void add(EndpointStep step, int ranking) {
        all.add(new Step(ranking, step));
        all.sort(Comparator.comparingInt(Step::ranking).reversed());
    }

    synchronized void remove(EndpointStep step) {
        all.removeIf(s -> s.step() == step);
    }

    /** The endpoint as it is before each step, or null if it has gone. */
    interface Before {
        Endpoint get();
    }

    /** Each step sees what {@code before} says at its turn; {@code after} takes what it made of it. */
    void prepare(Before before, BiConsumer<Endpoint, Endpoint> after) throws Exception {
        for (Step s : all) {
            Endpoint e = before.get();
            if (e == null) return;
            after.accept(e, Workers.await(s.step().prepare(e), s.step().getClass().getSimpleName() + " of " + e.name()));
        }
    }

    void forget(Endpoint e) {
        for (Step s : all) {
            try {
                s.step().forget(e);
            } catch (RuntimeException x) {
                LOG.warn("{} could not forget {}: {}", s.step().getClass().getSimpleName(), e.name(), x.toString());
            }
        }
    }
}
