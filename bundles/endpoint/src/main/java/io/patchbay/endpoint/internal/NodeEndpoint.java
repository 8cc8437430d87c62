package io.patchbay.endpoint.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.node.LocalNode;
import java.util.ArrayList;
import java.util.List;

/** Keeps the node itself in the table: its addresses, and the labels of its row. */
final class NodeEndpoint {
    private final ClusterTables tables;
    private final EndpointTable table;
    private volatile LocalNode node;

    NodeEndpoint(ClusterTables tables, EndpointTable table) {
        this.tables = tables;
        this.table = table;
    }

    void is(LocalNode n) {
        node = n;
        List<IpAddress> all = new ArrayList<>(n.addresses());
        for (IpAddress a : n.routers()) if (!all.contains(a)) all.add(a);
        List<Label> labels = new ArrayList<>(List.of(Label.reserved("host")));
        tables.nodes().get(n.name()).ifPresent(row -> row.labels().forEach((k, v) -> labels.add(Label.k8s(k, v))));
        table.hostIs(all, n.host().ifindex(), n.host().name(), LabelSet.of(labels));
    }

    /** The labels of its row may change. */
    void follow(Scope scope) {
        scope.closing(tables.nodes().subscribe(scope.executor(), new TableListener<String, Node>() {
            @Override
            public void onSnapshot(TableSnapshot<String, Node> snapshot) {
                again();
            }

            @Override
            public void onChanges(TableSnapshot<String, Node> now, List<Change<String, Node>> changes) {
                LocalNode n = node;
                if (n != null && changes.stream().anyMatch(c -> c.key().equals(n.name()))) again();
            }

            private void again() {
                LocalNode n = node;
                if (n != null) is(n);
            }
        }));
    }
}
