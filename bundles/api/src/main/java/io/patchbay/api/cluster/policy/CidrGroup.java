package io.patchbay.api.cluster.policy;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.Prefix;
import java.util.List;

/**
 * A CiliumCIDRGroup: prefixes that policies refer to by name or label.
 *
 * @param labels the object's labels
 */
public record CidrGroup(String name, LabelSet labels, SourcePosition position, List<Prefix> cidrs) {
    public CidrGroup {
        cidrs = List.copyOf(cidrs);
    }
}
