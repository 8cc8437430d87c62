package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.UpdateMode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;

/**
 * Copies the entries of a map into another layout under live traffic, in two passes. The first runs before the switch,
 * while the old generation still writes the old map. The second runs after the grace, when only the new generation
 * writes: it brings over what the old one added, changed or removed since, and never overwrites what the new one wrote.
 */
final class Migration {
    private final String name;
    private final BpfMap old;
    private final BpfMap fresh;
    private final Conversion key;
    private final Conversion value;
    private final boolean perCpu;
    /** Hashes of the value that the first pass read, and of what it wrote. */
    private record Copied(long read, long written) {
    }

    /** By key of the old map. */
    private final Map<Struct, Copied> copied = new HashMap<>();
    private final CatalogMap oldView;

    /** The maps stay their owner's. */
    Migration(String name, CatalogMap oldView, BpfMap old, CatalogMap freshView, BpfMap fresh) {
        this.name = name;
        this.oldView = oldView;
        this.old = old;
        this.fresh = fresh;
        this.key = new Conversion("map " + name + ", key", oldView.key(), freshView.key());
        this.value = new Conversion("map " + name + ", value", oldView.value(), freshView.value());
        this.perCpu = old.info().type().isPerCpu();
    }

    Conversion value() {
        return value;
    }

    Conversion key() {
        return key;
    }

    private byte[] convert(ByteBuffer v) {
        if (!perCpu) {
            return value.apply(bytes(v, 0, old.info().valueSize()));
        }
        byte[] all = new byte[fresh.valueBytes()];
        for (int cpu = 0; cpu < BpfMap.possibleCpus(); cpu++) {
            byte[] one = value.apply(bytes(v, cpu * old.slotSize(), old.info().valueSize()));
            System.arraycopy(one, 0, all, cpu * fresh.slotSize(), one.length);
        }
        return all;
    }

    private static byte[] bytes(ByteBuffer b, int offset, int length) {
        byte[] r = new byte[length];
        b.get(offset, r);
        return r;
    }

    private static ByteBuffer wrap(byte[] b) {
        return ByteBuffer.wrap(b).order(ByteOrder.nativeOrder());
    }

    private static long hash(byte[] b) {
        long h = 0xcbf29ce484222325L;
        for (byte x : b) {
            h = (h ^ x & 0xff) * 0x100000001b3L;
        }
        return h;
    }

    /** Before the switch. @return entries copied */
    int first() {
        boolean array = old.info().type().isArray();
        old.forEach((k, v) -> {
            if (array && k.getInt(0) >= fresh.info().maxEntries()) {
                return;
            }
            byte[] kb = bytes(k, 0, old.keySize());
            byte[] vb = bytes(v, 0, old.valueBytes());
            byte[] converted = convert(v);
            fresh.update(wrap(key.apply(kb)), wrap(converted), UpdateMode.ANY);
            copied.put(new Struct(oldView.key(), kb), new Copied(hash(vb), hash(converted)));
        });
        return copied.size();
    }

    /** When it is not known what the first pass copied: brings over what the new map lacks, ended entries included. */
    void onlyAbsent() {
        old.forEach((k, v) -> {
            if (!old.info().type().isArray()) {
                fresh.insert(wrap(key.apply(bytes(k, 0, old.keySize()))), wrap(convert(v)));
            }
        });
    }

    /** Whether the new map still holds what the first pass wrote: the new generation has not touched it. */
    private boolean untouched(byte[] target, Copied c) {
        return fresh.lookup(wrap(target)).map(b -> hash(bytes(b, 0, fresh.valueBytes())) == c.written()).orElse(false);
    }

    /** After the grace. @return the line for the ledger */
    String second() {
        boolean array = old.info().type().isArray();
        Map<Struct, Copied> left = new HashMap<>(copied);
        int[] delta = new int[3];
        int[] seen = new int[1];
        old.forEach((k, v) -> {
            if (array && k.getInt(0) >= fresh.info().maxEntries()) {
                return;
            }
            seen[0]++;
            byte[] kb = bytes(k, 0, old.keySize());
            Copied before = left.remove(new Struct(oldView.key(), kb));
            if (before != null && before.read() == hash(bytes(v, 0, old.valueBytes()))) {
                return;
            }
            byte[] target = key.apply(kb);
            if (before == null) {
                // Made by the old generation after the first pass; an entry of the new generation's own is newer.
                delta[0] += fresh.insert(wrap(target), wrap(convert(v))) ? 1 : 0;
            } else if (untouched(target, before)) {
                fresh.update(wrap(target), wrap(convert(v)), UpdateMode.EXIST);
                delta[1]++;
            }
        });
        left.forEach((gone, c) -> {
            byte[] target = key.apply(gone.bytes());
            if (!array && untouched(target, c)) {
                fresh.delete(wrap(target));
                delta[2]++;
            }
        });
        String notes = (delta[0] + delta[1] + delta[2] == 0 ? "" : String.format(" (during the switch: %,d added, %,d changed, %,d ended)", delta[0], delta[1], delta[2]))
                + (value.dropped().isEmpty() ? "" : "; members dropped: " + String.join(", ", value.dropped()))
                + (value.added().isEmpty() ? "" : "; members added as zero: " + String.join(", ", value.added()));
        return String.format("%s %,d of %,d", name, seen[0], seen[0]) + notes;
    }
}
