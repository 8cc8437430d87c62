package io.patchbay.policy.internal.kernel;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.policy.internal.table.PolicyEntry;
import io.patchbay.policy.internal.table.PolicyMap;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The map policy_sets: where many identities of pods have the same entry but for the peer, one set of them stands for all these entries. A set costs 8 KiB
 * in the kernel and on the heap, an entry of the hash about 90 bytes. When sets run out, entries do as well. Not thread-safe.
 */
final class PeerSets {
    /** From how many on. */
    static final int FEWEST = 64;

    /** What the entries of a set have in common but for what they say. */
    record Column(Direction direction, int protocol, int port, int portBits) {
        static Column of(PolicyEntry e) {
            return new Column(e.direction(), e.protocol(), e.port(), e.portBits());
        }
    }

    /** One set of one table. */
    static final class PeerSet {
        private final int index;
        private final boolean deny;
        private final int cookie;
        private final long[] members;
        private boolean alone;

        PeerSet(int index, boolean deny, int cookie, boolean alone, long[] members) {
            this.index = index;
            this.deny = deny;
            this.cookie = cookie;
            this.alone = alone;
            this.members = members;
        }

        int index() {
            return index;
        }

        boolean deny() {
            return deny;
        }

        int cookie() {
            return cookie;
        }

        /** Whether no identity of a pod has an entry of its own in the set's column. */
        boolean alone() {
            return alone;
        }

        void notAlone() {
            alone = false;
        }

        boolean has(int identity) {
            return identity > 0 && identity < members.length * Long.SIZE && (members[identity / Long.SIZE] >> identity & 1) != 0;
        }

        /** Whether an entry can be said by this set. */
        boolean says(PolicyEntry e) {
            return e.peer() > 0 && e.peer() < members.length * Long.SIZE && e.deny() == deny && e.cookie() == cookie;
        }

        void put(int identity, boolean on) {
            long bit = 1L << identity;
            if (on) members[identity / Long.SIZE] |= bit;
            else members[identity / Long.SIZE] &= ~bit;
        }

        /** The entries that it stands for. */
        List<PolicyEntry> entries(Column c) {
            List<PolicyEntry> all = new ArrayList<>();
            BitSet.valueOf(members).stream().forEach(id -> all.add(new PolicyEntry(c.direction, id, c.protocol, c.port, c.portBits, deny, cookie)));
            return all;
        }
    }

    private final MapHandle map;
    private final int words;
    private final int fewest;
    private final BitSet taken = new BitSet();

    PeerSets(MapHandle map, int fewest) {
        this.map = map;
        this.words = map.value().size() / Long.BYTES;
        this.fewest = fewest;
    }

    int used() {
        return taken.cardinality();
    }

    int capacity() {
        return map.maxEntries();
    }

    /** A set that is in the kernel. */
    PeerSet adopt(int index, boolean deny, int cookie, boolean alone) {
        taken.set(index);
        long[] members = new long[words];
        map.lookup(new Struct(map.key()).set("", index)).ifPresent(v -> ByteBuffer.wrap(v.bytes()).order(ByteOrder.nativeOrder()).asLongBuffer().get(members));
        return new PeerSet(index, deny, cookie, alone, members);
    }

    /** Takes sets for what entries of a table have in common, the largest first. Nothing is written yet. */
    Map<Column, PeerSet> take(PolicyMap table) {
        Map<Column, List<PolicyEntry>> columns = new HashMap<>();
        for (PolicyEntry e : table.entries()) {
            if (e.peer() > 0 && e.peer() < words * Long.SIZE) columns.computeIfAbsent(Column.of(e), c -> new ArrayList<>()).add(e);
        }
        Map<Column, List<PolicyEntry>> most = new HashMap<>();
        columns.forEach((c, entries) -> {
            if (entries.size() < fewest) return;
            Map<Long, List<PolicyEntry>> alike = new HashMap<>();
            for (PolicyEntry e : entries) alike.computeIfAbsent((long) e.cookie() << 1 | (e.deny() ? 1 : 0), k -> new ArrayList<>()).add(e);
            List<PolicyEntry> largest = alike.values().stream().max(Comparator.comparingInt(List::size)).orElseThrow();
            if (largest.size() >= fewest) most.put(c, largest);
        });
        Map<Column, PeerSet> sets = new HashMap<>();
        most.entrySet().stream().sorted(Comparator.comparingInt(e -> -e.getValue().size())).limit(capacity() - used()).forEach(e -> {
            PolicyEntry first = e.getValue().get(0);
            int index = taken.nextClearBit(0);
            taken.set(index);
            PeerSet set = new PeerSet(index, first.deny(), first.cookie(), e.getValue().size() == columns.get(e.getKey()).size(), new long[words]);
            e.getValue().forEach(x -> set.put(x.peer(), true));
            sets.put(e.getKey(), set);
        });
        return sets;
    }

    /** Sets that no packet reads any more, or none has read yet. */
    void giveBack(Iterable<PeerSet> sets) {
        for (PeerSet s : sets) taken.clear(s.index);
    }

    /** Writes what sets hold now. */
    void write(Iterable<PeerSet> sets) {
        Map<Struct, Struct> all = new LinkedHashMap<>();
        for (PeerSet s : sets) {
            byte[] value = new byte[map.value().size()];
            ByteBuffer.wrap(value).order(ByteOrder.nativeOrder()).asLongBuffer().put(s.members);
            all.put(new Struct(map.key()).set("", s.index), new Struct(map.value(), value));
        }
        map.putAll(all);
    }
}
