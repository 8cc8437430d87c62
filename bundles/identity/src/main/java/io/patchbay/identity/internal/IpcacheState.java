package io.patchbay.identity.internal;

import io.patchbay.api.identity.Ipcache.Entry;
import io.patchbay.api.identity.Ipcache.Source;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Who has an address according to whom, and what follows for the kernel. Each source has its own say for a prefix; the last in the order
 * of {@link Source} wins. Pod CIDRs of other nodes lend their tunnel to whatever lies within. Not thread-safe.
 */
final class IpcacheState {
    private static final List<Prefix> WORLDS = List.of(Prefix.parse("0.0.0.0/0"), Prefix.parse("::/0"));

    private boolean dualStack;
    private final Map<Prefix, EnumMap<Source, Entry>> layers = new HashMap<>();
    private final Map<Prefix, IpAddress> tunnels = new HashMap<>();
    private final Map<IpAddress, Integer> classes = new HashMap<>();
    private final Map<Integer, Integer> lengths = new TreeMap<>((a, b) -> b - a);
    private final Set<Prefix> dirty = new HashSet<>();

    /** Whether the world is told apart by family: then it has entries of its own, from which the datapath learns that. */
    void dualStack(boolean on) {
        if (on == dualStack) return;
        dualStack = on;
        for (Prefix all : WORLDS) {
            if (on) put(all, new Entry(world(all), null, Source.GENERATED, ""));
            else remove(all, Source.GENERATED);
        }
        dirty.addAll(tunnels.keySet());
    }

    private int world(Prefix prefix) {
        return !dualStack ? ReservedIdentity.WORLD : prefix.address().isV4() ? ReservedIdentity.WORLD_IPV4 : ReservedIdentity.WORLD_IPV6;
    }

    void put(Prefix prefix, Entry entry) {
        EnumMap<Source, Entry> all = layers.get(prefix);
        if (all == null) {
            all = new EnumMap<>(Source.class);
            layers.put(prefix, all);
            lengths.merge(prefix.mappedLength(), 1, Integer::sum);
        }
        if (!entry.equals(all.put(entry.source(), entry))) dirty.add(prefix);
    }

    void remove(Prefix prefix, Source source) {
        EnumMap<Source, Entry> all = layers.get(prefix);
        if (all == null || all.remove(source) == null) return;
        if (all.isEmpty()) {
            layers.remove(prefix);
            lengths.computeIfPresent(prefix.mappedLength(), (l, n) -> n == 1 ? null : n - 1);
        }
        dirty.add(prefix);
    }

    /** What is behind a prefix is reached through this node; null: through none. */
    void tunnel(Prefix podCidr, IpAddress node) {
        IpAddress before = node == null ? tunnels.remove(podCidr) : tunnels.put(podCidr, node);
        if (java.util.Objects.equals(before, node)) return;
        dirty.add(podCidr);
        for (Prefix p : layers.keySet()) if (podCidr.contains(p)) dirty.add(p);
    }

    Map<Prefix, IpAddress> tunnels() {
        return Map.copyOf(tunnels);
    }

    void classify(IpAddress address, int peerClass) {
        Integer before = peerClass == 0 ? classes.remove(address) : classes.put(address, peerClass);
        if ((before == null ? 0 : before) != peerClass) dirty.add(Prefix.of(address));
    }

    Map<IpAddress, Integer> classes() {
        return Map.copyOf(classes);
    }

    /** Whether a source has a say. */
    boolean has(Prefix prefix, Source source) {
        EnumMap<Source, Entry> all = layers.get(prefix);
        return all != null && all.containsKey(source);
    }

    /** Whom a source names; "" for nobody. */
    String owner(Prefix prefix, Source source) {
        EnumMap<Source, Entry> all = layers.get(prefix);
        return all == null || !all.containsKey(source) ? "" : all.get(source).owner();
    }

    /** Whose word counts; empty if nobody knows the prefix. */
    Optional<Entry> effective(Prefix prefix) {
        EnumMap<Source, Entry> all = layers.get(prefix);
        Entry best = null;
        if (all != null) for (Entry e : all.values()) best = e; // in the order of the sources
        if (best == null) {
            IpAddress tunnel = tunnels.get(prefix);
            // a pod that is not known yet is nobody's, but its packets find the way
            return tunnel == null ? Optional.empty() : Optional.of(new Entry(world(prefix), tunnel, Source.GENERATED, ""));
        }
        if (best.tunnel() != null || best.source() == Source.LOCAL || best.identity() == ReservedIdentity.HOST) return Optional.of(best);
        Prefix cidr = around(prefix);
        IpAddress tunnel = cidr == null ? null : tunnels.get(cidr);
        return Optional.of(tunnel == null ? best : new Entry(best.identity(), tunnel, best.source(), best.owner()));
    }

    /** The longest pod CIDR that a prefix lies in; null: none. */
    private Prefix around(Prefix prefix) {
        Prefix found = null;
        for (Prefix cidr : tunnels.keySet()) {
            if ((found == null || cidr.length() > found.length()) && cidr.contains(prefix)) found = cidr;
        }
        return found;
    }

    Optional<KernelEntry> kernel(Prefix prefix) {
        return effective(prefix).map(e -> {
            boolean node = e.identity() == ReservedIdentity.HOST || e.identity() == ReservedIdentity.REMOTE_NODE
                    || e.identity() == ReservedIdentity.KUBE_APISERVER;
            boolean local = e.source() == Source.LOCAL || e.identity() == ReservedIdentity.HOST;
            int flags = (e.tunnel() != null ? KernelEntry.TUNNEL : 0) | (node ? KernelEntry.NODE : 0) | (local ? KernelEntry.LOCAL : 0);
            return new KernelEntry(e.identity(), flags, e.tunnel(), prefix.isSingle() ? classes.getOrDefault(prefix.address(), 0) : 0);
        });
    }

    Optional<Entry> lookup(IpAddress address) {
        Prefix cidr = around(Prefix.of(address));
        for (int mapped : lengths.keySet()) {
            int length = address.isV4() ? mapped - 96 : mapped;
            if (length < 0) continue;
            // a pod CIDR's own entry may be longer than what is found
            if (cidr != null && length < cidr.length()) break;
            Prefix prefix = new Prefix(address, length);
            if (layers.containsKey(prefix)) return effective(prefix);
        }
        return cidr == null ? Optional.empty() : effective(cidr);
    }

    Map<Prefix, Entry> all() {
        Map<Prefix, Entry> all = new TreeMap<>();
        for (Prefix p : layers.keySet()) effective(p).ifPresent(e -> all.put(p, e));
        for (Prefix p : tunnels.keySet()) effective(p).ifPresent(e -> all.put(p, e));
        return all;
    }

    /** Prefixes whose kernel entry may have changed since the last call. */
    Set<Prefix> changed() {
        Set<Prefix> result = Set.copyOf(dirty);
        dirty.clear();
        return result;
    }
}
