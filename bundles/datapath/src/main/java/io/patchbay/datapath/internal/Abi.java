package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.BtfKind;
import io.patchbay.bpf.btf.TypeDifference;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.osgi.framework.Version;
import org.osgi.framework.VersionRange;

/** Whether the objects of one generation mean the same by the structs that they share. */
final class Abi {
    /** PB_ABI_MAJOR.PB_ABI_MINOR of bpf/include/patchbay/abi.h. */
    static final Version VERSION = new Version(1, 0, 0);
    private static final List<String> SHARED = List.of("pb_addr", "pb_scratch", "pb_endpoint", "pb_ipcache_prefix", "pb_ipcache_value", "pb_node_config",
            "pb_event", "pb_stage_cfg", "pb_count");

    private record First(String who, Btf btf, int type) {
    }

    private final Map<String, First> first = new HashMap<>();

    /** @throws DatapathException with both names and both layouts when the struct was seen otherwise before */
    void add(String who, Btf btf) {
        for (String struct : SHARED) {
            OptionalInt type = btf.find(BtfKind.STRUCT, struct);
            if (type.isEmpty()) {
                continue;
            }
            First f = first.putIfAbsent(struct, new First(who, btf, type.getAsInt()));
            if (f != null) {
                TypeDifference.between(f.btf(), f.type(), btf, type.getAsInt()).ifPresent(d -> {
                    throw new DatapathException("struct " + struct + " is not the same in " + f.who() + " and in " + who
                            + ": build both against the same headers of the datapath ABI. " + d);
                });
            }
        }
    }

    static void check(String feature, String range) {
        if (!range.isEmpty() && !VersionRange.valueOf(range).includes(VERSION)) {
            throw new DatapathException("feature " + feature + " was built for datapath ABI " + range + "; this node has " + VERSION.getMajor() + "."
                    + VERSION.getMinor());
        }
    }
}
