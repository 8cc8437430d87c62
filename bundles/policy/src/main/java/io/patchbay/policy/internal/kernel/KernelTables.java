package io.patchbay.policy.internal.kernel;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.datapath.Grace;
import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.policy.internal.compile.TableDelta;
import io.patchbay.policy.internal.kernel.PeerSets.Column;
import io.patchbay.policy.internal.kernel.PeerSets.PeerSet;
import io.patchbay.policy.internal.table.DirectionTable;
import io.patchbay.policy.internal.table.DirectionTable.PeerKind;
import io.patchbay.policy.internal.table.PolicyEntry;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The policy tables in the kernel (bpf/include/patchbay/policy.h): adopts what it finds, writes tables beside those in force, and puts a set of them
 * in force with one store. Nothing in force is ever changed but by {@link #add} and {@link #remove}, for peers that no packet carries.
 *
 * <p>Every method either does all it says or leaves in force what was. Not thread-safe.
 */
public final class KernelTables {
    private static final int CHUNK = 4096;

    /** How a direction is looked up. */
    public record Side(boolean closed, int identityShapes, int classShapes, int anyShapes) {
        static final Side OPEN = new Side(false, 0, 0, 0);

        /** PB_SHAPE_DENY_LABELS. */
        private static final int DENY_LABELS = 1 << 24;
        /** PB_SHAPE_SETS. */
        private static final int SETS = 1 << 25;

        static Side of(DirectionTable t, boolean sets) {
            return new Side(t.enforced(), t.shapes(PeerKind.IDENTITY) | (t.deniesLabels() ? DENY_LABELS : 0) | (sets ? SETS : 0), t.shapes(PeerKind.CLASS), t.shapes(PeerKind.ANY));
        }

        Side or(Side o) {
            return new Side(closed, identityShapes | o.identityShapes, classShapes | o.classShapes, anyShapes | o.anyShapes);
        }
    }

    /** One class in the directory. */
    public record Dir(int table, int flags, Side ingress, Side egress) {
        public Side side(Direction direction) {
            return direction == Direction.INGRESS ? ingress : egress;
        }
    }

    private final MapHandle entries;
    private final MapHandle dirs;
    private final PeerSets peerSets;
    private final KnownPeers known;
    private final InForce inForce;
    private final Grace grace;
    private final int flags;
    private final int capacity;
    private final int classes;
    private final PolicyCodec codec;
    /** What the two copies of the directory hold. */
    private final List<Map<Integer, Dir>> copies = List.of(new TreeMap<>(), new TreeMap<>());
    /** What the tables that this object wrote hold: the compiler's own maps, which follow its deltas. */
    private final Map<Integer, PolicyMap> tables = new HashMap<>();
    /** Tables that were there before. */
    private final Map<Integer, List<Struct>> adopted = new HashMap<>();
    /** The sets of all tables. */
    private final Map<Integer, Map<Column, PeerSet>> sets = new HashMap<>();
    private final int lastCookie;
    private int used;
    private int nextTable = 1;
    /** Whether every packet that may have looked into the idle copy has gone. */
    private volatile boolean settled;
    private volatile long flips;

    /** @param sctp whether SCTP is a known protocol */
    public KernelTables(MapHandle entries, MapHandle sets, MapHandle dirs, MapHandle known, MapHandle select, MapHandle sealed, Grace grace, boolean sctp) {
        this(entries, sets, dirs, known, select, sealed, grace, sctp, PeerSets.FEWEST);
    }

    /** @param fewest how many peers make a set */
    public KernelTables(MapHandle entries, MapHandle sets, MapHandle dirs, MapHandle known, MapHandle select, MapHandle sealed, Grace grace, boolean sctp, int fewest) {
        this.entries = entries;
        this.dirs = dirs;
        this.grace = grace;
        this.flags = sctp ? PolicyCodec.SCTP : 0;
        this.capacity = entries.maxEntries();
        this.classes = dirs.maxEntries() / 2;
        this.codec = new PolicyCodec(entries.key(), entries.value(), dirs.value());
        this.peerSets = new PeerSets(sets, fewest);
        this.known = new KnownPeers(known);
        this.inForce = new InForce(select, sealed);
        dirs.entries().forEach((k, v) -> {
            int at = (int) k.get("");
            Dir dir = codec.dir(v);
            if (dir.table() == 0) return;
            copies.get(at / classes).put(at % classes, dir);
            nextTable = Math.max(nextTable, dir.table() + 1);
        });
        int cookie = 0;
        for (Map.Entry<Struct, Struct> e : entries.entries().entrySet()) {
            int table = codec.table(e.getKey());
            adopted.computeIfAbsent(table, t -> new ArrayList<>()).add(e.getKey());
            if (codec.isSet(e.getKey())) this.sets.computeIfAbsent(table, t -> new HashMap<>()).put(codec.column(e.getKey()), codec.set(e.getValue(), peerSets));
            nextTable = Math.max(nextTable, table + 1);
            cookie = Math.max(cookie, codec.cookie(e.getValue()));
            used++;
        }
        this.lastCookie = cookie;
    }

    private static Struct index(Layout key, int at) {
        return new Struct(key).set("", at);
    }

    /** Highest cookie among the entries that were found. */
    public int lastCookie() {
        return lastCookie;
    }

    /** Classes are numbered below this; 0 is none. */
    public int maxClasses() {
        return classes;
    }

    /** Entries in the kernel. */
    public int used() {
        return used;
    }

    public int capacity() {
        return capacity;
    }

    /** Peer sets in the kernel. */
    public int usedSets() {
        return peerSets.used();
    }

    public int setCapacity() {
        return peerSets.capacity();
    }

    /** How often the directory was switched by this object. */
    public long flips() {
        return flips;
    }

    /** The directory in force. */
    public Map<Integer, Dir> inForce() {
        return new TreeMap<>(copies.get(inForce.copy()));
    }

    /** Whether the directory in force has this class. */
    public boolean inForce(int id) {
        return copies.get(inForce.copy()).containsKey(id);
    }

    /**
     * Puts whole tables in force, all at once.
     *
     * @param replaced new tables by class; classes that have none yet get theirs
     * @param gone     classes that are no more
     * @return tables that no longer count: hand them to {@link #discard} after a grace period
     * @throws MapFullException when they don't fit beside those in force; then nothing has changed
     */
    public List<Integer> install(Map<Integer, PolicyMap> replaced, Collection<Integer> gone) {
        if (replaced.isEmpty() && gone.isEmpty()) return List.of();
        Map<Integer, Integer> fresh = write(replaced);
        Map<Integer, Dir> now = copies.get(inForce.copy());
        Map<Integer, Dir> next = new TreeMap<>(now);
        List<Integer> retired = new ArrayList<>();
        for (int id : gone) {
            Dir old = next.remove(id);
            if (old != null) retired.add(old.table());
        }
        fresh.forEach((id, table) -> {
            Dir old = next.put(id, dir(table, tables.get(table)));
            if (old != null) retired.add(old.table());
        });
        boolean done = false;
        try {
            settle();
            int idle = 1 - inForce.copy();
            writeCopy(idle, next);
            inForce.store(idle);
            done = true;
            settled = false;
            flips++;
        } finally {
            if (!done) discard(fresh.values());
        }
        return retired;
    }

    private Dir dir(int table, PolicyMap map) {
        return new Dir(table, flags, side(table, map, Direction.INGRESS), side(table, map, Direction.EGRESS));
    }

    private Side side(int table, PolicyMap map, Direction direction) {
        return Side.of(map.table(direction), sets.getOrDefault(table, Map.of()).keySet().stream().anyMatch(c -> c.direction() == direction));
    }

    /** A class that no endpoint names yet: nothing is switched, nothing waits. @throws MapFullException when it doesn't fit; then nothing has changed */
    public void addClass(int id, PolicyMap map) {
        int table = write(Map.of(id, map)).get(id);
        Dir dir = dir(table, map);
        for (int copy = 0; copy < 2; copy++) put(copy, id, dir);
        inForce.store(inForce.copy());
    }

    /** A class that no endpoint names any more. @return its tables, for {@link #discard} after a grace period */
    public List<Integer> removeClass(int id) {
        Set<Integer> retired = new HashSet<>();
        for (int copy = 0; copy < 2; copy++) {
            Dir old = copies.get(copy).remove(id);
            if (old == null) continue;
            dirs.put(index(dirs.key(), copy * classes + id), new Struct(dirs.value()));
            retired.add(old.table());
        }
        inForce.store(inForce.copy());
        return List.copyOf(retired);
    }

    /** Tells which map the table of a class now follows: its content must be what the kernel has. */
    public void follow(int id, PolicyMap map) {
        Dir dir = copies.get(inForce.copy()).get(id);
        if (dir != null) tables.put(dir.table(), map);
    }

    /**
     * Adds entries to tables in force, of peers that no packet carries yet.
     *
     * @throws MapFullException when they don't fit; then nothing has changed
     */
    public void add(TableDelta delta) {
        int count = delta.add().values().stream().mapToInt(List::size).sum();
        if (count == 0) return;
        room(count);
        Map<Struct, Struct> denies = new LinkedHashMap<>();
        Map<Struct, Struct> allows = new LinkedHashMap<>();
        Map<Struct, Struct> company = new LinkedHashMap<>();
        Set<PeerSet> changed = new LinkedHashSet<>();
        delta.add().forEach((id, list) -> {
            Dir dir = copies.get(inForce.copy()).get(id);
            if (dir == null) return;
            Map<Column, PeerSet> own = sets.getOrDefault(dir.table(), Map.of());
            Side in = Side.OPEN;
            Side out = Side.OPEN;
            for (PolicyEntry e : list) {
                PeerSet set = own.get(Column.of(e));
                if (set != null && set.says(e)) {
                    set.put(e.peer(), true);
                    changed.add(set);
                    continue;
                }
                if (set != null && set.has(e.peer())) { // a key has one entry: a deny in place of the set's allow
                    set.put(e.peer(), false);
                    changed.add(set);
                }
                if (set != null && set.alone()) {
                    set.notAlone();
                    company.put(codec.key(dir.table(), Column.of(e)), codec.value(set));
                }
                (e.deny() ? denies : allows).put(codec.key(dir.table(), e), codec.value(e));
                if (e.direction() == Direction.INGRESS) in = in.or(shape(e));
                else out = out.or(shape(e));
            }
            Dir wider = new Dir(dir.table(), dir.flags(), dir.ingress().or(in), dir.egress().or(out));
            if (!wider.equals(dir)) put(inForce.copy(), id, wider);
        });
        entries.putAll(company);
        peerSets.write(changed.stream().filter(PeerSet::deny).toList());
        entries.putAll(denies);
        entries.putAll(allows);
        peerSets.write(changed.stream().filter(s -> !s.deny()).toList());
        used += denies.size() + allows.size();
        inForce.store(inForce.copy());
    }

    /**
     * What tables that were found say of some peers, they say of others too, before anybody carries these.
     *
     * @param like by the number of the other, the one that it is like
     * @throws MapFullException when it doesn't fit; then nothing has changed
     */
    public void alias(Map<Integer, Integer> like) {
        if (like.isEmpty()) return;
        Map<Integer, List<Integer>> others = new HashMap<>();
        like.forEach((other, peer) -> others.computeIfAbsent(peer, p -> new ArrayList<>()).add(other));
        Map<Struct, Struct> more = new LinkedHashMap<>();
        adopted.values().forEach(keys -> keys.forEach(key -> {
            for (int other : others.getOrDefault(codec.peer(key), List.of())) entries.lookup(key).ifPresent(v -> more.put(codec.withPeer(key, other), v));
        }));
        room(more.size());
        entries.putAll(more);
        used += more.size();
        more.keySet().forEach(k -> adopted.get(codec.table(k)).add(k));
        inForce.store(inForce.copy());
    }

    /** These identities are what the tables in force speak of, and no others. */
    public void knowOnly(Collection<Integer> identities) {
        known.set(identities);
    }

    /** The tables in force have the entries of these identities too. */
    public void know(Collection<Integer> identities) {
        known.change(identities, true);
    }

    /** Before their entries are removed. */
    public void forget(Collection<Integer> identities) {
        known.change(identities, false);
    }

    private static Side shape(PolicyEntry e) {
        int bit = e.protocol() == 0 ? 1 << 17 : 1 << e.portBits();
        return switch (PeerKind.of(e.peer())) {
            case IDENTITY -> new Side(false, bit, 0, 0);
            case CLASS -> new Side(false, 0, bit, 0);
            case ANY -> new Side(false, 0, 0, bit);
        };
    }

    /** Removes entries from tables in force, of peers that no packet carries any more. */
    public void remove(TableDelta delta) {
        List<Struct> keys = new ArrayList<>();
        Set<PeerSet> smaller = new LinkedHashSet<>();
        delta.remove().forEach((id, list) -> {
            Dir dir = copies.get(inForce.copy()).get(id);
            if (dir == null) return;
            Map<Column, PeerSet> own = sets.getOrDefault(dir.table(), Map.of());
            for (PolicyEntry e : list) {
                PeerSet set = own.get(Column.of(e));
                if (set == null || !set.has(e.peer())) {
                    keys.add(codec.key(dir.table(), e));
                    continue;
                }
                set.put(e.peer(), false);
                smaller.add(set);
            }
        });
        if (keys.isEmpty() && smaller.isEmpty()) return;
        peerSets.write(smaller);
        entries.deleteAll(keys);
        used -= keys.size();
        inForce.store(inForce.copy());
    }

    /** Deletes tables that no packet can ask any more. */
    public void discard(Collection<Integer> retired) {
        for (int table : retired) {
            Set<Struct> keys = new LinkedHashSet<>(adopted.getOrDefault(table, List.of()));
            Map<Column, PeerSet> own = sets.getOrDefault(table, Map.of());
            own.keySet().forEach(c -> keys.add(codec.key(table, c)));
            PolicyMap map = tables.get(table);
            if (map != null) single(map, own).forEach(e -> keys.add(codec.key(table, e)));
            entries.deleteAll(keys);
            used -= keys.size();
            tables.remove(table);
            adopted.remove(table);
            sets.remove(table);
            peerSets.giveBack(own.values());
        }
    }

    /** Tables that were found at the start and that the directory in force does not name, for {@link #discard} after a grace period. */
    public List<Integer> leftovers() {
        Set<Integer> named = new HashSet<>();
        for (Dir dir : copies.get(inForce.copy()).values()) named.add(dir.table());
        return adopted.keySet().stream().filter(t -> !named.contains(t)).toList();
    }

    /** A grace period has passed that began when {@link #flips} was this: what was flipped away by then is read by nobody. */
    public void quiet(long atFlips) {
        if (flips == atFlips) settled = true;
    }

    /** Waits until nobody reads the idle copy; at once when that is known already. */
    private void settle() {
        if (settled) return;
        grace.await();
        settled = true;
    }

    private void put(int copy, int id, Dir dir) {
        dirs.put(index(dirs.key(), copy * classes + id), codec.dir(dir));
        copies.get(copy).put(id, dir);
    }

    private void writeCopy(int copy, Map<Integer, Dir> next) {
        Map<Integer, Dir> had = copies.get(copy);
        Map<Struct, Struct> changes = new LinkedHashMap<>();
        Set<Integer> ids = new HashSet<>(had.keySet());
        ids.addAll(next.keySet());
        for (int id : ids) {
            Dir dir = next.get(id);
            if (dir != null && dir.equals(had.get(id))) continue;
            changes.put(index(dirs.key(), copy * classes + id), dir == null ? new Struct(dirs.value()) : codec.dir(dir));
        }
        // what stands there afterwards is known only if all of it was written
        changes.keySet().forEach(k -> had.remove((int) k.get("") % classes));
        dirs.putAll(changes);
        had.clear();
        had.putAll(next);
    }

    private void room(int count) {
        if (used + count > capacity) {
            throw new MapFullException("policy tables need " + count + " entries more than the " + used + " of " + capacity + " in map "
                    + entries.name() + ": what was in force stays; raise the map's size or make the policies smaller");
        }
    }

    /** What no set stands for. */
    private static List<PolicyEntry> single(PolicyMap map, Map<Column, PeerSet> own) {
        if (own.isEmpty()) return map.entries();
        return map.entries().stream().filter(e -> {
            PeerSet set = own.get(Column.of(e));
            return set == null || !set.has(e.peer());
        }).toList();
    }

    /** Writes tables under numbers of their own. */
    private Map<Integer, Integer> write(Map<Integer, PolicyMap> maps) {
        Map<Integer, Integer> fresh = new LinkedHashMap<>();
        Map<Integer, List<PolicyEntry>> single = new HashMap<>();
        boolean counted = false;
        boolean done = false;
        try {
            int count = 0;
            for (Map.Entry<Integer, PolicyMap> e : maps.entrySet()) {
                int table = nextTable++;
                fresh.put(e.getKey(), table);
                Map<Column, PeerSet> own = peerSets.take(e.getValue());
                sets.put(table, own);
                single.put(table, single(e.getValue(), own));
                count += own.size() + single.get(table).size();
            }
            room(count);
            fresh.forEach((id, table) -> tables.put(table, maps.get(id)));
            used += count;
            counted = true;
            peerSets.write(fresh.values().stream().flatMap(t -> sets.get(t).values().stream()).toList());
            Map<Struct, Struct> batch = new LinkedHashMap<>();
            for (int table : fresh.values()) {
                sets.get(table).forEach((column, set) -> batch.put(codec.key(table, column), codec.value(set)));
                for (PolicyEntry e : single.get(table)) {
                    batch.put(codec.key(table, e), codec.value(e));
                    if (batch.size() == CHUNK) {
                        entries.putAll(batch);
                        batch.clear();
                    }
                }
            }
            entries.putAll(batch);
            done = true;
            return fresh;
        } finally {
            if (!done && counted) discard(fresh.values());
            else if (!done) fresh.values().forEach(t -> peerSets.giveBack(sets.remove(t).values()));
        }
    }
}
