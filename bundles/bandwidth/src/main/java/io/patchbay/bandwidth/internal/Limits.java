package io.patchbay.bandwidth.internal;

import io.patchbay.api.endpoint.Endpoint;
import java.util.Map;

/**
 * What a pod's annotations ask for; null: no limit.
 *
 * @param egress  of what the pod sends
 * @param ingress of what it receives
 */
record Limits(Rate egress, Rate ingress) {
    static final String EGRESS = "kubernetes.io/egress-bandwidth";
    static final String INGRESS = "kubernetes.io/ingress-bandwidth";
    static final Limits NONE = new Limits(null, null);

    /** @throws IllegalArgumentException naming the annotation that is wrong */
    static Limits of(Endpoint endpoint) {
        Map<String, String> a = endpoint.annotations();
        return new Limits(rate(a, EGRESS), rate(a, INGRESS));
    }

    private static Rate rate(Map<String, String> annotations, String name) {
        String text = annotations.get(name);
        return text == null ? null : Rate.parse(name, text);
    }
}
