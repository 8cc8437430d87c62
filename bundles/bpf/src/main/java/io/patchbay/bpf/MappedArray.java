package io.patchbay.bpf;

import io.patchbay.bpf.internal.Native;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The memory of an array map, mapped into this process: what programs write is read without a system call, and the other way round. Elements
 * lie {@link #stride} bytes apart. Don't use {@link #bytes} after {@link #close}: the memory is gone then.
 */
public final class MappedArray implements AutoCloseable {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int MAP_SHARED = 1;
    private static final VarHandle INT = MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());
    private static final VarHandle LONG = MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

    private final long address;
    private final long length;
    private final int stride;
    private ByteBuffer bytes;

    MappedArray(BpfMap map) {
        this.stride = map.info().valueSize() + 7 & ~7;
        long size = (long) stride * map.info().maxEntries();
        this.length = size + Native.PAGE - 1 & -Native.PAGE;
        if (length > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(map + " is too large to be mapped as one buffer");
        }
        boolean readOnly = (map.info().flags() & MapSpec.RDONLY_PROG) != 0;
        this.address = Native.C.mmap(0, length, readOnly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, map.fd(), 0);
        if (address == -1) {
            throw new BpfException("mmap", map.toString(), Native.errno(), "only arrays made with BPF_F_MMAPABLE and not frozen can be mapped");
        }
        this.bytes = Native.view(address, (int) size);
    }

    /** Bytes from one element to the next: the value's size rounded up to 8. */
    public int stride() {
        return stride;
    }

    /** The array, in native order; plain accesses, not ordered among CPUs. */
    public ByteBuffer bytes() {
        if (bytes == null) {
            throw new IllegalStateException("the array is unmapped");
        }
        return bytes;
    }

    /** An aligned int, read with acquire semantics. */
    public int getInt(int offset) {
        return (int) INT.getAcquire(bytes(), offset);
    }

    /** An aligned int, written with release semantics: one store. */
    public void putInt(int offset, int value) {
        INT.setRelease(bytes(), offset, value);
    }

    /** An aligned long, read with acquire semantics. */
    public long getLong(int offset) {
        return (long) LONG.getAcquire(bytes(), offset);
    }

    /** An aligned long, written with release semantics. */
    public void putLong(int offset, long value) {
        LONG.setRelease(bytes(), offset, value);
    }

    @Override
    public void close() {
        if (bytes != null) {
            bytes = null;
            Native.C.munmap(address, length);
        }
    }
}
