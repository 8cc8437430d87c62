package io.patchbay.policy.internal.control;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.compile.AddressDemand;
import io.patchbay.policy.internal.compile.PeerMember;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.table.PeerNumbers;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Which pods and nodes need a peer class, and its number (docs/features/policy.md). Numbers are local to the node and kept while any address has the
 * class. Those found in the kernel at the start mean something to the tables found there, until the first of this run are in force: {@link #begin} takes none of
 * them away, and says for each address that must get another whom it is like. Not thread-safe.
 */
final class PeerClasses {
    /**
     * @param fresh   classes that no table knows yet
     * @param changed addresses whose class changes, 0 for none
     * @param like    of these the classes found in whose place they come
     * @param unused  classes that no address has any more, once {@code changed} is published
     * @param before  what the changed addresses had, 0 for none
     */
    record Plan(List<PeerMember> fresh, Map<IpAddress, Integer> changed, Map<Integer, Integer> like, Set<Integer> unused, Map<IpAddress, Integer> before) {
    }

    private record Key(LabelSet labels, Optional<Prefix> block, Map<PortName, Integer> ports, Optional<LabelSet> node) {
    }

    /** What an address of a class found, 0 for none, is at the start. */
    private record Start(int found, Key key) {
    }

    private static final int FIRST = (PeerNumbers.CLASS_SCOPE << 24) + 1;

    private final Map<Key, Integer> numbers = new HashMap<>();
    private final Map<IpAddress, Integer> assigned;
    /** What the kernel had, and what {@link #begin} has made of it. */
    private final Map<IpAddress, Integer> found;
    private final Map<Start, Integer> starts = new HashMap<>();
    /** Every number that an address had or has. */
    private final Set<Integer> live;
    private int next = FIRST;

    /** @param found what the kernel's ipcache says */
    PeerClasses(Map<IpAddress, Integer> found) {
        this.found = Map.copyOf(found);
        assigned = new HashMap<>(found);
        live = new HashSet<>(found.values());
        for (int n : live) next = Math.max(next, n + 1);
    }

    /** What must change before the first tables are in force. The tables found judge by the classes found, those to come by what this says. */
    Plan begin(Map<IpAddress, PeerFact> facts, AddressDemand demand) {
        Map<IpAddress, Key> keys = new HashMap<>();
        Map<Integer, Set<Optional<Key>>> meanings = new HashMap<>();
        facts.forEach((address, fact) -> {
            Optional<Key> key = key(address, fact, demand);
            key.ifPresent(k -> keys.put(address, k));
            meanings.computeIfAbsent(found.getOrDefault(address, 0), c -> new HashSet<>()).add(key);
        });
        List<PeerMember> fresh = new ArrayList<>();
        Map<Integer, Integer> like = new TreeMap<>();
        Map<IpAddress, Integer> changed = new HashMap<>();
        keys.forEach((address, key) -> {
            int was = found.getOrDefault(address, 0);
            int number = starts.computeIfAbsent(new Start(was, key), s -> {
                // A class goes on under its number where all who have it still are of one kind.
                boolean stays = was != 0 && meanings.get(was).size() == 1 && !starts.containsValue(was);
                int n = stays ? was : next++;
                if (!stays && was != 0) like.put(n, was);
                fresh.add(member(n, key));
                return n;
            });
            if (number != assigned.getOrDefault(address, 0)) changed.put(address, number);
        });
        Map<IpAddress, Integer> before = assign(changed);
        live.addAll(changed.values());
        return new Plan(fresh, changed, like, Set.of(), before);
    }

    /** What must change for these addresses to be told apart as demanded. */
    Plan plan(Map<IpAddress, PeerFact> facts, AddressDemand demand) {
        starts.forEach((s, n) -> numbers.putIfAbsent(s.key, n));
        starts.clear();
        List<PeerMember> fresh = new ArrayList<>();
        Map<IpAddress, Integer> changed = new HashMap<>();
        if (demand.classes()) {
            facts.forEach((address, fact) -> {
                int number = key(address, fact, demand).map(k -> number(k, fresh)).orElse(0);
                if (number != assigned.getOrDefault(address, 0)) changed.put(address, number);
            });
        }
        for (IpAddress a : assigned.keySet()) if (!facts.containsKey(a) || !demand.classes()) changed.put(a, 0);
        Map<IpAddress, Integer> before = assign(changed);
        Set<Integer> used = new HashSet<>(assigned.values());
        live.addAll(used);
        Set<Integer> unused = new HashSet<>(live);
        unused.removeAll(used);
        live.removeAll(unused);
        numbers.values().removeAll(unused);
        return new Plan(fresh, changed, Map.of(), unused, before);
    }

    private Map<IpAddress, Integer> assign(Map<IpAddress, Integer> changed) {
        Map<IpAddress, Integer> before = new HashMap<>();
        changed.forEach((a, n) -> {
            Integer was = n == 0 ? assigned.remove(a) : assigned.put(a, n);
            before.put(a, was == null ? 0 : was);
        });
        return before;
    }

    /** Of a plan that could not be carried out: its numbers are nobody's, and addresses have what they had. */
    void undo(Plan plan) {
        assign(plan.before);
        live.addAll(plan.unused);
        Set<Integer> fresh = new HashSet<>();
        for (PeerMember m : plan.fresh) fresh.add(m.number());
        numbers.values().removeAll(fresh);
        starts.values().removeAll(fresh);
    }

    /** Empty: nothing that is demanded tells the address from others of its identity. */
    private static Optional<Key> key(IpAddress address, PeerFact fact, AddressDemand demand) {
        Optional<Prefix> block = longest(demand.blocks(), address);
        Map<PortName, Integer> ports = new HashMap<>(fact.ports());
        ports.keySet().retainAll(demand.ports());
        Optional<LabelSet> node = demand.nodes() ? fact.node() : Optional.empty();
        if (block.isEmpty() && ports.isEmpty() && node.isEmpty()) return Optional.empty();
        return Optional.of(new Key(fact.labels(), block, Map.copyOf(ports), node));
    }

    private int number(Key key, List<PeerMember> fresh) {
        return numbers.computeIfAbsent(key, k -> {
            fresh.add(member(next, k));
            return next++;
        });
    }

    private static PeerMember member(int number, Key key) {
        return PeerMember.peerClass(number, key.labels, key.block, key.ports, key.node);
    }

    private static Optional<Prefix> longest(Set<Prefix> blocks, IpAddress address) {
        Prefix best = null;
        for (Prefix p : blocks) if (p.contains(address) && (best == null || p.length() > best.length())) best = p;
        return Optional.ofNullable(best);
    }
}
