package io.patchbay.servicelb.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.shell.TextTable;
import io.patchbay.reconcile.internal.ControllersComponent;
import io.patchbay.reconcile.internal.ReconcilersComponent;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** From tables to the kernel's maps and back to what commands print. */
@Tag("root")
class ServicesTest {
    private TestFeature feature;
    private Cluster cluster;
    private Services services;

    @BeforeEach
    void up() throws Exception {
        feature = new TestFeature(Map.of());
        cluster = new Cluster();
    }

    @AfterEach
    void down() {
        if (services != null) services.deactivate();
        cluster.close();
        feature.close();
    }

    private void start() {
        services = new Services(feature, cluster.cluster(), new ReconcilersComponent(new ControllersComponent()), "n1");
    }

    private String list() {
        return text(ServiceListCommand::table);
    }

    private String text(BiConsumer<LbSnapshot, Consumer<String[]>> table) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        LbSnapshot all = LbSnapshot.read(feature::map);
        TextTable.print(new PrintStream(out), to -> table.accept(all, to));
        return out.toString(StandardCharsets.UTF_8).stripTrailing();
    }

    private static void await(String expected, Supplier<String> actual) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!actual.get().equals(expected) && System.nanoTime() < end) TimeUnit.MILLISECONDS.sleep(2);
        assertEquals(expected, actual.get());
    }

    @Test
    void whatTheTablesSayIsInTheKernelAndChangesFollow() throws Exception {
        cluster.put(List.of(Cluster.service(1)), List.of(Cluster.slice(1, 2, 1)));
        cluster.synced();
        start();
        feature.ready.get(10, TimeUnit.SECONDS);
        cluster.put(List.of(Cluster.service(2)), List.of());
        await("""
                ID   Frontend           Service Type   Backend
                1    10.96.0.1:80/TCP   ClusterIP      1 => 10.0.0.1:8080/TCP (active)
                                                       2 => 10.0.0.2:8080/TCP (active)
                2    10.96.0.2:80/TCP   ClusterIP""", this::list);
        assertEquals("default/s1", services.owner(LbSnapshot.read(feature::map).rows().get(0).frontend()).orElseThrow().toString());
        assertEquals("""
                SERVICE ADDRESS        BACKEND ADDRESS (REVNAT_ID) (SLOT)
                10.96.0.1:80/TCP (0)   0.0.0.0:0 (1) (0) [ClusterIP, non-routable]
                10.96.0.1:80/TCP (1)   10.0.0.1:8080/TCP (1) (1)
                10.96.0.1:80/TCP (2)   10.0.0.2:8080/TCP (1) (2)
                10.96.0.2:80/TCP (0)   0.0.0.0:0 (2) (0) [ClusterIP, non-routable]""",
                text(BpfLbListCommand::table));

        cluster.put(List.of(), List.of(Cluster.slice(1, 3)));
        cluster.delete(Cluster.service(2));
        await("""
                ID   Frontend           Service Type   Backend
                1    10.96.0.1:80/TCP   ClusterIP      1 => 10.0.0.3:8080/TCP (active)""", this::list);
        await("1", () -> Integer.toString(feature.map("lb_backends").count()));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ServiceListCommand.json(LbSnapshot.read(feature::map), services::owner, new PrintStream(out));
        String json = out.toString(StandardCharsets.UTF_8).strip();
        assertTrue(json.contains("\"frontend-address\":{\"ip\":\"10.96.0.1\",\"port\":80,\"protocol\":\"TCP\"") && json.contains("\"name\":\"s1\""), json);
    }

    /** More than goes into one batch, and numbers in an order that is not the map's. */
    @Test
    void aLongListIsWhole() throws Exception {
        int services = 3000;
        List<Service> all = new ArrayList<>();
        List<EndpointSlice> slices = new ArrayList<>();
        for (int i = 1; i <= services; i++) {
            all.add(Cluster.service(i));
            slices.add(Cluster.slice(i, 3 * i, 3 * i + 1, 3 * i + 2));
        }
        cluster.put(all, slices);
        cluster.synced();
        start();
        feature.ready.get(30, TimeUnit.SECONDS);
        Map<String, List<String>> seen = new HashMap<>();
        LbSnapshot.read(feature::map).forEach(row -> seen.put(row.frontend().address().toString(),
                row.slots().stream().map(s -> s.backend().address().address().toString()).toList()));
        assertEquals(services, seen.size());
        for (int i = 1; i <= services; i++) {
            int n = i;
            assertEquals(IntStream.range(0, 3).mapToObj(b -> IpAddress.ofV4(0x0a000000 + 3 * n + b).toString()).toList(), seen.get(IpAddress.ofV4(0x0a600000 + i).toString()));
        }
        assertEquals(1 + 3 * services, list().lines().count());
    }

    @Test
    void afterARestartNothingIsTouchedBeforeAllTablesHaveSyncedAndNumbersStay() throws Exception {
        cluster.put(List.of(Cluster.service(1), Cluster.service(2), Cluster.service(3)), List.of(Cluster.slice(1, 1), Cluster.slice(2, 2), Cluster.slice(3, 3)));
        cluster.synced();
        start();
        feature.ready.get(10, TimeUnit.SECONDS);
        cluster.delete(Cluster.service(1));
        await("2", () -> Integer.toString(feature.map("lb_services").count()));
        String before = list();
        services.deactivate();
        cluster.close();

        cluster = new Cluster();
        start();
        cluster.put(List.of(Cluster.service(3)), List.of());
        cluster.synced(TableId.SERVICES);
        assertFalse(before.isEmpty());
        assertEquals(before, list(), "services alone say nothing of backends");
        cluster.put(List.of(Cluster.service(2), Cluster.service(4)), List.of(Cluster.slice(2, 2), Cluster.slice(3, 3)));
        assertEquals(before, list());
        cluster.synced(TableId.ENDPOINT_SLICES);
        cluster.synced(TableId.NODES);
        assertEquals(before, list());
        cluster.synced(TableId.PODS);
        await(before + "\n4    10.96.0.4:80/TCP   ClusterIP", this::list);
    }

    @Test
    void portsOfTheNodeComeWithItsAddressesAndGoWithThePod() throws Exception {
        Service web = Cluster.service(1).toBuilder().type(Service.Type.LOAD_BALANCER).sourceRanges(List.of(Prefix.parse("192.0.2.0/24"), Prefix.parse("10.0.0.0/8")))
                .ingress(List.of(new Service.Ingress(IpAddress.parse("203.0.113.8"), false))).annotations(Map.of(ServicePlan.ALGORITHM_ANNOTATION, "maglev"))
                .ports(List.of(new Service.Port("", 80, 8080, "", Protocol.TCP, 30080, ""))).build();
        Pod pod = Pod.builder("default", "p").nodeName("n1").ips(List.of(IpAddress.parse("10.0.0.1"))).phase(Pod.Phase.RUNNING)
                .ports(List.of(new Pod.Port("", 8080, Protocol.TCP, 40000, ""))).build();
        cluster.put(List.of(web), List.of(Cluster.slice(1, 1)));
        cluster.put(new Node("n1", Map.of(), Map.of(), List.of(IpAddress.parse("172.18.0.11")), List.of()));
        cluster.put(pod);
        cluster.synced();
        start();
        feature.ready.get(10, TimeUnit.SECONDS);
        await("""
                ID   Frontend                Service Type   Backend
                1    0.0.0.0:40000/TCP       HostPort       1 => 10.0.0.1:8080/TCP (active)
                2    172.18.0.11:40000/TCP   HostPort       1 => 10.0.0.1:8080/TCP (active)
                3    10.96.0.1:80/TCP        ClusterIP      1 => 10.0.0.1:8080/TCP (active)
                4    0.0.0.0:30080/TCP       NodePort       1 => 10.0.0.1:8080/TCP (active)
                5    172.18.0.11:30080/TCP   NodePort       1 => 10.0.0.1:8080/TCP (active)
                6    203.0.113.8:80/TCP      LoadBalancer   1 => 10.0.0.1:8080/TCP (active)""", this::list);
        assertEquals(2, feature.map("lb_ranges").count());
        assertEquals(1, feature.map("lb_maglev").count(), "251 places in one part");
        cluster.delete(pod);
        cluster.put(new Node("n1", Map.of(), Map.of(), List.of(IpAddress.parse("172.18.0.99")), List.of()));
        cluster.put(List.of(web.toBuilder().annotations(Map.of()).sourceRanges(List.of(Prefix.parse("192.0.2.0/24"))).build()), List.of());
        await("""
                ID   Frontend                Service Type   Backend
                3    10.96.0.1:80/TCP        ClusterIP      1 => 10.0.0.1:8080/TCP (active)
                4    0.0.0.0:30080/TCP       NodePort       1 => 10.0.0.1:8080/TCP (active)
                6    203.0.113.8:80/TCP      LoadBalancer   1 => 10.0.0.1:8080/TCP (active)
                7    172.18.0.99:30080/TCP   NodePort       1 => 10.0.0.1:8080/TCP (active)""", this::list);
        await("1 0", () -> feature.map("lb_ranges").count() + " " + feature.map("lb_maglev").count());
    }

    private static EndpointSlice datagrams(boolean serving, boolean terminating) {
        return new EndpointSlice("default", "s2-1", "s2", EndpointSlice.AddressType.IPV4, Map.of(), List.of(new EndpointSlice.Port("", 53, Protocol.UDP, "")),
                List.of(new EndpointSlice.Endpoint(List.of(IpAddress.parse("10.0.0.1")), serving && !terminating, serving, terminating, "", "", Set.of(), Optional.empty())));
    }

    private Set<Translated> dead(Translated... all) throws Exception {
        return services.dead(List.of(all)).get(10, TimeUnit.SECONDS);
    }

    /** TCP lives as long as its pod, in the service or not; UDP as long as the backend serves. */
    @Test
    void whatIsDead() throws Exception {
        Pod pod = Pod.builder("default", "p").nodeName("n1").ips(List.of(IpAddress.parse("10.0.0.1"))).phase(Pod.Phase.RUNNING).build();
        Translated stream = new Translated(new Frontend(IpAddress.parse("10.96.0.1"), 80, Protocol.TCP), new BackendAddress(IpAddress.parse("10.0.0.1"), 8080, Protocol.TCP));
        Translated foreign = new Translated(stream.asked(), new BackendAddress(IpAddress.parse("192.0.2.1"), 8080, Protocol.TCP));
        Translated datagrams = new Translated(new Frontend(IpAddress.parse("10.96.0.2"), 80, Protocol.UDP), new BackendAddress(IpAddress.parse("10.0.0.1"), 53, Protocol.UDP));
        Translated nodePort = new Translated(new Frontend(IpAddress.parse("127.0.0.1"), 30053, Protocol.UDP), datagrams.backend());
        Service udp = Cluster.service(2).toBuilder().type(Service.Type.NODE_PORT).ports(List.of(new Service.Port("", 80, 53, "", Protocol.UDP, 30053, ""))).build();
        AtomicInteger departures = new AtomicInteger();
        start();
        services.onDeparture(departures::incrementAndGet);
        assertThrows(ExecutionException.class, () -> dead(stream), "nothing is known yet");
        cluster.put(new Node("n1", Map.of(), Map.of(), List.of(IpAddress.parse("172.18.0.11")), List.of(Prefix.parse("10.0.0.0/24"))));
        cluster.put(pod);
        cluster.put(List.of(Cluster.service(1), udp), List.of(Cluster.slice(1, 1, 2), datagrams(true, false)));
        cluster.synced();
        feature.ready.get(10, TimeUnit.SECONDS);
        await("1", departures::toString);
        assertEquals(Set.of(), dead(stream, datagrams, nodePort));
        assertEquals(Set.of(), dead(foreign), "an address of no pod: nobody knows whether it lives");

        cluster.put(List.of(), List.of(datagrams(true, true)));
        assertEquals(Set.of(), dead(datagrams, nodePort), "it ends and serves what it has");
        assertEquals(1, departures.get());
        cluster.put(List.of(), List.of(datagrams(false, true), Cluster.slice(1, 2)));
        await("2", departures::toString);
        assertEquals(Set.of(datagrams, nodePort), dead(stream, datagrams, nodePort), "the pod lives on");
        cluster.delete(pod);
        await("3", departures::toString);
        assertEquals(Set.of(stream, datagrams, nodePort), dead(stream, datagrams, nodePort, foreign));
        cluster.delete(Cluster.service(1));
        await("4", departures::toString);
    }
}
