package io.patchbay.policy.internal.kernel;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.policy.internal.kernel.KernelTables.Dir;
import io.patchbay.policy.internal.table.PolicyEntry;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What the kernel has in force, read from there. Thread-safe. */
public final class TableReader {
    private final MapHandle entries;
    private final MapHandle sets;
    private final MapHandle dirs;
    private final MapHandle select;
    private final PolicyCodec codec;

    public TableReader(MapHandle entries, MapHandle sets, MapHandle dirs, MapHandle select) {
        this.entries = entries;
        this.sets = sets;
        this.dirs = dirs;
        this.select = select;
        this.codec = new PolicyCodec(entries.key(), entries.value(), dirs.value());
    }

    /** A class as the directory in force has it. */
    public Optional<Dir> dir(int policyId) {
        int classes = dirs.maxEntries() / 2;
        if (policyId <= 0 || policyId >= classes) return Optional.empty();
        long copy = select.lookup(new Struct(select.key())).map(s -> s.get("") & 1).orElse(0L);
        return dirs.lookup(new Struct(dirs.key()).set("", copy * classes + policyId)).map(codec::dir).filter(d -> d.table() != 0);
    }

    /** The entries of all tables, by table; those that a set stands for one by one. */
    public Map<Integer, List<PolicyEntry>> tables() {
        PeerSets peers = new PeerSets(sets, PeerSets.FEWEST);
        Map<Integer, List<PolicyEntry>> tables = new HashMap<>();
        entries.entries().forEach((k, v) -> {
            List<PolicyEntry> table = tables.computeIfAbsent(codec.table(k), t -> new ArrayList<>());
            if (codec.isSet(k)) table.addAll(codec.set(v, peers).entries(codec.column(k)));
            else table.add(codec.entry(k, v));
        });
        return tables;
    }
}
