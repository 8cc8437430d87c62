package io.patchbay.policy.internal.model;

/**
 * What the node's configuration says about policy.
 *
 * @param cluster            name of the local cluster
 * @param defaultLocalCluster selectors that name no cluster mean the local one (policy-default-local-cluster)
 * @param mode               enable-policy
 * @param allowLocalhost     the pod's own node may always reach it unless a rule denies it (allow-localhost)
 * @param hostFirewall       rules whose subject is a node take effect
 * @param ciliumNetworkPolicy NetworkPolicy as Cilium implements it, where that departs from the Kubernetes specification
 * @param sctp               SCTP isn't dropped as an unknown protocol
 */
public record PolicyOptions(String cluster, boolean defaultLocalCluster, Mode mode, boolean allowLocalhost, boolean hostFirewall,
        boolean ciliumNetworkPolicy, boolean sctp) {
    /** Enforcement mode. */
    public enum Mode {
        /** A direction of an endpoint is closed when a rule says so. */
        DEFAULT,
        /** Every direction of every pod is closed. */
        ALWAYS,
        /** Rules are ignored. */
        NEVER
    }

    public static final PolicyOptions DEFAULTS = new PolicyOptions("default", true, Mode.DEFAULT, true, false, false, false);

    public PolicyOptions withMode(Mode m) {
        return new PolicyOptions(cluster, defaultLocalCluster, m, allowLocalhost, hostFirewall, ciliumNetworkPolicy, sctp);
    }

    public PolicyOptions withHostFirewall(boolean on) {
        return new PolicyOptions(cluster, defaultLocalCluster, mode, allowLocalhost, on, ciliumNetworkPolicy, sctp);
    }

    public PolicyOptions withCiliumNetworkPolicy(boolean on) {
        return new PolicyOptions(cluster, defaultLocalCluster, mode, allowLocalhost, hostFirewall, on, sctp);
    }

    public PolicyOptions withSctp(boolean on) {
        return new PolicyOptions(cluster, defaultLocalCluster, mode, allowLocalhost, hostFirewall, ciliumNetworkPolicy, on);
    }
}
