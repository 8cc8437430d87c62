package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Layout;
import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.BtfKind;
import io.patchbay.bpf.btf.StructLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A {@link Layout} read from BTF. */
final class BtfLayout implements Layout {
    /** Members of this type are shown and set as a whole. */
    static final String ADDRESS = "pb_addr";

    private record Place(String path, int offset, int size, String typeName) implements Field {
    }

    private final String typeName;
    private final int size;
    private final List<Field> leaves;
    private final Map<String, Field> byPath = new LinkedHashMap<>();

    BtfLayout(Btf btf, int type) {
        this.typeName = plain(btf.describe(type));
        this.size = btf.sizeOf(type);
        byPath.put("", new Place("", 0, size, typeName));
        List<Field> found = new ArrayList<>();
        int resolved = btf.resolve(type);
        if (btf.kind(resolved) == BtfKind.STRUCT || btf.kind(resolved) == BtfKind.UNION) {
            collect(btf.layout(resolved), "", 0, found, !typeName.equals(ADDRESS));
        }
        if (found.isEmpty()) {
            found.add(byPath.get(""));
        }
        found.sort(Comparator.comparingInt(Field::offset));
        this.leaves = List.copyOf(found);
    }

    /** Bytes without a type. */
    BtfLayout(String typeName, int size) {
        this.typeName = typeName;
        this.size = size;
        Field whole = new Place("", 0, size, typeName);
        byPath.put("", whole);
        this.leaves = List.of(whole);
    }

    private void collect(StructLayout struct, String prefix, int base, List<Field> found, boolean leavesWanted) {
        for (StructLayout.Field f : struct.fields()) {
            String path = prefix + f.name();
            Place p = new Place(path, base + f.offset(), f.size(), plain(f.typeName()));
            byPath.put(path, p);
            boolean nested = f.kind() == StructLayout.FieldKind.STRUCT && f.struct().isPresent();
            boolean leaf = !nested || p.typeName().equals(ADDRESS);
            if (leaf && leavesWanted) {
                found.add(p);
            }
            if (nested) {
                collect(f.struct().get(), path + ".", base + f.offset(), found, leavesWanted && !leaf);
            }
        }
    }

    private static String plain(String c) {
        String t = c.startsWith("const ") ? c.substring(6) : c;
        return t.startsWith("struct ") ? t.substring(7) : t;
    }

    @Override
    public String typeName() {
        return typeName;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public Field field(String path) {
        Field f = byPath.get(path);
        if (f == null) {
            throw new IllegalArgumentException(typeName + " has no member '" + path + "'; it has " + leaves.stream().map(Field::path).toList());
        }
        return f;
    }

    @Override
    public boolean has(String path) {
        return byPath.containsKey(path);
    }

    @Override
    public List<Field> fields() {
        return leaves;
    }

    @Override
    public String toString() {
        return typeName + leaves.stream().map(f -> f.typeName() + " " + f.path() + "@" + f.offset()).toList();
    }
}
