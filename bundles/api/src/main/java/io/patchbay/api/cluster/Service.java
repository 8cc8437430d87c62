package io.patchbay.api.cluster;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A core/v1 Service: what load balancing needs of it. Built by {@link #builder}, so that fields can be added.
 *
 * @param selector                 empty Optional: its endpoint slices are made by somebody else
 * @param clusterIps               empty for a headless service (and ExternalName)
 * @param headless                 {@code clusterIP: None}
 * @param dualStack                it asks for cluster addresses of both families (preferred or required)
 * @param loadBalancerClass        "" if not given
 * @param ingress                  {@code status.loadBalancer.ingress}
 * @param sourceRanges             who may reach the load balancer's addresses; empty: everybody
 * @param affinityTimeoutSeconds   meant only if {@code clientIpAffinity}
 * @param healthCheckNodePort      0 if none
 * @param trafficDistribution      "" or e.g. {@code PreferClose}
 * @param externalName             "" unless the type is EXTERNAL_NAME
 */
public record Service(String namespace, String name, Map<String, String> labels, Map<String, String> annotations, Type type,
                      Optional<Map<String, String>> selector, List<IpAddress> clusterIps, boolean headless, boolean dualStack, List<Port> ports,
                      List<IpAddress> externalIps, String loadBalancerClass, List<Ingress> ingress, List<Prefix> sourceRanges,
                      boolean clientIpAffinity, int affinityTimeoutSeconds, TrafficPolicy externalTrafficPolicy,
                      TrafficPolicy internalTrafficPolicy, int healthCheckNodePort, boolean publishNotReadyAddresses,
                      boolean allocateLoadBalancerNodePorts, String trafficDistribution, String externalName) {
    public enum Type {
        CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME
    }

    /** CLUSTER: any endpoint; LOCAL: only those of the node. */
    public enum TrafficPolicy {
        CLUSTER, LOCAL
    }

    /**
     * @param name        "" allowed only for a service's single port
     * @param targetPort  the port at the pods by number, or 0 if it goes by name
     * @param targetName  the name of the pods' port, or "" if it goes by number
     * @param nodePort    0 if none
     * @param appProtocol "" if not given
     */
    public record Port(String name, int port, int targetPort, String targetName, Protocol protocol, int nodePort, String appProtocol) {
        public Port {
            Objects.requireNonNull(name);
            Objects.requireNonNull(targetName);
            Objects.requireNonNull(protocol);
            Objects.requireNonNull(appProtocol);
        }

        public Port withNodePort(int number) {
            return new Port(name, port, targetPort, targetName, protocol, number, appProtocol);
        }
    }

    /**
     * An address of the load balancer.
     *
     * @param proxyMode {@code ipMode: Proxy}: traffic to it must not be short-cut inside the cluster
     */
    public record Ingress(IpAddress ip, boolean proxyMode) {
    }

    /** How long a client sticks to its endpoint by default (3 hours). */
    public static final int DEFAULT_AFFINITY_TIMEOUT = 10800;

    public Service {
        labels = Map.copyOf(labels);
        annotations = Map.copyOf(annotations);
        selector = selector.map(Map::copyOf);
        clusterIps = List.copyOf(clusterIps);
        ports = List.copyOf(ports);
        externalIps = List.copyOf(externalIps);
        ingress = List.copyOf(ingress);
        sourceRanges = List.copyOf(sourceRanges);
    }

    public ObjectKey key() {
        return new ObjectKey(namespace, name);
    }

    /** Starts a ClusterIP service without selector, addresses or ports. */
    public static Builder builder(String namespace, String name) {
        return new Builder(namespace, name);
    }

    /** Starts from this service. */
    public Builder toBuilder() {
        Builder b = new Builder(namespace, name);
        b.labels = labels;
        b.annotations = annotations;
        b.type = type;
        b.selector = selector;
        b.clusterIps = clusterIps;
        b.headless = headless;
        b.dualStack = dualStack;
        b.ports = ports;
        b.externalIps = externalIps;
        b.loadBalancerClass = loadBalancerClass;
        b.ingress = ingress;
        b.sourceRanges = sourceRanges;
        b.clientIpAffinity = clientIpAffinity;
        b.affinityTimeoutSeconds = affinityTimeoutSeconds;
        b.externalTrafficPolicy = externalTrafficPolicy;
        b.internalTrafficPolicy = internalTrafficPolicy;
        b.healthCheckNodePort = healthCheckNodePort;
        b.publishNotReadyAddresses = publishNotReadyAddresses;
        b.allocateLoadBalancerNodePorts = allocateLoadBalancerNodePorts;
        b.trafficDistribution = trafficDistribution;
        b.externalName = externalName;
        return b;
    }

    /** Not thread-safe. */
    public static final class Builder {
        private final String namespace;
        private final String name;
        private Map<String, String> labels = Map.of();
        private Map<String, String> annotations = Map.of();
        private Type type = Type.CLUSTER_IP;
        private Optional<Map<String, String>> selector = Optional.empty();
        private List<IpAddress> clusterIps = List.of();
        private boolean headless;
        private boolean dualStack;
        private List<Port> ports = List.of();
        private List<IpAddress> externalIps = List.of();
        private String loadBalancerClass = "";
        private List<Ingress> ingress = List.of();
        private List<Prefix> sourceRanges = List.of();
        private boolean clientIpAffinity;
        private int affinityTimeoutSeconds = DEFAULT_AFFINITY_TIMEOUT;
        private TrafficPolicy externalTrafficPolicy = TrafficPolicy.CLUSTER;
        private TrafficPolicy internalTrafficPolicy = TrafficPolicy.CLUSTER;
        private int healthCheckNodePort;
        private boolean publishNotReadyAddresses;
        private boolean allocateLoadBalancerNodePorts = true;
        private String trafficDistribution = "";
        private String externalName = "";

        private Builder(String namespace, String name) {
            this.namespace = namespace;
            this.name = name;
        }

        public Builder labels(Map<String, String> value) {
            labels = value;
            return this;
        }

        public Builder annotations(Map<String, String> value) {
            annotations = value;
            return this;
        }

        public Builder type(Type value) {
            type = value;
            return this;
        }

        public Builder selector(Map<String, String> value) {
            selector = Optional.of(value);
            return this;
        }

        public Builder clusterIps(List<IpAddress> value) {
            clusterIps = value;
            return this;
        }

        public Builder headless(boolean value) {
            headless = value;
            return this;
        }

        public Builder dualStack(boolean value) {
            dualStack = value;
            return this;
        }

        public Builder ports(List<Port> value) {
            ports = value;
            return this;
        }

        public Builder externalIps(List<IpAddress> value) {
            externalIps = value;
            return this;
        }

        public Builder loadBalancerClass(String value) {
            loadBalancerClass = value;
            return this;
        }

        public Builder ingress(List<Ingress> value) {
            ingress = value;
            return this;
        }

        public Builder sourceRanges(List<Prefix> value) {
            sourceRanges = value;
            return this;
        }

        public Builder clientIpAffinity(boolean value, int timeoutSeconds) {
            clientIpAffinity = value;
            affinityTimeoutSeconds = timeoutSeconds;
            return this;
        }

        public Builder externalTrafficPolicy(TrafficPolicy value) {
            externalTrafficPolicy = value;
            return this;
        }

        public Builder internalTrafficPolicy(TrafficPolicy value) {
            internalTrafficPolicy = value;
            return this;
        }

        public Builder healthCheckNodePort(int value) {
            healthCheckNodePort = value;
            return this;
        }

        public Builder publishNotReadyAddresses(boolean value) {
            publishNotReadyAddresses = value;
            return this;
        }

        public Builder allocateLoadBalancerNodePorts(boolean value) {
            allocateLoadBalancerNodePorts = value;
            return this;
        }

        public Builder trafficDistribution(String value) {
            trafficDistribution = value;
            return this;
        }

        public Builder externalName(String value) {
            externalName = value;
            return this;
        }

        public Service build() {
            return new Service(namespace, name, labels, annotations, type, selector, clusterIps, headless, dualStack, ports, externalIps, loadBalancerClass,
                    ingress, sourceRanges, clientIpAffinity, affinityTimeoutSeconds, externalTrafficPolicy, internalTrafficPolicy,
                    healthCheckNodePort, publishNotReadyAddresses, allocateLoadBalancerNodePorts, trafficDistribution, externalName);
        }
    }
}
