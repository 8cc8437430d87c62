package io.patchbay.bpf.internal;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file descriptor with one owner. Closing is explicit and happens once; a descriptor that is collected while open is reported as a leak
 * and stays open, since closing late could hit a number that was given out again.
 */
public final class Descriptor implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Descriptor.class);
    private static final Cleaner CLEANER = Cleaner.create();
    private static final int CLOSED = -1;

    private final Leak state;

    private static final class Leak implements Runnable {
        private final AtomicInteger number;
        private final String what;

        Leak(int number, String what) {
            this.number = new AtomicInteger(number);
            this.what = what;
        }

        @Override
        public void run() {
            int open = number.get();
            if (open != CLOSED) {
                LOG.warn("leaked descriptor {} of {}: its owner did not close it", open, what);
            }
        }
    }

    /** @param what whose it is, for messages */
    public Descriptor(int number, String what) {
        if (number < 0) {
            throw new IllegalArgumentException("no descriptor: " + number);
        }
        this.state = new Leak(number, what);
        CLEANER.register(this, state);
    }

    /** @throws IllegalStateException when closed */
    public int number() {
        int number = state.number.get();
        if (number == CLOSED) {
            throw new IllegalStateException(state.what + " is closed");
        }
        return number;
    }

    public boolean isOpen() {
        return state.number.get() != CLOSED;
    }

    @Override
    public void close() {
        int number = state.number.getAndSet(CLOSED);
        if (number != CLOSED) {
            Sys.close(number);
        }
    }
}
