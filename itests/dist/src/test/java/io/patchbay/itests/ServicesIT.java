package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.JsonObject;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every kind of service, reached by real clients: a pod, the node, a host outside, through the node that has the backend and the one that hasn't. */
@Tag("dist")
class ServicesIT {
    private static final int REACHED = 0;
    private static final int REFUSED = 3;
    private static final int SILENT = 4;

    private static Lab lab;
    private static Lab.Pod client;
    private static Lab.Pod solo;

    @BeforeAll
    static void start() {
        lab = Lab.up("pbt-svc");
        lab.apply(Lab.manifest("services.yaml")).ok();
        Await.that("both pods are ready", () -> lab.pods().stream().filter(p -> p.name().startsWith("svc/") && p.ready()).count() == 2);
        client = lab.pod("svc/client");
        solo = lab.pod("svc/solo");
        for (String node : List.of("node1", "node2")) {
            lab.awaitRunning(node);
            Await.that(node + " knows the backend", () -> lab.on(node, "service", "list").ok().contains("0.0.0.0:30085/TCP"));
            Await.that(node + " leads outside to it", () -> outside(address(node) + ":30085", "tcp") == REACHED);
        }
    }

    @AfterAll
    static void end() {
        if (lab != null) lab.close();
    }

    private static String address(String node) {
        return lab.node(node).getString("address");
    }

    private static int outside(String to, String proto) {
        return lab.exec("outside", "pb-traffic", "probe", "--to", to, "--proto", proto, "--timeout", "1500").exit();
    }

    /** A process of the node itself, in the node's cgroup. */
    private static int onNode(String node, String to, String proto) {
        JsonObject n = lab.node(node);
        return Run.of("bash", "-c", "echo $$ >\"$0/agent/cgroup.procs\" && exec nsenter --net=\"/run/netns/$1\" -- \"${@:2}\"", n.getString("cgroup"),
                n.getString("netns"), Lab.program(), "probe", "--to", to, "--proto", proto, "--timeout", "1500").exit();
    }

    @ParameterizedTest
    @CsvSource({"node1, tcp", "node1, udp", "node2, tcp", "node2, udp"})
    void aNodePortThroughEachNode(String node, String proto) {
        String to = address(node) + ":30085";
        assertEquals(REACHED, outside(to, proto), "from outside");
        assertEquals(REACHED, lab.probe(client, true, to, proto).exit(), "from a pod, at the socket");
        assertEquals(REACHED, lab.probe(client, false, to, proto).exit(), "from a pod, per packet");
        for (String on : List.of("node1", "node2")) {
            assertEquals(REACHED, onNode(on, to, proto), "from " + on);
            assertEquals(REACHED, onNode(on, "127.0.0.1:30085", proto), "at the loopback of " + on);
            assertEquals(REACHED, onNode(on, lab.clusterIp("svc", "solo") + ":80", proto), "the ClusterIP from " + on);
        }
    }

    @ParameterizedTest
    @CsvSource({"node1", "node2"})
    void nobodyThereIsRefusedAtOnceAndMaglevReaches(String node) {
        assertEquals(REFUSED, outside(address(node) + ":30082", "tcp"));
        assertEquals(REFUSED, lab.probe(client, true, address("node1") + ":30082", "tcp").exit());
        assertEquals(REFUSED, lab.probe(client, false, address("node1") + ":30082", "tcp").exit());
        assertEquals(REACHED, outside(address(node) + ":30084", "tcp"));
    }

