package io.patchbay.policy.internal.model;

import io.patchbay.api.labels.LabelSet;
import java.util.Map;

/**
 * Endpoints that policy can't tell apart: one policy table for all of them. Two pods with one identity whose named ports have different numbers
 * are of two classes.
 *
 * @param labels identity labels; for the node itself those of reserved:host and the node's own labels
 * @param host   the node itself: subject of node rules only
 * @param ports  the container ports' names and numbers
 */
public record SubjectClass(LabelSet labels, boolean host, Map<PortName, Integer> ports) {
    public SubjectClass {
        ports = Map.copyOf(ports);
    }
}
