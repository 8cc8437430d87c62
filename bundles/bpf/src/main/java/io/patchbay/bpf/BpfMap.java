package io.patchbay.bpf;

import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.internal.Descriptor;
import io.patchbay.bpf.internal.Errno;
import io.patchbay.bpf.internal.KernelObjects;
import io.patchbay.bpf.internal.Native;
import io.patchbay.bpf.internal.NativeArena;
import io.patchbay.bpf.internal.Scratch;
import io.patchbay.bpf.internal.Sys;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * A map in the kernel, held by a descriptor that this object owns. Keys and values are bytes in native order, as the C structs lie in memory;
 * offsets come from BTF.
 *
 * <p>Single operations take heap or direct buffers, from their position on; batches take direct buffers, from their start. Safe for several
 * threads, as the kernel's maps are; {@link #close} only when no other thread uses it.
 *
 * <p>A value of a per-CPU map is one slot of {@link #slotSize} bytes for each of {@link #possibleCpus} CPUs.
 */
public final class BpfMap implements AutoCloseable {
    /** A batch operation stopped before its end. */
    public static final class BatchException extends BpfException {
        private static final long serialVersionUID = 1L;
        private final int processed;

        BatchException(String operation, String subject, int errno, int processed) {
            super(operation + " (stopped after " + processed + " entries)", subject, errno);
            this.processed = processed;
        }

        /** How many entries were done. */
        public int processed() {
            return processed;
        }
    }

    private final Descriptor descriptor;
    private final MapInfo info;
    private final int valueBytes;
    private volatile boolean batches;
    /** Read once: a map's types never change. */
    private volatile Btf btf;

    private BpfMap(Descriptor descriptor, MapInfo info, Btf btf) {
        this.descriptor = descriptor;
        this.info = info;
        this.btf = btf;
        this.valueBytes = info.type().isPerCpu() ? slotSize() * Sys.possibleCpus() : info.valueSize();
        this.batches = switch (info.type()) {
            case HASH, LRU_HASH, PERCPU_HASH, LRU_PERCPU_HASH, ARRAY, PERCPU_ARRAY, LPM_TRIE -> true;
            default -> false;
        };
    }

    /** Asks the kernel about a descriptor, which is closed when it does not answer. */
    private static BpfMap opened(int fd, String name) {
        Descriptor descriptor = new Descriptor(fd, "map " + name);
        try {
            MapInfo raw = readInfo(fd, name);
            // The kernel keeps 15 characters of a name; the caller may know all of it.
            return new BpfMap(descriptor, name.isEmpty() ? raw : new MapInfo(raw.id(), name, raw.type(), raw.typeNumber(), raw.keySize(), raw.valueSize(),
                    raw.maxEntries(), raw.flags(), raw.btfId(), raw.keyType(), raw.valueType(), raw.extra()), null);
        } catch (RuntimeException e) {
            descriptor.close();
            throw e;
        }
    }

    /** Takes over a descriptor. */
    static BpfMap adopt(int fd, String name) {
        return opened(fd, name);
    }

    /**
     * Creates a map, with its types where the kernel keeps them for this kind of map. It goes when the last descriptor, pin and program goes.
     *
     * @throws BpfException naming the map
     */
    public static BpfMap create(MapSpec spec) {
        String subject = "map " + spec.name() + " (" + spec.type() + ", key " + spec.keySize() + ", value " + spec.valueSize() + ", "
                + Integer.toUnsignedString(spec.maxEntries()) + " entries)";
        int types = -1;
        try (Scratch s = Scratch.take(); BpfMap inner = spec.inner().map(BpfMap::create).orElse(null)) {
            s.put(0, spec.type().number()).put(4, spec.keySize()).put(8, spec.valueSize()).put(12, entries(spec)).put(16, spec.flags());
            s.putName(28, spec.name()).put(64, spec.extra());
            if (inner != null) {
                s.put(20, inner.fd());
            }
            if (spec.btf().isPresent() && spec.type().takesBtf() && spec.keyType() != 0 && spec.valueType() != 0) {
                Btf.Extract extract = spec.btf().get().extract(spec.keyType(), spec.valueType());
                types = KernelObjects.loadBtf(extract.bytes(), subject);
                s.put(48, types).put(52, extract.ids()[0]).put(56, extract.ids()[1]);
            }
            return opened((int) KernelObjects.check(Sys.bpf(Sys.MAP_CREATE, s), "create", subject), spec.name());
        } finally {
            if (types >= 0) {
                Sys.close(types);
            }
        }
    }

    /** A perf event array without a size has one entry per CPU, as libbpf defines it. */
    private static int entries(MapSpec spec) {
        return spec.type() == MapType.PERF_EVENT_ARRAY && spec.maxEntries() == 0 ? Sys.possibleCpus() : spec.maxEntries();
    }

    /** Opens a pinned map; its name is the pin's. */
    public static BpfMap fromPin(Path path) {
        return opened(KernelObjects.open(path, "map"), path.getFileName().toString());
    }

    /** Opens a map by its id; its name is the kernel's, cut at 15 characters. */
    public static BpfMap fromId(int id) {
        return opened(KernelObjects.open(Sys.MAP_FD_BY_ID, id, "map"), "");
    }

    /** A second descriptor of the same map, with an owner of its own. */
    public BpfMap duplicate() {
        int second = (int) KernelObjects.check(Sys.duplicate(fd()), "duplicate", subject());
        return new BpfMap(new Descriptor(second, subject()), info, btf);
    }

    private static MapInfo readInfo(int fd, String name) {
        return KernelObjects.info(fd, "map " + name, d -> new MapInfo(d.getInt(4), KernelObjects.name(d, 24), MapType.of(d.getInt(0)), d.getInt(0), d.getInt(8),
                d.getInt(12), d.getInt(16), d.getInt(20), d.getInt(64), d.getInt(68), d.getInt(72), d.getLong(80)));
    }

    public int fd() {
        return descriptor.number();
    }

    public String name() {
        return info.name();
    }

    private String subject() {
        return "map " + info.name();
    }

    /** What the kernel said when this was opened. */
    public MapInfo info() {
        return info;
    }

    public int id() {
        return info.id();
    }

    /** The types that the kernel keeps for this map; ring buffers, program arrays and maps of maps have none. */
    public Optional<Btf> btf() {
        if (info.btfId() == 0) {
            return Optional.empty();
        }
        if (btf == null) {
            btf = Btf.parse(KernelObjects.btf(info.btfId()));
        }
        return Optional.of(btf);
    }

    /** The map as a specification, with its types from the kernel. */
    public MapSpec spec() {
        Optional<Btf> types = btf();
        return new MapSpec(info.name(), info.type(), info.keySize(), info.valueSize(), info.maxEntries(), info.flags(), info.extra(), types,
                types.isPresent() ? info.keyType() : 0, types.isPresent() ? info.valueType() : 0, Optional.empty());
    }

    /** CPUs that a per-CPU value has slots for. */
    public static int possibleCpus() {
        return Sys.possibleCpus();
    }

    /** Bytes of a key. */
    public int keySize() {
        return info.keySize();
    }

    /** Bytes of a value as it is read and written: all slots of a per-CPU map. */
    public int valueBytes() {
        return valueBytes;
    }

    /** Bytes of one CPU's slot: the value's size, rounded up to 8. */
    public int slotSize() {
        return info.type().isPerCpu() ? info.valueSize() + 7 & ~7 : info.valueSize();
    }

    /** A zeroed direct buffer in native order, the form that batches take. */
    public static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    // ---- single entries

    private long copyIn(Scratch s, int offset, ByteBuffer from, int size, String what) {
        if (from.remaining() < size) {
            throw new IllegalArgumentException(subject() + ": a " + what + " has " + size + " bytes, not " + from.remaining());
        }
        s.data().put(offset, from, from.position(), size);
        return s.dataAddress() + offset;
    }

    private int valueOffset() {
        return info.keySize() + 7 & ~7;
    }

    /**
     * Reads a value into {@code value}, from its position, which stays.
     *
     * @return false when there is no such key
     */
    public boolean lookup(ByteBuffer key, ByteBuffer value) {
        if (value.remaining() < valueBytes) {
            throw new IllegalArgumentException(subject() + ": a value has " + valueBytes + " bytes, not " + value.remaining());
        }
        try (Scratch s = Scratch.take(valueOffset() + valueBytes)) {
            s.put(0, fd()).put(8, copyIn(s, 0, key, info.keySize(), "key")).put(16, s.dataAddress() + valueOffset());
            long result = Sys.bpf(Sys.MAP_LOOKUP, s);
            if (result == -Errno.ENOENT) {
                return false;
            }
            KernelObjects.check(result, "lookup", subject());
            value.put(value.position(), s.data(), valueOffset(), valueBytes);
            return true;
        }
    }

    /** The value of a key, as a new heap buffer in native order; empty when there is no such key. */
    public Optional<ByteBuffer> lookup(ByteBuffer key) {
        ByteBuffer value = ByteBuffer.allocate(valueBytes).order(ByteOrder.nativeOrder());
        return lookup(key, value) ? Optional.of(value) : Optional.empty();
    }

    /** The value at an index of an array. */
    public ByteBuffer lookup(int index) {
        return lookup(intKey(index)).orElseThrow(() -> new BpfException("lookup of index " + index, subject(), Errno.ENOENT));
    }

    /** An {@code int} as a key, in native order. */
    public static ByteBuffer intKey(int key) {
        return ByteBuffer.allocate(4).order(ByteOrder.nativeOrder()).putInt(0, key);
    }

    /** Writes an entry. @throws BpfException with E2BIG when the map is full, EEXIST or ENOENT as the mode demands */
    public void update(ByteBuffer key, ByteBuffer value, UpdateMode mode) {
        KernelObjects.check(tryUpdate(key, value, mode), "update", subject());
    }

    /** Adds or replaces an entry. */
    public void update(ByteBuffer key, ByteBuffer value) {
        update(key, value, UpdateMode.ANY);
    }

    /** Adds an entry. @return false, and nothing changed, when the key exists */
    public boolean insert(ByteBuffer key, ByteBuffer value) {
        long result = tryUpdate(key, value, UpdateMode.NOEXIST);
        if (result == -Errno.EEXIST) {
            return false;
        }
        KernelObjects.check(result, "update", subject());
        return true;
    }

    /** Replaces an entry. @return false, and nothing changed, when there is no such key */
    public boolean replace(ByteBuffer key, ByteBuffer value) {
        long result = tryUpdate(key, value, UpdateMode.EXIST);
        if (result == -Errno.ENOENT) {
            return false;
        }
        KernelObjects.check(result, "update", subject());
        return true;
    }

    private long tryUpdate(ByteBuffer key, ByteBuffer value, UpdateMode mode) {
        try (Scratch s = Scratch.take(valueOffset() + valueBytes)) {
            s.put(0, fd()).put(8, copyIn(s, 0, key, info.keySize(), "key")).put(16, copyIn(s, valueOffset(), value, valueBytes, "value"));
            s.put(24, (long) mode.ordinal());
            return Sys.bpf(Sys.MAP_UPDATE, s);
        }
    }

    /** @return false when there was no such key */
    public boolean delete(ByteBuffer key) {
        try (Scratch s = Scratch.take(info.keySize())) {
            s.put(0, fd()).put(8, copyIn(s, 0, key, info.keySize(), "key"));
            long result = Sys.bpf(Sys.MAP_DELETE, s);
            if (result == -Errno.ENOENT) {
                return false;
            }
            KernelObjects.check(result, "delete", subject());
            return true;
        }
    }

    /**
     * The key after another, in the map's own order; the first key when there is no previous or it has gone meanwhile.
     *
     * @return a new heap buffer in native order; empty at the end
     */
    public Optional<ByteBuffer> nextKey(Optional<ByteBuffer> previous) {
        try (Scratch s = Scratch.take(2 * valueOffset())) {
            s.put(0, fd()).put(16, s.dataAddress() + valueOffset());
            if (previous.isPresent()) {
                s.put(8, copyIn(s, 0, previous.get(), info.keySize(), "key"));
            }
            long result = Sys.bpf(Sys.MAP_NEXT_KEY, s);
            if (result == -Errno.ENOENT) {
                return Optional.empty();
            }
            KernelObjects.check(result, "next key", subject());
            ByteBuffer key = ByteBuffer.allocate(info.keySize()).order(ByteOrder.nativeOrder());
            key.put(0, s.data(), valueOffset(), info.keySize());
            return Optional.of(key);
        }
    }

    // ---- batches

    /**
     * Writes {@code count} entries, packed from the start of two direct buffers. One call of the kernel, or single updates where the map has
     * no batches.
     *
     * @throws BatchException with the number of entries that were written
     */
    public void updateBatch(ByteBuffer keys, ByteBuffer values, int count, UpdateMode mode) {
        check(keys, count, info.keySize());
        check(values, count, valueBytes);
        if (count == 0) {
            return;
        }
        if (batches) {
            try (Scratch s = Scratch.take()) {
                s.put(16, Native.address(keys)).put(24, Native.address(values)).put(32, count).put(36, fd()).put(40, (long) mode.ordinal());
                long result = Sys.bpf(Sys.MAP_UPDATE_BATCH, s);
                int done = s.get(32);
                Reference.reachabilityFence(keys);
                Reference.reachabilityFence(values);
                if (result >= 0) {
                    return;
                }
                if (!unsupported(result)) {
                    throw new BatchException("update", subject(), (int) -result, Math.min(done, count));
                }
            }
        }
        for (int i = 0; i < count; i++) {
            long result = tryUpdate(keys.slice(i * info.keySize(), info.keySize()), values.slice(i * valueBytes, valueBytes), mode);
            if (result < 0) {
                throw new BatchException("update", subject(), (int) -result, i);
            }
        }
    }

    public void updateBatch(ByteBuffer keys, ByteBuffer values, int count) {
        updateBatch(keys, values, count, UpdateMode.ANY);
    }

    /**
     * Deletes {@code count} keys, packed from the start of a direct buffer. Keys that are not there are passed over.
     *
     * @return how many were deleted
     */
    public int deleteBatch(ByteBuffer keys, int count) {
        check(keys, count, info.keySize());
        int deleted = 0;
        int next = 0;
        while (batches && next < count) {
            try (Scratch s = Scratch.take()) {
                s.put(16, Native.address(keys) + (long) next * info.keySize()).put(32, count - next).put(36, fd());
                long result = Sys.bpf(Sys.MAP_DELETE_BATCH, s);
                int done = s.get(32);
                Reference.reachabilityFence(keys);
                if (result >= 0) {
                    return deleted + count - next;
                }
                if (unsupported(result)) {
                    break;
                }
                if (result != -Errno.ENOENT) {
                    throw new BatchException("delete", subject(), (int) -result, next + done);
                }
                // The kernel stops at the first key that is not there.
                deleted += done;
                next += done + 1;
            }
        }
        for (; next < count; next++) {
            deleted += delete(keys.slice(next * info.keySize(), info.keySize())) ? 1 : 0;
        }
        return deleted;
    }

    private boolean unsupported(long result) {
        if (result == -Errno.ENOTSUPP || result == -Errno.EOPNOTSUPP) {
            batches = false;
            return true;
        }
        return false;
    }

    private void check(ByteBuffer buffer, int count, int size) {
        if (count < 0 || buffer.capacity() < (long) count * size) {
            throw new IllegalArgumentException(subject() + ": " + count + " entries of " + size + " bytes do not fit into " + buffer.capacity());
        }
    }

    /** Where a walk through the map has come to. */
    public final class Cursor implements AutoCloseable {
        private final NativeArena arena = new NativeArena();
        private final int tokenSize = Math.max(8, info.keySize());
        private long position = arena.allocate(tokenSize);
        private long following = arena.allocate(tokenSize);
        private boolean started;
        private boolean ended;
        private Optional<ByteBuffer> lastKey = Optional.empty();

        private Cursor() { }

        /** Whether everything has been read. */
        public boolean ended() {
            return ended;
        }

        /**
         * Reads up to {@code max} further entries to the start of two direct buffers. A walk over a map that changes meanwhile sees each entry
         * that stays at least once, except that a hash without batches may repeat or start over.
         *
         * @return how many; 0 only at the end
         * @throws BpfException ENOSPC when one bucket of a hash holds more than {@code max} entries: try with larger buffers
         */
        public int read(ByteBuffer keys, ByteBuffer values, int max) {
            check(keys, max, info.keySize());
            check(values, max, valueBytes);
            if (ended || max == 0) {
                return 0;
            }
            if (batches) {
                try (Scratch s = Scratch.take()) {
                    s.put(0, started ? position : 0).put(8, following).put(16, Native.address(keys)).put(24, Native.address(values));
                    s.put(32, max).put(36, fd());
                    long result = Sys.bpf(Sys.MAP_LOOKUP_BATCH, s);
                    Reference.reachabilityFence(keys);
                    Reference.reachabilityFence(values);
                    if (result >= 0 || result == -Errno.ENOENT) {
                        ended = result < 0;
                        started = true;
                        long swap = position;
                        position = following;
                        following = swap;
                        int count = s.get(32);
                        ended |= count == 0;
                        return count;
                    }
                    if (!unsupported(result)) {
                        KernelObjects.check(result, "lookup batch", subject());
                    }
                }
            }
            return readSingly(keys, values, max);
        }

        private int readSingly(ByteBuffer keys, ByteBuffer values, int max) {
            int count = 0;
            while (count < max) {
                Optional<ByteBuffer> key = nextKey(lastKey);
                if (key.isEmpty()) {
                    ended = true;
                    break;
                }
                lastKey = key;
                if (lookup(key.get(), values.slice(count * valueBytes, valueBytes))) {
                    keys.put(count * info.keySize(), key.get(), 0, info.keySize());
                    count++;
                }
            }
            return count;
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    /** Starts a walk through the map. */
    public Cursor cursor() {
        return new Cursor();
    }

    /**
     * Calls {@code visitor} with key and value of every entry; the buffers are views in native order that are valid during the call only.
     */
    public void forEach(BiConsumer<ByteBuffer, ByteBuffer> visitor) {
        Batch batch = Batch.of(this, (int) Math.min(Integer.MAX_VALUE, Integer.toUnsignedLong(info.maxEntries())));
        try (Cursor cursor = cursor()) {
            while (!cursor.ended()) {
                int count;
                try {
                    count = cursor.read(batch.keys(), batch.values(), batch.entries());
                } catch (BpfException e) {
                    if (e.errno() != Errno.ENOSPC) {
                        throw e;
                    }
                    int more = Math.multiplyExact(batch.entries(), 2);
                    batch.close();
                    batch = Batch.exactly(this, more);
                    continue;
                }
                for (int i = 0; i < count; i++) {
                    visitor.accept(batch.keys().slice(i * info.keySize(), info.keySize()).order(ByteOrder.nativeOrder()),
                            batch.values().slice(i * valueBytes, valueBytes).order(ByteOrder.nativeOrder()));
                }
            }
        } finally {
            batch.close();
        }
    }

    /** The number of entries, by a walk. */
    public int count() {
        int[] n = {0};
        forEach((key, value) -> n[0]++);
        return n[0];
    }

    // ---- special maps

    /** Puts a program into a slot of a program array. */
    public void setProgram(int index, BpfProgram program) {
        update(intKey(index), intKey(program.fd()));
    }

    /** Empties a slot of a program array. @return false when it was empty */
    public boolean clearProgram(int index) {
        return delete(intKey(index));
    }

    /** The id of the program in a slot of a program array; empty when there is none. */
    public Optional<Integer> programId(int index) {
        return lookup(intKey(index)).map(value -> value.getInt(0));
    }

    /** Puts a map into a slot of an array of maps. */
    public void setMap(int index, BpfMap inner) {
        update(intKey(index), intKey(inner.fd()));
    }

    /** Makes the map read-only for this side, for good. */
    public void freeze() {
        try (Scratch s = Scratch.take()) {
            s.put(0, fd());
            KernelObjects.check(Sys.bpf(Sys.MAP_FREEZE, s), "freeze", subject());
        }
    }

    /** Maps an array made with {@link MapSpec#MMAPABLE} into this process. */
    public MappedArray map() {
        return new MappedArray(this);
    }

    // ---- life

    /** Pins the map; the directory must exist. */
    public void pin(Path path) {
        KernelObjects.pin(fd(), path, subject());
    }

    /** Closes the descriptor. */
    @Override
    public void close() {
        descriptor.close();
    }

    @Override
    public String toString() {
        return subject() + " id " + id();
    }
}
