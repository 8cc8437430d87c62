package io.patchbay.bpf.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.ConcurrentLinkedDeque;

/**
 * Native memory for one call: a zeroed union bpf_attr, and room for data. Borrowed from a pool and given back by {@link #close};
 * a pool rather than thread locals, which would pin the class loader to foreign threads.
 */
public final class Scratch implements AutoCloseable {
    /** Larger than any attribute set used here; the kernel accepts a longer union whose tail is zero. */
    static final int ATTR = 160;
    private static final int DATA = 4096;
    private static final int KEEP = 65536;
    private static final ConcurrentLinkedDeque<Scratch> POOL = new ConcurrentLinkedDeque<>();

    private final ByteBuffer attr = ByteBuffer.allocateDirect(ATTR).order(ByteOrder.nativeOrder());
    private final long attrAddress = Native.address(attr);
    private ByteBuffer data = ByteBuffer.allocateDirect(DATA).order(ByteOrder.nativeOrder());
    private long dataAddress = Native.address(data);

    private Scratch() { }

    /** Memory with at least that many bytes of data; the data is not cleared. */
    public static Scratch take(int bytes) {
        Scratch scratch = POOL.poll();
        if (scratch == null) {
            scratch = new Scratch();
        }
        if (scratch.data.capacity() < bytes) {
            scratch.data = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
            scratch.dataAddress = Native.address(scratch.data);
        }
        scratch.clear();
        return scratch;
    }

    public static Scratch take() {
        return take(0);
    }

    /** Zeroes the attributes. */
    public Scratch clear() {
        for (int i = 0; i < ATTR; i += 8) {
            attr.putLong(i, 0);
        }
        return this;
    }

    public Scratch put(int offset, int value) {
        attr.putInt(offset, value);
        return this;
    }

    public Scratch put(int offset, long value) {
        attr.putLong(offset, value);
        return this;
    }

    /** A name field of 16 bytes, cut at 15 characters as the kernel demands. */
    public Scratch putName(int offset, String name) {
        for (int i = 0; i < 15 && i < name.length(); i++) {
            char c = name.charAt(i);
            attr.put(offset + i, (byte) (c == '_' || c == '.' || c < 128 && Character.isLetterOrDigit(c) ? c : '_'));
        }
        return this;
    }

    public int get(int offset) {
        return attr.getInt(offset);
    }

    public long attr() {
        return attrAddress;
    }

    public ByteBuffer data() {
        return data;
    }

    public long dataAddress() {
        return dataAddress;
    }

    /** Writes a zero-terminated string into the data area and answers its address. */
    public long string(int offset, String text) {
        byte[] bytes = text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
        data.put(offset, bytes).put(offset + bytes.length, (byte) 0);
        return dataAddress + offset;
    }

    @Override
    public void close() {
        if (data.capacity() <= KEEP) {
            POOL.push(this);
        }
    }
}
