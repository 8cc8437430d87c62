package io.patchbay.node.internal;

import io.patchbay.api.cluster.Node;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What the node's routes and addresses should be, from the rows of the cluster alone. */
final class NodePlan {
    /** Smallest MTU that IPv4 hosts must take (RFC 791) is too small to work with; IPv6 demands this one (RFC 8200). */
    private static final int MIN_MTU = 1280;

    private NodePlan() {
    }

    /** The node's address in a pod CIDR: the first usable one; the only one of a /32 or /128. */
    static IpAddress router(Prefix cidr) {
        return cidr.isSingle() ? cidr.address() : cidr.address().plus(1);
    }

    static List<IpAddress> routers(Node node) {
        return node.podCidrs().stream().map(NodePlan::router).toList();
    }

    /** What remains for a packet on the way to another node. */
    static int routeMtu(int mtu, Collection<Integer> overheads) {
        int left = mtu - overheads.stream().mapToInt(Integer::intValue).sum();
        if (left < MIN_MTU) {
            throw new IllegalStateException("an MTU of " + mtu + " leaves " + left + " bytes for pods after encapsulation; at least " + MIN_MTU
                    + " are needed: raise the devices' MTU");
        }
        return left;
    }

    /**
     * Routes to the pods of all nodes, through pb_host. Packets to other nodes' pods are kept small enough for the way; those to own pods
     * are not.
     *
     * @param own null when the cluster does not know this node yet
     */
    static Map<Prefix, PodRoute> routes(Node own, Collection<Node> nodes, int hostIfindex, int routeMtu) {
        Map<Prefix, PodRoute> routes = new TreeMap<>();
        if (own == null) return routes;
        Map<Boolean, IpAddress> source = new LinkedHashMap<>();
        for (IpAddress router : routers(own)) source.putIfAbsent(router.isV4(), router);
        for (Node node : nodes) {
            if (node.name().equals(own.name())) continue;
            for (Prefix cidr : node.podCidrs()) {
                IpAddress from = source.get(cidr.address().isV4());
                if (from != null) routes.put(cidr, new PodRoute(hostIfindex, from, routeMtu));
            }
        }
        for (Prefix cidr : own.podCidrs()) routes.put(cidr, new PodRoute(hostIfindex, source.get(cidr.address().isV4()), 0));
        return routes;
    }

    /** @param mtu 0: the device's */
    record PodRoute(int ifindex, IpAddress source, int mtu) {
    }
}
