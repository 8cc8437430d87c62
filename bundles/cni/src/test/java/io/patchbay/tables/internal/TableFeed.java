package io.patchbay.tables.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableSink;
import io.patchbay.api.cluster.TableSource;
import io.patchbay.api.cluster.TableTransaction;
import java.util.Set;
import java.util.function.Consumer;

/** The real tables, and a source that says what a test says. */
public final class TableFeed {
    private final TablesComponent tables = new TablesComponent();
    private TableSink sink;

    public TableFeed() {
        tables.bindSource(new Source());
    }

    public ClusterTables tables() {
        return tables;
    }

    public void commit(Consumer<TableTransaction> work) {
        sink.commit(work);
    }

    public void close() {
        tables.deactivate();
    }

    private final class Source implements TableSource {
        @Override
        public String name() {
            return "test";
        }

        @Override
        public Set<TableId<?, ?>> tables() {
            return Set.copyOf(TableId.all());
        }

        @Override
        public void start(TableSink s) {
            sink = s;
        }

        @Override
        public void stop() {
            sink = null;
        }
    }
}
