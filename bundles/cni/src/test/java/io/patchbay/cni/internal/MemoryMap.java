package io.patchbay.cni.internal;

import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.ObjectSpec;
import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.BtfKind;
import io.patchbay.bpf.btf.StructLayout;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** A map in memory, laid out as the object that was compiled says. */
final class MemoryMap implements MapHandle {
    private record Place(String path, int offset, int size, String typeName) implements Layout.Field {
    }

    private record FromBtf(String typeName, int size, StructLayout struct) implements Layout {
        @Override
        public Field field(String path) {
            if (path.isEmpty()) return new Place("", 0, size, typeName);
            StructLayout.Field f = struct.field(path);
            return new Place(path, f.offset(), f.size(), f.typeName());
        }

        @Override
        public boolean has(String path) {
            return struct != null && struct.has(path);
        }

        @Override
        public List<Field> fields() {
            return List.of();
        }
    }

    private final MapSpec spec;
    private final Layout key;
    private final Layout value;
    private final Map<Struct, Struct> entries = new ConcurrentHashMap<>();

    MemoryMap(byte[] object, String name) {
        ObjectSpec o = ObjectSpec.parse(object);
        this.spec = o.map(name);
        this.key = layout(o.btf(), spec.keyType());
        this.value = layout(o.btf(), spec.valueType());
    }

    private static Layout layout(Btf btf, int type) {
        int resolved = btf.resolve(type);
        boolean struct = btf.kind(resolved) == BtfKind.STRUCT;
        return new FromBtf(btf.describe(type), btf.sizeOf(type), struct ? btf.layout(resolved) : null);
    }

    @Override
    public String name() {
        return spec.name();
    }

    @Override
    public String type() {
        return "hash";
    }

    @Override
    public int maxEntries() {
        return spec.maxEntries();
    }

    @Override
    public int id() {
        return 1;
    }

    @Override
    public Layout key() {
        return key;
    }

    @Override
    public Layout value() {
        return value;
    }

    @Override
    public boolean perCpu() {
        return false;
    }

    @Override
    public Optional<Struct> lookup(Struct k) {
        return Optional.ofNullable(entries.get(k)).map(Struct::copy);
    }

    @Override
    public List<Struct> lookupAll(Struct k) {
        return lookup(k).map(List::of).orElse(List.of());
    }

    @Override
    public void put(Struct k, Struct v) {
        entries.put(k.copy(), v.copy());
    }

    @Override
    public boolean putIfAbsent(Struct k, Struct v) {
        return entries.putIfAbsent(k.copy(), v.copy()) == null;
    }

    @Override
    public boolean delete(Struct k) {
        return entries.remove(k) != null;
    }

    @Override
    public void putAll(Map<Struct, Struct> all) {
        all.forEach(this::put);
    }

    @Override
    public void deleteAll(Collection<Struct> keys) {
        keys.forEach(this::delete);
    }

    @Override
    public Map<Struct, Struct> entries() {
        return Map.copyOf(entries);
    }

    @Override
    public int count() {
        return entries.size();
    }
}
