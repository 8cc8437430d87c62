package io.patchbay.cluster.decode;

import java.util.Map;

/**
 * A Deployment, DaemonSet, StatefulSet or ReplicaSet: a template and how many pods to make of it.
 *
 * @param replicas    for a DaemonSet without meaning
 * @param labels      of the pods
 * @param annotations of the pods
 * @param templateHash of the template's text, stable; changes when the template does
 */
public record Workload(Kind kind, String namespace, String name, int replicas, Map<String, String> labels, Map<String, String> annotations,
                       PodSpec spec, int templateHash) {
    public enum Kind {
        DEPLOYMENT("Deployment"), DAEMON_SET("DaemonSet"), STATEFUL_SET("StatefulSet"), REPLICA_SET("ReplicaSet");

        private final String text;

        Kind(String text) {
            this.text = text;
        }

        public String text() {
            return text;
        }
    }

    public Workload {
        labels = Map.copyOf(labels);
        annotations = Map.copyOf(annotations);
    }
}
