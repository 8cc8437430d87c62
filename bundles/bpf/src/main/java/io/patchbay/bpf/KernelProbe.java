package io.patchbay.bpf;

import io.patchbay.bpf.internal.Errno;
import io.patchbay.bpf.internal.Helpers;
import io.patchbay.bpf.internal.Native;
import io.patchbay.bpf.internal.NativeArena;
import io.patchbay.bpf.internal.Scratch;
import io.patchbay.bpf.internal.Sys;
import java.nio.ByteBuffer;

/**
 * What this kernel can do, found by really doing it with tiny programs and maps. Version numbers and bpftool's answers are not asked: the
 * latter reports every helper as available on newer kernels. Nothing stays behind; no device or cgroup is touched. Answers are not cached.
 */
public final class KernelProbe {
    /** An answer, and why. */
    public record Answer(String question, boolean available, String reason) { }

    private static final int LOG = 65536;
    /** No device has it: tcx is asked for with a device that can't exist. */
    private static final int NO_DEVICE = Integer.MAX_VALUE;

    private KernelProbe() { }

    /** Whether programs of that type can be loaded. */
    public static Answer programType(ProgramType type) {
        String question = "program type " + type;
        switch (type) {
            case TRACING, EXT, LSM, STRUCT_OPS, UNSPEC, OTHER -> {
                return new Answer(question, false, "cannot be probed: such programs need a target");
            }
            default -> { }
        }
        Load load = load(type, mov0(), exit());
        return new Answer(question, load.errno == 0, load.errno == 0 ? "a program was loaded" : refusal(load));
    }

    /**
     * Whether programs of that type may call a helper.
     *
     * @param helper its name with or without {@code bpf_}
     * @throws IllegalArgumentException when the name is none of those known here
     */
    public static Answer helper(ProgramType type, String helper) {
        String name = helper.startsWith("bpf_") ? helper.substring(4) : helper;
        int id = Helpers.id(name);
        String question = "helper bpf_" + name + " for " + type;
        Load load = load(type, call(id), mov0(), exit());
        if (load.errno == 0) {
            return new Answer(question, true, "a program that calls it was loaded");
        }
        if (load.errno == Errno.EPERM || load.log.isEmpty()) {
            return new Answer(question, false, refusal(load));
        }
        // The call has no proper arguments: a verifier that knows the helper complains about them, one that doesn't, about the call.
        for (String unknown : new String[] {"invalid func ", "unknown func ", "cannot use helper"}) {
            if (load.log.contains(unknown)) {
                return new Answer(question, false, load.lastLine(unknown));
            }
        }
        return new Answer(question, true, "the verifier knows it and asks for its arguments");
    }

    /** Whether maps of that type can be made. */
    public static Answer mapType(MapType type) {
        MapSpec spec = switch (type) {
            case RINGBUF, USER_RINGBUF -> MapSpec.of("probe", type, 0, 0, Native.PAGE);
            case LPM_TRIE -> MapSpec.of("probe", type, 8, 4, 1).withFlags(MapSpec.NO_PREALLOC);
            case ARRAY_OF_MAPS, HASH_OF_MAPS -> new MapSpec("probe", type, 4, 4, 1, 0, 0, java.util.Optional.empty(), 0, 0,
                    java.util.Optional.of(MapSpec.of("inner", MapType.ARRAY, 4, 4, 1)));
            case QUEUE, STACK, BLOOM_FILTER -> MapSpec.of("probe", type, 0, 4, 1);
            default -> MapSpec.of("probe", type, 4, 4, 1);
        };
        try (BpfMap map = BpfMap.create(spec)) {
            return new Answer("map type " + type, true, "a map was created");
        } catch (BpfException e) {
            return new Answer("map type " + type, false, e.getMessage());
        }
    }

    /** Whether the kernel has BPF ring buffers (5.8). */
    public static Answer ringBuffer() {
        return mapType(MapType.RINGBUF);
    }

