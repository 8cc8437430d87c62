package io.patchbay.cluster.decode.policy;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.KindDecoder;
import io.patchbay.cluster.decode.Meta;
import java.util.List;

/** CiliumCIDRGroup. */
final class CidrGroupDecoder implements KindDecoder<CidrGroup> {
    @Override
    public String kind() {
        return "CiliumCIDRGroup";
    }

    @Override
    public List<String> apiVersions() {
        return List.of("cilium.io/v2", "cilium.io/v2alpha1");
    }

    @Override
    public boolean namespaced() {
        return false;
    }

    @Override
    public CidrGroup decode(Meta meta, Fields fields) {
        Fields spec = fields.required("spec").fields();
        List<io.patchbay.api.net.Prefix> cidrs = spec.required("externalCIDRs").list().stream().map(Values::cidr).toList();
        spec.end();
        LabelSet labels = LabelSet.of(meta.labels().entrySet().stream().map(e -> Label.k8s(e.getKey(), e.getValue())).toList());
        return new CidrGroup(meta.name(), labels, Values.position(fields), cidrs);
    }
}
