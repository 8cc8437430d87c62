package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.bpf.BpfMap;

/** The datapath's own map handles over maps of a test. */
public final class TestMaps {
    private TestMaps() {
    }

    /** Closes the map with the handle. */
    public static MapHandle handle(String name, BpfMap map) {
        return new CatalogMap(name, map);
    }
}
