package io.patchbay.api.cluster.policy;

import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.net.Prefix;
import java.util.List;
import java.util.Optional;

/** One peer of a rule element, as written. The peers of an element are a union. */
public sealed interface Peer {
    /** fromEndpoints, toEndpoints. */
    record Endpoints(LabelSelector selector) implements Peer {
    }

    /** fromCIDR, toCIDR (no exceptions) and fromCIDRSet, toCIDRSet with {@code cidr}: only addresses that are no pod's and no node's. */
    record Cidr(Prefix cidr, List<Prefix> except) implements Peer {
        public Cidr {
            except = List.copyOf(except);
        }
    }

    /** fromCIDRSet, toCIDRSet with {@code cidrGroupRef}. A group that doesn't exist is empty. Exceptions concern the group's prefixes they lie in. */
    record CidrGroupRef(String name, List<Prefix> except) implements Peer {
        public CidrGroupRef {
            except = List.copyOf(except);
        }
    }

    /** fromCIDRSet, toCIDRSet with {@code cidrGroupSelector}: by the groups' labels. */
    record CidrGroupSelector(LabelSelector selector, List<Prefix> except) implements Peer {
        public CidrGroupSelector {
            except = List.copyOf(except);
        }
    }

    /** fromEntities, toEntities. */
    record OfEntity(Entity entity) implements Peer {
    }

    /** fromNodes, toNodes: by the nodes' labels. */
    record Nodes(LabelSelector selector) implements Peer {
    }

    /** toServices with {@code k8sService}. {@code namespace} empty: a service of that name in any namespace. */
    record Service(String namespace, String name) implements Peer {
    }

    /** toServices with {@code k8sServiceSelector}: by the services' labels. {@code namespace} empty: of any namespace. */
    record ServiceSelector(String namespace, LabelSelector selector) implements Peer {
    }

    /** NetworkPolicy's podSelector and namespaceSelector; at least one is present. */
    record Pods(Optional<LabelSelector> podSelector, Optional<LabelSelector> namespaceSelector) implements Peer {
    }

    /** NetworkPolicy's ipBlock: every address, pods' and nodes' too. */
    record IpBlock(Prefix cidr, List<Prefix> except) implements Peer {
        public IpBlock {
            except = List.copyOf(except);
        }
    }
}
