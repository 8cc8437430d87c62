package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.JsonObject;
import java.util.List;
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

    @Test
    void nothingOfKubeProxyIsNeeded() {
        assertTrue(lab.on("node1", "status").ok().contains("KubeProxyReplacement:    True"));
        assertEquals(0, lab.exec("node1", "sh", "-c", "! iptables-save 2>/dev/null | grep -q KUBE-SVC").exit());
    }
}
