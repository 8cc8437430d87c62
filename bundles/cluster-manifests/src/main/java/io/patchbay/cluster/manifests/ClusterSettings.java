package io.patchbay.cluster.manifests;

import io.patchbay.api.net.Prefix;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Tree;
import io.patchbay.cluster.decode.Trees;
import io.patchbay.cluster.decode.Values;
import java.util.List;

/**
 * What a cluster's nodes and services are given, {@code cluster.json} in the folder: the same for everybody who reads the folder.
 *
 * @param podCidrs     pools that nodes' pod CIDRs come from, one a family at most
 * @param nodeMaskV4   prefix length of a node's IPv4 pod CIDR
 * @param nodeMaskV6   prefix length of a node's IPv6 pod CIDR
 * @param serviceCidrs ranges of cluster addresses, one a family at most; the first gives the default family
 */
public record ClusterSettings(List<Prefix> podCidrs, int nodeMaskV4, int nodeMaskV6, List<Prefix> serviceCidrs, int nodePortMin, int nodePortMax) {
    /** Without a {@code cluster.json}: IPv4, pods from 10.244.0.0/16 a /24 a node, services from 10.96.0.0/16, node ports as in Kubernetes. */
    public static final ClusterSettings DEFAULT = new ClusterSettings(List.of(Prefix.parse("10.244.0.0/16")), 24, 120,
            List.of(Prefix.parse("10.96.0.0/16")), 30000, 32767);

    static ClusterSettings read(String file, byte[] text, Problems problems) {
        List<Tree> trees = Trees.read(file, text, problems);
        if (trees.isEmpty()) return DEFAULT;
        Fields f = trees.get(0).fields();
        List<Prefix> pods = f.optional("podCIDRs").isPresent() ? Values.prefixes(f.list("podCIDRs")) : DEFAULT.podCidrs;
        List<Prefix> services = f.optional("serviceCIDRs").isPresent() ? Values.prefixes(f.list("serviceCIDRs")) : DEFAULT.serviceCidrs;
        ClusterSettings settings = new ClusterSettings(pods, f.integer("nodeMaskSizeIPv4", 8, 30, DEFAULT.nodeMaskV4),
                f.integer("nodeMaskSizeIPv6", 16, 126, DEFAULT.nodeMaskV6), services, f.integer("nodePortMin", 1, 65535, DEFAULT.nodePortMin),
                f.integer("nodePortMax", 1, 65535, DEFAULT.nodePortMax));
        f.end();
        for (Prefix pool : pods) {
            int mask = settings.nodeMask(pool);
            if (mask < pool.length()) f.object().problem("podCIDRs: " + pool + " is smaller than a node's /" + mask);
        }
        if (settings.nodePortMin > settings.nodePortMax) f.object().problem("nodePortMin is above nodePortMax");
        return settings;
    }

    int nodeMask(Prefix pool) {
        return pool.address().isV4() ? nodeMaskV4 : nodeMaskV6;
    }
}
