package io.patchbay.netlink;

import io.patchbay.netlink.internal.Attributes;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Rt;

/**
 * A filter at a device's clsact, whoever attached it, as the kernel described it.
 *
 * @param linkIndex device
 * @param ingress   the side of the device; egress otherwise
 * @param kind      {@code bpf}, {@code flower}, {@code matchall}, …
 * @param priority  filters run from the lowest number
 * @param handle    its number among filters of one priority
 * @param name      of a bpf filter: what its program was attached as; empty for others
 * @param programId of a bpf filter; 0 for others
 */
public record Filter(int linkIndex, boolean ingress, String kind, int priority, int handle, String name, int programId) {

    private static final int FIXED = 20;

    static Filter of(Reply r, boolean ingress) {
        Attributes a = r.attributes(FIXED);
        Attributes options = a.nested(Rt.TCA_OPTIONS);
        String kind = a.text(Rt.TCA_KIND);
        boolean bpf = "bpf".equals(kind);
        String name = bpf ? options.text(Rt.TCA_BPF_NAME) : null;
        return new Filter(r.fixed().getInt(4), ingress, kind, r.fixed().getInt(16) >>> 16, r.fixed().getInt(8), name == null ? "" : name,
                bpf ? options.u32(Rt.TCA_BPF_ID, 0) : 0);
    }
}