    /**
     * An error of ICMP finds the side that caused it, whatever was translated in between: a datagram to a port where the backend has nobody, and an answer
     * whose client outside has closed its socket. Each through the backend's node and through the other one, which forwards.
     */
    @ParameterizedTest
    @CsvSource({"node1", "node2"})
    void errorsOfICMPReachTheOtherSide(String node) {
        String nobody = """
                apiVersion: v1
                kind: Service
                metadata: {name: closed, namespace: svc}
                spec:
                  type: NodePort
                  selector: {app: solo}
                  ports: [{port: 80, targetPort: 9, nodePort: 30094, protocol: UDP}]
                """;
        lab.apply(nobody).ok();
        try {
            Await.that("a client outside is refused by the backend's own error", () -> outside(address(node) + ":30094", "udp") == REFUSED);
            assertEquals(REFUSED, lab.probe(client, false, lab.clusterIp("svc", "closed") + ":80", "udp").exit(), "a pod, per packet");
        } finally {
            lab.delete(nobody).ok();
        }
        long before = unreachablesSeen(solo);
        // Each sends one datagram and is gone before the answer comes; on a busy machine the answer may be faster, and no error comes of that.
        Await.that("the backend hears that nobody takes its answers", () -> {
            lab.exec("outside", "bash", "-c", "for i in $(seq 50); do echo gone >/dev/udp/" + address(node) + "/30085; done").ok();
            return unreachablesSeen(solo) > before;
        });
    }

    /** Messages "destination unreachable" that a pod's own kernel took for its sockets' (RFC 4293, icmpInDestUnreachs). */
    private static long unreachablesSeen(Lab.Pod pod) {
        List<String[]> icmp = Run.of("nsenter", "--net=/run/netns/" + pod.netns(), "--", "cat", "/proc/net/snmp").ok().lines().filter(l -> l.startsWith("Icmp: "))
                .map(l -> l.split(" ")).toList();
        return Long.parseLong(icmp.get(1)[List.of(icmp.get(0)).indexOf("InDestUnreachs")]);
    }

    @Test
    void aHostPortIsOnItsPodsNodeAlone() {
        assertEquals(REACHED, outside(address("node2") + ":40000", "tcp"));
        assertEquals(REFUSED, outside(address("node1") + ":40000", "tcp"));
        assertEquals(REACHED, lab.probe(client, true, address("node2") + ":40000", "tcp").exit());
    }

    @Test
    void externalTrafficPolicyLocalItsHealthCheckAndSourceRanges() {
        assertEquals(REACHED, outside(address("node2") + ":30083", "tcp"));
        assertEquals(SILENT, outside(address("node1") + ":30083", "tcp"));
        for (String to : List.of(address("node1") + ":30083", "203.0.113.77:80", "203.0.113.88:80")) {
            assertEquals(REACHED, lab.probe(client, true, to, "tcp").exit(), to + " at the socket");
            assertEquals(REACHED, lab.probe(client, false, to, "tcp").exit(), to + " per packet");
        }
        lab.exec("outside", "ip", "route", "replace", "203.0.113.77/32", "via", address("node2")).ok();
        lab.exec("outside", "ip", "route", "replace", "203.0.113.88/32", "via", address("node2")).ok();
        assertEquals(REACHED, outside("203.0.113.77:80", "tcp"));
        assertEquals(SILENT, outside("203.0.113.88:80", "tcp"), "not in the source ranges");
        lab.exec("outside", "ip", "address", "replace", "192.0.2.9/32", "dev", "lo").ok();
        lab.exec("outside", "ip", "route", "replace", "203.0.113.88/32", "via", address("node2"), "src", "192.0.2.9").ok();
        assertEquals(REACHED, outside("203.0.113.88:80", "tcp"));
        assertTrue(lab.exec("outside", "curl", "-s", "-i", "http://" + address("node2") + ":32555/").ok().startsWith("HTTP/1.1 200"));
        assertTrue(lab.exec("outside", "curl", "-s", "-i", "http://" + address("node1") + ":32555/").ok().startsWith("HTTP/1.1 503"));
    }

