package io.patchbay.policy.internal.table;

import io.patchbay.api.cluster.policy.Direction;
import java.util.ArrayList;
import java.util.List;

/** The compiled policy of one subject class, both directions. */
public final class PolicyMap {
    private final DirectionTable[] tables = {new DirectionTable(Direction.INGRESS), new DirectionTable(Direction.EGRESS)};

    public DirectionTable table(Direction direction) {
        return tables[direction.ordinal()];
    }

    /** Entries of both directions. */
    public int size() {
        return tables[0].size() + tables[1].size();
    }

    /** A copy of the entries, denies first: the order in which they may be written while packets read. */
    public List<PolicyEntry> entries() {
        List<PolicyEntry> all = new ArrayList<>(size());
        for (DirectionTable table : tables) table.forEach(all::add);
        all.sort((a, b) -> Boolean.compare(b.deny(), a.deny()));
        return all;
    }

    /** Bytes on the heap, roughly. */
    public long memory() {
        return tables[0].memory() + tables[1].memory();
    }
}
