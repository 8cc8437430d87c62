package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.Service.TrafficPolicy;
import io.patchbay.api.net.IpAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one service wants of the datapath of one node: a pure function of the service, its endpoint slices and the node.
 *
 * @param sets members, those that are eligible first, each group in order of address
 */
record ServicePlan(List<PlannedFrontend> frontends, Map<SetKey, List<Member>> sets) {
    static final ServicePlan NOTHING = new ServicePlan(List.of(), Map.of());

    /** Label: another proxy serves it. */
    static final String PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name";
    static final int FLAG_INTERNAL_LOCAL = 4;

    /**
     * @param node name of the node
     * @param zone of the node; "" if unknown
     */
    static ServicePlan of(Service service, Collection<EndpointSlice> slices, String node, String zone) {
        if (service.headless() || service.type() == Service.Type.EXTERNAL_NAME || service.clusterIps().isEmpty()
                || service.labels().containsKey(PROXY_NAME_LABEL)) {
            return NOTHING;
        }
        List<PlannedFrontend> frontends = new ArrayList<>();
        Map<SetKey, List<Member>> sets = new LinkedHashMap<>();
        boolean local = service.internalTrafficPolicy() == TrafficPolicy.LOCAL;
        int affinity = service.clientIpAffinity() ? service.affinityTimeoutSeconds() : 0;
        for (IpAddress address : service.clusterIps()) {
            for (Service.Port port : service.ports()) {
                SetKey set = new SetKey(service.key(), port.name(), port.port(), port.protocol(), address.isV4());
                sets.computeIfAbsent(set, s -> members(service, port, s.v4(), slices, local ? node : "", zone));
                frontends.add(new PlannedFrontend(new Frontend(address, port.port(), port.protocol()), FrontendKind.CLUSTER_IP, set, affinity,
                        local ? FLAG_INTERNAL_LOCAL : 0));
            }
        }
        return new ServicePlan(List.copyOf(frontends), sets);
    }

    /** @param onlyNode the node whose endpoints alone count; "": all nodes */
    private static List<Member> members(Service service, Service.Port port, boolean v4, Collection<EndpointSlice> slices, String onlyNode,
            String zone) {
        EndpointSlice.AddressType family = v4 ? EndpointSlice.AddressType.IPV4 : EndpointSlice.AddressType.IPV6;
        Map<BackendAddress, Candidate> found = new HashMap<>();
        for (EndpointSlice slice : slices) {
            if (slice.addressType() != family) continue;
            for (EndpointSlice.Port p : slice.ports()) {
                if (!p.name().equals(port.name()) || p.protocol() != port.protocol()) continue;
                int number = p.number() != 0 ? p.number() : port.targetPort() != 0 ? port.targetPort() : port.port();
                for (EndpointSlice.Endpoint e : slice.endpoints()) {
                    if (e.addresses().isEmpty() || !onlyNode.isEmpty() && !e.nodeName().equals(onlyNode)) continue;
                    Candidate c = new Candidate(state(e, service.publishNotReadyAddresses()), e);
                    found.merge(new BackendAddress(e.addresses().get(0), number, port.protocol()), c,
                            (a, b) -> a.state.compareTo(b.state) <= 0 ? a : b);
                }
            }
        }
        if (onlyNode.isEmpty()) nearby(found, zone);
        // New connections go to ready endpoints; to terminating ones that still serve only when there is no other.
        BackendState eligible = BackendState.TERMINATING;
        for (Candidate c : found.values()) {
            if (c.state == BackendState.ACTIVE) eligible = BackendState.ACTIVE;
        }
        List<Member> members = new ArrayList<>(found.size());
        for (Map.Entry<BackendAddress, Candidate> e : found.entrySet()) {
            members.add(new Member(e.getKey(), e.getValue().state, e.getValue().state == eligible));
        }
        members.sort(ORDER);
        return List.copyOf(members);
    }

    private static final Comparator<Member> ORDER =
            (a, b) -> a.eligible() != b.eligible() ? (a.eligible() ? -1 : 1) : a.backend().compareTo(b.backend());

    private record Candidate(BackendState state, EndpointSlice.Endpoint endpoint) {
    }

    /** Zone hints count when every ready endpoint has one and this zone is served (KEP-2433): then only its endpoints stay. */
    private static void nearby(Map<BackendAddress, Candidate> found, String zone) {
        if (zone.isEmpty()) return;
        List<Candidate> ready = found.values().stream().filter(c -> c.state == BackendState.ACTIVE).toList();
        if (ready.isEmpty() || ready.stream().anyMatch(c -> c.endpoint.forZones().isEmpty())
                || ready.stream().noneMatch(c -> c.endpoint.forZones().contains(zone))) {
            return;
        }
        found.values().removeIf(c -> c.state == BackendState.ACTIVE && !c.endpoint.forZones().contains(zone));
    }

    private static BackendState state(EndpointSlice.Endpoint e, boolean publishNotReady) {
        if (e.ready() || publishNotReady && !e.terminating()) return BackendState.ACTIVE;
        if (e.terminating()) return e.serving() ? BackendState.TERMINATING : BackendState.TERMINATING_NOT_SERVING;
        return BackendState.QUARANTINED;
    }
}
