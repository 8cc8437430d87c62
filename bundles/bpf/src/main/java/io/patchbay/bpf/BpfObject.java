package io.patchbay.bpf;

import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.StructLayout;
import io.patchbay.bpf.internal.Errno;
import io.patchbay.bpf.internal.LibBpf;
import io.patchbay.bpf.internal.Native;
import io.patchbay.bpf.internal.NativeArena;
import io.patchbay.bpf.internal.Sys;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * An object in the kernel: its programs and maps, each with a descriptor of its own that lives until {@link #close}. What shall outlive it is
 * pinned, attached, duplicated, or taken out with {@link #takeProgram} and {@link #takeMap}. Not for concurrent changes by several threads.
 */
public final class BpfObject implements AutoCloseable {
    private static final int FIRST_LOG = 256 << 10;
    private static final int LAST_LOG = 16 << 20;

    private final Map<String, BpfProgram> programs;
    private final Map<String, BpfMap> maps;

    private BpfObject(Map<String, BpfProgram> programs, Map<String, BpfMap> maps) {
        this.programs = programs;
        this.maps = maps;
    }

    public static BpfObject load(byte[] object, LoadOptions options) {
        return load(ObjectSpec.parse(object), options);
    }

    /**
     * Creates what maps are not given, sets the constants, verifies and loads the programs. Either all of it, or nothing stays.
     *
     * @throws VerifierException naming the refused program, with the end of the verifier's log
     * @throws BpfException for a map that can't be created or whose layout differs
     * @throws IllegalArgumentException for options that the object does not know
     */
    public static BpfObject load(ObjectSpec spec, LoadOptions options) {
        checkNames(spec, options);
        byte[] constants = constants(spec, options);
        Map<String, BpfMap> maps = new LinkedHashMap<>();
        Map<String, BpfProgram> programs = new LinkedHashMap<>();
        boolean done = false;
        try {
            for (MapSpec map : spec.maps().values()) {
                maps.put(map.name(), mapFor(map, options));
            }
            Set<String> wanted = new HashSet<>(spec.programs().keySet());
            wanted.removeAll(options.skipped);
            new Loading(spec, options, constants, maps, programs).run(wanted);
            done = true;
            return new BpfObject(programs, maps);
        } finally {
            if (!done) {
                programs.values().forEach(BpfProgram::close);
                maps.values().forEach(BpfMap::close);
            }
        }
    }

    private static void checkNames(ObjectSpec spec, LoadOptions options) {
        check("map", options.maps.keySet(), spec.maps().keySet());
        check("map", options.maxEntries.keySet(), spec.maps().keySet());
        check("program", options.skipped, spec.programs().keySet());
        check("program", options.types.keySet(), spec.programs().keySet());
        check("program", options.attachTypes.keySet(), spec.programs().keySet());
    }

    private static void check(String what, Set<String> named, Set<String> known) {
        for (String name : named) {
            if (!known.contains(name)) {
                throw new IllegalArgumentException("no " + what + " " + name + " among " + known);
            }
        }
    }

    private static BpfMap mapFor(MapSpec spec, LoadOptions options) {
        BpfMap given = options.maps.get(spec.name());
        Integer entries = options.maxEntries.get(spec.name());
        if (given == null) {
            return BpfMap.create(entries == null ? spec : spec.withMaxEntries(entries));
        }
        if (entries != null) {
            throw new IllegalArgumentException("map " + spec.name() + " is given, so its size can't be set");
        }
        Optional<String> difference = options.asIs.contains(spec.name()) ? Optional.empty() : spec.difference(given.spec());
        if (difference.isPresent()) {
            throw new BpfException("reuse", "map " + spec.name(), 0, "the object's definition differs from the given map's: " + difference.get());
        }
        return given.duplicate();
    }

    private static byte[] constants(ObjectSpec spec, LoadOptions options) {
        byte[] bytes = spec.constantBytes();
        ByteBuffer image = ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
        options.constants.forEach((path, value) -> {
            int dot = path.indexOf('.');
            String name = dot < 0 ? path : path.substring(0, dot);
            Btf.Variable variable = spec.constants().get(name);
            if (variable == null) {
                throw new IllegalArgumentException("no constant " + name + " among " + spec.constants().keySet());
            }
            int offset = variable.offset();
            int size = variable.size();
            if (dot >= 0) {
                StructLayout.Field field = spec.btf().layout(variable.type()).field(path.substring(dot + 1));
                if (field.bits() > 0) {
                    throw new IllegalArgumentException("constant " + path + " is a bit field");
                }
                offset += field.offset();
                size = field.size();
            }
            if (value instanceof byte[] content) {
                if (content.length != size) {
                    throw new IllegalArgumentException("constant " + path + " has " + size + " bytes, not " + content.length);
                }
                image.put(offset, content);
            } else {
                putNumber(image, path, offset, size, (Long) value);
            }
        });
        return bytes;
    }

    private static void putNumber(ByteBuffer image, String path, int offset, int size, long value) {
        boolean fits = switch (size) {
            case 1, 2, 4 -> value >= -(1L << size * 8 - 1) && value < 1L << size * 8;
            case 8 -> true;
            default -> throw new IllegalArgumentException("constant " + path + " has " + size + " bytes and is no number");
        };
        if (!fits) {
            throw new IllegalArgumentException(value + " does not fit into the " + size + " bytes of constant " + path);
        }
        switch (size) {
            case 1 -> image.put(offset, (byte) value);
            case 2 -> image.putShort(offset, (short) value);
            case 4 -> image.putInt(offset, (int) value);
            default -> image.putLong(offset, value);
        }
    }

    /** One load through libbpf, repeated with a larger log where it has to be. */
    private static final class Loading {
        private static final LibBpf LIB = Native.BPF;
        private static final int OPEN_OPTIONS = 80;

        private final ObjectSpec spec;
        private final LoadOptions options;
        private final byte[] constants;
        private final Map<String, BpfMap> maps;
        private final Map<String, BpfProgram> programs;

        Loading(ObjectSpec spec, LoadOptions options, byte[] constants, Map<String, BpfMap> maps, Map<String, BpfProgram> programs) {
            this.spec = spec;
            this.options = options;
            this.constants = constants;
            this.maps = maps;
            this.programs = programs;
        }

        private record Failure(int errno, Optional<String> program, String log, boolean cut) { }

        void run(Set<String> wanted) {
            Optional<Failure> failure = attempt(wanted, true);
            if (failure.isEmpty()) {
                return;
            }
            Failure f = failure.get();
            if (f.program().isPresent()) {
                throw new VerifierException(f.program().get(), f.errno(), f.log());
            }
            // Refused before the verifier wrote anything: the program is found by trying each alone.
            for (String program : wanted) {
                Optional<Failure> alone = attempt(Set.of(program), false);
                if (alone.isPresent()) {
                    throw new VerifierException(program, alone.get().errno(), alone.get().log());
                }
            }
            throw new BpfException("load", "object " + options.name, f.errno());
        }

        private Optional<Failure> attempt(Set<String> wanted, boolean keep) {
            int logSize = FIRST_LOG;
            while (true) {
                Optional<Failure> failure = attempt(wanted, keep, logSize);
                if (failure.isEmpty() || !failure.get().cut() || logSize >= LAST_LOG) {
                    return failure;
                }
                logSize *= 8;
            }
        }

        private Optional<Failure> attempt(Set<String> wanted, boolean keep, int logSize) {
            try (NativeArena arena = new NativeArena()) {
                long open = arena.allocate(OPEN_OPTIONS);
                Native.view(open, OPEN_OPTIONS).putLong(0, OPEN_OPTIONS).putLong(8, arena.string(options.name));
                long object = LIB.bpf_object__open_mem(arena.copy(spec.rawBytes()), spec.rawBytes().length, open);
                if (object == 0) {
                    throw new BpfException("open", "object " + options.name, Native.errno(), "libbpf can't read it: see its sections, maps and relocations");
                }
                try {
                    Map<String, Long> logs = configure(object, wanted, arena, logSize);
                    int result = LIB.bpf_object__load(object);
                    if (result < 0) {
                        return Optional.of(failure(-result, logs, logSize));
                    }
                    if (keep) {
                        collect(object, wanted);
                    }
                    return Optional.empty();
                } finally {
                    LIB.bpf_object__close(object);
                }
            }
        }

        private static Failure failure(int errno, Map<String, Long> logs, int logSize) {
            for (Map.Entry<String, Long> log : logs.entrySet()) {
                String text = NativeArena.string(log.getValue(), logSize);
                if (!text.isEmpty()) {
                    return new Failure(errno, Optional.of(log.getKey()), text, errno == Errno.ENOSPC && text.length() > logSize / 2);
                }
            }
            return new Failure(errno, Optional.empty(), "", false);
        }

        private Map<String, Long> configure(long object, Set<String> wanted, NativeArena arena, int logSize) {
            Map<String, Long> logs = new LinkedHashMap<>();
            for (long program = LIB.bpf_object__next_program(object, 0); program != 0; program = LIB.bpf_object__next_program(object, program)) {
                String name = LIB.bpf_program__name(program);
                boolean load = wanted.contains(name);
                check(LIB.bpf_program__set_autoload(program, load), "select", name);
                if (!load) {
                    continue;
                }
                if (options.types.containsKey(name)) {
                    check(LIB.bpf_program__set_type(program, options.types.get(name).number()), "set type", name);
                }
                if (options.attachTypes.containsKey(name)) {
                    check(LIB.bpf_program__set_expected_attach_type(program, options.attachTypes.get(name).number()), "set attach type", name);
                }
                long log = arena.allocate(logSize);
                check(LIB.bpf_program__set_log_buf(program, log, logSize), "set log", name);
                logs.put(name, log);
            }
            for (long map = LIB.bpf_object__next_map(object, 0); map != 0; map = LIB.bpf_object__next_map(object, map)) {
                String name = LIB.bpf_map__name(map);
                if (!LIB.bpf_map__is_internal(map)) {
                    BpfMap own = maps.get(name);
                    if (own == null) {
                        throw new BpfException("load", "map " + name, 0, "libbpf sees a map that its definition in BTF does not show");
                    }
                    check(LIB.bpf_map__reuse_fd(map, own.fd()), "use", name);
                } else if (name.endsWith(ObjectSpec.CONSTANTS)) {
                    check(LIB.bpf_map__set_initial_value(map, arena.copy(constants), constants.length), "set constants", name);
                }
            }
            return logs;
        }

        private static void check(int result, String operation, String subject) {
            if (result < 0) {
                throw new BpfException(operation, subject, -result);
            }
        }

        private void collect(long object, Set<String> wanted) {
            for (long program = LIB.bpf_object__next_program(object, 0); program != 0; program = LIB.bpf_object__next_program(object, program)) {
                String name = LIB.bpf_program__name(program);
                if (wanted.contains(name)) {
                    programs.put(name, BpfProgram.adopt(duplicate(LIB.bpf_program__fd(program), name), name));
                }
            }
            for (long map = LIB.bpf_object__next_map(object, 0); map != 0; map = LIB.bpf_object__next_map(object, map)) {
                if (LIB.bpf_map__is_internal(map) && LIB.bpf_map__fd(map) >= 0) {
                    String name = LIB.bpf_map__name(map);
                    String section = name.substring(Math.max(0, name.indexOf('.')));
                    maps.put(section, BpfMap.adopt(duplicate(LIB.bpf_map__fd(map), name), section));
                }
            }
        }

        private static int duplicate(int descriptor, String name) {
            int result = Sys.duplicate(descriptor);
            check(result, "duplicate", name);
            return result;
        }
    }

    /** Programs by name. */
    public Map<String, BpfProgram> programs() {
        return Collections.unmodifiableMap(programs);
    }

    /** Maps by name; the compiler's own appear under their section's name ({@code .rodata}, {@code .bss}). */
    public Map<String, BpfMap> maps() {
        return Collections.unmodifiableMap(maps);
    }

    /** @throws IllegalArgumentException naming the programs there are */
    public BpfProgram program(String name) {
        return require(programs, name, "program");
    }

    /** @throws IllegalArgumentException naming the maps there are */
    public BpfMap map(String name) {
        return require(maps, name, "map");
    }

    private static <T> T require(Map<String, T> all, String name, String what) {
        T found = all.get(name);
        if (found == null) {
            throw new IllegalArgumentException("no " + what + " " + name + " among " + all.keySet());
        }
        return found;
    }

    /** Hands a program over: the caller closes it. */
    public BpfProgram takeProgram(String name) {
        BpfProgram program = program(name);
        programs.remove(name);
        return program;
    }

    /** Hands a map over: the caller closes it. */
    public BpfMap takeMap(String name) {
        BpfMap map = map(name);
        maps.remove(name);
        return map;
    }

    /** Closes the descriptors. What is pinned or attached stays in the kernel. */
    @Override
    public void close() {
        programs.values().forEach(BpfProgram::close);
        maps.values().forEach(BpfMap::close);
    }
}
