package io.patchbay.policy.internal.model;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import java.util.Map;
import java.util.Set;

/**
 * What toServices needs to know of a service.
 *
 * @param labels    its own labels, source k8s
 * @param selector  its pod selector; empty for a service without one
 * @param endpoints addresses of its endpoint slices; looked at only if there is no selector
 */
public record ServiceFacts(String namespace, String name, LabelSet labels, Map<String, String> selector, Set<IpAddress> endpoints) {
    public ServiceFacts {
        selector = Map.copyOf(selector);
        endpoints = Set.copyOf(endpoints);
    }
}
