package io.patchbay.bpf.internal;

import io.patchbay.bpf.BpfException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** What programs, maps and links have in common: pins, ids, info. */
public final class KernelObjects {
    private static final int INFO = 256;

    private KernelObjects() { }

    /** Pins a descriptor; the directory must exist. */
    public static void pin(int descriptor, Path path, String subject) {
        try (Scratch s = Scratch.take(8192)) {
            s.put(0, s.string(0, path.toString())).put(8, descriptor);
            check(Sys.bpf(Sys.OBJ_PIN, s), "pin to " + path, subject);
        }
    }

    public static int open(Path path, String kind) {
        try (Scratch s = Scratch.take(8192)) {
            s.put(0, s.string(0, path.toString()));
            long result = Sys.bpf(Sys.OBJ_GET, s);
            if (result == -Errno.ENOENT) {
                throw new BpfException("open", kind + " " + path, Errno.ENOENT, "nothing is pinned there");
            }
            return (int) check(result, "open", kind + " " + path);
        }
    }

    public static int open(int command, int id, String kind) {
        try (Scratch s = Scratch.take()) {
            s.put(0, id);
            return (int) check(Sys.bpf(command, s), "open", kind + " id " + id);
        }
    }

    /** The kernel's info on a descriptor, zero beyond what this kernel fills in; valid only inside {@code reader}. */
    public static <T> T info(int descriptor, String subject, java.util.function.Function<ByteBuffer, T> reader) {
        try (Scratch s = Scratch.take(INFO)) {
            ByteBuffer data = s.data();
            for (int i = 0; i < INFO; i++) {
                data.put(i, (byte) 0);
            }
            s.put(0, descriptor).put(4, INFO).put(8, s.dataAddress());
            check(Sys.bpf(Sys.OBJ_INFO, s), "query", subject);
            return reader.apply(data);
        }
    }

    /** A fixed field of 16 bytes, zero-terminated. */
    public static String name(ByteBuffer data, int offset) {
        byte[] bytes = new byte[16];
        data.get(offset, bytes);
        int length = 0;
        while (length < 16 && bytes[length] != 0) {
            length++;
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }

    /** The BTF with that id, as the kernel keeps it. */
    public static byte[] btf(int id) {
        try (Descriptor descriptor = new Descriptor(open(Sys.BTF_FD_BY_ID, id, "BTF"), "BTF " + id)) {
            int size = info(descriptor.number(), "BTF " + id, data -> data.getInt(8));
            try (NativeArena arena = new NativeArena(); Scratch s = Scratch.take(INFO)) {
                long bytes = arena.allocate(size);
                for (int i = 0; i < 32; i += 8) {
                    s.data().putLong(i, 0);
                }
                s.data().putLong(0, bytes).putInt(8, size);
                s.put(0, descriptor.number()).put(4, 32).put(8, s.dataAddress());
                check(Sys.bpf(Sys.OBJ_INFO, s), "read", "BTF " + id);
                byte[] result = new byte[size];
                Native.view(bytes, size).get(result);
                return result;
            }
        }
    }

    /** Loads BTF and answers its descriptor. */
    public static int loadBtf(byte[] btf, String subject) {
        try (NativeArena arena = new NativeArena(); Scratch s = Scratch.take()) {
            int logSize = 64 << 10;
            long log = arena.allocate(logSize);
            s.put(0, arena.copy(btf)).put(8, log).put(16, btf.length).put(20, logSize).put(24, 1);
            long result = Sys.bpf(Sys.BTF_LOAD, s);
            if (result < 0) {
                throw new BpfException("load BTF", subject, (int) -result, NativeArena.string(log, logSize).strip());
            }
            return (int) result;
        }
    }

    public static long check(long result, String operation, String subject) {
        if (result < 0) {
            throw new BpfException(operation, subject, (int) -result);
        }
        return result;
    }
}
