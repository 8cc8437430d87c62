package io.patchbay.api.cluster;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import org.osgi.annotation.versioning.ProviderType;

/** The cluster's tables. Thread-safe. */
@ProviderType
public interface ClusterTables {
    <K, R> Table<K, R> table(TableId<K, R> id);

    /** All tables at this moment, consistent among each other. */
    ClusterSnapshot snapshot();

    default Table<String, Namespace> namespaces() {
        return table(TableId.NAMESPACES);
    }

    default Table<String, Node> nodes() {
        return table(TableId.NODES);
    }

    default Table<ObjectKey, Pod> pods() {
        return table(TableId.PODS);
    }

    default Table<ObjectKey, Service> services() {
        return table(TableId.SERVICES);
    }

    default Table<ObjectKey, EndpointSlice> endpointSlices() {
        return table(TableId.ENDPOINT_SLICES);
    }

    default Table<Long, CiliumIdentity> identities() {
        return table(TableId.IDENTITIES);
    }

    default Table<ObjectKey, ConfigMap> configMaps() {
        return table(TableId.CONFIG_MAPS);
    }

    /** NetworkPolicies, CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies. */
    default Table<PolicyObject.Key, PolicyObject> policies() {
        return table(TableId.POLICIES);
    }

    default Table<String, CidrGroup> cidrGroups() {
        return table(TableId.CIDR_GROUPS);
    }
}
