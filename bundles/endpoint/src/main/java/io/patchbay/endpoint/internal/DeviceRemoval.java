package io.patchbay.endpoint.internal;

import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Deletes pod devices. The kernel needs about the same time for many as for one (it waits until nobody uses them, under the lock that all
 * changes of devices share), so whoever comes while others are deleted goes with the next lot. Thread-safe; the owner closes it.
 */
final class DeviceRemoval implements AutoCloseable {
    private static final class Wanted {
        private final String device;
        private boolean done;
        private RuntimeException failure;

        private Wanted(String device) {
            this.device = device;
        }
    }

    /** Of its own: who makes devices does not wait for the answers to who deletes them. */
    private final NetlinkSocket netlink = NetlinkSocket.open();
    /** A number that nobody else on this node uses: only devices that are to go are ever in it. */
    private final int group = ThreadLocalRandom.current().nextInt(1 << 20, Integer.MAX_VALUE);
    /** Held by the one who deletes; what it has left of a lot is guarded by it. */
    private final ReentrantLock deleting = new ReentrantLock();
    /** Guarded by itself. */
    private final List<Wanted> waiting = new ArrayList<>();

    /**
     * Returns once the device has gone; at once when there is none.
     *
     * @throws NetlinkException when the kernel refused
     */
    void delete(String device) {
        Wanted mine = new Wanted(device);
        synchronized (waiting) {
            waiting.add(mine);
        }
        deleting.lock();
        try {
            if (!mine.done) lot(); // else it went with the lot before
        } finally {
            deleting.unlock();
        }
        if (mine.failure != null) throw mine.failure;
    }

    private void lot() {
        List<Wanted> lot;
        synchronized (waiting) {
            lot = List.copyOf(waiting);
            waiting.clear();
        }
        if (lot.size() > 1) {
            try {
                together(lot);
            } catch (NetlinkException e) {
                // one by one below, each with its own reason
            }
        }
        for (Wanted w : lot) {
            try {
                if (!w.done) netlink.links().deleteIfExists(w.device);
            } catch (RuntimeException e) {
                w.failure = e;
            } finally {
                w.done = true;
            }
        }
    }

    private void together(List<Wanted> lot) {
        boolean any = false;
        for (Wanted w : lot) any |= netlink.links().setGroup(w.device, group);
        if (any) netlink.links().deleteGroup(group);
        lot.forEach(w -> w.done = true);
    }

    @Override
    public void close() {
        netlink.close();
    }
}
