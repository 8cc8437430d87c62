package io.patchbay.reconcile.internal;

import io.patchbay.api.status.Controllers;
import java.time.Clock;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Health of all that works in the background. Two of one name may exist for a moment, while a feature is replaced. */
@Component(service = Controllers.class, immediate = true)
public final class ControllersComponent implements Controllers {
    private static final Logger LOG = LoggerFactory.getLogger(ControllersComponent.class);

    private final Map<Long, Entry> entries = new ConcurrentHashMap<>();
    private final AtomicLong numbers = new AtomicLong();
    private final Clock clock;

    @Activate
    public ControllersComponent() {
        this(Clock.systemUTC());
    }

    ControllersComponent(Clock clock) {
        this.clock = clock;
    }

    @Override
    public Controller register(String name) {
        long number = numbers.incrementAndGet();
        Entry entry = new Entry(name, number);
        entries.put(number, entry);
        return entry;
    }

    @Override
    public List<State> list() {
        return entries.values().stream().map(e -> e.state).sorted(Comparator.comparing(State::name)).toList();
    }

    private final class Entry implements Controller {
        private final long number;
        private volatile State state;

        Entry(String name, long number) {
            this.number = number;
            state = new State(name, null, null, 0, "");
        }

        @Override
        public synchronized void succeeded() {
            Instant now = clock.instant();
            if (state.failures() > 0) {
                LOG.info("Controller {} works again after {} failures", state.name(), state.failures());
            }
            state = new State(state.name(), now, state.lastError(), 0, "");
        }

        @Override
        public synchronized void failed(Throwable reason) {
            String message = message(reason);
            // A failure that repeats is one fact: once in the log, then in status.
            if (!message.equals(state.message())) {
                LOG.warn("Controller {} fails: {}", state.name(), message);
                LOG.debug("Controller {}", state.name(), reason);
            }
            state = new State(state.name(), state.lastSuccess(), clock.instant(), state.failures() + 1, message);
        }

        @Override
        public void close() {
            entries.remove(number);
        }
    }

    private static String message(Throwable reason) {
        // The type says nothing when the message names the thing, and everything when there is none.
        String text = reason.getMessage();
        return text == null || text.isEmpty() ? reason.toString() : text;
    }
}