    /** Whether maps of that type take batches of updates. */
    public static Answer batches(MapType type) {
        String question = "batches on " + type;
        MapSpec spec = type == MapType.LPM_TRIE ? MapSpec.of("probe", type, 8, 4, 2).withFlags(MapSpec.NO_PREALLOC) : MapSpec.of("probe", type, 4, 4, 2);
        try (BpfMap map = BpfMap.create(spec); NativeArena arena = new NativeArena(); Scratch s = Scratch.take()) {
            s.put(16, arena.allocate(16)).put(24, arena.allocate(map.valueBytes())).put(32, 1).put(36, map.fd());
            long result = Sys.bpf(Sys.MAP_UPDATE_BATCH, s);
            return new Answer(question, result >= 0, result >= 0 ? "an entry was written" : "update batch: " + Errno.name((int) -result));
        } catch (BpfException e) {
            return new Answer(question, false, e.getMessage());
        }
    }

    /** Whether traffic control programs can be attached by tcx links (6.6). */
    public static Answer tcx() {
        Load program = load(ProgramType.SCHED_CLS, true, mov0(), exit());
        if (program.errno != 0) {
            return new Answer("tcx", false, refusal(program));
        }
        try (Scratch s = Scratch.take()) {
            s.put(0, program.fd).put(4, NO_DEVICE).put(8, AttachType.TCX_INGRESS.number());
            long result = Sys.bpf(Sys.LINK_CREATE, s);
            if (result >= 0) {
                Sys.close((int) result);
            }
            boolean available = result == -Errno.ENODEV;
            return new Answer("tcx", available, available ? "the kernel looked for the device of a tcx link"
                    : "a tcx link was refused: " + Errno.name((int) -result) + " (kernel 6.6 has it)");
        } finally {
            Sys.close(program.fd);
        }
    }

    private static String refusal(Load load) {
        String advice = load.errno == Errno.EPERM ? " (not permitted: root is needed, and some types are forbidden even then)" : "";
        return "loading was refused: " + Errno.name(load.errno) + advice;
    }

    private record Load(int fd, int errno, String log) {
        String lastLine(String containing) {
            return log.lines().filter(line -> line.contains(containing)).reduce((first, second) -> second).orElse("").strip();
        }
    }

    private static Load load(ProgramType type, long... instructions) {
        return load(type, false, instructions);
    }

    private static Load load(ProgramType type, boolean keep, long... instructions) {
        try (NativeArena arena = new NativeArena(); Scratch s = Scratch.take()) {
            long code = arena.allocate(8L * instructions.length);
            ByteBuffer view = Native.view(code, 8 * instructions.length);
            for (long instruction : instructions) {
                view.putLong(instruction);
            }
            long log = arena.allocate(LOG);
            s.put(0, type.number()).put(4, instructions.length).put(8, code).put(16, arena.string("GPL"));
            s.put(24, 1).put(28, LOG).put(32, log).putName(48, "probe").put(68, attachType(type));
            long result = Sys.bpf(Sys.PROG_LOAD, s);
            if (result < 0) {
                return new Load(-1, (int) -result, NativeArena.string(log, LOG));
            }
            if (!keep) {
                Sys.close((int) result);
            }
            return new Load((int) result, 0, "");
        }
    }

    /** Types whose programs are verified for one attach type. */
    private static int attachType(ProgramType type) {
        return switch (type) {
            case CGROUP_SOCK_ADDR -> AttachType.CGROUP_INET4_CONNECT.number();
            case CGROUP_SOCK -> AttachType.CGROUP_INET_SOCK_CREATE.number();
            case SK_LOOKUP -> AttachType.SK_LOOKUP.number();
            case CGROUP_SOCKOPT -> 21;
            case SK_REUSEPORT -> 39;
            default -> 0;
        };
    }

    // Instructions as struct bpf_insn in little-endian order: opcode, registers, offset, immediate.

    private static long mov0() {
        return 0xb7;
    }

    private static long call(int helper) {
        return 0x85 | (long) helper << 32;
    }

    private static long exit() {
        return 0x95;
    }
}
