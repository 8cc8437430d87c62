package io.patchbay.tables.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.TableSource;

/** The product's tables, without OSGi. */
public final class TestTables implements AutoCloseable {
    private final Tables tables = new Tables();

    public ClusterTables tables() {
        return tables;
    }

    public void add(TableSource source) {
        tables.add(source);
    }

    @Override
    public void close() {
        tables.close();
    }
}
