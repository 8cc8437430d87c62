package io.patchbay.cluster.manifests;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Tree;
import io.patchbay.cluster.decode.Trees;
import io.patchbay.cluster.decode.Values;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the cluster decided about a node and the node says of itself, {@code objects/nodes/<name>.json}.
 *
 * @param registered by its agent: the node exists even without a Node manifest
 */
record NodeRecord(String name, boolean registered, List<IpAddress> internalIps, List<Prefix> podCidrs, Map<String, String> annotations) {
    static NodeRecord read(String file, byte[] text, Problems problems) {
        List<Tree> trees = Trees.read(file, text, problems);
        if (trees.isEmpty()) return null;
        Fields f = trees.get(0).fields();
        NodeRecord record = new NodeRecord(f.required("name").nonEmpty(), f.bool("registered", false), Values.addresses(f.list("internalIPs")),
                Values.prefixes(f.list("podCIDRs")), f.stringMap("annotations"));
        f.end();
        return record;
    }

    static NodeRecord empty(String name) {
        return new NodeRecord(name, false, List.of(), List.of(), Map.of());
    }

    NodeRecord withPodCidrs(List<Prefix> cidrs) {
        return new NodeRecord(name, registered, internalIps, cidrs, annotations);
    }

    Map<String, Object> toMap() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("name", name);
        m.put("registered", registered);
        m.put("internalIPs", internalIps.stream().map(IpAddress::toString).toList());
        m.put("podCIDRs", podCidrs.stream().map(Prefix::toString).toList());
        m.put("annotations", new TreeMap<>(annotations));
        return m;
    }
}