    /** Several ports by name and number, endpoints by hand, a balancer's class; and what has no frontend at all. */
    @Test
    void portsByNameEndpointsByHandAndServicesThatAreNothing() {
        lab.apply("""
                apiVersion: v1
                kind: Service
                metadata: {name: named, namespace: svc}
                spec:
                  type: NodePort
                  selector: {app: solo}
                  ports: [{name: one, port: 81, targetPort: http, nodePort: 30091}, {name: two, port: 82, targetPort: 8080, nodePort: 30092}]
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: byhand, namespace: svc}
                spec:
                  type: LoadBalancer
                  loadBalancerClass: example.com/somebody
                  ports: [{port: 80, targetPort: 1, nodePort: 30093}]
                status: {loadBalancer: {ingress: [{ip: 203.0.113.99}]}}
                ---
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: byhand-abc, namespace: svc, labels: {kubernetes.io/service-name: byhand}}
                addressType: IPv4
                endpoints: [{addresses: ["ADDRESS"]}]
                ports: [{port: 8080}]
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: headless, namespace: svc}
                spec: {clusterIP: None, selector: {app: solo}, ports: [{port: 8080}]}
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: elsewhere, namespace: svc}
                spec: {type: ExternalName, externalName: example.com}
                """.replace("ADDRESS", solo.address())).ok();
        String named = lab.clusterIp("svc", "named");
        for (String node : List.of("node1", "node2")) {
            for (String port : List.of("30091", "30092", "30093")) Await.that(port + " through " + node, () -> outside(address(node) + ":" + port, "tcp") == REACHED);
        }
        for (String to : List.of(named + ":81", named + ":82", lab.clusterIp("svc", "byhand") + ":80", "203.0.113.99:80", address("node2") + ":30092")) {
            assertEquals(REACHED, lab.probe(client, true, to, "tcp").exit(), to + " at the socket");
            assertEquals(REACHED, lab.probe(client, false, to, "tcp").exit(), to + " per packet");
            for (String on : List.of("node1", "node2")) assertEquals(REACHED, onNode(on, to, "tcp"), to + " from " + on);
        }
        lab.exec("outside", "ip", "route", "replace", "203.0.113.99/32", "via", address("node1")).ok();
        assertEquals(REACHED, outside("203.0.113.99:80", "tcp"));
        String list = lab.on("node1", "service", "list", "-o", "json").ok();
        assertTrue(list.contains("\"named\"") && !list.contains("headless") && !list.contains("elsewhere"), list);
    }

