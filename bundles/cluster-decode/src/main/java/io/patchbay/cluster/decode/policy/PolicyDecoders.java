package io.patchbay.cluster.decode.policy;

import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.KindDecoder;
import io.patchbay.cluster.decode.Meta;
import java.util.List;

/** All decoders of this package. */
public final class PolicyDecoders {
    private PolicyDecoders() {
    }

    public static List<KindDecoder<?>> all() {
        return List.of(new NetworkPolicyDecoder(), CiliumPolicyDecoder.forNamespaces(), CiliumPolicyDecoder.forCluster(), new CidrGroupDecoder(),
                new Refused("ClusterNetworkPolicy", List.of("policy.networking.k8s.io/v1alpha2")),
                new Refused("AdminNetworkPolicy", List.of("policy.networking.k8s.io/v1alpha1")),
                new Refused("BaselineAdminNetworkPolicy", List.of("policy.networking.k8s.io/v1alpha1")));
    }

    /** A kind of policy that exists and is not enforced here: applied, it must not seem to be in force. */
    private record Refused(String kind, List<String> apiVersions) implements KindDecoder<Object> {
        @Override
        public boolean namespaced() {
            return false;
        }

        @Override
        public Object decode(Meta meta, Fields fields) {
            fields.ignore(fields.names());
            fields.refuse("kind", kind + " " + meta.name() + " is not enforced by Patchbay, which has no tiers (Admin, Baseline): use a CiliumClusterwideNetworkPolicy,"
                    + " whose deny sections win over every allow");
            return this;
        }
    }
}
