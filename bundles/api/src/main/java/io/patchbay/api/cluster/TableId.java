package io.patchbay.api.cluster;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;

/**
 * Names a table and says how its rows are keyed. Constants only: identity is equality.
 *
 * @param <K> the key
 * @param <R> the row, immutable
 */
public final class TableId<K, R> {
    public static final TableId<String, Namespace> NAMESPACES = new TableId<>("namespaces", Namespace::name);
    public static final TableId<String, Node> NODES = new TableId<>("nodes", Node::name);
    public static final TableId<ObjectKey, Pod> PODS = new TableId<>("pods", Pod::key);
    public static final TableId<ObjectKey, Service> SERVICES = new TableId<>("services", Service::key);
    public static final TableId<ObjectKey, EndpointSlice> ENDPOINT_SLICES = new TableId<>("endpointslices", EndpointSlice::key);
    public static final TableId<Long, CiliumIdentity> IDENTITIES = new TableId<>("ciliumidentities", CiliumIdentity::id);
    public static final TableId<ObjectKey, ConfigMap> CONFIG_MAPS = new TableId<>("configmaps", ConfigMap::key);
    public static final TableId<PolicyObject.Key, PolicyObject> POLICIES = new TableId<>("policies", PolicyObject::key);
    public static final TableId<String, CidrGroup> CIDR_GROUPS = new TableId<>("ciliumcidrgroups", CidrGroup::name);

    private final String name;
    private final Function<R, K> key;

    private TableId(String name, Function<R, K> key) {
        this.name = name;
        this.key = key;
    }

    /** All there are. */
    public static List<TableId<?, ?>> all() {
        return List.of(NAMESPACES, NODES, PODS, SERVICES, ENDPOINT_SLICES, IDENTITIES, CONFIG_MAPS, POLICIES, CIDR_GROUPS);
    }

    public String name() {
        return name;
    }

    public K keyOf(R row) {
        return Objects.requireNonNull(key.apply(row));
    }

    @Override
    public String toString() {
        return name;
    }
}
