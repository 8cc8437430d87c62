package io.patchbay.api.cluster;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * A discovery/v1 EndpointSlice. The endpoints of a service are those of all its slices.
 *
 * @param serviceName of the label {@code kubernetes.io/service-name}; "" if it belongs to none
 */
public record EndpointSlice(String namespace, String name, String serviceName, AddressType addressType, Map<String, String> labels,
                            List<Port> ports, List<Endpoint> endpoints) {
    /** Label: the service. */
    public static final String SERVICE_LABEL = "kubernetes.io/service-name";

    public enum AddressType {
        IPV4, IPV6, FQDN
    }

    /**
     * A port of every endpoint in the slice.
     *
     * @param name        of the service's port; "" for an unnamed one
     * @param number      0: all ports
     * @param appProtocol "" if not given
     */
    public record Port(String name, int number, Protocol protocol, String appProtocol) {
        public Port {
            Objects.requireNonNull(name);
            Objects.requireNonNull(protocol);
            Objects.requireNonNull(appProtocol);
        }
    }

    /**
     * @param addresses   one and the same endpoint by several names: use the first; empty for FQDN slices
     * @param ready       gets new connections
     * @param serving     ready but for terminating
     * @param terminating being deleted
     * @param nodeName    "" if unknown
     * @param zone        "" if unknown
     * @param forZones    the hint which zones it should serve; empty: no hint
     * @param pod         the pod behind it, if that is what it refers to
     */
    public record Endpoint(List<IpAddress> addresses, boolean ready, boolean serving, boolean terminating, String nodeName, String zone,
                           Set<String> forZones, Optional<ObjectKey> pod) {
        public Endpoint {
            addresses = List.copyOf(addresses);
            forZones = Set.copyOf(forZones);
            Objects.requireNonNull(nodeName);
            Objects.requireNonNull(zone);
            Objects.requireNonNull(pod);
        }
    }

    public EndpointSlice {
        labels = Map.copyOf(labels);
        ports = List.copyOf(ports);
        endpoints = EndpointList.of(endpoints);
        Objects.requireNonNull(serviceName);
    }

    public ObjectKey key() {
        return new ObjectKey(namespace, name);
    }

    /** The service in whose namespace and name it was made. */
    public Optional<ObjectKey> service() {
        return serviceName.isEmpty() ? Optional.empty() : Optional.of(new ObjectKey(namespace, serviceName));
    }
}
