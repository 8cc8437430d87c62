package io.patchbay.bpf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.ConcurrentLinkedDeque;

/**
 * Room for keys and values of one batch operation, borrowed from a pool and given back by {@link #close}: direct memory that was dropped instead is
 * only freed when the collector finds it, and counts as resident until then.
 */
public final class Batch implements AutoCloseable {
    private static final int ROOM = 1 << 17;
    /** More entries than this gain nothing. */
    private static final int MOST = 4096;
    private static final ConcurrentLinkedDeque<ByteBuffer> POOL = new ConcurrentLinkedDeque<>();

    private final ByteBuffer room;
    private final ByteBuffer keys;
    private final ByteBuffer values;
    private final int entries;

    private Batch(BpfMap map, int entries) {
        int keyBytes = entries * map.keySize() + 7 & ~7;
        int bytes = keyBytes + entries * map.valueBytes();
        ByteBuffer pooled = bytes <= ROOM ? POOL.poll() : null;
        this.room = pooled != null ? pooled : BpfMap.buffer(Math.max(ROOM, bytes));
        this.keys = room.slice(0, keyBytes).order(ByteOrder.nativeOrder());
        this.values = room.slice(keyBytes, bytes - keyBytes).order(ByteOrder.nativeOrder());
        this.entries = entries;
    }

    /** For as many entries as go together well, and for no more than there are. */
    public static Batch of(BpfMap map, int wanted) {
        int fit = Math.min(MOST, (ROOM - 8) / (map.keySize() + map.valueBytes()));
        return new Batch(map, Math.max(1, Math.min(fit, wanted)));
    }

    /** For at least that many entries, whatever room they take. */
    static Batch exactly(BpfMap map, int entries) {
        return new Batch(map, entries);
    }

    public int entries() {
        return entries;
    }

    public ByteBuffer keys() {
        return keys;
    }

    public ByteBuffer values() {
        return values;
    }

    @Override
    public void close() {
        if (room.capacity() == ROOM) {
            POOL.push(room);
        }
    }
}
