package io.patchbay.bpf.btf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Bytes of a map as values of the JDK, by their BTF type: a struct becomes a map from field name to value in order, an array a list (of chars or
 * not), an enum its name, a bool a Boolean, a number a Long (an unsigned 64-bit one as its signed bits). All members of a union appear.
 */
public final class BtfValue {
    private static final int MAX_ELEMENTS = 4096;
    private static final int MAX_NESTING = 64;

    private BtfValue() { }

    /** The value of that type at {@code offset} of a buffer in native order. */
    public static Object decode(Btf btf, int id, ByteBuffer data, int offset) {
        return decode(btf, id, data, offset, 0);
    }

    private static Object decode(Btf btf, int id, ByteBuffer data, int offset, int depth) {
        if (depth > MAX_NESTING) {
            throw new BtfException("types are nested more than " + MAX_NESTING + " deep");
        }
        int type = btf.resolve(id);
        ByteBuffer bytes = data.duplicate().order(ByteOrder.nativeOrder());
        switch (btf.kind(type)) {
            case STRUCT, UNION -> {
                Map<String, Object> fields = new LinkedHashMap<>();
                struct(btf, type, bytes, offset, fields, depth + 1);
                return fields;
            }
            case ARRAY -> {
                Btf.ArrayOf array = btf.array(type);
                int size = btf.sizeOf(array.element());
                List<Object> elements = new ArrayList<>();
                for (int i = 0; i < Math.min(MAX_ELEMENTS, array.count()); i++) {
                    elements.add(decode(btf, array.element(), bytes, offset + i * size, depth + 1));
                }
                return Collections.unmodifiableList(elements);
            }
            case ENUM, ENUM64 -> {
                long value = number(bytes, offset, btf.sizeOf(type), true);
                return btf.enumValues(type).stream().filter(v -> v.value() == value).map(v -> (Object) v.name()).findFirst().orElse(value);
            }
            case INT -> {
                long value = number(bytes, offset, btf.sizeOf(type), btf.isSigned(type));
                return btf.isBool(type) ? (Object) (value != 0) : (Object) value;
            }
            case PTR -> {
                return bytes.getLong(offset);
            }
            default -> throw new BtfException(btf.describe(type) + " is no data");
        }
    }

    private static void struct(Btf btf, int type, ByteBuffer bytes, int offset, Map<String, Object> fields, int depth) {
        if (depth > MAX_NESTING) {
            throw new BtfException("types are nested more than " + MAX_NESTING + " deep");
        }
        for (Btf.Member member : btf.members(type)) {
            int at = offset + member.bitOffset() / 8;
            if (member.bits() > 0) {
                fields.put(member.name(), bits(bytes, offset, member, btf.isSigned(member.type())));
            } else if (member.name().isEmpty() && btf.kind(btf.resolve(member.type())).isComposite()) {
                struct(btf, btf.resolve(member.type()), bytes, at, fields, depth + 1);
            } else {
                fields.put(member.name(), decode(btf, member.type(), bytes, at, depth));
            }
        }
    }

    private static long bits(ByteBuffer bytes, int offset, Btf.Member member, boolean signed) {
        long value = 0;
        for (int i = 0; i < member.bits(); i++) {
            int bit = member.bitOffset() + i;
            int place = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN ? bit % 8 : 7 - bit % 8;
            long set = bytes.get(offset + bit / 8) >> place & 1;
            value |= ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN ? set << i : set << member.bits() - 1 - i;
        }
        int unused = 64 - member.bits();
        return signed ? value << unused >> unused : value;
    }

    private static long number(ByteBuffer bytes, int offset, int size, boolean signed) {
        return switch (size) {
            case 1 -> signed ? bytes.get(offset) : bytes.get(offset) & 0xffL;
            case 2 -> signed ? bytes.getShort(offset) : bytes.getShort(offset) & 0xffffL;
            case 4 -> signed ? bytes.getInt(offset) : bytes.getInt(offset) & 0xffffffffL;
            case 8 -> bytes.getLong(offset);
            default -> throw new BtfException("an integer of " + size + " bytes");
        };
    }
}
