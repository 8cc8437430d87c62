package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.IntPredicate;
import java.util.function.Predicate;

/**
 * Gives nodes their pod CIDRs and services their addresses and node ports. Pure: the caller holds the folder's lock, has read the records and
 * writes the new ones. What was given once stays.
 */
final class Allocator {
    private final ClusterSettings settings;

    Allocator(ClusterSettings settings) {
        this.settings = settings;
    }

    /** The record of a node that lacks pod CIDRs, completed; empty if there is nothing to do or the pool is used up. */
    Optional<NodeRecord> node(NodeRecord record, Node manifest, Set<Prefix> taken) {
        if (manifest != null && !manifest.podCidrs().isEmpty()) return Optional.empty();
        List<Prefix> cidrs = new ArrayList<>(record.podCidrs());
        for (Prefix pool : settings.podCidrs()) {
            boolean v4 = pool.address().isV4();
            if (cidrs.stream().anyMatch(p -> p.address().isV4() == v4)) continue;
            int mask = settings.nodeMask(pool);
            long count = mask - pool.length() >= 31 ? 1L << 31 : 1L << (mask - pool.length());
            for (long i = 0; i < count; i++) {
                Prefix candidate = new Prefix(nth(pool, mask, i), mask);
                if (taken.stream().anyMatch(p -> p.contains(candidate) || candidate.contains(p))) continue;
                taken.add(candidate);
                cidrs.add(candidate);
                break;
            }
        }
        return cidrs.equals(record.podCidrs()) ? Optional.empty() : Optional.of(record.withPodCidrs(cidrs));
    }

    private static IpAddress nth(Prefix pool, int mask, long i) {
        IpAddress base = pool.address();
        if (base.isV4()) return base.plus(i << (32 - mask));
        if (mask > 64) return base.plus(i << (128 - mask));
        return new IpAddress(base.high() + (i << (64 - mask)), base.low());
    }

    /** What a service still lacks: whether {@link #service} would change its record. */
    boolean lacks(Service s, List<Boolean> families, ServiceRecord record) {
        return !service(s, families, record, ip -> false, port -> false).equals(record);
    }

    /**
     * The record of a service, completed as far as the ranges allow.
     *
     * @param families the service's {@code ipFamilies}, true for IPv4; a dual-stack service gets the others behind them
     */
    ServiceRecord service(Service s, List<Boolean> families, ServiceRecord record, Predicate<IpAddress> takenIps, IntPredicate takenPorts) {
        List<IpAddress> ips = new ArrayList<>();
        boolean wantsIp = !s.headless() && s.type() != Service.Type.EXTERNAL_NAME && s.clusterIps().isEmpty();
        Set<Integer> own = new HashSet<>();
        IntPredicate ports = p -> own.contains(p) || takenPorts.test(p);
        if (wantsIp) {
            // without a wish the order stays that of what was given
            List<Boolean> order = families.isEmpty() ? record.clusterIps().stream().map(IpAddress::isV4).toList() : families;
            for (Prefix range : inOrder(order)) {
                if (!ips.isEmpty() && !s.dualStack()) break;
                boolean v4 = range.address().isV4();
                Optional<IpAddress> given = record.clusterIps().stream().filter(ip -> ip.isV4() == v4).findFirst();
                given.or(() -> address(range, s.key(), takenIps)).ifPresent(ips::add);
            }
        }
        Map<String, Integer> nodePorts = new TreeMap<>();
        boolean external = s.type() == Service.Type.NODE_PORT || s.type() == Service.Type.LOAD_BALANCER && s.allocateLoadBalancerNodePorts();
        if (external) {
            for (Service.Port port : s.ports()) {
                if (port.nodePort() != 0) continue;
                String key = ServiceRecord.portKey(port);
                Integer number = record.nodePorts().get(key);
                if (number == null) number = port(s.key() + " " + key, ports);
                if (number == 0) continue;
                own.add(number);
                nodePorts.put(key, number);
            }
        }
        int health = 0;
        if (s.type() == Service.Type.LOAD_BALANCER && s.externalTrafficPolicy() == Service.TrafficPolicy.LOCAL && s.healthCheckNodePort() == 0) {
            health = record.healthCheckNodePort() != 0 ? record.healthCheckNodePort() : port(s.key() + " health", ports);
        }
        return new ServiceRecord(record.key(), ips, new HashMap<>(nodePorts), health);
    }

    /** The families asked for first; without any, as the cluster has them. */
    private List<Prefix> inOrder(List<Boolean> families) {
        List<Prefix> ranges = new ArrayList<>();
        for (boolean v4 : families) settings.serviceCidrs().stream().filter(r -> r.address().isV4() == v4).forEach(ranges::add);
        for (Prefix range : settings.serviceCidrs()) if (!ranges.contains(range)) ranges.add(range);
        return ranges;
    }

    /** Starts at a place that the name decides, so that concurrent and repeated allocations agree; the low band is left for addresses by hand. */
    private static Optional<IpAddress> address(Prefix range, ObjectKey key, Predicate<IpAddress> taken) {
        int bits = (range.address().isV4() ? 32 : 128) - range.length();
        long size = 1L << Math.min(bits, 30);
        long low = size <= 32 ? 1 : Math.min(Math.max(16, size / 16), 256);
        long usable = size - 1 - low;
        if (usable <= 0) return Optional.empty();
        long start = Math.floorMod(key.toString().hashCode() * 0x9E3779B1L, usable);
        // not one after the other: addresses by hand come in long rows
        long step = Math.max(1, Math.floorMod(start * 31 + 7, usable));
        while (gcd(step, usable) != 1) step++;
        for (long i = 0; i < usable; i++) {
            IpAddress candidate = range.address().plus(low + (start + i * step) % usable);
            if (!taken.test(candidate)) return Optional.of(candidate);
        }
        return Optional.empty();
    }

    private static long gcd(long a, long b) {
        return b == 0 ? a : gcd(b, a % b);
    }

    private int port(String seed, IntPredicate taken) {
        int count = settings.nodePortMax() - settings.nodePortMin() + 1;
        int start = Math.floorMod(seed.hashCode() * 0x9E3779B1, count);
        for (int i = 0; i < count; i++) {
            int candidate = settings.nodePortMin() + (start + i) % count;
            if (!taken.test(candidate)) return candidate;
        }
        return 0;
    }
}
