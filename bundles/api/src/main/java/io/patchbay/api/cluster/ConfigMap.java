package io.patchbay.api.cluster;

import java.util.Map;

/** A ConfigMap's text data: the cluster layer of the configuration is read from one. */
public record ConfigMap(String namespace, String name, Map<String, String> labels, Map<String, String> data) {
    public ConfigMap {
        labels = Map.copyOf(labels);
        data = Map.copyOf(data);
    }

    public ObjectKey key() {
        return new ObjectKey(namespace, name);
    }
}
