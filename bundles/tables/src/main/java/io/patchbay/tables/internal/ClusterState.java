package io.patchbay.tables.internal;

import io.patchbay.api.cluster.ClusterSnapshot;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableIndex;
import io.patchbay.api.cluster.TableSnapshot;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** All tables between two transactions. */
final class ClusterState implements ClusterSnapshot {
    private final long revision;
    private final Map<TableId<?, ?>, TableState<?, ?>> tables;

    private ClusterState(long revision, Map<TableId<?, ?>, TableState<?, ?>> tables) {
        this.revision = revision;
        this.tables = tables;
    }

    static ClusterState empty() {
        Map<TableId<?, ?>, TableState<?, ?>> tables = new HashMap<>();
        for (TableId<?, ?> id : TableId.all()) tables.put(id, TableState.empty(id));
        return new ClusterState(0, tables);
    }

    ClusterState with(long newRevision, Map<TableId<?, ?>, TableState<?, ?>> changed) {
        Map<TableId<?, ?>, TableState<?, ?>> all = new HashMap<>(tables);
        all.putAll(changed);
        return new ClusterState(newRevision, all);
    }

    @SuppressWarnings("unchecked")
    <K, R> TableState<K, R> state(TableId<K, R> id) {
        TableState<?, ?> state = tables.get(id);
        if (state == null) throw new IllegalArgumentException("no table " + id);
        return (TableState<K, R>) state;
    }

    @Override
    public long revision() {
        return revision;
    }

    @Override
    public <K, R> TableSnapshot<K, R> table(TableId<K, R> id) {
        return new Snapshot<>(state(id), this);
    }

    private record Snapshot<K, R>(TableState<K, R> state, ClusterState cluster) implements TableSnapshot<K, R> {
        @Override
        public TableId<K, R> table() {
            return state.id();
        }

        @Override
        public long revision() {
            return state.revision();
        }

        @Override
        public boolean isSynced() {
            return state.synced();
        }

        @Override
        public Optional<R> get(K key) {
            return Optional.ofNullable(state.rows().get(key));
        }

        @Override
        public int size() {
            return state.rows().size();
        }

        @Override
        public Collection<R> rows() {
            return asMap().values();
        }

        @Override
        public Map<K, R> asMap() {
            return Collections.unmodifiableMap(state.rows());
        }

        @Override
        public <I> Collection<R> by(TableIndex<K, R, I> index, I value) {
            int at = state.indexes().indexOf(index);
            if (at < 0) throw new IllegalArgumentException(state.id() + " has no index " + index);
            PersistentMap<K, R> rows = state.byIndex()[at].get(value);
            return rows == null ? Collections.emptyList() : Collections.unmodifiableMap(rows).values();
        }

        @Override
        public String toString() {
            return state.id() + "@" + state.revision() + "(" + size() + (isSynced() ? ")" : ", not synced)");
        }
    }
}
