package io.patchbay.tables.internal;

import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableIndex;
import java.util.Arrays;
import java.util.List;

/**
 * One version of a table: its rows and its indexes, sharing structure with the versions before. The indexes are in the order of
 * {@link #indexesOf}.
 */
record TableState<K, R>(TableId<K, R> id, PersistentMap<K, R> rows, List<TableIndex<K, R, ?>> indexes,
                        PersistentMap<Object, PersistentMap<K, R>>[] byIndex, long revision, boolean synced) {
    @SuppressWarnings({"unchecked", "rawtypes"})
    static <K, R> TableState<K, R> empty(TableId<K, R> id) {
        List<TableIndex<K, R, ?>> indexes = indexesOf(id);
        PersistentMap<Object, PersistentMap<K, R>>[] byIndex = new PersistentMap[indexes.size()];
        Arrays.fill(byIndex, PersistentMap.empty());
        return new TableState<>(id, PersistentMap.empty(), indexes, byIndex, 0, false);
    }

    @SuppressWarnings("unchecked")
    private static <K, R> List<TableIndex<K, R, ?>> indexesOf(TableId<K, R> id) {
        return TableIndex.all().stream().filter(i -> i.table() == id).<TableIndex<K, R, ?>>map(i -> (TableIndex<K, R, ?>) i).toList();
    }

    /** With a row in place of another; either may be null. */
    TableState<K, R> replace(K key, R before, R after) {
        PersistentMap<K, R> changed = after == null ? rows.without(key) : rows.with(key, after);
        if (indexes.isEmpty()) return new TableState<>(id, changed, indexes, byIndex, revision, synced);
        PersistentMap<Object, PersistentMap<K, R>>[] indexed = byIndex.clone();
        for (int i = 0; i < indexed.length; i++) {
            Object from = before == null ? null : indexes.get(i).keyOf(before);
            Object to = after == null ? null : indexes.get(i).keyOf(after);
            if (from != null && !from.equals(to)) {
                PersistentMap<K, R> rest = indexed[i].get(from).without(key);
                indexed[i] = rest.isEmpty() ? indexed[i].without(from) : indexed[i].with(from, rest);
            }
            if (to != null) {
                PersistentMap<K, R> there = indexed[i].get(to);
                indexed[i] = indexed[i].with(to, (there == null ? PersistentMap.<K, R>empty() : there).with(key, after));
            }
        }
        return new TableState<>(id, changed, indexes, indexed, revision, synced);
    }

    TableState<K, R> at(long newRevision, boolean nowSynced) {
        return new TableState<>(id, rows, indexes, byIndex, newRevision, nowSynced);
    }
}