    @Test
    void aPodReachesItselfWhateverItsPolicy() {
        String to = lab.clusterIp("svc", "solo") + ":80";
        String deny = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: deny, namespace: svc}
                spec:
                  podSelector: {matchLabels: {app: solo}}
                  policyTypes: [Ingress]
                """;
        assertEquals(REACHED, lab.probe(solo, false, to, "tcp").exit());
        lab.apply(deny).ok();
        try {
            Await.that("others are shut out", () -> outside(address("node1") + ":30085", "tcp") == SILENT);
            assertEquals(REACHED, lab.probe(solo, false, to, "tcp").exit(), "per packet");
            assertEquals(REACHED, lab.probe(solo, true, to, "tcp").exit(), "at the socket");
        } finally {
            lab.delete(deny).ok();
            Await.that("the policy is gone", () -> outside(address("node1") + ":30085", "tcp") == REACHED);
        }
    }

    /** Behind translation these connections have one tuple: one straight to the backend, and one through each of two services. */
    @Test
    void socketsWithOnePortReachOneBackendThroughTwoServicesAndDirectly() {
        String[] ways = {solo.address() + ":8080", lab.clusterIp("svc", "solo") + ":80", lab.clusterIp("svc", "maglev") + ":80"};
        Lab.Pod host = new Lab.Pod("outside", "outside", lab.status().getJsonObject("outside").getString("netns"), Path.of("/"), List.of(), true);
        String outside = lab.status().getJsonObject("outside").getString("address");
        try (Traffic t = new Traffic()) {
            for (String to : ways) {
                t.start("from a pod to " + to, client, false, "tcp-rr", "--to", to, "--connections", "1", "--interval-us", "2000", "--bind", client.address() + ":5000",
                        "--until-signal");
            }
            for (String port : List.of("30085", "30084")) {
                t.start("from outside to " + port, host, false, "tcp-rr", "--to", address("node2") + ":" + port, "--connections", "1", "--interval-us", "2000", "--bind",
                        outside + ":5000", "--until-signal");
            }
            Await.that("all are connected", () -> established(solo, 8080) == 5);
            for (int i = 0; i < 3; i++) {
                for (String to : List.of(ways[0], ways[1])) {
                    assertEquals(REACHED, Run.of(Lab.inPod(client, false, Lab.program(), "probe", "--to", to, "--proto", "udp", "--bind", client.address() + ":5000").toArray(
                            String[]::new)).exit(), "a datagram to " + to);
                }
            }
            assertTrue(lab.on("node1", "bpf", "ct", "list").ok().contains("OwnPort=5000"));
            assertTrue(lab.on("node2", "bpf", "ct", "list").ok().contains("OwnPort=5000"));
            t.stopClean();
        }
    }

    /** Connections that a pod's server has, by its own kernel's table. */
    private static long established(Lab.Pod pod, int port) {
        return Run.of("nsenter", "--net=/run/netns/" + pod.netns(), "--", "cat", "/proc/net/tcp", "/proc/net/tcp6").ok().lines().map(l -> l.trim().split("\\s+"))
                .filter(w -> w[1].endsWith(String.format(":%04X", port)) && w[3].equals("01")).count();
    }

    private static final String MORTAL = """
            apiVersion: v1
            kind: Pod
            metadata: {name: mortal, namespace: svc, labels: {app: mortal}}
            spec:
              nodeName: node2
              containers:
                - name: mortal
                  image: patchbay/traffic
                  command: [pb-traffic, serve, --tcp, "8080", --udp, "8080"]
                  readinessProbe:
                    tcpSocket: {port: 8080}
            """;
    private static final String MORTALS_SERVICE = """
            apiVersion: v1
            kind: Service
            metadata: {name: mortal, namespace: svc}
            spec:
              selector: {app: mortal}
              ports:
                - {name: http, port: 80, targetPort: 8080, protocol: TCP}
                - {name: echo, port: 80, targetPort: 8080, protocol: UDP}
            """;

    /** What a client would otherwise wait for until its own patience ends: its backend died without a word. */
    @Test
    void socketsOfADeadBackendAreEnded() {
        lab.apply(MORTALS_SERVICE).ok();
        lab.apply(MORTAL).ok();
        Lab.Pod mortal = Await.value("it is ready", () -> lab.pods().stream().filter(p -> p.name().equals("svc/mortal") && p.ready()).findFirst(), Optional::isPresent).get();
        String to = lab.clusterIp("svc", "mortal") + ":80";
        try (Traffic t = new Traffic()) {
            Await.that("it is reached", () -> lab.probe(client, true, to, "tcp").exit() == REACHED && lab.probe(client, true, to, "udp").exit() == REACHED);
            t.start("streams", client, true, "tcp-rr", "--to", to, "--connections", "2", "--interval-us", "5000", "--timeout-ms", "600000", "--until-signal");
            t.start("datagrams", client, true, "udp-send", "--to", to, "--pps", "50", "--no-hello", "--wait-ms", "1", "--until-signal");
            t.start("a service that lives", client, true, "tcp-rr", "--to", lab.clusterIp("svc", "solo") + ":80", "--connections", "1", "--interval-us", "5000", "--until-signal");
            Await.that("all are connected", () -> established(mortal, 8080) == 2);
            // It says nothing any more, not even that it ends.
            lab.exec(mortal, "ip", "link", "set", "eth0", "down").ok();
            lab.delete(MORTAL).ok();
            Await.that("the node has ended them", () -> lab.on("node1", "status", "--verbose").ok().matches("(?s).*Dead Backends' Sockets: Ended \\([3-9] so far\\).*"));
            Map<String, JsonObject> reports = t.stop();
            assertEquals(2, reports.get("streams").getJsonObject("errors").getInt("ECONNABORTED"), reports.toString());
            assertTrue(reports.get("datagrams").toString().contains("ECONNABORTED"), reports.toString());
            assertTrue(reports.get("a service that lives").getBoolean("clean"), reports.toString());
        } finally {
            lab.delete(MORTALS_SERVICE).ok();
        }
    }

    /** A process of the node that no hook at its socket reaches. */
    private static int outsideTheCgroup(String node, String to, String proto) {
        return lab.exec(node, "pb-traffic", "probe", "--to", to, "--proto", proto, "--timeout", "1500").exit();
    }

    private static final String NODES_OWN = """
            apiVersion: v1
            kind: Service
            metadata: {name: nodes-own, namespace: svc}
            spec: {ports: [{name: tcp, port: 80, targetPort: 7070}, {name: udp, port: 80, targetPort: 7070, protocol: UDP}]}
            ---
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: nodes-own-abc, namespace: svc, labels: {kubernetes.io/service-name: nodes-own}}
            addressType: IPv4
            endpoints: [{addresses: ["ADDRESS"]}]
            ports: [{name: tcp, port: 7070}, {name: udp, port: 7070, protocol: UDP}]
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: silent, namespace: svc}
            spec: {selector: {app: solo}, ports: [{port: 80, targetPort: 9, protocol: UDP}]}
            """;
    private static final String NODES_POLICY = """
            apiVersion: cilium.io/v2
            kind: CiliumClusterwideNetworkPolicy
            metadata: {name: nodes-reach-solo-by-tcp}
            spec:
              nodeSelector: {}
              ingress: [{fromEntities: [cluster]}]
              egress: [{toEntities: [remote-node]}, {toEndpoints: [{matchLabels: {app: solo, "k8s:io.kubernetes.pod.namespace": svc}}], toPorts: [{ports: [{port: "8080", protocol: TCP}]}]}]
            """;

    /** What the node's own processes outside of the cgroup send is translated packet by packet, with a host firewall as without. */
    @Test
    void aProcessOfTheNodeOutsideOfTheCgroupReachesServices() throws Exception {
        String nodesOwn = NODES_OWN.replace("ADDRESS", address("node1"));
        String own = lab.clusterIp("svc", "solo") + ":80";
        Process server = lab.inNode("node1", Lab.program(), "serve", "--tcp", "7070", "--udp", "7070", "--name", "own");
        try (AutoCloseable stop = server::destroyForcibly) {
            lab.apply(nodesOwn).ok();
            for (String node : List.of("node1", "node2")) {
                for (String proto : List.of("tcp", "udp")) {
                    assertEquals(REACHED, outsideTheCgroup(node, own, proto), "a pod from " + node + ", " + proto);
                    Await.that("a process of node1 from " + node + ", " + proto, () -> outsideTheCgroup(node, lab.clusterIp("svc", "nodes-own") + ":80", proto) == REACHED);
                }
                assertEquals(REACHED, outsideTheCgroup(node, "203.0.113.77:80", "tcp"), "an external IP from " + node);
                assertEquals(REFUSED, outsideTheCgroup(node, lab.clusterIp("svc", "nobody") + ":80", "tcp"), "nobody there, from " + node);
                Await.that("the backend's own error reaches " + node, () -> outsideTheCgroup(node, lab.clusterIp("svc", "silent") + ":80", "udp") == REFUSED);
            }
            assertTrue(lab.on("node1", "status").ok().lines().anyMatch(l -> l.startsWith("KubeProxyReplacement:") && l.contains("packet by packet")));
            lab.apply(NODES_POLICY).ok();
            for (String node : List.of("node1", "node2")) lab.on(node, "config", "set", "policy.enable-host-firewall=true").ok();
            try {
                for (String node : List.of("node1", "node2")) {
                    Await.that("policy is asked for the backend, at " + node, () -> outsideTheCgroup(node, own, "udp") == SILENT);
                    for (int i = 0; i < 3; i++) assertEquals(REACHED, outsideTheCgroup(node, own, "tcp"), "what it allows passes, and so do answers, at " + node);
                }
            } finally {
                for (String node : List.of("node1", "node2")) lab.on(node, "config", "set", "policy.enable-host-firewall", "--unset").ok();
                lab.delete(NODES_POLICY).ok();
            }
        } finally {
            lab.delete(nodesOwn);
        }
    }

    @Test
    void nothingOfKubeProxyIsNeeded() {
        assertTrue(lab.on("node1", "status").ok().contains("KubeProxyReplacement:    True"));
        assertEquals(0, lab.exec("node1", "sh", "-c", "! iptables-save 2>/dev/null | grep -q KUBE-SVC").exit());
    }
}
