package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Services under load while what they are made of changes: their configuration, the sizes of their maps, their endpoints, the agent. */
@Tag("dist")
class ServiceStormIT {
    private static final int REACHED = 0;
    private static final String SERVICES = """
            apiVersion: v1
            kind: Namespace
            metadata: {name: storm}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: one, namespace: storm}
            spec: {nodeName: node1, containers: [{name: c, command: [pb-traffic, serve, --tcp, "8080", --name, one], readinessProbe: {tcpSocket: {port: 8080}}}]}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: two, namespace: storm}
            spec: {nodeName: node2, containers: [{name: c, command: [pb-traffic, serve, --tcp, "8080", --name, two], readinessProbe: {tcpSocket: {port: 8080}}}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: storm, namespace: storm}
            spec: {type: NodePort, ports: [{port: 80, targetPort: 8080, nodePort: 30095}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: sticky, namespace: storm}
            spec: {sessionAffinity: ClientIP, ports: [{port: 80, targetPort: 8080}]}
            """;

    private static Lab lab;
    private static Lab.Pod client;
    private static Lab.Pod a;
    private static Lab.Pod b;
    private static String storm;
    private static String sticky;

    @BeforeAll
    static void start() throws IOException {
        lab = Lab.up("pbt-storm");
        client = lab.pod("demo/client", "node1");
        lab.apply(SERVICES).ok();
        Await.that("both servers are ready", () -> lab.pods().stream().filter(p -> p.name().startsWith("storm/") && p.ready()).count() == 2);
        a = lab.pod("storm/one");
        b = lab.pod("storm/two");
        slice("sticky", a, b);
        slice("storm", a, b);
        storm = lab.clusterIp("storm", "storm");
        sticky = lab.clusterIp("storm", "sticky") + ":80";
        for (String node : List.of("node1", "node2")) {
            lab.awaitRunning(node);
            Await.that(node + " has the endpoints", () -> backends(node).equals(Set.of(a.address(), b.address())));
            Await.that("it is reached from outside", () -> nodePort() == REACHED);
        }
    }

    @AfterAll
    static void end() {
        if (lab != null) lab.close();
    }

