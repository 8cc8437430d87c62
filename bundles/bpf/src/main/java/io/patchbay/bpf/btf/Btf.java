package io.patchbay.bpf.btf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The types of one BPF object or map, read from bytes (format: linux/btf.h and the kernel's Documentation/bpf/btf.rst).
 * All reads are bounds checked: any input yields either types or a {@link BtfException}. Immutable, safe for all threads.
 *
 * <p>A type is an id: 0 is void, 1 to {@link #typeCount()} are the types in the order of the file.
 */
public final class Btf {
    private static final int MAGIC = 0xeB9F;
    private static final int MAX_DEPTH = 64;
    private static final int MAX_TYPES = 0xfffff;

    private final byte[] raw;
    private final ByteBuffer data;
    private final int stringsAt;
    private final int stringsLength;
    /** Offset of the struct btf_type of each id; index 0 is void and unused. */
    private final int[] at;
    private final Map<String, Integer> byName = new HashMap<>();

    /** One member of a struct or union; the offset is in bits from its start, {@code bits} is 0 unless it is a bit field. */
    public record Member(String name, int type, int bitOffset, int bits) { }

    /** One variable of a section: its type is that of the variable, the size is the section entry's. */
    public record Variable(String name, int type, int offset, int size) { }

    /** An array: the type of an element and their number. */
    public record ArrayOf(int element, int count) { }

    /** One name of an enumeration. */
    public record EnumValue(String name, long value) { }

    /** BTF of its own that holds some types of another, and the ids they have there, in the order asked for. */
    public record Extract(byte[] bytes, int[] ids) { }

    private Btf(byte[] raw, ByteBuffer data, int stringsAt, int stringsLength, int[] at) {
        this.raw = raw;
        this.data = data;
        this.stringsAt = stringsAt;
        this.stringsLength = stringsLength;
        this.at = at;
    }

    /** @throws BtfException when the bytes are not BTF, or not consistent */
    public static Btf parse(byte[] bytes) {
        byte[] raw = bytes.clone();
        if (raw.length < 24) {
            throw new BtfException("BTF is shorter than its header: " + raw.length + " bytes");
        }
        ByteBuffer data = ByteBuffer.wrap(raw).order(ByteOrder.LITTLE_ENDIAN);
        if ((data.getShort(0) & 0xffff) != MAGIC) {
            data.order(ByteOrder.BIG_ENDIAN);
            if ((data.getShort(0) & 0xffff) != MAGIC) {
                throw new BtfException("not BTF: wrong magic");
            }
        }
        if (data.get(2) != 1) {
            throw new BtfException("BTF version " + data.get(2) + " is unknown");
        }
        long header = unsigned(data, 4);
        long typesAt = header + unsigned(data, 8);
        long typesEnd = typesAt + unsigned(data, 12);
        long stringsAt = header + unsigned(data, 16);
        long stringsEnd = stringsAt + unsigned(data, 20);
        if (header < 24 || typesEnd > raw.length || stringsEnd > raw.length || stringsEnd == stringsAt
                || raw[(int) stringsAt] != 0 || raw[(int) stringsEnd - 1] != 0) {
            throw new BtfException("BTF header does not fit its " + raw.length + " bytes");
        }
        int[] at = new int[64];
        int count = 0;
        int position = (int) typesAt;
        while (position < typesEnd) {
            if (typesEnd - position < 12) {
                throw new BtfException("BTF type " + (count + 1) + " is cut off");
            }
            int info = data.getInt(position + 4);
            long end = position + 12L + extraLength(BtfKind.of(info >>> 24 & 0x1f), info & 0xffff);
            if (end > typesEnd) {
                throw new BtfException("BTF type " + (count + 1) + " is cut off");
            }
            if (++count > MAX_TYPES) {
                throw new BtfException("more than " + MAX_TYPES + " BTF types");
            }
            if (count == at.length) {
                at = Arrays.copyOf(at, count * 2);
            }
            at[count] = position;
            position = (int) end;
        }
        Btf btf = new Btf(raw, data, (int) stringsAt, (int) (stringsEnd - stringsAt), Arrays.copyOf(at, count + 1));
        btf.validate();
        return btf;
    }

    private static long unsigned(ByteBuffer data, int offset) {
        return data.getInt(offset) & 0xffffffffL;
    }

    private static int extraLength(BtfKind kind, int vlen) {
        return switch (kind) {
            case INT, VAR, DECL_TAG -> 4;
            case ARRAY -> 12;
            case STRUCT, UNION, DATASEC, ENUM64 -> 12 * vlen;
            case ENUM, FUNC_PROTO -> 8 * vlen;
            default -> 0;
        };
    }

    /** Every reference and every name, once, so that accessors can rely on them. */
    private void validate() {
        for (int id = 1; id < at.length; id++) {
            BtfKind kind = kind(id);
            String name = string(data.getInt(at[id]));
            int extra = at[id] + 12;
            switch (kind) {
                case PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG, FUNC, VAR, DECL_TAG -> check(target(id));
                case ARRAY -> {
                    check(data.getInt(extra));
                    check(data.getInt(extra + 4));
                }
                case STRUCT, UNION -> {
                    for (int i = 0; i < vlen(id); i++) {
                        string(data.getInt(extra + 12 * i));
                        check(data.getInt(extra + 12 * i + 4));
                    }
                }
                case FUNC_PROTO -> {
                    check(target(id));
                    for (int i = 0; i < vlen(id); i++) {
                        string(data.getInt(extra + 8 * i));
                        check(data.getInt(extra + 8 * i + 4));
                    }
                }
                case ENUM -> {
                    for (int i = 0; i < vlen(id); i++) {
                        string(data.getInt(extra + 8 * i));
                    }
                }
                case ENUM64 -> {
                    for (int i = 0; i < vlen(id); i++) {
                        string(data.getInt(extra + 12 * i));
                    }
                }
                case DATASEC -> {
                    for (int i = 0; i < vlen(id); i++) {
                        int variable = data.getInt(extra + 12 * i);
                        check(variable);
                        if (kind(variable) != BtfKind.VAR && kind(variable) != BtfKind.FUNC) {
                            throw new BtfException("section " + name + " holds type " + variable + ", which is no variable");
                        }
                    }
                }
                default -> { }
            }
            if (!name.isEmpty()) {
                byName.putIfAbsent(kind + " " + name, id);
            }
        }
    }

    private void check(int id) {
        if (id < 0 || id >= at.length) {
            throw new BtfException("BTF refers to type " + (id & 0xffffffffL) + " of " + (at.length - 1));
        }
    }

    private String string(int offset) {
        if (offset < 0 || offset >= stringsLength) {
            throw new BtfException("BTF name at " + (offset & 0xffffffffL) + " of " + stringsLength);
        }
        int start = stringsAt + offset;
        int end = start;
        while (raw[end] != 0) {
            end++;
        }
        return new String(raw, start, end - start, StandardCharsets.UTF_8);
    }

    /** The bytes this was parsed from. */
    public byte[] bytes() {
        return raw.clone();
    }

    /** The number of types; ids run from 1 to this. */
    public int typeCount() {
        return at.length - 1;
    }

    public BtfKind kind(int id) {
        check(id);
        return id == 0 ? BtfKind.VOID : BtfKind.of(data.getInt(at[id] + 4) >>> 24 & 0x1f);
    }

    /** The name, empty for an anonymous type. */
    public String name(int id) {
        check(id);
        return id == 0 ? "void" : string(data.getInt(at[id]));
    }

    private int vlen(int id) {
        return data.getInt(at[id] + 4) & 0xffff;
    }

    /** The type that a pointer, typedef, qualifier, function or variable refers to. */
    public int target(int id) {
        check(id);
        switch (kind(id)) {
            case PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG, FUNC, FUNC_PROTO, VAR, DECL_TAG -> { }
            default -> throw new BtfException(describe(id) + " refers to no other type");
        }
        return data.getInt(at[id] + 8);
    }

    /** Follows typedefs, qualifiers and tags to the type that has the layout. */
    public int resolve(int id) {
        int type = id;
        for (int depth = 0; depth < MAX_DEPTH; depth++) {
            if (!kind(type).isTransparent()) {
                return type;
            }
            type = target(type);
        }
        throw new BtfException("typedefs of type " + id + " never end");
    }

    /** The size in bytes, as C's sizeof. */
    public int sizeOf(int id) {
        return sizeOf(id, 0);
    }

    private int sizeOf(int id, int depth) {
        if (depth > MAX_DEPTH) {
            throw new BtfException("arrays of type " + id + " never end");
        }
        int type = resolve(id);
        switch (kind(type)) {
            case INT, STRUCT, UNION, ENUM, ENUM64, FLOAT, DATASEC -> {
                int size = data.getInt(at[type] + 8);
                if (size < 0) {
                    throw new BtfException("size of " + describe(type) + " is out of range");
                }
                return size;
            }
            case PTR -> {
                return 8;
            }
            case VAR -> {
                return sizeOf(target(type), depth + 1);
            }
            case ARRAY -> {
                ArrayOf array = array(type);
                long size = (long) array.count() * sizeOf(array.element(), depth + 1);
                if (size > Integer.MAX_VALUE) {
                    throw new BtfException("size of array type " + type + " is out of range");
                }
                return (int) size;
            }
            default -> throw new BtfException(describe(type) + " has no size");
        }
    }

    /** The members of a struct or union, in order. */
    public List<Member> members(int id) {
        int type = resolve(id);
        if (!kind(type).isComposite()) {
            throw new BtfException(describe(type) + " is no struct or union");
        }
        boolean bitFields = data.getInt(at[type] + 4) < 0;
        int count = vlen(type);
        List<Member> members = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int entry = at[type] + 12 + 12 * i;
            int offset = data.getInt(entry + 8);
            members.add(new Member(string(data.getInt(entry)), data.getInt(entry + 4),
                    bitFields ? offset & 0xffffff : offset & 0x7fffffff, bitFields ? offset >>> 24 : 0));
        }
        return members;
    }

    public ArrayOf array(int id) {
        int type = resolve(id);
        if (kind(type) != BtfKind.ARRAY) {
            throw new BtfException(describe(type) + " is no array");
        }
        int count = data.getInt(at[type] + 20);
        if (count < 0) {
            throw new BtfException("array type " + type + " is too long");
        }
        return new ArrayOf(data.getInt(at[type] + 12), count);
    }

    /** The names of an enumeration; negative values are sign extended. */
    public List<EnumValue> enumValues(int id) {
        int type = resolve(id);
        List<EnumValue> values = new ArrayList<>();
        switch (kind(type)) {
            case ENUM -> {
                for (int i = 0; i < vlen(type); i++) {
                    int entry = at[type] + 12 + 8 * i;
                    values.add(new EnumValue(string(data.getInt(entry)), data.getInt(entry + 4)));
                }
            }
            case ENUM64 -> {
                for (int i = 0; i < vlen(type); i++) {
                    int entry = at[type] + 12 + 12 * i;
                    values.add(new EnumValue(string(data.getInt(entry)), unsigned(data, entry + 4) | (long) data.getInt(entry + 8) << 32));
                }
            }
            default -> throw new BtfException(describe(type) + " is no enumeration");
        }
        return values;
    }

    /** Whether an integer type is signed. */
    public boolean isSigned(int id) {
        int type = resolve(id);
        return kind(type) == BtfKind.INT && (data.getInt(at[type] + 12) >>> 24 & 1) != 0;
    }

    /** Whether an integer type is C's bool. */
    public boolean isBool(int id) {
        int type = resolve(id);
        return kind(type) == BtfKind.INT && (data.getInt(at[type] + 12) >>> 24 & 4) != 0;
    }

    /** The variables of a section such as {@code .maps} or {@code .rodata}; absent when the object has no such section. */
    public Optional<List<Variable>> section(String name) {
        OptionalInt found = find(BtfKind.DATASEC, name);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        int id = found.getAsInt();
        List<Variable> variables = new ArrayList<>();
        for (int i = 0; i < vlen(id); i++) {
            int entry = at[id] + 12 + 12 * i;
            int variable = data.getInt(entry);
            if (kind(variable) == BtfKind.VAR) {
                variables.add(new Variable(name(variable), target(variable), data.getInt(entry + 4), data.getInt(entry + 8)));
            }
        }
        return Optional.of(variables);
    }

    /** The first type of that kind and name. */
    public OptionalInt find(BtfKind kind, String name) {
        Integer id = byName.get(kind + " " + name);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** The layout of a struct or union by its name, or by that of a typedef of one. */
    public StructLayout layout(String name) {
        for (BtfKind kind : new BtfKind[] {BtfKind.STRUCT, BtfKind.UNION, BtfKind.TYPEDEF}) {
            OptionalInt id = find(kind, name);
            if (id.isPresent()) {
                return layout(id.getAsInt());
            }
        }
        throw new BtfException("no struct " + name + " in this BTF");
    }

    /** The layout of a struct or union. */
    public StructLayout layout(int id) {
        return StructLayout.of(this, id);
    }

    /** The type in C's words, such as {@code struct ct_key} or {@code unsigned int}. */
    public String describe(int id) {
        return describe(id, 0);
    }

    private String describe(int id, int depth) {
        if (depth > 8) {
            return "…";
        }
        String name = name(id);
        return switch (kind(id)) {
            case STRUCT -> "struct " + (name.isEmpty() ? "(anonymous)" : name);
            case UNION -> "union " + (name.isEmpty() ? "(anonymous)" : name);
            case ENUM, ENUM64 -> "enum " + (name.isEmpty() ? "(anonymous)" : name);
            case FWD -> "forward declaration of " + name;
            case PTR -> describe(target(id), depth + 1) + " *";
            case CONST -> "const " + describe(target(id), depth + 1);
            case VOLATILE -> "volatile " + describe(target(id), depth + 1);
            case RESTRICT, TYPE_TAG -> describe(target(id), depth + 1);
            case ARRAY -> describe(array(id).element(), depth + 1) + "[" + array(id).count() + "]";
            case FUNC_PROTO -> "function";
            default -> name;
        };
    }

    /**
     * Takes some types, and what they are made of, out as BTF of their own, for a map that is created alone: the whole object's BTF
     * is not accepted by the kernel as it comes from the compiler (section sizes are filled in by the loader).
     */
    public Extract extract(int... ids) {
        return BtfExtract.of(this, ids);
    }

    int infoOf(int id) {
        return data.getInt(at[id] + 4);
    }

    int sizeOrTypeOf(int id) {
        return data.getInt(at[id] + 8);
    }

    /** A 32-bit word behind the struct btf_type. */
    int extra(int id, int word) {
        return data.getInt(at[id] + 12 + 4 * word);
    }

    int nameOffset(int id) {
        return data.getInt(at[id]);
    }

    int extraWords(int id) {
        return extraLength(kind(id), vlen(id)) / 4;
    }

    String nameAt(int offset) {
        return string(offset);
    }

    ByteOrder order() {
        return data.order();
    }
}
