package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.Service.TrafficPolicy;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What one service wants of the datapath of one node: a pure function of the service, its endpoint slices and the node.
 *
 * @param sets   members, those that are eligible first, each group in order of address
 * @param maglev whether backends are chosen by Maglev's tables
 */
record ServicePlan(List<PlannedFrontend> frontends, Map<SetKey, List<Member>> sets, boolean maglev) {
    static final ServicePlan NOTHING = new ServicePlan(List.of(), Map.of());

    /** Label: another proxy serves it. */
    static final String PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name";
    /** Annotation: {@code random} or {@code maglev}, whatever the node's default. */
    static final String ALGORITHM_ANNOTATION = "service.cilium.io/lb-algorithm";

    ServicePlan(List<PlannedFrontend> frontends, Map<SetKey, List<Member>> sets) {
        this(frontends, sets, false);
    }

    /** On a node without addresses of its own: ClusterIPs and what the service brings itself. */
    static ServicePlan of(Service service, Collection<EndpointSlice> slices, String node, String zone) {
        return of(service, slices, new NodeView(node, zone, List.of(), false));
    }

    static ServicePlan of(Service service, Collection<EndpointSlice> slices, NodeView node) {
        if (service.headless() || service.type() == Service.Type.EXTERNAL_NAME || service.clusterIps().isEmpty()
                || service.labels().containsKey(PROXY_NAME_LABEL)) {
            return NOTHING;
        }
        String algorithm = service.annotations().getOrDefault(ALGORITHM_ANNOTATION, "").strip();
        boolean maglev = algorithm.equals("maglev") || node.maglev() && !algorithm.equals("random");
        return new Builder(service, slices, node).plan(maglev);
    }

    /** Ready endpoints of this node that clients outside reach, each address once; 0 unless externalTrafficPolicy is Local. */
    int localEndpoints() {
        return (int) frontends.stream().filter(f -> (f.flags() & LbValue.FLAG_EXTERNAL_LOCAL) != 0).map(PlannedFrontend::set).distinct()
                .flatMap(s -> sets.get(s).stream()).filter(m -> m.state() == BackendState.ACTIVE).map(m -> m.backend().address()).distinct().count();
    }

    /** Frontends of one service as they are found; sets come with the first frontend that needs them. */
    private static final class Builder {
        private final List<PlannedFrontend> frontends = new ArrayList<>();
        private final Map<SetKey, List<Member>> sets = new LinkedHashMap<>();
        private final Service service;
        private final Collection<EndpointSlice> slices;
        private final NodeView node;
        private final int affinity;
        private final boolean internalLocal;
        private final boolean externalLocal;

        Builder(Service service, Collection<EndpointSlice> slices, NodeView node) {
            this.service = service;
            this.slices = slices;
            this.node = node;
            this.affinity = service.clientIpAffinity() ? service.affinityTimeoutSeconds() : 0;
            this.internalLocal = service.internalTrafficPolicy() == TrafficPolicy.LOCAL;
            this.externalLocal = service.externalTrafficPolicy() == TrafficPolicy.LOCAL;
        }

        ServicePlan plan(boolean maglev) {
            Set<Boolean> families = new LinkedHashSet<>();
            for (IpAddress address : service.clusterIps()) {
                families.add(address.isV4());
                for (Service.Port port : service.ports()) {
                    add(FrontendKind.CLUSTER_IP, address, port.port(), port, internalLocal, false, internalLocal ? LbValue.FLAG_INTERNAL_LOCAL : 0, List.of());
                }
            }
            if (service.type() != Service.Type.CLUSTER_IP) {
                List<IpAddress> at = new ArrayList<>(node.addresses());
                if (at.stream().anyMatch(IpAddress::isV4)) at.add(0, ANY4);
                if (at.stream().anyMatch(a -> !a.isV4())) at.add(0, ANY6);
                for (IpAddress address : at) {
                    if (!families.contains(address.isV4())) continue;
                    for (Service.Port port : service.ports()) {
                        if (port.nodePort() != 0) outside(FrontendKind.NODE_PORT, address, port.nodePort(), port, List.of());
                    }
                }
            }
            for (IpAddress address : service.externalIps()) {
                if (!families.contains(address.isV4())) continue;
                for (Service.Port port : service.ports()) outside(FrontendKind.EXTERNAL_IP, address, port.port(), port, List.of());
            }
            if (service.type() == Service.Type.LOAD_BALANCER) {
                for (Service.Ingress ingress : service.ingress()) {
                    // In proxy mode everything is to go through the balancer itself.
                    if (ingress.proxyMode() || !families.contains(ingress.ip().isV4())) continue;
                    for (Service.Port port : service.ports()) {
                        outside(FrontendKind.LOAD_BALANCER, ingress.ip(), port.port(), port, service.sourceRanges());
                    }
                }
            }
            return new ServicePlan(List.copyOf(frontends), sets.size() == 1 ? Map.copyOf(sets) : sets, maglev);
        }

