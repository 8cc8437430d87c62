package io.patchbay.bpf.btf;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Where the fields of a C struct or union lie. The struct is declared once, in C; whoever reads or writes it in Java asks here by name.
 * Fields of anonymous members appear as fields of the struct itself. Offsets and sizes are in bytes, from the start of this struct.
 */
public record StructLayout(String name, int size, List<Field> fields) {

    /** What is in a field. */
    public enum FieldKind { UNSIGNED, SIGNED, BOOL, ENUM, POINTER, FLOAT, STRUCT, ARRAY, OTHER }

    /**
     * @param typeName in C's words
     * @param bitOffset first bit within the field's {@code size} bytes at {@code offset}, for a bit field; else 0
     * @param bits width of a bit field, 0 for any other field
     * @param count elements of an array (of its innermost dimension's element), else 1
     * @param elementSize size of one element; equals {@code size} when it is no array
     * @param struct layout of the struct, or of an array's elements; empty for scalars
     */
    public record Field(String name, FieldKind kind, String typeName, int offset, int size, int bitOffset, int bits, int count,
                        int elementSize, Optional<StructLayout> struct) { }

    private static final int MAX_NESTING = 32;
    /** Against hostile input: nested structs multiply. */
    private static final int MAX_FIELDS = 65536;

    /** The structs that are being described, from the outside in, and how many fields there may still be. */
    private static final class Walk {
        private final Set<Integer> open = new HashSet<>();
        private int left = MAX_FIELDS;

        void enter(Btf btf, int type) {
            if (!open.add(type)) {
                throw new BtfException(btf.describe(type) + " contains itself");
            }
            if (open.size() > MAX_NESTING) {
                throw new BtfException("structs are nested more than " + MAX_NESTING + " deep");
            }
        }

        void leave(int type) {
            open.remove(type);
        }

        void count() {
            if (--left < 0) {
                throw new BtfException("more than " + MAX_FIELDS + " fields");
            }
        }
    }

    static StructLayout of(Btf btf, int id) {
        return of(btf, id, new Walk());
    }

    private static StructLayout of(Btf btf, int id, Walk walk) {
        int type = btf.resolve(id);
        walk.enter(btf, type);
        List<Field> fields = new ArrayList<>();
        collect(btf, type, 0, fields, walk);
        walk.leave(type);
        return new StructLayout(btf.describe(type), btf.sizeOf(type), List.copyOf(fields));
    }

    private static void collect(Btf btf, int type, int base, List<Field> fields, Walk walk) {
        for (Btf.Member member : btf.members(type)) {
            walk.count();
            int inner = btf.resolve(member.type());
            int size = btf.sizeOf(inner);
            if (member.name().isEmpty() && btf.kind(inner).isComposite()) {
                walk.enter(btf, inner);
                collect(btf, inner, base + member.bitOffset() / 8, fields, walk);
                walk.leave(inner);
                continue;
            }
            int offset = member.bitOffset() / 8;
            int bitOffset = 0;
            if (member.bits() > 0 && size > 0) {
                offset = offset / size * size;
                bitOffset = member.bitOffset() - offset * 8;
            }
            int element = inner;
            int count = 1;
            boolean array = btf.kind(inner) == BtfKind.ARRAY;
            for (int depth = 0; btf.kind(element) == BtfKind.ARRAY && depth < MAX_NESTING; depth++) {
                count = (int) Math.min(Integer.MAX_VALUE, (long) count * btf.array(element).count());
                element = btf.resolve(btf.array(element).element());
            }
            Optional<StructLayout> struct = btf.kind(element).isComposite() ? Optional.of(of(btf, element, walk)) : Optional.empty();
            fields.add(new Field(member.name(), array ? FieldKind.ARRAY : kind(btf, element), btf.describe(member.type()), base + offset, size,
                    bitOffset, member.bits(), count, array ? btf.sizeOf(element) : size, struct));
        }
    }

    private static FieldKind kind(Btf btf, int type) {
        return switch (btf.kind(type)) {
            case INT -> btf.isBool(type) ? FieldKind.BOOL : btf.isSigned(type) ? FieldKind.SIGNED : FieldKind.UNSIGNED;
            case ENUM, ENUM64 -> FieldKind.ENUM;
            case PTR -> FieldKind.POINTER;
            case FLOAT -> FieldKind.FLOAT;
            case STRUCT, UNION -> FieldKind.STRUCT;
            default -> FieldKind.OTHER;
        };
    }

    /** Whether a field path, as for {@link #field}, exists. */
    public boolean has(String path) {
        return search(path).isPresent();
    }

    /**
     * A field by name, or by path through nested structs ({@code tuple.saddr}); its offset is from the start of this struct.
     *
     * @throws BtfException naming the field and printing this layout
     */
    public Field field(String path) {
        return search(path).orElseThrow(() -> new BtfException("no field " + path + " in\n" + describe()));
    }

    private Optional<Field> search(String path) {
        int dot = path.indexOf('.');
        String head = dot < 0 ? path : path.substring(0, dot);
        for (Field field : fields) {
            if (field.name().equals(head)) {
                if (dot < 0) {
                    return Optional.of(field);
                }
                return field.struct().flatMap(struct -> struct.search(path.substring(dot + 1)))
                        .map(f -> new Field(f.name(), f.kind(), f.typeName(), field.offset() + f.offset(), f.size(), f.bitOffset(), f.bits(),
                                f.count(), f.elementSize(), f.struct()));
            }
        }
        return Optional.empty();
    }

    /** The offset of a field, in bytes. */
    public int offset(String path) {
        return field(path).offset();
    }

    /** The offset of a field that must have this size, in bytes: for code that reads it with a fixed width. */
    public int offset(String path, int size) {
        Field field = field(path);
        if (field.size() != size) {
            throw new BtfException(name + "." + path + " has " + field.size() + " bytes where the caller reads " + size + ":\n" + describe());
        }
        return field.offset();
    }

    /** The layout as text, a line per field. */
    public String describe() {
        StringBuilder text = new StringBuilder();
        describe(text, "", 0);
        return text.toString();
    }

    private void describe(StringBuilder text, String indent, int base) {
        text.append(indent).append(name).append(" { /* ").append(size).append(" bytes */\n");
        for (Field field : fields) {
            text.append(indent).append(String.format("  %4d %4d  %s %s", base + field.offset(), field.size(), field.typeName(), field.name()));
            if (field.bits() > 0) {
                text.append(" : ").append(field.bits()).append(" at bit ").append(field.bitOffset());
            }
            text.append('\n');
            field.struct().ifPresent(struct -> struct.describe(text, indent + "    ", base + field.offset()));
        }
        text.append(indent).append("}\n");
    }
}
