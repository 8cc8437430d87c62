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

/**
 * Which pods and nodes need a peer class, and its number (docs/features/policy.md). Numbers are local to the node and kept while any address has the
 * class; those found in the kernel at the start keep their meaning where it can be told. Not thread-safe.
 */
final class PeerClasses {
    /**
     * @param fresh   classes that no table knows yet
     * @param changed addresses whose class changes, 0 for none
     * @param unused  classes that no address has any more, once {@code changed} is published
     */
    record Plan(List<PeerMember> fresh, Map<IpAddress, Integer> changed, Set<Integer> unused) {
    }

    private record Key(LabelSet labels, Optional<Prefix> block, Map<PortName, Integer> ports, Optional<LabelSet> node) {
    }

    private static final int FIRST = (PeerNumbers.CLASS_SCOPE << 24) + 1;

    private final Map<Key, Integer> numbers = new HashMap<>();
    private final Map<IpAddress, Integer> assigned;
    /** Found in the kernel: their meaning is told by whichever address comes first. */
    private final Set<Integer> unexplained;
    private int next = FIRST;

    /** @param found what the kernel's ipcache says */
    PeerClasses(Map<IpAddress, Integer> found) {
        assigned = new HashMap<>(found);
        unexplained = new HashSet<>(found.values());
        for (int n : unexplained) next = Math.max(next, n + 1);
    }

    /** What must change for these addresses to be told apart as demanded. */
    Plan plan(Map<IpAddress, PeerFact> facts, AddressDemand demand) {
        List<PeerMember> fresh = new ArrayList<>();
        Map<IpAddress, Integer> changed = new HashMap<>();
        if (demand.classes()) {
            facts.forEach((address, fact) -> {
                int number = number(address, fact, demand, fresh);
                if (number != assigned.getOrDefault(address, 0)) changed.put(address, number);
            });
        }
        for (IpAddress a : assigned.keySet()) if (!facts.containsKey(a) || !demand.classes()) changed.put(a, 0);
        changed.forEach((a, n) -> {
            if (n == 0) assigned.remove(a);
            else assigned.put(a, n);
        });
        Set<Integer> used = new HashSet<>(assigned.values());
        Set<Integer> unused = new HashSet<>();
        numbers.values().removeIf(n -> !used.contains(n) && unused.add(n));
        unexplained.clear();
        return new Plan(fresh, changed, unused);
    }

    private int number(IpAddress address, PeerFact fact, AddressDemand demand, List<PeerMember> fresh) {
        Optional<Prefix> block = longest(demand.blocks(), address);
        Map<PortName, Integer> ports = new HashMap<>(fact.ports());
        ports.keySet().retainAll(demand.ports());
        Optional<LabelSet> node = demand.nodes() ? fact.node() : Optional.empty();
        if (block.isEmpty() && ports.isEmpty() && node.isEmpty()) return 0;
        Key key = new Key(fact.labels(), block, Map.copyOf(ports), node);
        Integer number = numbers.get(key);
        if (number == null) {
            Integer before = assigned.get(address);
            number = before != null && unexplained.remove(before) ? before : (Integer) next++;
            numbers.put(key, number);
            fresh.add(PeerMember.peerClass(number, key.labels, block, key.ports, node));
        }
        return number;
    }

    private static Optional<Prefix> longest(Set<Prefix> blocks, IpAddress address) {
        Prefix best = null;
        for (Prefix p : blocks) if (p.contains(address) && (best == null || p.length() > best.length())) best = p;
        return Optional.ofNullable(best);
    }
}
