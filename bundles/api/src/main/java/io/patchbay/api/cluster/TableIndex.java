package io.patchbay.api.cluster;

import io.patchbay.api.cluster.policy.PolicyObject;
import java.util.List;
import java.util.function.Function;

/**
 * A secondary index of a table. Constants only: identity is equality.
 *
 * @param <K> the table's key
 * @param <R> the table's row
 * @param <I> what the index is looked up by
 */
public final class TableIndex<K, R, I> {
    /** Pods by the node they run on; those not scheduled yet aren't in it. */
    public static final TableIndex<ObjectKey, Pod, String> PODS_BY_NODE =
            new TableIndex<>("node", TableId.PODS, p -> p.nodeName().isEmpty() ? null : p.nodeName());
    public static final TableIndex<ObjectKey, Pod, String> PODS_BY_NAMESPACE = new TableIndex<>("namespace", TableId.PODS, Pod::namespace);
    public static final TableIndex<ObjectKey, Service, String> SERVICES_BY_NAMESPACE =
            new TableIndex<>("namespace", TableId.SERVICES, Service::namespace);
    /** Slices by their service; those of no service aren't in it. */
    public static final TableIndex<ObjectKey, EndpointSlice, ObjectKey> SLICES_BY_SERVICE =
            new TableIndex<>("service", TableId.ENDPOINT_SLICES, s -> s.service().orElse(null));
    /** Policies by their namespace; "" for those of the whole cluster. */
    public static final TableIndex<PolicyObject.Key, PolicyObject, String> POLICIES_BY_NAMESPACE =
            new TableIndex<>("namespace", TableId.POLICIES, p -> p.key().namespace());

    private final String name;
    private final TableId<K, R> table;
    private final Function<R, I> key;

    private TableIndex(String name, TableId<K, R> table, Function<R, I> key) {
        this.name = name;
        this.table = table;
        this.key = key;
    }

    /** All there are. */
    public static List<TableIndex<?, ?, ?>> all() {
        return List.of(PODS_BY_NODE, PODS_BY_NAMESPACE, SERVICES_BY_NAMESPACE, SLICES_BY_SERVICE, POLICIES_BY_NAMESPACE);
    }

    public TableId<K, R> table() {
        return table;
    }

    /** Null: the row isn't in this index. */
    public I keyOf(R row) {
        return key.apply(row);
    }

    @Override
    public String toString() {
        return table.name() + " by " + name;
    }
}
