package io.patchbay.tables.internal;

import io.patchbay.api.cluster.ClusterSnapshot;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Table;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableSource;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.util.List;
import java.util.Map;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Publishes the tables and starts whatever sources there are. */
@Component(service = {ClusterTables.class, StatusSource.class}, immediate = true)
public final class TablesComponent implements ClusterTables, StatusSource {
    private static final Logger LOG = LoggerFactory.getLogger(TablesComponent.class);

    private final Tables tables = new Tables();

    @Activate
    public TablesComponent() {
    }

    @Deactivate
    void deactivate() {
        tables.close();
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void bindSource(TableSource source) {
        LOG.info("Source of cluster objects: {}", source.name());
        tables.add(source);
    }

    void unbindSource(TableSource source) {
        LOG.info("The source {} goes away; its rows stay", source.name());
        tables.remove(source);
    }

    @Override
    public <K, R> Table<K, R> table(TableId<K, R> id) {
        return tables.table(id);
    }

    @Override
    public ClusterSnapshot snapshot() {
        return tables.snapshot();
    }

    /** A row only when there is something to say: a source that is gone or in trouble, a subscriber that keeps failing. */
    @Override
    public List<StatusRow> rows(boolean verbose) {
        List<String> problems = tables.problems();
        if (problems.isEmpty()) return List.of();
        return List.of(new StatusRow(StatusRow.Order.KUBERNETES_APIS + 1, "Cluster tables", List.of(problems.size() + " problem(s)"), problems, false,
                Map.of("problems", problems)));
    }
}
