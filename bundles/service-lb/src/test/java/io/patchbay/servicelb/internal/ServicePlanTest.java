package io.patchbay.servicelb.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.Service.TrafficPolicy;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ServicePlanTest {
    private static final String NODE = "n1";

    private static Service.Builder service() {
        return Service.builder("default", "web").clusterIps(List.of(IpAddress.parse("10.96.0.10")))
                .ports(List.of(new Service.Port("http", 80, 8080, "", Protocol.TCP, 0, "")));
    }

    /** {@code 10.0.0.1}, with {@code r}eady, {@code s}erving, {@code t}erminating, {@code @node}, {@code %zone hint}. */
    private static EndpointSlice.Endpoint endpoint(String text) {
        String[] words = text.split(" ");
        String flags = words.length > 1 ? words[1] : "rs";
        String node = Arrays.stream(words).filter(w -> w.startsWith("@")).findFirst().map(w -> w.substring(1)).orElse("");
        Set<String> zones = Arrays.stream(words).filter(w -> w.startsWith("%")).map(w -> w.substring(1)).collect(Collectors.toSet());
        return new EndpointSlice.Endpoint(List.of(IpAddress.parse(words[0])), flags.contains("r"), flags.contains("s"), flags.contains("t"), node, "",
                zones, Optional.empty());
    }

    private static EndpointSlice slice(String port, int number, String... endpoints) {
        return new EndpointSlice("default", "web-" + number, "web",
                endpoints.length > 0 && endpoints[0].contains(":") ? EndpointSlice.AddressType.IPV6 : EndpointSlice.AddressType.IPV4, Map.of(),
                List.of(new EndpointSlice.Port(port, number, Protocol.TCP, "")), Arrays.stream(endpoints).map(ServicePlanTest::endpoint).toList());
    }

    /** Members of the only set: {@code +} those that get new connections. */
    private static String members(Service s, String zone, EndpointSlice... slices) {
        ServicePlan plan = ServicePlan.of(s, List.of(slices), NODE, zone);
        assertEquals(1, plan.sets().size());
        return plan.sets().values().iterator().next().stream()
                .map(m -> (m.eligible() ? "+" : "-") + m.backend().address() + ":" + m.backend().port() + " " + m.state().text()).collect(Collectors.joining(", "));
    }

    @Test
    void readyEndpointsOfAllSlicesInOrderOfAddress() {
        assertEquals("+10.0.0.1:8080 active, +10.0.0.2:8080 active, +10.0.0.2:9090 active",
                members(service().build(), "", slice("http", 8080, "10.0.0.2 rs", "10.0.0.1 rs"), slice("http", 9090, "10.0.0.2 rs")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "10.0.0.1 rs | 10.0.0.2 -   | +10.0.0.1:8080 active, -10.0.0.2:8080 quarantined",
        "10.0.0.1 rs | 10.0.0.2 st  | +10.0.0.1:8080 active, -10.0.0.2:8080 terminating",
        "10.0.0.1 rs | 10.0.0.2 t   | +10.0.0.1:8080 active, -10.0.0.2:8080 terminating-not-serving",
        "10.0.0.1 st | 10.0.0.2 t   | +10.0.0.1:8080 terminating, -10.0.0.2:8080 terminating-not-serving",
        "10.0.0.1 t  | 10.0.0.2 -   | -10.0.0.1:8080 terminating-not-serving, -10.0.0.2:8080 quarantined",
        "10.0.0.1 -  | 10.0.0.1 rs  | +10.0.0.1:8080 active",
    })
    void whoGetsNewConnections(String first, String second, String expected) {
        assertEquals(expected, members(service().build(), "", slice("http", 8080, first, second)));
    }

    @Test
    void endpointsThatAreNotReadyServeWhenTheServicePublishesThem() {
        assertEquals("+10.0.0.1:8080 active", members(service().publishNotReadyAddresses(true).build(), "", slice("http", 8080, "10.0.0.1 -")));
    }

    @Test
    void aPortHasItsOwnEndpointsByNameAndProtocol() {
        Service s = service().ports(List.of(new Service.Port("dns", 53, 53, "", Protocol.UDP, 0, ""), new Service.Port("dns-tcp", 53, 53, "", Protocol.TCP, 0, "")))
                .build();
        EndpointSlice slice = new EndpointSlice("default", "x", "web", EndpointSlice.AddressType.IPV4, Map.of(),
                List.of(new EndpointSlice.Port("dns", 5353, Protocol.UDP, ""), new EndpointSlice.Port("dns-tcp", 5354, Protocol.TCP, "")),
                List.of(endpoint("10.0.0.1 rs")));
        ServicePlan plan = ServicePlan.of(s, List.of(slice), NODE, "");
        assertEquals("[10.96.0.10:53/UDP, 10.96.0.10:53/TCP]", plan.frontends().stream().map(PlannedFrontend::frontend).toList().toString());
        assertEquals("[10.0.0.1:5353/UDP]", plan.sets().get(plan.frontends().get(0).set()).stream().map(Member::backend).toList().toString());
        assertEquals("[10.0.0.1:5354/TCP]", plan.sets().get(plan.frontends().get(1).set()).stream().map(Member::backend).toList().toString());
    }

    @Test
    void eachFamilyHasItsOwnBackends() {
        Service s = service().clusterIps(List.of(IpAddress.parse("10.96.0.10"), IpAddress.parse("fd00::10"))).build();
        ServicePlan plan = ServicePlan.of(s, List.of(slice("http", 8080, "10.0.0.1"), slice("http", 8080, "fd00:1::1")), NODE, "");
        assertEquals("[10.96.0.10:80/TCP, [fd00::10]:80/TCP]", plan.frontends().stream().map(PlannedFrontend::frontend).toList().toString());
        assertEquals("[[10.0.0.1:8080/TCP], [[fd00:1::1]:8080/TCP]]",
                plan.sets().values().stream().map(l -> l.stream().map(Member::backend).toList()).toList().toString());
    }

    @Test
    void aServiceForTheOwnNodeAlone() {
        Service s = service().internalTrafficPolicy(TrafficPolicy.LOCAL).build();
        assertEquals("+10.0.0.1:8080 active", members(s, "", slice("http", 8080, "10.0.0.1 rs @n1", "10.0.0.2 rs @n2")));
        assertEquals("", members(s, "", slice("http", 8080, "10.0.0.2 rs @n2")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "a | 10.0.0.1 rs %a | 10.0.0.2 rs %b | +10.0.0.1:8080 active",
        "c | 10.0.0.1 rs %a | 10.0.0.2 rs %b | +10.0.0.1:8080 active, +10.0.0.2:8080 active",
        "a | 10.0.0.1 rs %a | 10.0.0.2 rs    | +10.0.0.1:8080 active, +10.0.0.2:8080 active",
        "a | 10.0.0.1 st %a | 10.0.0.2 rs %b | +10.0.0.2:8080 active, -10.0.0.1:8080 terminating",
    })
    void zoneHintsCountWhenAllHaveThemAndTheZoneIsServed(String zone, String first, String second, String expected) {
        assertEquals(expected, members(service().build(), zone, slice("http", 8080, first, second)));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "PreferSameNode | 10.0.0.1 rs @n1 %b | 10.0.0.2 rs @n2 %a | +10.0.0.1:8080 active",
        "PreferSameNode | 10.0.0.1 -s @n1 %b | 10.0.0.2 rs @n2 %a | +10.0.0.2:8080 active, -10.0.0.1:8080 quarantined",
        "PreferSameNode | 10.0.0.1 rs @n3 %b | 10.0.0.2 rs @n2 %a | +10.0.0.2:8080 active",
        "PreferClose    | 10.0.0.1 rs @n1 %b | 10.0.0.2 rs @n2 %a | +10.0.0.2:8080 active",
    })
    void trafficStaysOnTheNodeOrInTheZone(String distribution, String first, String second, String expected) {
        assertEquals(expected, members(service().trafficDistribution(distribution).build(), "a", slice("http", 8080, first, second)));
    }

    @Test
    void nothingForServicesThatAreNotForTheDatapath() {
        EndpointSlice slice = slice("http", 8080, "10.0.0.1");
        for (Service s : List.of(service().headless(true).build(), service().type(Service.Type.EXTERNAL_NAME).build(),
                service().labels(Map.of(ServicePlan.PROXY_NAME_LABEL, "other")).build(), service().clusterIps(List.of()).build())) {
            assertSame(ServicePlan.NOTHING, ServicePlan.of(s, List.of(slice), NODE, ""));
        }
    }

    @Test
    void affinityAndItsTimeout() {
        assertEquals(0, ServicePlan.of(service().build(), List.of(), NODE, "").frontends().get(0).affinitySeconds());
        assertEquals(60, ServicePlan.of(service().clientIpAffinity(true, 60).build(), List.of(), NODE, "").frontends().get(0).affinitySeconds());
    }

    private static final NodeView AT = new NodeView(NODE, "", List.of(IpAddress.parse("172.18.0.11")), false);

    private static String frontends(ServicePlan plan) {
        return plan.frontends().stream().map(f -> f.kind().text() + " " + f.frontend() + " -> " + plan.sets().get(f.set()).stream()
                .map(m -> m.backend().address().toString()).collect(Collectors.joining(" "))).collect(Collectors.joining("\n"));
    }

    private static Service.Builder outside() {
        return service().type(Service.Type.LOAD_BALANCER).ports(List.of(new Service.Port("http", 80, 8080, "", Protocol.TCP, 30080, "")))
                .externalIps(List.of(IpAddress.parse("203.0.113.7"))).ingress(List.of(new Service.Ingress(IpAddress.parse("203.0.113.8"), false),
                        new Service.Ingress(IpAddress.parse("203.0.113.9"), true)));
    }

    @Test
    void everyAddressThatClientsOutsideUse() {
        assertEquals("""
                ClusterIP 10.96.0.10:80/TCP -> 10.0.0.1 10.0.0.2
                NodePort 0.0.0.0:30080/TCP -> 10.0.0.1 10.0.0.2
                NodePort 172.18.0.11:30080/TCP -> 10.0.0.1 10.0.0.2
                ExternalIPs 203.0.113.7:80/TCP -> 10.0.0.1 10.0.0.2
                LoadBalancer 203.0.113.8:80/TCP -> 10.0.0.1 10.0.0.2""",
                frontends(ServicePlan.of(outside().build(), List.of(slice("http", 8080, "10.0.0.1 rs @n1", "10.0.0.2 rs @n2")), AT)));
    }

    @Test
    void externalTrafficPolicyLocalTellsClientsInsideFromOthers() {
        ServicePlan plan = ServicePlan.of(outside().externalTrafficPolicy(TrafficPolicy.LOCAL).sourceRanges(List.of(Prefix.parse("192.0.2.0/24"))).build(),
                List.of(slice("http", 8080, "10.0.0.1 rs @n1", "10.0.0.2 rs @n2")), AT);
        assertEquals("""
                ClusterIP 10.96.0.10:80/TCP -> 10.0.0.1 10.0.0.2
                NodePort 0.0.0.0:30080/TCP -> 10.0.0.1
                NodePort 0.0.0.0:30080/TCP/i -> 10.0.0.1 10.0.0.2
                NodePort 172.18.0.11:30080/TCP -> 10.0.0.1
                NodePort 172.18.0.11:30080/TCP/i -> 10.0.0.1 10.0.0.2
                ExternalIPs 203.0.113.7:80/TCP -> 10.0.0.1
                ExternalIPs 203.0.113.7:80/TCP/i -> 10.0.0.1 10.0.0.2
                LoadBalancer 203.0.113.8:80/TCP -> 10.0.0.1
                LoadBalancer 203.0.113.8:80/TCP/i -> 10.0.0.1 10.0.0.2""", frontends(plan));
        assertEquals(1, plan.localEndpoints());
        assertEquals("[LoadBalancer]", plan.frontends().stream().filter(f -> !f.ranges().isEmpty()).map(f -> f.kind().text()).toList().toString());
    }

    @ParameterizedTest
    @CsvSource({"false, , false", "false, maglev, true", "true, , true", "true, random, false", "true, other, true"})
    void theAnnotationGoesBeforeTheNodesDefault(boolean node, String annotation, boolean maglev) {
        Service s = service().annotations(annotation == null ? Map.of() : Map.of(ServicePlan.ALGORITHM_ANNOTATION, annotation)).build();
        assertEquals(maglev, ServicePlan.of(s, List.of(), new NodeView(NODE, "", List.of(), node)).maglev());
    }

    @Test
    void hostPortsOfThisNodesPods() {
        Pod pod = Pod.builder("default", "p").nodeName(NODE).ips(List.of(IpAddress.parse("10.0.0.1"))).phase(Pod.Phase.RUNNING)
                .ports(List.of(new Pod.Port("a", 8080, Protocol.TCP, 40000, ""), new Pod.Port("b", 9090, Protocol.UDP, 40001, "172.18.0.99"),
                        Pod.Port.named("c", 1, Protocol.TCP))).build();
        assertEquals("""
                HostPort 0.0.0.0:40000/TCP -> 10.0.0.1
                HostPort 172.18.0.11:40000/TCP -> 10.0.0.1
                HostPort 172.18.0.99:40001/UDP -> 10.0.0.1""", frontends(ServicePlan.ofHostPorts(pod, AT)));
        assertSame(ServicePlan.NOTHING, ServicePlan.ofHostPorts(pod.toBuilder().nodeName("n2").build(), AT));
        assertSame(ServicePlan.NOTHING, ServicePlan.ofHostPorts(pod.toBuilder().phase(Pod.Phase.SUCCEEDED).build(), AT));
        assertEquals(pod.key(), ServicePlan.podOf(ServicePlan.hostPorts(pod)).orElseThrow());
    }
}
