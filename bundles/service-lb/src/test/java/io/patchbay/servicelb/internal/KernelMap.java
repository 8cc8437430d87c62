package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.bpf.Batch;
import io.patchbay.bpf.BpfException;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.BtfKind;
import io.patchbay.bpf.btf.StructLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;

/** A map of the kernel as features see it, without the catalogue of the datapath. */
final class KernelMap implements MapHandle {
    private record Place(String path, int offset, int size, String typeName) implements Layout.Field {
    }

    private record TypeLayout(String typeName, int size, Map<String, Field> byPath) implements Layout {
        @Override
        public Field field(String path) {
            Field f = byPath.get(path);
            if (f == null) throw new IllegalArgumentException(typeName + " has no member " + path + " among " + byPath.keySet());
            return f;
        }

        @Override
        public boolean has(String path) {
            return byPath.containsKey(path);
        }

        @Override
        public List<Field> fields() {
            return List.copyOf(byPath.values());
        }
    }

    private final BpfMap map;
    private final Layout key;
    private final Layout value;

    KernelMap(BpfMap map) {
        this.map = map;
        MapSpec spec = map.spec();
        this.key = layout(spec.btf().orElseThrow(), spec.keyType());
        this.value = layout(spec.btf().orElseThrow(), spec.valueType());
    }

    private static Layout layout(Btf btf, int type) {
        Map<String, Layout.Field> fields = new LinkedHashMap<>();
        String name = btf.describe(type);
        fields.put("", new Place("", 0, btf.sizeOf(type), name));
        if (btf.kind(btf.resolve(type)) == BtfKind.STRUCT) {
            for (StructLayout.Field f : btf.layout(type).fields()) fields.put(f.name(), new Place(f.name(), f.offset(), f.size(), f.typeName()));
        }
        return new TypeLayout(name, btf.sizeOf(type), fields);
    }

    private static ByteBuffer bytes(Struct s) {
        return ByteBuffer.wrap(s.bytes()).order(ByteOrder.nativeOrder());
    }

    private static Struct struct(Layout layout, ByteBuffer from, int at) {
        byte[] b = new byte[layout.size()];
        from.get(at, b);
        return new Struct(layout, b);
    }

    @Override
    public String name() {
        return map.name();
    }

    @Override
    public String type() {
        return map.info().type().name();
    }

    @Override
    public int maxEntries() {
        return map.info().maxEntries();
    }

    @Override
    public int id() {
        return map.id();
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
        return map.info().type().isPerCpu();
    }

    @Override
    public Optional<Struct> lookup(Struct k) {
        return map.lookup(bytes(k)).map(v -> struct(value, v, 0));
    }

    @Override
    public List<Struct> lookupAll(Struct k) {
        List<Struct> all = new ArrayList<>();
        map.lookup(bytes(k)).ifPresent(v -> {
            for (int i = 0; i < v.capacity(); i += map.slotSize()) all.add(struct(value, v, i));
        });
        return all;
    }

    @Override
    public void put(Struct k, Struct v) {
        try {
            map.update(bytes(k), bytes(v));
        } catch (BpfException e) {
            if (e.errnoName().equals("E2BIG")) throw new MapFullException(e.getMessage());
            throw e;
        }
    }

    @Override
    public boolean putIfAbsent(Struct k, Struct v) {
        return map.insert(bytes(k), bytes(v));
    }

    @Override
    public boolean delete(Struct k) {
        return map.delete(bytes(k));
    }

    @Override
    public void putAll(Map<Struct, Struct> entries) {
        try (Batch batch = Batch.of(map, entries.size())) {
            int n = 0;
            for (Map.Entry<Struct, Struct> e : entries.entrySet()) {
                batch.keys().put(n * map.keySize(), e.getKey().bytes());
                batch.values().put(n * map.valueBytes(), e.getValue().bytes());
                if (++n == batch.entries()) {
                    map.updateBatch(batch.keys(), batch.values(), n);
                    n = 0;
                }
            }
            map.updateBatch(batch.keys(), batch.values(), n);
        }
    }

    @Override
    public void deleteAll(Collection<Struct> keys) {
        keys.forEach(this::delete);
    }

    @Override
    public Map<Struct, Struct> entries() {
        Map<Struct, Struct> all = new LinkedHashMap<>();
        forEach(all::put);
        return all;
    }

    @Override
    public void forEach(BiConsumer<Struct, Struct> visitor) {
        map.forEach((k, v) -> visitor.accept(struct(key, k, 0), struct(value, v, 0)));
    }

    @Override
    public int count() {
        return entries().size();
    }
}
