package io.patchbay.bpf;

import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.BtfException;
import io.patchbay.bpf.btf.BtfKind;
import io.patchbay.bpf.internal.Elf;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What an object file holds: programs, maps, constants, types. Pure data, read in Java from the ELF file and its BTF; the kernel is not
 * asked. Immutable.
 */
public final class ObjectSpec {
    /** The section of the constants that a loader sets. */
    public static final String CONSTANTS = ".rodata";
    private static final String MAPS = ".maps";

    private final byte[] bytes;
    private final Btf btf;
    private final Map<String, ProgramSpec> programs;
    private final Map<String, MapSpec> maps;
    private final Map<String, Btf.Variable> constants;
    private final byte[] constantBytes;

    private ObjectSpec(byte[] bytes, Btf btf, Map<String, ProgramSpec> programs, Map<String, MapSpec> maps, Map<String, Btf.Variable> constants,
                       byte[] constantBytes) {
        this.bytes = bytes;
        this.btf = btf;
        this.programs = Collections.unmodifiableMap(programs);
        this.maps = Collections.unmodifiableMap(maps);
        this.constants = Collections.unmodifiableMap(constants);
        this.constantBytes = constantBytes;
    }

    /**
     * @throws IllegalArgumentException when the bytes are no BPF object with BTF, or a map definition can't be used; the message says which
     *     and why
     */
    public static ObjectSpec parse(byte[] object) {
        byte[] bytes = object.clone();
        Elf elf = Elf.parse(bytes);
        Btf btf = Btf.parse(elf.bytes(elf.section(".BTF").orElseThrow(
                () -> new IllegalArgumentException("the object has no BTF: compile it with -g, and strip it with llvm-strip -g only"))));
        Map<String, ProgramSpec> programs = new LinkedHashMap<>();
        for (Elf.Symbol function : elf.functions()) {
            if (elf.isExecutable(function.section()) && !function.section().equals(".text")) {
                programs.put(function.name(), new ProgramSpec(function.name(), function.section(), function.size() / 8));
            }
        }
        Map<String, MapSpec> maps = new LinkedHashMap<>();
        for (Btf.Variable variable : btf.section(MAPS).orElse(List.of())) {
            maps.put(variable.name(), mapSpec(btf, variable.name(), variable.type()));
        }
        Map<String, Btf.Variable> constants = new LinkedHashMap<>();
        byte[] constantBytes = elf.section(CONSTANTS).map(elf::bytes).orElse(new byte[0]);
        for (Btf.Variable v : btf.section(CONSTANTS).orElse(List.of())) {
            // The compiler leaves offsets of global variables to the linker; the symbol has them.
            int offset = elf.variable(CONSTANTS, v.name()).map(Elf.Symbol::offset).orElse(v.offset());
            if (offset < 0 || v.size() < 0 || (long) offset + v.size() > constantBytes.length) {
                throw new IllegalArgumentException("constant " + v.name() + " lies outside " + CONSTANTS);
            }
            constants.put(v.name(), new Btf.Variable(v.name(), v.type(), offset, v.size()));
        }
        return new ObjectSpec(bytes, btf, programs, maps, constants, constantBytes);
    }

    private static MapSpec mapSpec(Btf btf, String name, int type) {
        try {
            return readMap(btf, name, type);
        } catch (BtfException e) {
            throw new IllegalArgumentException("map " + name + ": " + e.getMessage(), e);
        }
    }

    private static MapSpec readMap(Btf btf, String name, int type) {
        int mapType = 0;
        int keySize = 0;
        int valueSize = 0;
        int entries = 0;
        int flags = 0;
        int extra = 0;
        int keyType = 0;
        int valueType = 0;
        Optional<MapSpec> inner = Optional.empty();
        for (Btf.Member member : btf.members(type)) {
            switch (member.name()) {
                case "type" -> mapType = number(btf, member);
                case "key_size" -> keySize = number(btf, member);
                case "value_size" -> valueSize = number(btf, member);
                case "max_entries" -> entries = number(btf, member);
                case "map_flags" -> flags = number(btf, member);
                case "map_extra" -> extra = number(btf, member);
                case "key" -> {
                    keyType = dataType(btf, name, member);
                    keySize = btf.sizeOf(keyType);
                }
                case "value" -> {
                    valueType = dataType(btf, name, member);
                    valueSize = btf.sizeOf(valueType);
                }
                case "values" -> {
                    int content = btf.resolve(btf.target(btf.resolve(btf.array(member.type()).element())));
                    valueSize = 4;
                    if (btf.kind(content) == BtfKind.STRUCT) {
                        inner = Optional.of(readMap(btf, name + ".inner", content));
                    }
                }
                case "numa_node" -> throw new BtfException("numa_node is not supported");
                case "pinning" -> throw new BtfException("leave out pinning: the agent decides where a map is pinned");
                default -> throw new BtfException("unknown field " + member.name() + " in its definition");
            }
        }
        MapType kind = MapType.of(mapType);
        if (kind == MapType.UNSPEC || kind == MapType.OTHER) {
            throw new BtfException("type " + mapType + " is unknown");
        }
        return new MapSpec(name, kind, keySize, valueSize, entries, flags, extra & 0xffffffffL, Optional.of(btf), keyType, valueType, inner);
    }

    /** {@code __uint(name, n)} declares a pointer to an array of n ints. */
    private static int number(Btf btf, Btf.Member member) {
        return btf.array(btf.target(btf.resolve(member.type()))).count();
    }

    /** {@code __type(name, T)} declares a pointer to T. */
    private static int dataType(Btf btf, String map, Btf.Member member) {
        int type = btf.target(btf.resolve(member.type()));
        int resolved = btf.resolve(type);
        if (btf.kind(resolved) == BtfKind.FWD) {
            throw new BtfException("its " + member.name() + " is only declared, struct " + btf.name(resolved)
                    + ", so its layout is unknown: define the struct before the map, and where the compiler still emits a forward declaration,"
                    + " use the struct in a function (clang 14 drops types that only a map definition names)");
        }
        return type;
    }

    /** The object file. */
    public byte[] bytes() {
        return bytes.clone();
    }

    byte[] rawBytes() {
        return bytes;
    }

    public Btf btf() {
        return btf;
    }

    /** Programs by name, in the order of the symbol table. */
    public Map<String, ProgramSpec> programs() {
        return programs;
    }

    /** Maps by name; the compiler's own ({@code .rodata}, {@code .bss}) are not among them. */
    public Map<String, MapSpec> maps() {
        return maps;
    }

    /** @throws IllegalArgumentException naming the maps there are */
    public MapSpec map(String name) {
        MapSpec map = maps.get(name);
        if (map == null) {
            throw new IllegalArgumentException("no map " + name + " among " + maps.keySet());
        }
        return map;
    }

    /** Constants ({@code const volatile} variables) by name, with place and size in {@code .rodata}. */
    public Map<String, Btf.Variable> constants() {
        return constants;
    }

    /** The initial contents of {@code .rodata}. */
    public byte[] constantBytes() {
        return constantBytes.clone();
    }
}
