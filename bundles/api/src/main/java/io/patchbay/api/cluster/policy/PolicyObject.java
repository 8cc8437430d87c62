package io.patchbay.api.cluster.policy;

import java.util.List;

/**
 * One valid NetworkPolicy, CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy. A document of which any part is invalid or isn't supported
 * yields no row at all.
 *
 * @param namespace empty for the clusterwide kind
 * @param uid       empty if the source has none
 * @param rules     {@code spec}, then {@code specs}; exactly one for NetworkPolicy
 */
public record PolicyObject(PolicyKind kind, String namespace, String name, String uid, SourcePosition position, List<PolicyRule> rules) {
    public PolicyObject {
        rules = List.copyOf(rules);
        if (rules.isEmpty()) throw new IllegalArgumentException("a policy without rules");
        if (kind == PolicyKind.CILIUM_CLUSTERWIDE_NETWORK_POLICY != namespace.isEmpty()) throw new IllegalArgumentException("namespace of " + kind);
    }

    /** {@code kind namespace/name}, unique among the policies of a cluster. */
    public Key key() {
        return new Key(kind, namespace, name);
    }

    /** What identifies a policy object. Ordered by kind, namespace, name. */
    public record Key(PolicyKind kind, String namespace, String name) implements Comparable<Key> {
        @Override
        public int compareTo(Key o) {
            int c = kind.compareTo(o.kind);
            if (c == 0) c = namespace.compareTo(o.namespace);
            return c != 0 ? c : name.compareTo(o.name);
        }

        @Override
        public String toString() {
            return kind.text() + " " + (namespace.isEmpty() ? name : namespace + "/" + name);
        }
    }
}
