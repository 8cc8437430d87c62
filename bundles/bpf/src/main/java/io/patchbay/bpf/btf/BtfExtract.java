package io.patchbay.bpf.btf;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Copies types and all they refer to into BTF of their own. A pointer's target becomes void: no map value is followed through one. */
final class BtfExtract {
    private static final int HEADER = 24;
    private final Btf from;
    private final Map<Integer, Integer> ids = new LinkedHashMap<>();
    private final Map<String, Integer> strings = new HashMap<>();
    private final ByteArrayOutputStream text = new ByteArrayOutputStream();

    private BtfExtract(Btf from) {
        this.from = from;
        text.write(0);
        strings.put("", 0);
    }

    static Btf.Extract of(Btf from, int... wanted) {
        return new BtfExtract(from).copy(wanted);
    }

    private Btf.Extract copy(int... wanted) {
        Deque<Integer> queue = new ArrayDeque<>();
        for (int id : wanted) {
            queue.add(id);
        }
        while (!queue.isEmpty()) {
            int id = queue.remove();
            if (id == 0 || ids.containsKey(id)) {
                continue;
            }
            ids.put(id, ids.size() + 1);
            queue.addAll(parts(id));
        }
        ByteArrayOutputStream types = new ByteArrayOutputStream();
        for (int id : ids.keySet()) {
            write(types, id);
        }
        ByteBuffer out = ByteBuffer.allocate(HEADER + types.size() + text.size()).order(from.order());
        out.putShort((short) 0xeB9F).put((byte) 1).put((byte) 0).putInt(HEADER);
        out.putInt(0).putInt(types.size()).putInt(types.size()).putInt(text.size());
        out.put(types.toByteArray()).put(text.toByteArray());
        int[] result = new int[wanted.length];
        for (int i = 0; i < wanted.length; i++) {
            result[i] = map(wanted[i]);
        }
        return new Btf.Extract(out.array(), result);
    }

    private List<Integer> parts(int id) {
        List<Integer> parts = new ArrayList<>();
        switch (from.kind(id)) {
            case TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG -> parts.add(from.target(id));
            case ARRAY -> {
                parts.add(from.extra(id, 0));
                parts.add(from.extra(id, 1));
            }
            case STRUCT, UNION -> from.members(id).forEach(member -> parts.add(member.type()));
            default -> { }
        }
        return parts;
    }

    private int map(int id) {
        return id == 0 ? 0 : ids.get(id);
    }

    private int name(int offset) {
        return strings.computeIfAbsent(from.nameAt(offset), name -> {
            int at = text.size();
            text.writeBytes(name.getBytes(StandardCharsets.UTF_8));
            text.write(0);
            return at;
        });
    }

    private void write(ByteArrayOutputStream types, int id) {
        BtfKind kind = from.kind(id);
        int words = from.extraWords(id);
        ByteBuffer out = ByteBuffer.allocate(12 + 4 * words).order(from.order());
        out.putInt(name(from.nameOffset(id))).putInt(from.infoOf(id));
        out.putInt(switch (kind) {
            case TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG -> map(from.target(id));
            case PTR -> 0;
            case FUNC, FUNC_PROTO, VAR, DATASEC, DECL_TAG -> throw new BtfException(from.describe(id) + " cannot be part of a map's key or value");
            default -> from.sizeOrTypeOf(id);
        });
        for (int word = 0; word < words; word++) {
            int value = from.extra(id, word);
            out.putInt(switch (kind) {
                case ARRAY -> word < 2 ? map(value) : value;
                case STRUCT, UNION -> word % 3 == 0 ? name(value) : word % 3 == 1 ? map(value) : value;
                case ENUM -> word % 2 == 0 ? name(value) : value;
                case ENUM64 -> word % 3 == 0 ? name(value) : value;
                default -> value;
            });
        }
        types.writeBytes(out.array());
    }
}
