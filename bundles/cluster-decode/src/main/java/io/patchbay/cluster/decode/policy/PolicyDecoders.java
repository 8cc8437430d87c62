package io.patchbay.cluster.decode.policy;

import io.patchbay.cluster.decode.KindDecoder;
import java.util.List;

/** All decoders of this package. */
public final class PolicyDecoders {
    private PolicyDecoders() {
    }

    public static List<KindDecoder<?>> all() {
        return List.of(new NetworkPolicyDecoder(), CiliumPolicyDecoder.forNamespaces(), CiliumPolicyDecoder.forCluster(), new CidrGroupDecoder());
    }
}
