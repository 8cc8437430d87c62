package io.patchbay.api.cluster;

import java.util.Map;

/** A namespace. Its labels always include {@code kubernetes.io/metadata.name}. */
public record Namespace(String name, Map<String, String> labels, Map<String, String> annotations) {
    /** The label that every namespace has, with its name. */
    public static final String NAME_LABEL = "kubernetes.io/metadata.name";

    public Namespace {
        labels = Map.copyOf(labels);
        annotations = Map.copyOf(annotations);
    }
}
