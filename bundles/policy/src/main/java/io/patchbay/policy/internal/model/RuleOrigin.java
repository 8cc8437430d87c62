package io.patchbay.policy.internal.model;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.PolicyObject;

/**
 * Which rule an entry of a policy table comes from.
 *
 * @param object  the policy object; null for what the node itself adds
 * @param uid     of the object, may be empty
 * @param rule    index in the object's rules
 * @param deny    from the deny section
 * @param element index in the section
 * @param log     the rule's log value, may be empty
 */
public record RuleOrigin(PolicyObject.Key object, String uid, int rule, Direction direction, boolean deny, int element, String log) {
    /** The allow that lets a pod's own node reach it. */
    public static final RuleOrigin LOCALHOST = new RuleOrigin(null, "", 0, Direction.INGRESS, false, 0, "");

    @Override
    public String toString() {
        if (object == null) return "own node";
        return object + " rule " + rule + " " + direction.text() + (deny ? "Deny" : "") + "[" + element + "]";
    }
}
