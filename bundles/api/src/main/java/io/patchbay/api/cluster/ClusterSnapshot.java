package io.patchbay.api.cluster;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import org.osgi.annotation.versioning.ProviderType;

/** All tables between two transactions: consistent among each other. Immutable, cheap to keep. */
@ProviderType
public interface ClusterSnapshot {
    long revision();

    <K, R> TableSnapshot<K, R> table(TableId<K, R> id);

    default TableSnapshot<String, Namespace> namespaces() {
        return table(TableId.NAMESPACES);
    }

    default TableSnapshot<String, Node> nodes() {
        return table(TableId.NODES);
    }

    default TableSnapshot<ObjectKey, Pod> pods() {
        return table(TableId.PODS);
    }

    default TableSnapshot<ObjectKey, Service> services() {
        return table(TableId.SERVICES);
    }

    default TableSnapshot<ObjectKey, EndpointSlice> endpointSlices() {
        return table(TableId.ENDPOINT_SLICES);
    }

    default TableSnapshot<Long, CiliumIdentity> identities() {
        return table(TableId.IDENTITIES);
    }

    default TableSnapshot<ObjectKey, ConfigMap> configMaps() {
        return table(TableId.CONFIG_MAPS);
    }

    default TableSnapshot<PolicyObject.Key, PolicyObject> policies() {
        return table(TableId.POLICIES);
    }

    default TableSnapshot<String, CidrGroup> cidrGroups() {
        return table(TableId.CIDR_GROUPS);
    }
}
