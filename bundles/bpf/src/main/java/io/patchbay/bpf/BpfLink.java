package io.patchbay.bpf;

import io.patchbay.bpf.internal.Descriptor;
import io.patchbay.bpf.internal.Errno;
import io.patchbay.bpf.internal.KernelObjects;
import io.patchbay.bpf.internal.Native;
import io.patchbay.bpf.internal.NativeArena;
import io.patchbay.bpf.internal.Scratch;
import io.patchbay.bpf.internal.Sys;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The attachment of a program, held by a descriptor that this object owns. Without a pin it ends with the last descriptor. bpf(2) is called
 * directly, since libbpf 1.1 knows neither tcx nor positions. Device indexes are those of the calling thread's network namespace.
 */
public final class BpfLink implements AutoCloseable {
    private static final int O_CLOEXEC = 0x80000;
    private static final int F_REPLACE = 1 << 2;
    private static final int MAX_QUERY = 64;

    /** One attached program; the link is 0 when it was attached without one. */
    public record Attached(int programId, int linkId) { }

    /** The programs at a place, in the order in which they run, and the revision of that list. */
    public record Chain(List<Attached> programs, long revision) { }

    private final Descriptor descriptor;
    private final String name;

    private BpfLink(int fd, String name) {
        this.descriptor = new Descriptor(fd, "link " + name);
        this.name = name;
    }

    /**
     * Attaches a traffic control program to a device by tcx (kernel 6.6 or later).
     *
     * @throws BpfException EEXIST when this program is there already, ESTALE when the position's revision is out of date
     */
    public static BpfLink attachTcx(BpfProgram program, int ifindex, AttachType direction, TcxPosition position) {
        if (!direction.isTcx()) {
            throw new IllegalArgumentException(direction + " is no tcx hook");
        }
        String subject = program + " to device " + ifindex + " " + direction;
        try (Scratch s = Scratch.take()) {
            s.put(0, program.fd()).put(4, ifindex).put(8, direction.number()).put(12, position.flags).put(16, position.relative).put(24, position.revision);
            long result = Sys.bpf(Sys.LINK_CREATE, s);
            if (result == -Errno.EEXIST) {
                throw new BpfException("attach", subject, Errno.EEXIST, "the same program is attached there; a link that was just removed goes a moment later,"
                        + " so replace a program by update");
            }
            if (result == -Errno.EINVAL) {
                throw new BpfException("attach", subject, Errno.EINVAL, "the kernel has no tcx (6.6), or the program is of another type");
            }
            return new BpfLink((int) KernelObjects.check(result, "attach", subject), program.name() + " at device " + ifindex + " " + direction);
        }
    }

    /** Attaches a program to a cgroup of the unified hierarchy; it applies to the cgroup and all below it. */
    public static BpfLink attachCgroup(BpfProgram program, Path cgroup, AttachType type) {
        if (!type.isCgroup()) {
            throw new IllegalArgumentException(type + " is no cgroup hook");
        }
        String subject = program + " to cgroup " + cgroup + " " + type;
        try (Descriptor directory = open(cgroup); Scratch s = Scratch.take()) {
            s.put(0, program.fd()).put(4, directory.number()).put(8, type.number());
            long result = KernelObjects.check(Sys.bpf(Sys.LINK_CREATE, s), "attach", subject);
            return new BpfLink((int) result, program.name() + " at " + cgroup + " " + type);
        }
    }

    private static Descriptor open(Path cgroup) {
        int fd = Native.C.open(cgroup.toString(), O_CLOEXEC, 0);
        if (fd < 0) {
            throw new BpfException("open", "cgroup " + cgroup, Native.errno());
        }
        return new Descriptor(fd, "cgroup " + cgroup);
    }

    public static BpfLink fromPin(Path path) {
        return new BpfLink(KernelObjects.open(path, "link"), path.toString());
    }

    public static BpfLink fromId(int id) {
        return new BpfLink(KernelObjects.open(Sys.LINK_FD_BY_ID, id, "link"), "id " + id);
    }

    public int fd() {
        return descriptor.number();
    }

    private String subject() {
        return "link " + name;
    }

    /** Asks the kernel. */
    public LinkInfo info() {
        return KernelObjects.info(fd(), subject(), d -> {
            int type = d.getInt(0);
            return switch (type) {
                case LinkInfo.CGROUP -> new LinkInfo(d.getInt(4), type, d.getInt(8), d.getInt(24), d.getLong(16));
                case LinkInfo.TCX -> new LinkInfo(d.getInt(4), type, d.getInt(8), d.getInt(20), d.getInt(16));
                case LinkInfo.XDP -> new LinkInfo(d.getInt(4), type, d.getInt(8), -1, d.getInt(16));
                default -> new LinkInfo(d.getInt(4), type, d.getInt(8), -1, 0);
            };
        });
    }

    public int id() {
        return info().id();
    }

    /** Replaces the program; every packet runs either the old or the new one. */
    public void update(BpfProgram program) {
        update(program, Optional.empty());
    }

    /** Replaces the program if {@code expected} is the one attached. */
    public void update(BpfProgram program, Optional<BpfProgram> expected) {
        try (Scratch s = Scratch.take()) {
            s.put(0, fd()).put(4, program.fd());
            expected.ifPresent(old -> s.put(8, F_REPLACE).put(12, old.fd()));
            KernelObjects.check(Sys.bpf(Sys.LINK_UPDATE, s), "update to " + program, subject());
        }
    }

    /** Takes the program off its hook at once; the link stays as an empty shell until it is closed and its pin removed. */
    public void detach() {
        try (Scratch s = Scratch.take()) {
            s.put(0, fd());
            KernelObjects.check(Sys.bpf(Sys.LINK_DETACH, s), "detach", subject());
        }
    }

    /** Pins the link: it then outlives this process. The directory must exist. */
    public void pin(Path path) {
        KernelObjects.pin(fd(), path, subject());
    }

    /** The tcx programs of a device, whoever attached them. */
    public static Chain query(int ifindex, AttachType direction) {
        return query(ifindex, direction, "device " + ifindex + " " + direction);
    }

    /** The programs that are attached to a cgroup itself. A cgroup's chain has no link ids and no revision here. */
    public static Chain query(Path cgroup, AttachType type) {
        try (Descriptor directory = open(cgroup)) {
            return query(directory.number(), type, "cgroup " + cgroup + " " + type);
        }
    }

    private static Chain query(int target, AttachType type, String subject) {
        try (NativeArena arena = new NativeArena(); Scratch s = Scratch.take()) {
            long programs = arena.allocate(4 * MAX_QUERY);
            long links = arena.allocate(4 * MAX_QUERY);
            s.put(0, target).put(4, type.number()).put(16, programs).put(24, MAX_QUERY);
            if (type.isTcx()) {
                s.put(40, links);
            }
            KernelObjects.check(Sys.bpf(Sys.PROG_QUERY, s), "query", subject);
            List<Attached> result = new ArrayList<>();
            ByteBuffer programIds = Native.view(programs, 4 * MAX_QUERY);
            ByteBuffer linkIds = Native.view(links, 4 * MAX_QUERY);
            for (int i = 0; i < Math.min(MAX_QUERY, s.get(24)); i++) {
                result.add(new Attached(programIds.getInt(4 * i), linkIds.getInt(4 * i)));
            }
            return new Chain(List.copyOf(result), s.get(56) & 0xffffffffL | (long) s.get(60) << 32);
        }
    }

    /** Closes the descriptor; the attachment ends unless it is pinned. */
    @Override
    public void close() {
        descriptor.close();
    }

    @Override
    public String toString() {
        return subject();
    }
}
