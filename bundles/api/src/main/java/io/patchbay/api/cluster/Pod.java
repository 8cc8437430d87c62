package io.patchbay.api.cluster;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A pod, its status included. Built by {@link #builder}, so that fields can be added.
 *
 * @param uid            "" if its source knows none
 * @param nodeName       "" while it isn't scheduled
 * @param serviceAccount {@code default} if not given
 * @param ports          the containers' ports, init containers that keep running (sidecars) included
 * @param ips            at most one of each family; for a pod in the host's network the node's
 * @param ready          its Ready condition
 * @param terminating    it has a deletion timestamp
 */
public record Pod(String namespace, String name, String uid, Map<String, String> labels, Map<String, String> annotations, String nodeName,
                  String serviceAccount, boolean hostNetwork, List<Port> ports, Phase phase, boolean ready, List<IpAddress> ips,
                  boolean terminating) {
    /** A pod's life, as in {@code status.phase}. */
    public enum Phase {
        PENDING, RUNNING, SUCCEEDED, FAILED, UNKNOWN;

        /** Whether its containers have all ended for good: it has no address any more. */
        public boolean isEnded() {
            return this == SUCCEEDED || this == FAILED;
        }
    }

    /**
     * A container's port.
     *
     * @param name     "" if it has none
     * @param hostPort 0 if it has none
     * @param hostIp   "" for every address of the host
     */
    public record Port(String name, int number, Protocol protocol, int hostPort, String hostIp) {
        public Port {
            Objects.requireNonNull(name);
            Objects.requireNonNull(protocol);
            Objects.requireNonNull(hostIp);
        }

        public static Port named(String name, int number, Protocol protocol) {
            return new Port(name, number, protocol, 0, "");
        }
    }

    public Pod {
        labels = Map.copyOf(labels);
        annotations = Map.copyOf(annotations);
        ports = List.copyOf(ports);
        ips = List.copyOf(ips);
        Objects.requireNonNull(uid);
        Objects.requireNonNull(nodeName);
        Objects.requireNonNull(serviceAccount);
        Objects.requireNonNull(phase);
    }

    public ObjectKey key() {
        return new ObjectKey(namespace, name);
    }

    /** Starts a pending pod without labels, node or addresses. */
    public static Builder builder(String namespace, String name) {
        return new Builder(namespace, name);
    }

    /** Starts from this pod. */
    public Builder toBuilder() {
        return new Builder(namespace, name).uid(uid).labels(labels).annotations(annotations).nodeName(nodeName).serviceAccount(serviceAccount)
                .hostNetwork(hostNetwork).ports(ports).phase(phase).ready(ready).ips(ips).terminating(terminating);
    }

    /** Not thread-safe. */
    public static final class Builder {
        private final String namespace;
        private final String name;
        private String uid = "";
        private Map<String, String> labels = Map.of();
        private Map<String, String> annotations = Map.of();
        private String nodeName = "";
        private String serviceAccount = "default";
        private boolean hostNetwork;
        private List<Port> ports = List.of();
        private Phase phase = Phase.PENDING;
        private boolean ready;
        private List<IpAddress> ips = List.of();
        private boolean terminating;

        private Builder(String namespace, String name) {
            this.namespace = namespace;
            this.name = name;
        }

        public Builder uid(String value) {
            uid = value;
            return this;
        }

        public Builder labels(Map<String, String> value) {
            labels = value;
            return this;
        }

        public Builder annotations(Map<String, String> value) {
            annotations = value;
            return this;
        }

        public Builder nodeName(String value) {
            nodeName = value;
            return this;
        }

        public Builder serviceAccount(String value) {
            serviceAccount = value;
            return this;
        }

        public Builder hostNetwork(boolean value) {
            hostNetwork = value;
            return this;
        }

        public Builder ports(List<Port> value) {
            ports = value;
            return this;
        }

        public Builder phase(Phase value) {
            phase = value;
            return this;
        }

        public Builder ready(boolean value) {
            ready = value;
            return this;
        }

        public Builder ips(List<IpAddress> value) {
            ips = value;
            return this;
        }

        public Builder terminating(boolean value) {
            terminating = value;
            return this;
        }

        public Pod build() {
            return new Pod(namespace, name, uid, labels, annotations, nodeName, serviceAccount, hostNetwork, ports, phase, ready, ips, terminating);
        }
    }
}
