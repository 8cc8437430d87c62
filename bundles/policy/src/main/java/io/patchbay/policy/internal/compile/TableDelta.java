package io.patchbay.policy.internal.compile;

import io.patchbay.policy.internal.table.PolicyEntry;
import java.util.List;
import java.util.Map;

/**
 * Changes to tables in force, by class number. Only of entries whose peer no packet can carry at that moment: to be written before the peer is
 * published (denies, then allows), or removed after it was withdrawn.
 *
 * @param add    in the order of writing
 * @param remove in any order
 */
public record TableDelta(Map<Integer, List<PolicyEntry>> add, Map<Integer, List<PolicyEntry>> remove) {
    public boolean isEmpty() {
        return add.isEmpty() && remove.isEmpty();
    }
}
