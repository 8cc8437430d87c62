package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Tree;
import io.patchbay.cluster.decode.Trees;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a node says of the policies that it can't enforce, {@code status/policies/<node>.json}.
 *
 * @param notInForce why, by {@link #key}
 */
public record PolicyStatus(String node, Map<String, String> notInForce) {
    /** As {@link Manifest#key}: {@code CiliumNetworkPolicy shop/web}. */
    static String key(PolicyObject.Key policy) {
        return key(policy.kind().text(), policy.namespace(), policy.name());
    }

    public static String key(String kind, String namespace, String name) {
        return kind + " " + (namespace.isEmpty() ? name : namespace + "/" + name);
    }

    static PolicyStatus of(String node, Map<PolicyObject.Key, String> notInForce) {
        Map<String, String> all = new TreeMap<>();
        notInForce.forEach((policy, why) -> all.put(key(policy), why));
        return new PolicyStatus(node, all);
    }

    static PolicyStatus read(String file, byte[] text, Problems problems) {
        List<PolicyStatus> read = Trees.each(file, text, problems, (document, into) -> into.add(read(document.fields())));
        return read.size() == 1 ? read.get(0) : null;
    }

    private static PolicyStatus read(Fields f) {
        String node = f.required("node").nonEmpty();
        Map<String, String> all = new TreeMap<>();
        for (Tree item : f.list("notInForce")) {
            Fields p = item.fields();
            all.put(key(p.required("kind").nonEmpty(), p.string("namespace", ""), p.required("name").nonEmpty()), p.string("error", ""));
            p.end();
        }
        f.end();
        return new PolicyStatus(node, all);
    }

    Map<String, Object> toMap() {
        List<Map<String, Object>> list = new ArrayList<>();
        notInForce.forEach((key, why) -> {
            int space = key.indexOf(' ');
            int slash = key.indexOf('/');
            Map<String, Object> m = new LinkedHashMap<>();
            m.put("kind", key.substring(0, space));
            if (slash >= 0) m.put("namespace", key.substring(space + 1, slash));
            m.put("name", key.substring((slash >= 0 ? slash : space) + 1));
            m.put("error", why);
            list.add(m);
        });
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("node", node);
        all.put("notInForce", list);
        return all;
    }
}
