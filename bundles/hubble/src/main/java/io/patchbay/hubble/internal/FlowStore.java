package io.patchbay.hubble.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.FlowCursor;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.FlowSource;
import io.patchbay.api.flow.LostFlows;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.policy.PolicyRules;
import java.time.Duration;
import java.time.Instant;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntFunction;
import java.util.function.LongSupplier;
import java.util.function.ToIntFunction;

/**
 * The flow ring with names: everything of this feature that needs no OSGi. Events come in on one thread; readers are free of it and of
 * each other.
 */
final class FlowStore implements FlowSource {
    private static final Duration RATE_OVER = Duration.ofMinutes(1);
    private static final long LOSS_REPORT = TimeUnit.SECONDS.toNanos(1);

    private final String node;
    private final FlowRing ring;
    private final WallClock wall = new WallClock();
    private final Names names = new Names(System::nanoTime, this::horizon);
    private final FlowResolver resolver;
    private final LongSupplier kernelLost;
    private final long began = System.nanoTime();
    private final AtomicLong toReport = new AtomicLong();
    private EventDecoder decoder;
    private volatile long markers;
    private volatile long unknown;
    private long reported;

    /**
     * @param kernelLost events that found the kernel's ring full, ever
     * @param identityOf for events that came before the identity was looked up; 0: not known
     * @param rules      by the cookie of an event
     */
    FlowStore(String node, int capacity, LongSupplier kernelLost, ToIntFunction<IpAddress> identityOf,
            IntFunction<Optional<PolicyRules.Rule>> rules, long run) {
        this.node = node;
        this.ring = new FlowRing(capacity);
        this.kernelLost = kernelLost;
        this.reported = kernelLost.getAsLong();
        this.resolver = new FlowResolver(names, identityOf, rules, run);
    }

    Names names() {
        return names;
    }

    /** Time of the oldest flow that is held. */
    private long horizon() {
        RawFlow oldest = ring.get(ring.oldest());
        return oldest == null ? System.nanoTime() : oldest.ts;
    }

    /** One event; on the event reader's thread. */
    void event(Struct event) {
        EventDecoder d = decoder;
        if (d == null || d.layout() != event.layout()) {
            d = new EventDecoder(event.layout());
            decoder = d;
        }
        if (toReport.getPlain() != 0) {
            long lost = toReport.getAndSet(0);
            long now = System.nanoTime();
            ring.add(new RawFlow(ring.next(), now, now + wall.offset(), lost, LostFlows.Source.PERF_EVENT_RING_BUFFER));
            markers++;
        }
        RawFlow flow = d.decode(event.bytes(), ring.next(), wall.offset());
        if (Flow.Type.ofNumber(flow.type) == null) {
            // Written by a stage that is newer than this feature: counted, not guessed at.
            unknown++;
            return;
        }
        ring.add(flow);
    }

    /** Looks after losses and clocks; on a timer. The next event carries the news of the losses into the ring. */
    synchronized void look() {
        wall.adjust();
        long lost = kernelLost.getAsLong();
        if (lost > reported) toReport.addAndGet(lost - reported);
        reported = lost;
    }

    /** Events of kinds that this version doesn't know. */
    long unknown() {
        return unknown;
    }

    @Override
    public String nodeName() {
        return node;
    }

    @Override
    public long next() {
        return ring.next();
    }

    @Override
    public Iterator<FlowEvent> backwards(long sequence) {
        return new Iterator<>() {
            private long at = Math.min(sequence, ring.next());
            private RawFlow found;

            @Override
            public boolean hasNext() {
                if (found == null && at > ring.oldest()) {
                    found = ring.get(at - 1);
                    at = found == null ? 0 : at - 1;
                }
                return found != null;
            }

            @Override
            public FlowEvent next() {
                if (!hasNext()) throw new NoSuchElementException();
                RawFlow f = found;
                found = null;
                return resolver.resolve(f);
            }
        };
    }

    @Override
    public FlowCursor follow(long sequence) {
        FlowRing.Reader reader = ring.reader(sequence);
        return new FlowCursor() {
            private long missed;
            private long missedAt;

            @Override
            public Optional<FlowEvent> next(Duration wait) throws InterruptedException {
                long deadline = System.nanoTime() + wait.toNanos();
                while (!reader.isClosed()) {
                    missed += reader.skipOverwritten();
                    long now = System.nanoTime();
                    // Somebody who is too slow is not told so with each flow.
                    if (missed > 0 && now - missedAt >= LOSS_REPORT) {
                        long count = missed;
                        missed = 0;
                        missedAt = now;
                        return Optional.of(new LostFlows(reader.position() - 1, Instant.now(), LostFlows.Source.HUBBLE_RING_BUFFER, count));
                    }
                    RawFlow flow = reader.poll();
                    if (flow != null) return Optional.of(resolver.resolve(flow));
                    long left = missed > 0 ? Math.min(deadline - now, missedAt + LOSS_REPORT - now) : deadline - now;
                    if (!reader.await(Math.max(0, left)) && System.nanoTime() >= deadline) return Optional.empty();
                }
                return Optional.empty();
            }

            @Override
            public long lost() {
                return reader.lost();
            }

            @Override
            public boolean closed() {
                return reader.isClosed();
            }

            @Override
            public void close() {
                reader.close();
            }
        };
    }

    @Override
    public Stats stats() {
        return stats(System.nanoTime());
    }

    /** @param now of {@link System#nanoTime}, as events have it */
    Stats stats(long now) {
        long next = ring.next();
        return new Stats((int) Math.min(next, ring.capacity()), ring.capacity(), next - markers, perSecond(now, next),
                Duration.ofNanos(now - began), kernelLost.getAsLong(), ring.readersLost());
    }

    /** By halving: times in the ring grow. */
    private double perSecond(long now, long next) {
        long from = now - RATE_OVER.toNanos();
        long low = ring.oldest();
        long high = next;
        while (low < high) {
            long middle = low + high >>> 1;
            RawFlow f = ring.get(middle);
            if (f == null || f.ts < from) low = middle + 1;
            else high = middle;
        }
        RawFlow first = ring.get(low);
        if (first == null || low >= next) return 0;
        // When the ring has been round within the minute, it spans less than that; else what is missing are seconds without flows.
        long span = low == ring.oldest() && low > 0 ? now - first.ts : Math.min(RATE_OVER.toNanos(), now - began);
        return (next - low) / (Math.max(span, 1) / 1e9);
    }

    /** Ends all who follow. */
    void close() {
        ring.close();
    }
}
