package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.bpf.BpfException;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.MapType;
import io.patchbay.bpf.UpdateMode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Carries the entries of a map into another layout under live traffic.
 *
 * <p>Where all objects of the new generation read through to the old map (bpf/include/patchbay/carry.h), there is one pass, after the grace:
 * it brings over what no packet has brought over yet. Nothing was copied before the switch, so the new map holds nothing that is out of date.
 *
 * <p>Else there are two passes. The first runs before the switch, while the old generation still writes the old map. The second runs after
 * the grace, when only the new generation writes: it brings over what the old one added, changed or removed since, and never overwrites what
 * the new one wrote.
 */
final class Migration {
    private final String name;
    private final BpfMap old;
    private final BpfMap fresh;
    private final Conversion key;
    private final Conversion value;
    private final boolean perCpu;
    private boolean readThrough;
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

    /** Whether programs can find their way in the old map: plain entries, and an old key for every new one. */
    boolean canReadThrough() {
        return isHash(old.info().type()) && isHash(fresh.info().type()) && key.isReversible();
    }

    private static boolean isHash(MapType type) {
        return type == MapType.HASH || type == MapType.LRU_HASH;
    }

    /** All objects that work with the new map read through to the old one. */
    void readThrough() {
        readThrough = true;
    }

    boolean readsThrough() {
        return readThrough;
    }

    Conversion value() {
        return value;
    }

    Conversion key() {
        return key;
    }

    /** Why the layout before could not take the entries back as they were; empty when it could. */
    List<String> oneWay() {
        List<String> reasons = new ArrayList<>();
        List.of(key, value).forEach(c -> {
            c.dropped().forEach(m -> reasons.add("member " + m + " is dropped"));
            c.widened().forEach(m -> reasons.add("member " + m + " becomes wider, and the version before can't take it back"));
        });
        if (fresh.info().maxEntries() < old.info().maxEntries()) {
            reasons.add("room for " + fresh.info().maxEntries() + " entries instead of " + old.info().maxEntries());
        }
        return reasons;
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
        if (readThrough) {
            return 0;
        }
        boolean array = old.info().type().isArray();
        old.forEach((k, v) -> {
            if (array && k.getInt(0) >= fresh.info().maxEntries()) {
                return;
            }
            byte[] kb = bytes(k, 0, old.keySize());
            byte[] vb = bytes(v, 0, old.valueBytes());
            byte[] converted = convert(v);
            if (store(wrap(key.apply(kb)), wrap(converted), UpdateMode.ANY) == Stored.YES) {
                copied.put(new Struct(oldView.key(), kb), new Copied(hash(vb), hash(converted)));
            }
        });
        return copied.size();
    }

    private enum Stored { YES, THERE, FULL }

    private Stored store(ByteBuffer k, ByteBuffer v, UpdateMode mode) {
        try {
            fresh.update(k, v, mode);
            return Stored.YES;
        } catch (BpfException e) {
            return switch (e.errnoName()) {
                case "EEXIST" -> Stored.THERE;
                case "E2BIG" -> Stored.FULL;
                default -> throw e;
            };
        }
    }

    /**
     * Brings over what the new map lacks, ended entries included; whoever deletes an entry meanwhile does so in the old map first. Arrays have
     * no entries that lack: they stay as they are.
     *
     * @return the line for the ledger
     */
    String onlyAbsent() {
        int[] seen = new int[2];
        if (!old.info().type().isArray()) {
            old.forEach((k, v) -> {
                ByteBuffer target = wrap(key.apply(bytes(k, 0, old.keySize())));
                Stored stored = store(target, wrap(convert(v)), UpdateMode.NOEXIST);
                if (stored == Stored.YES && old.lookup(k).isEmpty()) {
                    fresh.delete(target);
                    return;
                }
                seen[0]++;
                seen[1] += stored == Stored.FULL ? 0 : 1;
            });
        }
        return line(seen[1], seen[0], "");
    }

    private String line(int carried, int of, String during) {
        List<String> reasons = oneWay();
        return String.format("%s %,d of %,d", name, carried, of) + (carried < of ? String.format(" (%,d found no room)", of - carried) : "") + during
                + (value.dropped().isEmpty() ? "" : "; members dropped: " + String.join(", ", value.dropped()))
                + (value.added().isEmpty() ? "" : "; members added as zero: " + String.join(", ", value.added()))
                + (reasons.isEmpty() ? "" : "; one-way");
    }

    /** Whether the new map still holds what the first pass wrote: the new generation has not touched it. */
    private boolean untouched(byte[] target, Copied c) {
        return fresh.lookup(wrap(target)).map(b -> hash(bytes(b, 0, fresh.valueBytes())) == c.written()).orElse(false);
    }

    /** After the grace. @return the line for the ledger */
    String second() {
        if (readThrough) {
            return onlyAbsent();
        }
        boolean array = old.info().type().isArray();
        Map<Struct, Copied> left = new HashMap<>(copied);
        int[] delta = new int[3];
        int[] seen = new int[2];
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
                Stored stored = store(wrap(target), wrap(convert(v)), UpdateMode.NOEXIST);
                delta[0] += stored == Stored.YES ? 1 : 0;
                seen[1] += stored == Stored.FULL ? 1 : 0;
            } else if (untouched(target, before) && fresh.replace(wrap(target), wrap(convert(v)))) {
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
        return line(seen[0] - seen[1], seen[0], delta[0] + delta[1] + delta[2] == 0 ? ""
                : String.format(" (during the switch: %,d added, %,d changed, %,d ended)", delta[0], delta[1], delta[2]));
    }
}
