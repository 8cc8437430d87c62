package io.patchbay.hubble.internal;

import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;

/**
 * The last N events. One writer; readers take no lock and never hold it up: an entry knows its own sequence, so a reader sees at once
 * that the writer has been round. The ring is also the queue of everyone who follows, so a slow follower costs no memory.
 */
final class FlowRing {
    /** As in Hubble: N + 1 slots are a power of two, and the slot beyond N is the one that is being written. */
    static final int MAX_CAPACITY = 65535;

    private final int capacity;
    private final AtomicReferenceArray<RawFlow> slots;
    private final CopyOnWriteArrayList<Reader> readers = new CopyOnWriteArrayList<>();
    private final AtomicLong readersLost = new AtomicLong();
    private volatile long next;

    /** @throws IllegalArgumentException when the capacity is not 2^n - 1 from 1 to 65535 */
    FlowRing(int capacity) {
        if (capacity < 1 || capacity > MAX_CAPACITY || (capacity & capacity + 1) != 0) {
            throw new IllegalArgumentException("a flow buffer holds 2^n - 1 flows, from 1 to 65535 (1023, 4095, 16383, ...), not " + capacity);
        }
        this.capacity = capacity;
        this.slots = new AtomicReferenceArray<>(capacity + 1);
    }

    int capacity() {
        return capacity;
    }

    /** Sequence of the next entry. */
    long next() {
        return next;
    }

    /** Sequence of the oldest entry that is held; {@link #next} when there is none. */
    long oldest() {
        return Math.max(0, next - capacity);
    }

    /** By the writer alone, with {@code sequence == next()}. */
    void add(RawFlow flow) {
        long sequence = next;
        slots.setRelease((int) sequence & capacity, flow);
        next = sequence + 1;
        for (Reader reader : readers) {
            reader.wake();
        }
    }

    /** Null when it isn't there any more, or not yet. */
    RawFlow get(long sequence) {
        RawFlow flow = slots.getAcquire((int) sequence & capacity);
        return flow != null && flow.sequence == sequence ? flow : null;
    }

    /** What all readers together missed. */
    long readersLost() {
        return readersLost.get();
    }

    Reader reader(long from) {
        Reader reader = new Reader(from);
        readers.add(reader);
        return reader;
    }

    /** A place in the ring; read by one thread, closed by any. */
    final class Reader implements AutoCloseable {
        private volatile Thread waiting;
        private volatile boolean closed;
        private volatile long lost;
        private long at;

        private Reader(long from) {
            this.at = Math.min(from, FlowRing.this.next);
        }

        private void wake() {
            Thread t = waiting;
            if (t != null) {
                waiting = null;
                LockSupport.unpark(t);
            }
        }

        /** How many were overwritten since the last call of it; the reader goes on behind them. */
        long skipOverwritten() {
            long oldest = oldest();
            if (at >= oldest) {
                return 0;
            }
            long missed = oldest - at;
            at = oldest;
            lost += missed;
            readersLost.addAndGet(missed);
            return missed;
        }

        /** The next entry if it is there; null as well when it was overwritten just now. */
        RawFlow poll() {
            if (closed || at >= FlowRing.this.next) {
                return null;
            }
            RawFlow flow = get(at);
            if (flow != null) {
                at++;
            }
            return flow;
        }

        /** Waits for an entry or the end. @return false when neither came in time */
        boolean await(long nanos) throws InterruptedException {
            long deadline = System.nanoTime() + nanos;
            while (!closed && at >= FlowRing.this.next) {
                waiting = Thread.currentThread();
                // The writer publishes before it looks who waits, the reader says that it waits before it looks again.
                if (closed || at < FlowRing.this.next) {
                    break;
                }
                long left = deadline - System.nanoTime();
                if (left <= 0) {
                    waiting = null;
                    return false;
                }
                LockSupport.parkNanos(this, left);
                if (Thread.interrupted()) {
                    waiting = null;
                    throw new InterruptedException();
                }
            }
            waiting = null;
            return true;
        }

        long position() {
            return at;
        }

        long lost() {
            return lost;
        }

        boolean isClosed() {
            return closed;
        }

        @Override
        public void close() {
            closed = true;
            readers.remove(this);
            wake();
        }
    }

    /** Ends all readers. */
    void close() {
        readers.forEach(Reader::close);
    }
}
