package io.patchbay.bpf;

import io.patchbay.bpf.internal.Descriptor;
import io.patchbay.bpf.internal.KernelObjects;
import io.patchbay.bpf.internal.Native;
import io.patchbay.bpf.internal.NativeArena;
import io.patchbay.bpf.internal.Scratch;
import io.patchbay.bpf.internal.Sys;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** A program in the kernel, held by a descriptor that this object owns. Safe for several threads; {@link #close} when none uses it. */
public final class BpfProgram implements AutoCloseable {
    private static final int HEADROOM = 4096;
    private static final int MAX_MAPS = 256;
    private final Descriptor descriptor;
    private final String name;
    private final int id;
    private final ProgramType type;

    private BpfProgram(int fd, String name) {
        this.descriptor = new Descriptor(fd, "program " + name);
        try {
            this.id = KernelObjects.info(fd, "program " + name, d -> d.getInt(4));
            this.type = ProgramType.of(KernelObjects.info(fd, "program " + name, d -> d.getInt(0)));
            this.name = name.isEmpty() ? KernelObjects.info(fd, "program", d -> KernelObjects.name(d, 64)) : name;
        } catch (RuntimeException e) {
            descriptor.close();
            throw e;
        }
    }

    /** Takes over a descriptor. */
    static BpfProgram adopt(int fd, String name) {
        return new BpfProgram(fd, name);
    }

    /** Opens a pinned program; its name is the pin's. */
    public static BpfProgram fromPin(Path path) {
        return new BpfProgram(KernelObjects.open(path, "program"), path.getFileName().toString());
    }

    /** Opens a program by its id; its name is the kernel's, cut at 15 characters. */
    public static BpfProgram fromId(int id) {
        return new BpfProgram(KernelObjects.open(Sys.PROG_FD_BY_ID, id, "program"), "");
    }

    /** A second descriptor of the same program, with an owner of its own. */
    public BpfProgram duplicate() {
        return new BpfProgram((int) KernelObjects.check(Sys.duplicate(fd()), "duplicate", subject()), name);
    }

    public int fd() {
        return descriptor.number();
    }

    public int id() {
        return id;
    }

    public String name() {
        return name;
    }

    public ProgramType type() {
        return type;
    }

    private String subject() {
        return "program " + name;
    }

    /** Asks the kernel. */
    public ProgramInfo info() {
        try (NativeArena arena = new NativeArena(); Scratch s = Scratch.take(256)) {
            long maps = arena.allocate(4 * MAX_MAPS);
            ByteBuffer d = s.data();
            for (int i = 0; i < 256; i++) {
                d.put(i, (byte) 0);
            }
            d.putInt(52, MAX_MAPS).putLong(56, maps);
            s.put(0, fd()).put(4, 256).put(8, s.dataAddress());
            KernelObjects.check(Sys.bpf(Sys.OBJ_INFO, s), "query", subject());
            byte[] tag = new byte[8];
            d.get(8, tag);
            List<Integer> ids = new ArrayList<>();
            ByteBuffer view = Native.view(maps, 4 * MAX_MAPS);
            for (int i = 0; i < Math.min(MAX_MAPS, d.getInt(52)); i++) {
                ids.add(view.getInt(4 * i));
            }
            return new ProgramInfo(d.getInt(4), KernelObjects.name(d, 64), ProgramType.of(d.getInt(0)), HexFormat.of().formatHex(tag), d.getInt(128),
                    List.copyOf(ids), d.getInt(216), d.getLong(192), d.getLong(200));
        }
    }

    /**
     * Runs a traffic control program on a packet (BPF_PROG_TEST_RUN). The packet begins with its Ethernet header; the device is the loopback
     * of this network namespace unless the context names one.
     *
     * @param repeat how often, for a mean duration; the packet that comes back is that of the last run
     */
    public TestRun testRun(byte[] packet, SkbContext context, int repeat) {
        try (NativeArena arena = new NativeArena(); Scratch s = Scratch.take()) {
            int room = packet.length + HEADROOM;
            long out = arena.allocate(room);
            long contextIn = arena.allocate(SkbContext.SIZE);
            long contextOut = arena.allocate(SkbContext.SIZE);
            context.write(Native.view(contextIn, SkbContext.SIZE));
            s.put(0, fd()).put(8, packet.length).put(12, room).put(16, arena.copy(packet)).put(24, out).put(32, repeat);
            s.put(40, SkbContext.SIZE).put(44, SkbContext.SIZE).put(48, contextIn).put(56, contextOut);
            KernelObjects.check(Sys.bpf(Sys.PROG_TEST_RUN, s), "test run", subject());
            byte[] data = new byte[Math.min(s.get(12), room)];
            Native.view(out, room).get(data);
            return new TestRun(s.get(4), data, SkbContext.read(Native.view(contextOut, SkbContext.SIZE)), s.get(36));
        }
    }

    public TestRun testRun(byte[] packet) {
        return testRun(packet, SkbContext.EMPTY, 1);
    }

    /** Pins the program; the directory must exist. */
    public void pin(Path path) {
        KernelObjects.pin(fd(), path, subject());
    }

    /** Closes the descriptor. */
    @Override
    public void close() {
        descriptor.close();
    }

    @Override
    public String toString() {
        return subject() + " id " + id;
    }
}
