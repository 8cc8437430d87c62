package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.EventSource;
import io.patchbay.api.datapath.Struct;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.BtfKind;
import io.patchbay.bpf.ring.RingReader;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the event ring on one thread while somebody listens, at a pace that follows the load: 1 ms between looks when
 * there was something, up to 5 ms when there was nothing, none when there is much. Each look takes the lines that
 * the datapath writes next away from its CPU, and a millisecond's events fill a small part of the ring. The kernel is told who listens and writes nothing for
 * nobody.
 */
final class EventRing implements EventSource, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EventRing.class);
    private static final long FASTEST = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long SLOWEST = TimeUnit.MILLISECONDS.toNanos(5);
    private static final int AT_ONCE = 8192;
    private static final int FLOWS = 1;
    private static final int MONITOR = 2;

    private record Subscriber(String who, Listener listener) {
    }

    private final RingReader ring;
    private final BpfMap wanted;
    private final BpfMap lost;
    private final BtfLayout layout;
    private final int bytes;
    private final List<Subscriber> subscribers = new CopyOnWriteArrayList<>();
    private volatile Thread reader;
    private volatile long seen;

    EventRing(Core core, Btf types) {
        this.bytes = core.map("pb_events").info().maxEntries();
        this.ring = new RingReader(core.map("pb_events"));
        this.wanted = core.map("pb_events_wanted");
        this.lost = core.map("pb_events_lost");
        this.layout = new BtfLayout(types, types.find(BtfKind.STRUCT, "pb_event").orElseThrow());
        // Nobody listens yet; an agent that was killed may have left it otherwise.
        tellKernel();
    }

    BtfLayout layout() {
        return layout;
    }

    private void tellKernel() {
        int bits = 0;
        for (Subscriber s : subscribers) {
            bits |= s.who().equals("monitor") ? MONITOR : FLOWS;
        }
        wanted.update(BpfMap.intKey(0), BpfMap.intKey(bits));
    }

    @Override
    public synchronized AutoCloseable subscribe(String who, Listener listener) {
        Subscriber s = new Subscriber(who, listener);
        if (subscribers.isEmpty()) {
            // Whatever the last listener left behind is no event "from now on".
            ring.drain((r, offset, length) -> { }, Integer.MAX_VALUE);
        }
        subscribers.add(s);
        tellKernel();
        if (reader == null) {
            Thread t = new Thread(this::run, "events");
            t.setDaemon(true);
            reader = t;
            t.start();
        }
        return () -> unsubscribe(s);
    }

    private synchronized void unsubscribe(Subscriber s) {
        if (subscribers.remove(s)) {
            tellKernel();
            if (subscribers.isEmpty()) {
                LockSupport.unpark(reader);
            }
        }
    }

    private void run() {
        Struct event = new Struct(layout);
        byte[] to = event.bytes();
        long pause = FASTEST;
        while (goesOn()) {
            int n = ring.drain((ByteBuffer r, int offset, int length) -> {
                r.get(offset, to, 0, Math.min(length, to.length));
                deliver(event);
            }, AT_ONCE);
            seen += n;
            if (n == AT_ONCE) {
                continue;
            }
            pause = n > 0 ? FASTEST : Math.min(SLOWEST, pause * 2);
            LockSupport.parkNanos(this, pause);
        }
    }

    private synchronized boolean goesOn() {
        if (subscribers.isEmpty()) {
            reader = null;
            return false;
        }
        return true;
    }

    private void deliver(Struct event) {
        for (Subscriber s : subscribers) {
            try {
                s.listener().event(event);
            } catch (RuntimeException | LinkageError e) {
                // A listener whose bundle is being replaced may lack a class. It must not take the thread with it, that reads for all.
                LOG.error("event listener {} failed and gets no more events", s.who(), e);
                unsubscribe(s);
            }
        }
    }

    @Override
    public long lost() {
        ByteBuffer all = lost.lookup(0);
        long n = 0;
        for (int cpu = 0; cpu < BpfMap.possibleCpus(); cpu++) {
            n += all.getLong(cpu * lost.slotSize());
        }
        return n;
    }

    @Override
    public long seen() {
        return seen;
    }

    @Override
    public int ringBytes() {
        return bytes;
    }

    @Override
    public void close() {
        Thread t;
        synchronized (this) {
            subscribers.clear();
            tellKernel();
            t = reader;
        }
        if (t != null && t != Thread.currentThread()) {
            boolean interrupted = false;
            while (t.isAlive()) {
                try {
                    LockSupport.unpark(t);
                    t.join(100);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        ring.close();
    }
}
