package io.patchbay.bpf.internal;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Zeroed native memory that is given back together. Mapped, not allocated: untouched pages cost nothing, and the JVM's limit on direct memory is
 * left alone. Small pieces share a page that the next arena uses again: to unmap one interrupts the other CPUs.
 */
public final class NativeArena implements AutoCloseable {
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    private static final int PAGE = 4096;
    private static final int SMALL = PAGE / 8;
    private static final int ALIGN = 16;
    private static final int MOST_SPARE = 16;
    /** Pages without an arena, zeroed. Guarded by itself. */
    private static final Deque<Long> SPARE = new ArrayDeque<>();

    private record Block(long address, long length) { }

    private final List<Block> blocks = new ArrayList<>();
    /** The page of small pieces; 0: none yet. */
    private long page;
    private int used;

    /** The address of that many zeroed bytes, aligned to 16; to a page when they are more than 512. */
    public long allocate(long bytes) {
        long length = Math.max(1, bytes);
        if (length > SMALL || page != 0 && used + length > PAGE) {
            long address = map(length);
            blocks.add(new Block(address, length));
            return address;
        }
        if (page == 0) {
            Long spare;
            synchronized (SPARE) {
                spare = SPARE.poll();
            }
            page = spare == null ? map(PAGE) : spare;
        }
        long address = page + used;
        used += (int) (length + ALIGN - 1) / ALIGN * ALIGN;
        return address;
    }

    private static long map(long length) {
        long address = Native.C.mmap(0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
        if (address == -1) {
            throw new OutOfMemoryError("mmap of " + length + " bytes: " + Errno.name(Native.errno()));
        }
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
        if (page != 0) {
            Native.view(page, used).put(new byte[used]);
            boolean kept;
            synchronized (SPARE) {
                kept = SPARE.size() < MOST_SPARE && SPARE.add(page);
            }
            if (!kept) {
                Native.C.munmap(page, PAGE);
            }
            page = 0;
            used = 0;
        }
    }
}
