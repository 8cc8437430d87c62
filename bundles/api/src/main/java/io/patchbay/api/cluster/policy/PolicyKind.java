package io.patchbay.api.cluster.policy;

/** The kinds of policy objects. */
public enum PolicyKind {
    NETWORK_POLICY("NetworkPolicy"), CILIUM_NETWORK_POLICY("CiliumNetworkPolicy"),
    CILIUM_CLUSTERWIDE_NETWORK_POLICY("CiliumClusterwideNetworkPolicy");

    private final String text;

    PolicyKind(String text) {
        this.text = text;
    }

    /** The kind as manifests write it. */
    public String text() {
        return text;
    }
}
