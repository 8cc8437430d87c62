package io.patchbay.api.policy;

import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** Rules by the cookies that events carry ({@code pb_event.policy_cookie}); a service of the feature policy. Thread-safe, cheap. */
@ProviderType
public interface PolicyRules {
    /** Empty for 0, and for a cookie that an earlier run of the agent gave. */
    Optional<Rule> byCookie(int cookie);

    /** Grows with each change of what is enforced; what {@code policy get} prints. */
    long revision();

    /**
     * @param kind      {@code NetworkPolicy}, {@code CiliumNetworkPolicy}, {@code CiliumClusterwideNetworkPolicy}; "" for what the node itself adds
     * @param namespace "" for the clusterwide kind
     * @param uid       "" if the source has none
     * @param text      the whole in one line: {@code CiliumNetworkPolicy a/web rule 0 ingress[1]}
     * @param log       the rule's {@code log.value}, or ""
     */
    record Rule(String kind, String namespace, String name, String uid, String text, String log) {
    }
}