    /** The endpoints of a service from now on, for all who read the folder; written aside and renamed. */
    private static void slice(String service, Lab.Pod... pods) throws IOException {
        StringBuilder text = new StringBuilder("{\"apiVersion\": \"discovery.k8s.io/v1\", \"kind\": \"EndpointSlice\", \"metadata\": {\"name\": \"" + service
                + "-1\", \"namespace\": \"storm\", \"labels\": {\"kubernetes.io/service-name\": \"" + service + "\"}}, \"addressType\": \"IPv4\", \"ports\": [{\"port\": 8080}], \"endpoints\": [");
        for (int i = 0; i < pods.length; i++) text.append(i == 0 ? "" : ", ").append("{\"addresses\": [\"").append(pods[i].address()).append("\"]}");
        Path file = lab.directory().resolve("cluster/manifests/slice-" + service + ".json");
        Path aside = file.resolveSibling("." + file.getFileName());
        Files.writeString(aside, text + "]}\n");
        Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Of the storm's ClusterIP, as the kernel's maps have them. */
    private static Set<String> backends(String node) {
        return Lab.objects(lab.array(node, "service", "list")).stream().map(s -> s.getJsonObject("spec"))
                .filter(s -> s.getJsonObject("frontend-address").getString("ip").equals(storm)).flatMap(s -> Lab.objects(s.get("backend-addresses")).stream())
                .map(x -> x.getString("ip")).collect(Collectors.toSet());
    }

    private static Traffic traffic() {
        Lab.Pod far = lab.pod("demo/client", "node2");
        return new Traffic().tcp("at the socket", client, true, storm + ":80").tcp("per packet", client, false, storm + ":80")
                .duplex("beside", client, true, far, far.address(), 7100, 500);
    }

    /** With what was dropped meanwhile, if anything has suffered. */
    private static void stopClean(Traffic traffic) {
        try {
            traffic.stopClean();
        } catch (AssertionError e) {
            StringBuilder why = new StringBuilder(e.getMessage());
            for (String node : List.of("node1", "node2")) why.append('\n').append(node).append(":\n").append(lab.on(node, "hubble", "observe", "--verdict", "DROPPED", "--last", "15").out());
            throw new AssertionError(why.toString(), e);
        }
    }

    private static String shortName(Lab.Pod pod) {
        return pod.name().substring(pod.name().indexOf('/') + 1);
    }

    private static int nodePort() {
        return lab.exec("outside", "pb-traffic", "probe", "--to", lab.node("node1").getString("address") + ":30095", "--proto", "tcp", "--timeout", "1500").exit();
    }

    private static int room(String map) {
        return Lab.objects(lab.array("node1", "map", "list")).stream().filter(m -> m.getString("name").equals(map)).map(m -> m.getInt("max-entries")).findFirst().orElseThrow();
    }

    @Test
    void configurationAndSizesChangeUnderLoad() {
        String stuck = lab.probe(client, true, sticky, "tcp").ok();
        int before = lab.ledgers("node1").size();
        try (Traffic traffic = traffic()) {
            for (String change : List.of("service-lb.algorithm=maglev", "service-lb.node-ports=false", "service-lb.node-ports=true", "service-lb.bpf-lb-service-map-max=262144",
                    "service-lb.bpf-lb-map-max=65536", "conntrack.bpf-ct-global-max=262144", "service-lb.algorithm=random")) {
                lab.on("node1", "config", "set", change).ok();
                lab.awaitRunning("node1");
                boolean served = !change.endsWith("node-ports=false");
                Await.that(change + ": the NodePort is " + (served ? "" : "not ") + "served", () -> nodePort() == REACHED == served);
                for (boolean socket : new boolean[] {true, false}) assertEquals(stuck, lab.probe(client, socket, sticky, "tcp").ok(), change + ": the client stays with its backend");
                traffic.assertRunning();
            }
            stopClean(traffic);
        }
        assertEquals(262144, room("lb_services"));
        assertEquals(65536, room("lb_slots"));
        assertEquals(262144, room("ct4"));
        List<Ledger> ledgers = lab.ledgers("node1");
        List<Ledger> mine = ledgers.subList(before, ledgers.size());
        assertEquals(3, mine.size(), () -> "one change for each size: " + mine.stream().map(Ledger::title).toList());
        mine.forEach(Ledger::assertClean);
        assertTrue(mine.get(2).carried().stream().anyMatch(c -> c.matches("ct4 [1-9].*")), () -> "connections came along: " + mine.get(2).carried());
        String full = lab.on("node1", "config", "set", "service-lb.bpf-lb-service-map-max=12").failed(1);
        assertTrue(full.contains("out of range (1024 to"), full);
        assertEquals(262144, room("lb_services"));
    }

    @Test
    void aStormOfEndpointsLosesNoConnectionAndARemovedOneGetsNone() throws Exception {
        try (Traffic traffic = traffic()) {
            for (int round = 0; round < 4; round++) {
                for (int i = 0; i < 12; i++) {
                    if (i % 3 == 0) slice("storm", a, b);
                    else slice("storm", i % 3 == 1 ? a : b);
                    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(15));
                }
                Lab.Pod left = round % 2 == 0 ? a : b;
                slice("storm", left);
                Await.that("only " + left.name() + " is left", () -> backends("node1").equals(Set.of(left.address())));
                for (int i = 0; i < 12; i++) {
                    String who = lab.probe(client, i % 2 == 0, storm + ":80", "tcp").ok();
                    assertTrue(who.contains(shortName(left)), () -> "a new connection to one that the map has no more: " + who);
                }
                traffic.assertRunning();
            }
            slice("storm", a, b);
            Await.that("both are back", () -> backends("node1").size() == 2);
            stopClean(traffic);
        }
    }

    @Test
    void anAgentKilledInTheStormLeavesNothingStale() throws Exception {
        slice("storm", a, b);
        Await.that("both are there", () -> backends("node1").size() == 2);
        AtomicBoolean storming = new AtomicBoolean(true);
        AtomicBoolean broken = new AtomicBoolean();
        Thread changes = new Thread(() -> {
            try {
                for (int i = 0; storming.get(); i++) {
                    slice("storm", i % 2 == 0 ? new Lab.Pod[] {a, b} : new Lab.Pod[] {a});
                    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(30));
                }
                // what the next agent finds: one endpoint less than the kernel may have
                slice("storm", a);
            } catch (IOException e) {
                broken.set(true);
            }
        });
        long old = lab.agentPid("node1");
        // Open connections to both and new ones all the time: one to an entry deleted too early would be refused.
        try (Traffic traffic = traffic()) {
            changes.start();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(400));
            ProcessHandle.of(old).orElseThrow().destroyForcibly();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(400));
            storming.set(false);
            changes.join();
            assertFalse(broken.get());
            lab.patchbay("lab", "restart", "node1").ok();
            lab.awaitRunning("node1");
            assertEquals(Set.of(a.address()), backends("node1"), "ready, and nothing stale");
            for (int i = 0; i < 10; i++) assertTrue(lab.probe(client, i % 2 == 0, storm + ":80", "tcp").ok().contains(shortName(a)));
            stopClean(traffic);
        }
        JsonObject backend = Lab.objects(lab.array("node1", "map", "list")).stream().filter(m -> m.getString("name").equals("lb_backends")).findFirst().orElseThrow();
        assertTrue(backend.getInt("entries") > 0);
        slice("storm", a, b);
    }
}
