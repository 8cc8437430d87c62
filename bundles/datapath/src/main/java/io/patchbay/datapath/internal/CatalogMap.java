package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.bpf.Batch;
import io.patchbay.bpf.BpfException;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.MapType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * One name of the map catalogue. The map behind it may be exchanged; users hold the read lock while they are in the
 * kernel, so that no descriptor is closed under them.
 */
final class CatalogMap implements MapHandle, AutoCloseable {
    private static final String FULL = "E2BIG";

    private final String name;
    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private BpfMap map;
    private MapSpec spec;
    private Layout key;
    private Layout value;
    private boolean closed;
    /** While entries are carried over: deletes what the old map still has for a key. */
    private Consumer<byte[]> alsoDelete = k -> { };

    CatalogMap(String name, BpfMap map) {
        this.name = name;
        set(map);
    }

    private void set(BpfMap next) {
        map = next;
        spec = next.spec();
        key = layout(spec.keyType(), spec.keySize());
        value = layout(spec.valueType(), spec.valueSize());
    }

    private Layout layout(int type, int size) {
        return type == 0 ? new BtfLayout("bytes", size) : new BtfLayout(spec.btf().orElseThrow(), type);
    }

    /** Puts another map under this name; the one before is closed. */
    void swap(BpfMap next) {
        lock.writeLock().lock();
        try {
            BpfMap old = map;
            set(next);
            old.close();
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Before each delete of a key, from now on; the key in this map's layout. */
    void alsoDelete(Consumer<byte[]> other) {
        lock.writeLock().lock();
        try {
            alsoDelete = other;
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Kernel's view of the map in use, with its types. */
    MapSpec spec() {
        return with("describe", m -> spec);
    }

    /** A descriptor of its own. */
    BpfMap duplicate() {
        return with("duplicate", BpfMap::duplicate);
    }

    private <T> T with(String operation, Function<BpfMap, T> use) {
        lock.readLock().lock();
        try {
            if (closed) {
                throw new DatapathException(operation + " of map " + name + ": the datapath was closed");
            }
            return use.apply(map);
        } catch (BpfException e) {
            if (e.errnoName().equals(FULL) && !map.info().type().isArray()) {
                throw new MapFullException("map " + name + " is full: it has room for " + map.info().maxEntries() + " entries");
            }
            throw new DatapathException(e.getMessage(), e);
        } finally {
            lock.readLock().unlock();
        }
    }

    /** Catalogue entries without data, such as rings and program arrays, have no operations. */
    static boolean hasData(MapType type) {
        return switch (type) {
            case HASH, LRU_HASH, ARRAY, PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, LPM_TRIE -> true;
            default -> false;
        };
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String type() {
        return with("type", m -> m.info().type().name().toLowerCase(Locale.ROOT));
    }

    @Override
    public int maxEntries() {
        return with("size", m -> m.info().maxEntries());
    }

    @Override
    public int id() {
        return with("id", BpfMap::id);
    }

    @Override
    public Layout key() {
        return with("layout", m -> key);
    }

    @Override
    public Layout value() {
        return with("layout", m -> value);
    }

    @Override
    public boolean perCpu() {
        return with("type", m -> m.info().type().isPerCpu());
    }

    private static ByteBuffer bytes(Struct s) {
        return ByteBuffer.wrap(s.bytes()).order(ByteOrder.nativeOrder());
    }

    private Struct slot(BpfMap m, ByteBuffer all, int cpu) {
        byte[] b = new byte[m.info().valueSize()];
        all.get(all.position() + cpu * m.slotSize(), b);
        return new Struct(value, b);
    }

    /** All slots get the same value: what an agent writes to a per-CPU map is for every CPU. */
    private ByteBuffer toValue(BpfMap m, Struct s) {
        if (!m.info().type().isPerCpu()) {
            return bytes(s);
        }
        ByteBuffer b = ByteBuffer.allocate(m.valueBytes()).order(ByteOrder.nativeOrder());
        for (int cpu = 0; cpu < BpfMap.possibleCpus(); cpu++) {
            b.put(cpu * m.slotSize(), s.bytes());
        }
        return b;
    }

    @Override
    public Optional<Struct> lookup(Struct k) {
        return with("lookup", m -> m.lookup(bytes(k)).map(b -> slot(m, b, 0)));
    }

    @Override
    public List<Struct> lookupAll(Struct k) {
        return with("lookup", m -> {
            List<Struct> all = new ArrayList<>();
            m.lookup(bytes(k)).ifPresent(b -> slots(m, b, all));
            return all;
        });
    }

    private void slots(BpfMap m, ByteBuffer b, List<Struct> to) {
        for (int cpu = 0; cpu < (m.info().type().isPerCpu() ? BpfMap.possibleCpus() : 1); cpu++) {
            to.add(slot(m, b, cpu));
        }
    }

    @Override
    public void put(Struct k, Struct v) {
        with("update", m -> {
            m.update(bytes(k), toValue(m, v));
            return null;
        });
    }

    @Override
    public boolean putIfAbsent(Struct k, Struct v) {
        return with("insert", m -> m.insert(bytes(k), toValue(m, v)));
    }

    @Override
    public boolean delete(Struct k) {
        return with("delete", m -> {
            alsoDelete.accept(k.bytes());
            return m.delete(bytes(k));
        });
    }

    @Override
    public void putAll(Map<Struct, Struct> entries) {
        with("update", m -> {
            try (Batch batch = Batch.of(m, entries.size())) {
                int n = 0;
                for (Map.Entry<Struct, Struct> e : entries.entrySet()) {
                    batch.keys().put(n * m.keySize(), e.getKey().bytes());
                    if (m.info().type().isPerCpu()) {
                        batch.values().put(n * m.valueBytes(), toValue(m, e.getValue()), 0, m.valueBytes());
                    } else {
                        batch.values().put(n * m.valueBytes(), e.getValue().bytes());
                    }
                    if (++n == batch.entries()) {
                        m.updateBatch(batch.keys(), batch.values(), n);
                        n = 0;
                    }
                }
                m.updateBatch(batch.keys(), batch.values(), n);
            }
            return null;
        });
    }

    @Override
    public void deleteAll(Collection<Struct> gone) {
        with("delete", m -> {
            try (Batch batch = Batch.of(m, gone.size())) {
                int n = 0;
                for (Struct k : gone) {
                    alsoDelete.accept(k.bytes());
                    batch.keys().put(n * m.keySize(), k.bytes());
                    if (++n == batch.entries()) {
                        m.deleteBatch(batch.keys(), n);
                        n = 0;
                    }
                }
                m.deleteBatch(batch.keys(), n);
            }
            return null;
        });
    }

    @Override
    public Map<Struct, Struct> entries() {
        Map<Struct, Struct> all = new LinkedHashMap<>();
        forEach(all::put);
        return all;
    }

    /** By a descriptor of its own: a visitor may take its time, and whoever puts another map in this one's place is not to wait for it. */
    @Override
    public void forEach(BiConsumer<Struct, Struct> visitor) {
        Layout[] layouts = new Layout[2];
        try (BpfMap m = with("read", open -> {
            layouts[0] = key;
            layouts[1] = value;
            return open.duplicate();
        })) {
            m.forEach((k, v) -> {
                byte[] kb = new byte[m.keySize()];
                k.get(0, kb);
                byte[] vb = new byte[m.info().valueSize()];
                v.get(0, vb);
                visitor.accept(new Struct(layouts[0], kb), new Struct(layouts[1], vb));
            });
        } catch (BpfException e) {
            throw new DatapathException(e.getMessage(), e);
        }
    }

    @Override
    public int count() {
        return with("count", m -> m.info().type().isArray() ? m.info().maxEntries() : m.count());
    }

    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                map.close();
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