        /** With externalTrafficPolicy Local, clients outside reach the node's own endpoints, those inside all of them. */
        private void outside(FrontendKind kind, IpAddress address, int number, Service.Port port, List<Prefix> ranges) {
            int flags = externalLocal ? LbValue.FLAG_EXTERNAL_LOCAL | LbValue.FLAG_TWO_SCOPES : 0;
            add(kind, address, number, port, externalLocal, false, flags, ranges);
            if (externalLocal) add(kind, address, number, port, false, true, 0, List.of());
        }

        private void add(FrontendKind kind, IpAddress address, int number, Service.Port port, boolean local, boolean inside, int flags,
                List<Prefix> ranges) {
            SetKey set = new SetKey(service.key(), port.name(), port.port(), port.protocol(), address.isV4(), local);
            sets.computeIfAbsent(set, s -> members(service, port, s.v4(), slices, local ? node.name() : "", node));
            frontends.add(new PlannedFrontend(new Frontend(address, number, port.protocol(), inside), kind, set, affinity, flags, ranges));
        }
    }

    private static final IpAddress ANY4 = IpAddress.parse("0.0.0.0");
    private static final IpAddress ANY6 = IpAddress.parse("::");

    /** A pod's host ports on its own node; the key is no service's, whose names have no colon. */
    static ObjectKey hostPorts(Pod pod) {
        return new ObjectKey(pod.namespace(), HOST_PORTS + pod.name());
    }

    /** The pod that a key of {@link #hostPorts} is about. */
    static Optional<ObjectKey> podOf(ObjectKey key) {
        return key.name().startsWith(HOST_PORTS) ? Optional.of(new ObjectKey(key.namespace(), key.name().substring(HOST_PORTS.length()))) : Optional.empty();
    }

    private static final String HOST_PORTS = "pod:";

    /** Whether the pod wants something of the node's ports: pods in the host's network have them anyway. */
    static boolean wantsHostPorts(Pod pod, String node) {
        return pod.nodeName().equals(node) && !pod.hostNetwork() && !pod.phase().isEnded() && pod.ports().stream().anyMatch(p -> p.hostPort() != 0);
    }

    static ServicePlan ofHostPorts(Pod pod, NodeView node) {
        if (!wantsHostPorts(pod, node.name())) return NOTHING;
        List<PlannedFrontend> frontends = new ArrayList<>();
        Map<SetKey, List<Member>> sets = new LinkedHashMap<>();
        BackendState state = pod.terminating() ? BackendState.TERMINATING : BackendState.ACTIVE;
        for (Pod.Port port : pod.ports()) {
            if (port.hostPort() == 0) continue;
            for (IpAddress ip : pod.ips()) {
                List<IpAddress> at = new ArrayList<>();
                IpAddress given = port.hostIp().isEmpty() ? null : IpAddress.parse(port.hostIp());
                if (given == null || given.equals(ANY4) || given.equals(ANY6)) {
                    at.add(ip.isV4() ? ANY4 : ANY6);
                    node.addresses().stream().filter(a -> a.isV4() == ip.isV4()).forEach(at::add);
                } else if (given.isV4() == ip.isV4()) {
                    at.add(given);
                }
                SetKey set = new SetKey(hostPorts(pod), port.name(), port.hostPort(), port.protocol(), ip.isV4(), true);
                for (IpAddress address : at) {
                    sets.put(set, List.of(new Member(new BackendAddress(ip, port.number(), port.protocol()), state, true)));
                    frontends.add(new PlannedFrontend(new Frontend(address, port.hostPort(), port.protocol()), FrontendKind.HOST_PORT, set, 0, 0));
                }
            }
        }
        return frontends.isEmpty() ? NOTHING : new ServicePlan(List.copyOf(frontends), sets);
    }

