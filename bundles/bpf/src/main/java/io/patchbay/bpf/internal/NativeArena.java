package io.patchbay.bpf.internal;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Zeroed native memory that is given back together. Mapped, not allocated: untouched pages cost nothing, and the JVM's limit on direct memory is left alone. */
public final class NativeArena implements AutoCloseable {
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;

    private record Block(long address, long length) { }

    private final List<Block> blocks = new ArrayList<>();

    /** The address of that many zeroed bytes, page aligned. */
    public long allocate(long bytes) {
        long length = Math.max(1, bytes);
        long address = Native.C.mmap(0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
        if (address == -1) {
            throw new OutOfMemoryError("mmap of " + length + " bytes: " + Errno.name(Native.errno()));
        }
        blocks.add(new Block(address, length));
        return address;
    }

    public long copy(byte[] bytes) {
        long address = allocate(bytes.length);
        Native.view(address, bytes.length).put(bytes);
        return address;
    }

    public long string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return copy(java.util.Arrays.copyOf(bytes, bytes.length + 1));
    }

    /** A zero-terminated string in that memory. */
    public static String string(long address, int limit) {
        ByteBuffer view = Native.view(address, limit);
        int length = 0;
        while (length < limit && view.get(length) != 0) {
            length++;
        }
        byte[] bytes = new byte[length];
        view.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        for (Block block : blocks) {
            Native.C.munmap(block.address(), block.length());
        }
        blocks.clear();
    }
}
