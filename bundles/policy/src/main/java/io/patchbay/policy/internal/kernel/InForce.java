package io.patchbay.policy.internal.kernel;

import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;

/**
 * The word in the kernel that says which copy of the directory counts (bit 0), and under which revision (bits 1 to 23) verdicts are remembered with
 * connections. Each {@link #store} is another revision, so that everything remembered is asked again. A revision comes again after 8 million changes;
 * connections that were not asked in so long a time have expired. Not thread-safe.
 */
final class InForce {
    /** PB_POLICY_WORD. */
    static final int WORD = 0xffffff;

    private final MapHandle select;
    private final MapHandle sealed;
    private int word;

    /** Takes over what it finds, under a revision of its own: nothing is known of who stored the last one. */
    InForce(MapHandle select, MapHandle sealed) {
        this.select = select;
        this.sealed = sealed;
        int found = read(select);
        int seal = read(sealed);
        // a version that knows nothing of revisions leaves the seal alone
        this.word = (seal == 0 ? found : ~seal) & WORD & ~1 | found & 1;
        store(copy());
    }

    /** 0 or 1. */
    int copy() {
        return word & 1;
    }

    /** Puts a copy in force and ends what is remembered, in one step. Called after what is to hold from then on has been written. */
    void store(int copy) {
        int revision = (word >>> 1) + 1 & WORD >>> 1;
        int next = Math.max(revision, 1) << 1 | copy;
        write(select, next);
        word = next;
        write(sealed, ~next);
    }

    private static Struct index(Layout key) {
        return new Struct(key).set("", 0);
    }

    private static int read(MapHandle map) {
        return (int) map.lookup(index(map.key())).orElseThrow().get("");
    }

    private static void write(MapHandle map, int value) {
        map.put(index(map.key()), new Struct(map.value()).set("", value & 0xffffffffL));
    }
}
