package io.patchbay.bpf.ring;

import io.patchbay.bpf.BpfException;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.MapType;
import io.patchbay.bpf.internal.Native;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Reads a BPF ring buffer by mapping it, without a system call per record and without wake-ups: the producer submits with BPF_RB_NO_WAKEUP, the
 * owner calls {@link #drain} at its own pace. One reader per ring buffer: the consumer's position is shared with the kernel.
 *
 * <p>Memory (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the producer's, then the data, mapped twice in a row so
 * that a record never wraps. A record is a header of 8 bytes, whose first word is the length with a busy and a discard bit, and the payload,
 * padded to 8.
 */
public final class RingReader implements AutoCloseable {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int MAP_SHARED = 1;
    private static final int BUSY = 1 << 31;
    private static final int DISCARD = 1 << 30;
    private static final int HEADER = 8;
    /** How much is consumed before the producer is told: often enough to free room, seldom enough to leave its cache line alone. */
    private static final int RELEASE_EVERY = 16384;
    private static final VarHandle INT = MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());
    private static final VarHandle LONG = MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

    private final int mask;
    private final long consumerAddress;
    private final long producerAddress;
    private final long producerLength;
    private final ByteBuffer consumer;
    private final ByteBuffer producer;
    private final ByteBuffer data;
    private final ByteBuffer readOnly;
    private long position;
    private boolean open = true;

    /** Maps the ring buffer; the map itself may be closed afterwards. */
    public RingReader(BpfMap map) {
        if (map.info().type() != MapType.RINGBUF) {
            throw new IllegalArgumentException(map + " is a " + map.info().type() + ", no ring buffer");
        }
        int size = map.info().maxEntries();
        if (size <= 0 || size > 1 << 29) {
            throw new IllegalArgumentException(map + " is too large to be mapped: " + Integer.toUnsignedString(size) + " bytes");
        }
        mask = size - 1;
        consumerAddress = mapped(map, Native.C.mmap(0, Native.PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd(), 0));
        producerLength = Native.PAGE + 2L * size;
        try {
            producerAddress = mapped(map, Native.C.mmap(0, producerLength, PROT_READ, MAP_SHARED, map.fd(), Native.PAGE));
        } catch (BpfException e) {
            Native.C.munmap(consumerAddress, Native.PAGE);
            throw e;
        }
        consumer = Native.view(consumerAddress, HEADER);
        producer = Native.view(producerAddress, HEADER);
        data = Native.view(producerAddress + Native.PAGE, 2 * size);
        // A write to these pages would end the JVM with a signal.
        readOnly = data.asReadOnlyBuffer().order(ByteOrder.nativeOrder());
        position = (long) LONG.getAcquire(consumer, 0);
    }

    private static long mapped(BpfMap map, long address) {
        if (address == -1) {
            throw new BpfException("mmap", map.toString(), Native.errno(), "mapping a ring buffer needs a descriptor opened for reading and writing");
        }
        return address;
    }

    /**
     * Hands over what is there, oldest first. Stops early at a record that its producer has reserved and not yet submitted. A consumer that
     * throws has had its record: the next call goes on behind it.
     *
     * @param max most records to hand over
     * @return how many were; 0 when there was nothing to read. Discarded records are passed over and not counted
     */
    public synchronized int drain(RecordConsumer sink, int max) {
        if (!open) {
            throw new IllegalStateException("the ring reader is closed");
        }
        int count = 0;
        long released = position;
        try {
            long end = (long) LONG.getAcquire(producer, 0);
            while (position < end && count < max) {
                int at = (int) (position & mask);
                int header = (int) INT.getAcquire(data, at);
                if ((header & BUSY) != 0) {
                    break;
                }
                int length = header & ~(BUSY | DISCARD);
                position += (length + HEADER + 7) & ~7;
                if ((header & DISCARD) == 0) {
                    count++;
                    sink.accept(readOnly, at + HEADER, length);
                }
                if (position - released >= RELEASE_EVERY) {
                    LONG.setRelease(consumer, 0, position);
                    released = position;
                }
            }
        } finally {
            if (released != position) {
                LONG.setRelease(consumer, 0, position);
            }
        }
        return count;
    }

    /** Bytes that the producers have reserved and this side has not read. */
    public synchronized long backlog() {
        if (!open) {
            throw new IllegalStateException("the ring reader is closed");
        }
        return (long) LONG.getAcquire(producer, 0) - position;
    }

    /** Bytes of the ring buffer. */
    public int capacity() {
        return mask + 1;
    }

    /** Unmaps it. */
    @Override
    public synchronized void close() {
        if (open) {
            open = false;
            Native.C.munmap(consumerAddress, Native.PAGE);
            Native.C.munmap(producerAddress, producerLength);
        }
    }
}
