package io.patchbay.identity.internal;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Which pod has an address. For a while two pods may claim one: a pod that ends keeps its row when the address has gone to the next. One
 * that isn't terminating has it, and among equals the one that claimed it last. Not thread-safe.
 */
final class PodAddresses {
    /** @param labels null: not known yet, since the namespace is not */
    record Claim(ObjectKey pod, String node, LabelSet labels, List<IpAddress> addresses, boolean terminating) {
    }

    private record Numbered(Claim claim, long since) {
    }

    private final Map<ObjectKey, Numbered> pods = new HashMap<>();
    private final Map<IpAddress, Set<ObjectKey>> byAddress = new HashMap<>();
    private final Map<LabelSet, Set<ObjectKey>> byLabels = new HashMap<>();
    private long count;

    /** @return addresses about which something may have changed */
    Set<IpAddress> put(Claim claim) {
        Numbered before = pods.get(claim.pod());
        if (before != null && before.claim.equals(claim)) return Set.of();
        Set<IpAddress> touched = new HashSet<>(remove(claim.pod()));
        boolean same = before != null && before.claim.addresses().equals(claim.addresses());
        pods.put(claim.pod(), new Numbered(claim, same ? before.since : ++count));
        claim.addresses().forEach(a -> byAddress.computeIfAbsent(a, x -> new HashSet<>()).add(claim.pod()));
        if (claim.labels() != null) byLabels.computeIfAbsent(claim.labels(), x -> new HashSet<>()).add(claim.pod());
        touched.addAll(claim.addresses());
        return touched;
    }

    Set<IpAddress> remove(ObjectKey pod) {
        Numbered n = pods.remove(pod);
        if (n == null) return Set.of();
        n.claim.addresses().forEach(a -> byAddress.computeIfPresent(a, (x, set) -> set.remove(pod) && set.isEmpty() ? null : set));
        if (n.claim.labels() != null) byLabels.computeIfPresent(n.claim.labels(), (x, set) -> set.remove(pod) && set.isEmpty() ? null : set);
        return new HashSet<>(n.claim.addresses());
    }

    Optional<Claim> owner(IpAddress address) {
        return byAddress.getOrDefault(address, Set.of()).stream().map(pods::get)
                .max(Comparator.comparing((Numbered n) -> !n.claim.terminating()).thenComparing(n -> n.since)).map(Numbered::claim);
    }

    Set<IpAddress> addressesWith(LabelSet labels) {
        Set<IpAddress> result = new HashSet<>();
        for (ObjectKey pod : byLabels.getOrDefault(labels, Set.of())) result.addAll(pods.get(pod).claim.addresses());
        return result;
    }

    Set<IpAddress> all() {
        return Set.copyOf(byAddress.keySet());
    }

    Set<ObjectKey> pods() {
        return Set.copyOf(pods.keySet());
    }
}