    /** @param onlyNode the node whose endpoints alone count; "": all nodes */
    private static List<Member> members(Service service, Service.Port port, boolean v4, Collection<EndpointSlice> slices, String onlyNode,
            NodeView node) {
        EndpointSlice.AddressType family = v4 ? EndpointSlice.AddressType.IPV4 : EndpointSlice.AddressType.IPV6;
        List<Candidate> found = new ArrayList<>();
        for (EndpointSlice slice : slices) {
            if (slice.addressType() != family) continue;
            for (EndpointSlice.Port p : slice.ports()) {
                if (!p.name().equals(port.name()) || p.protocol() != port.protocol()) continue;
                int number = p.number() != 0 ? p.number() : port.targetPort() != 0 ? port.targetPort() : port.port();
                for (EndpointSlice.Endpoint e : slice.endpoints()) {
                    if (e.addresses().isEmpty() || !onlyNode.isEmpty() && !e.nodeName().equals(onlyNode)) continue;
                    found.add(new Candidate(new BackendAddress(e.addresses().get(0), number, port.protocol()), state(e, service.publishNotReadyAddresses()), e));
                }
            }
        }
        found.sort(Candidate.ORDER);
        // Of those with one address the most willing, which comes first.
        for (int i = found.size() - 1; i > 0; i--) {
            if (found.get(i).address.equals(found.get(i - 1).address)) found.remove(i);
        }
        if (onlyNode.isEmpty() && !(service.trafficDistribution().equals(SAME_NODE) && onNode(found, node.name()))) nearby(found, node.zone());
        // New connections go to ready endpoints; to terminating ones that still serve only when there is no other.
        BackendState eligible = BackendState.TERMINATING;
        for (Candidate c : found) {
            if (c.state == BackendState.ACTIVE) eligible = BackendState.ACTIVE;
        }
        Member[] members = new Member[found.size()];
        int n = 0;
        for (Candidate c : found) {
            if (c.state == eligible) members[n++] = new Member(c.address, c.state, true);
        }
        for (Candidate c : found) {
            if (c.state != eligible) members[n++] = new Member(c.address, c.state, false);
        }
        return List.of(members);
    }

    private record Candidate(BackendAddress address, BackendState state, EndpointSlice.Endpoint endpoint) {
        static final Comparator<Candidate> ORDER = (a, b) -> {
            int c = a.address.compareTo(b.address);
            return c != 0 ? c : a.state.compareTo(b.state);
        };
    }

    private static final String SAME_NODE = "PreferSameNode";

    /** Leaves the ready endpoints of this node alone, if there are any (KEP-3015). */
    private static boolean onNode(List<Candidate> found, String node) {
        if (found.stream().noneMatch(c -> c.state == BackendState.ACTIVE && c.endpoint.nodeName().equals(node))) return false;
        found.removeIf(c -> c.state == BackendState.ACTIVE && !c.endpoint.nodeName().equals(node));
        return true;
    }

    /** Zone hints count when every ready endpoint has one and this zone is served (KEP-2433): then only its endpoints stay. */
    private static void nearby(List<Candidate> found, String zone) {
        if (zone.isEmpty()) return;
        List<Candidate> ready = found.stream().filter(c -> c.state == BackendState.ACTIVE).toList();
        if (ready.isEmpty() || ready.stream().anyMatch(c -> c.endpoint.forZones().isEmpty())
                || ready.stream().noneMatch(c -> c.endpoint.forZones().contains(zone))) {
            return;
        }
        found.removeIf(c -> c.state == BackendState.ACTIVE && !c.endpoint.forZones().contains(zone));
    }

    private static BackendState state(EndpointSlice.Endpoint e, boolean publishNotReady) {
        if (e.ready() || publishNotReady && !e.terminating()) return BackendState.ACTIVE;
        if (e.terminating()) return e.serving() ? BackendState.TERMINATING : BackendState.TERMINATING_NOT_SERVING;
        return BackendState.QUARANTINED;
    }
}
