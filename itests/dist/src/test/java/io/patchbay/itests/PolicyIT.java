package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.JsonObject;
import jakarta.json.JsonValue;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Kinds of rules, judged by real clients, and what a user sees of policies: what is in force, and what is not. Every test ends as it began. */
@Tag("dist")
class PolicyIT {
    private static final int REACHED = 0;
    private static final int NO_ANSWER = 4;
    private static final String CNP = """
            ---
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: told, namespace: demo}
            %s
            """;
    private static final String FROM_CLIENT = "{endpointSelector: {matchLabels: {app: client}}, egress: [%s]}";
    private static final String TO_WEB = "{endpointSelector: {matchLabels: {app: web}}, ingress: [%s]}";

    private static Lab lab;
    private static Lab.Pod client;
    private static Lab.Pod web1;
    private static Lab.Pod web2;
    private static Lab.Pod guarded;
    private static Lab.Pod friend;
    private static String vip;
    /** Two addresses of the host outside, which serves at both. */
    private static String near;
    private static String far;

    @BeforeAll
    static void start() {
        lab = Lab.up("pbt-policy");
        // The lab's own policy of these pods would be one more to all that are judged here.
        lab.delete("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: web-from-this-namespace, namespace: demo}\nspec: {endpointSelector: {}, ingress: [{}]}\n").ok();
        client = lab.pod("demo/client", "node1");
        web1 = lab.pod("demo/web", "node1");
        web2 = lab.pod("demo/web", "node2");
        guarded = lab.pod("demo/guarded", "node2");
        friend = lab.pods().stream().filter(p -> p.name().startsWith("demo/friend-")).findFirst().orElseThrow();
        vip = lab.clusterIp("demo", "web");
        near = "172.18.0.2";
        far = lab.status().getJsonObject("outside").getString("address");
        for (String to : List.of(vip + ":80", web1.address() + ":8080", web2.address() + ":8080", near + ":80", far + ":80")) becomes(REACHED, to, "tcp");
        becomes(REACHED, web1.address() + ":0", "icmp");
    }

    @AfterAll
    static void end() {
        if (lab != null) lab.close();
    }

    private static String spec(String spec) {
        return CNP.formatted("spec: " + spec);
    }

    private static void becomes(int exit, String to, String proto) {
        Await.that(proto + " to " + to + " ends with " + exit, () -> lab.probe(client, true, to, proto).exit() == exit);
    }

    /** As seen by packets, and by the translation at the socket. */
    private static void is(int exit, String to, String proto) {
        for (boolean inCgroup : new boolean[] {true, false}) {
            Run.Result r = lab.probe(client, inCgroup, to, proto);
            assertEquals(exit, r.exit(), () -> proto + " to " + to + ": " + r);
        }
    }

    /** With the policy in force on both nodes, and without it again afterwards. */
    private static void with(String documents, Runnable judged) {
        lab.apply(documents).ok();
        try {
            for (String node : List.of("node1", "node2")) Await.that(node + " has the policy", () -> has(node));
            judged.run();
        } finally {
            lab.delete(documents).ok();
        }
        for (String node : List.of("node1", "node2")) Await.that(node + " has it no more", () -> !has(node));
        becomes(REACHED, web1.address() + ":8080", "tcp");
    }

    private static boolean has(String node) {
        JsonObject policy = lab.json(node, "policy", "get").asJsonObject();
        return policy.getJsonArray("notInForce").isEmpty() && policy.get("policy").toString().contains("\"told\"");
    }

    @Test
    void toServicesMeansWhatTheServiceLeadsTo() {
        with(spec(FROM_CLIENT.formatted("{toServices: [{k8sService: {serviceName: web, namespace: demo}}]}")), () -> {
            is(REACHED, vip + ":80", "tcp");
            is(REACHED, web2.address() + ":8080", "udp");
            is(NO_ANSWER, near + ":80", "tcp");
        });
        String service = """
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: away, namespace: demo, labels: {outside: "yes"}}
                spec: {ports: [{port: 80}]}
                ---
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: away-1, namespace: demo, labels: {kubernetes.io/service-name: away}}
                addressType: IPv4
                ports: [{port: 80}]
                endpoints: [{addresses: [%s]}]
                """;
        with(service.formatted(near) + spec(FROM_CLIENT.formatted("{toServices: [{k8sServiceSelector: {namespace: demo, selector: {matchLabels: {outside: 'yes'}}}}]}")), () -> {
            becomes(REACHED, near + ":80", "tcp");
            becomes(REACHED, lab.clusterIp("demo", "away") + ":80", "tcp");
            is(NO_ANSWER, far + ":80", "tcp");
            is(NO_ANSWER, web1.address() + ":8080", "tcp");
            lab.apply(service.formatted(far)).ok();
            becomes(REACHED, far + ":80", "tcp");
            becomes(NO_ANSWER, near + ":80", "tcp");
        });
    }

    /** On the pod's own node, on another one and outside the cluster. */
    @Test
    void theApiServerIsWhereItsEndpointsAre() {
        String endpoints = """
                ---
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
                addressType: IPv4
                ports: [{port: 6443, name: https}]
                endpoints: [{addresses: ["%s"]}]
                """;
        Map<String, String> places = new LinkedHashMap<>();
        places.put(near, near + ":80");
        for (String node : List.of("node1", "node2")) places.put(lab.node(node).getString("address"), lab.node(node).getString("address") + ":4240"); // where health answers
        places.put(far, far + ":80");
        with(spec(FROM_CLIENT.formatted("{toEntities: [kube-apiserver]}")), () -> {
            for (String place : places.values()) is(NO_ANSWER, place, "tcp");
            for (String place : places.keySet()) {
                lab.apply(endpoints.formatted(place)).ok();
                becomes(REACHED, places.get(place), "tcp");
                places.forEach((address, server) -> {
                    if (!address.equals(place)) becomes(NO_ANSWER, server, "tcp");
                    Run.Result trace = lab.on("node1", "policy", "trace", "--src", client.name(), "--dst", address, "--dport", "80");
                    assertEquals(address.equals(place) ? 0 : 1, trace.exit(), trace::toString);
                });
                assertEquals(1, lab.json("node1", "identity", "list").asJsonArray().stream().map(JsonValue::asJsonObject)
                        .filter(i -> i.getInt("id") != 7 && i.get("labels").toString().contains("reserved:kube-apiserver")).count()
                        + (place.equals(lab.node("node2").getString("address")) ? 1 : 0), "another node's is 7");
            }
            // the kernel goes on with it while the agent is away, and afterwards
            lab.patchbay("lab", "restart", "node1").ok();
            is(REACHED, places.get(far), "tcp");
            lab.awaitRunning("node1");
            is(REACHED, places.get(far), "tcp");
            lab.delete(endpoints.formatted(far)).ok();
            becomes(NO_ANSWER, places.get(far), "tcp");
        });
    }

    @Test
    void aGroupOfPrefixesIsWhatItIsNow() {
        String group = """
                ---
                apiVersion: cilium.io/v2
                kind: CiliumCIDRGroup
                metadata: {name: partners, labels: {kind: partner}}
                spec: {externalCIDRs: ["%s/32"]}
                """;
        String policy = spec(FROM_CLIENT.formatted("{toCIDRSet: [{cidrGroupRef: partners}]}"));
        with(group.formatted(near) + policy, () -> {
            is(REACHED, near + ":80", "tcp");
            is(NO_ANSWER, far + ":80", "tcp");
            lab.apply(group.formatted(far)).ok();
            becomes(REACHED, far + ":80", "tcp");
            becomes(NO_ANSWER, near + ":80", "tcp");
        });
        with(group.formatted(near) + spec(FROM_CLIENT.formatted("{toCIDRSet: [{cidrGroupSelector: {matchLabels: {kind: partner}}}]}")), () -> {
            is(REACHED, near + ":80", "tcp");
            is(NO_ANSWER, far + ":80", "tcp");
        });
    }

    @Test
    void aRangeOfPortsEndsWhereItSays() {
        String np = """
                ---
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: told, namespace: demo}
                spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: %d, endPort: %d, protocol: TCP}]}]}
                """;
        for (String policy : List.of(np, spec(TO_WEB.formatted("{fromEntities: [all], toPorts: [{ports: [{port: '%d', endPort: %d, protocol: TCP}]}]}")))) {
            with(String.format(Locale.ROOT, policy, 7001, 8080), () -> {
                is(REACHED, web1.address() + ":8080", "tcp");
                is(REACHED, vip + ":80", "tcp");
                is(NO_ANSWER, web1.address() + ":8080", "udp");
            });
            with(String.format(Locale.ROOT, policy, 8081, 65535), () -> is(NO_ANSWER, web2.address() + ":8080", "tcp"));
            with(String.format(Locale.ROOT, policy, 1, 8079), () -> is(NO_ANSWER, web2.address() + ":8080", "tcp"));
        }
    }

    @Test
    void everyRuleOfSpecsCounts() {
        with(CNP.formatted("specs: [" + FROM_CLIENT.formatted("{toEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: '8080', protocol: TCP}]}]}") + ", "
                + FROM_CLIENT.formatted("{toCIDR: [" + near + "/32]}") + ", " + TO_WEB.formatted("{fromEndpoints: [{matchLabels: {app: client}}]}") + "]"), () -> {
            is(REACHED, web2.address() + ":8080", "tcp");
            is(NO_ANSWER, web2.address() + ":8080", "udp");
            is(REACHED, near + ":80", "tcp");
            is(NO_ANSWER, far + ":80", "tcp");
            assertEquals(NO_ANSWER, lab.probe(friend, true, web1.address() + ":8080", "tcp").exit());
        });
    }

    @Test
    void aTypeOfIcmpIsNotAPortAndNotAnother() {
        String ping = web2.address() + ":0";
        with(spec(TO_WEB.formatted("{fromEntities: [all], icmps: [{fields: [{type: 8, family: IPv4}]}]}")), () -> {
            is(REACHED, ping, "icmp");
            is(NO_ANSWER, web2.address() + ":8080", "tcp");
        });
        with(spec(TO_WEB.formatted("{fromEntities: [all], icmps: [{fields: [{type: EchoReply, family: IPv4}, {type: 13, family: IPv4}]}]}")), () -> is(NO_ANSWER, ping, "icmp"));
        with(spec(TO_WEB.formatted("{fromEntities: [all], toPorts: [{ports: [{port: '8080', protocol: ANY}]}]}")), () -> {
            is(NO_ANSWER, ping, "icmp");
            is(REACHED, web2.address() + ":8080", "udp");
        });
        with(spec("{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEntities: [all]}], ingressDeny: [{fromEntities: [all], icmps: [{fields: [{type: EchoRequest}]}]}]}"), () -> {
            is(NO_ANSWER, ping, "icmp");
            is(REACHED, web2.address() + ":8080", "tcp");
        });
    }

    /** Neither end need be a pod of the node that is asked, and what it says is what happens. */
    @Test
    void aTraceOfPodsElsewhereIsRight() {
        for (Lab.Pod from : List.of(client, friend)) {
            for (String port : List.of("8080/TCP", "8080/UDP", "9/TCP")) {
                String proto = port.endsWith("TCP") ? "tcp" : "udp";
                boolean passes = lab.probe(from, true, guarded.address() + ":" + port.substring(0, port.indexOf('/')), proto).exit() != NO_ANSWER;
                for (String node : List.of("node1", "node2")) {
                    Run.Result r = lab.on(node, "policy", "trace", "--src", from.name(), "--dst", guarded.name(), "--dport", port);
                    assertEquals(passes ? 0 : 1, r.exit(), () -> node + ": " + r);
                    assertTrue(r.out().contains("guarded-by-name"), r.out());
                }
            }
        }
        JsonObject trace = Lab.objects(lab.json("node1", "policy", "trace", "--src", friend.name(), "--dst", guarded.name(), "--dport", "8080/TCP")).get(0);
        assertTrue(trace.getJsonObject("ingress").getString("deciding").contains("demo/guarded-by-name rule 0"), trace.toString());
    }

    @Test
    void auditLetsPassForOneEndpointAndForTheNode() {
        String to = guarded.address() + ":8080";
        is(NO_ANSWER, to, "tcp");
        lab.on("node2", "endpoint", "config", guarded.name(), "PolicyAuditMode=Enabled").ok();
        is(REACHED, to, "tcp");
        assertTrue(lab.on("node2", "endpoint", "config", guarded.name()).ok().matches("(?s)PolicyAuditMode +: Enabled\\s*"));
        Run.Result trace = lab.on("node2", "policy", "trace", "--src", client.name(), "--dst", guarded.name(), "--dport", "8080");
        assertTrue(trace.failed(1).contains("Note: " + guarded.name() + " is in audit mode: ingress passes all the same"), trace.toString());
        Await.that("the flow says AUDIT", () -> lab.on("node2", "hubble", "observe", "--all", "--verdict", "AUDIT").ok().contains(guarded.name() + ":8080"));
        lab.patchbay("lab", "restart", "node2").ok();
        lab.awaitRunning("node2");
        is(REACHED, to, "tcp");
        lab.on("node2", "endpoint", "config", guarded.name(), "PolicyAuditMode=Disabled").ok();
        is(NO_ANSWER, to, "tcp");

        String egress = spec("{endpointSelector: {matchLabels: {app: client}}, egress: [{}]}");
        with(egress, () -> {
            is(NO_ANSWER, near + ":80", "tcp");
            lab.on("node1", "config", "set", "policy.policy-audit-mode=true").ok();
            becomes(REACHED, near + ":80", "tcp");
            is(NO_ANSWER, to, "tcp");
            assertTrue(lab.on("node1", "endpoint", "list").ok().contains("Disabled (Audit)"));
            lab.on("node1", "config", "set", "policy.policy-audit-mode", "--unset").ok();
            becomes(NO_ANSWER, near + ":80", "tcp");
        });
        lab.awaitRunning("node1");
    }

    private static double metric(String node, String name, String label) {
        Optional<String> line = lab.on(node, "metrics", "list", "-p", "^" + name + "$", "-o", "prometheus").ok().lines().filter(l -> !l.startsWith("#") && l.contains(label)).findFirst();
        return Double.parseDouble(line.orElseThrow(() -> new AssertionError("no " + name + " " + label)).replaceAll(".* ", ""));
    }

    private static JsonObject told() {
        return lab.json("node1", "manifests", "get", "cnp", "told", "-n", "demo").asJsonObject();
    }

    /** More entries than the tables have room for: the rules before stay, and everything that speaks of policies says so. */
    @Test
    void whatDoesNotFitIsSeenWhereverOneLooks() {
        String small = spec(TO_WEB.formatted("{fromEndpoints: [{matchLabels: {app: client}}]}"));
        String ranges = IntStream.range(0, 40).mapToObj(i -> "{port: '" + (1600 * i + 1) + "', endPort: " + (1600 * i + 1598) + "}").collect(Collectors.joining(", "));
        String huge = spec(TO_WEB.formatted("{fromCIDR: [" + IntStream.range(0, 250).mapToObj(i -> "198.18." + i + ".0/24").collect(Collectors.joining(", ")) + "], toPorts: [{ports: [" + ranges + "]}]}"));
        with(small, () -> {
            is(REACHED, web1.address() + ":8080", "tcp");
            assertEquals("True", told().getJsonObject("status").getJsonArray("conditions").getJsonObject(0).getString("status"));
            assertEquals(0, metric("node1", "patchbay_policy_not_in_force", ""));
            double failed = metric("node1", "cilium_policy_change_total", "outcome=\"fail\"");
            lab.apply(huge).ok();
            Await.that("node1 has tried", () -> metric("node1", "cilium_policy_change_total", "outcome=\"fail\"") > failed);
            assertEquals(1, metric("node1", "patchbay_policy_not_in_force", ""));
            is(REACHED, web1.address() + ":8080", "tcp");
            assertEquals(NO_ANSWER, lab.probe(friend, true, web1.address() + ":8080", "tcp").exit(), "the tables before");
            Run.Result status = lab.on("node1", "status");
            assertEquals(1, status.exit());
            assertTrue(status.out().contains("last good tables stay in force") && status.out().contains("not in force: CiliumNetworkPolicy demo/told"), status.out());
            assertTrue(lab.on("node1", "policy", "get").ok().contains("Not in force: CiliumNetworkPolicy demo/told"));
            Await.passes("the policy's own status says so, for both nodes", () -> {
                JsonObject now = told().getJsonObject("status");
                JsonObject enforced = now.getJsonArray("conditions").getJsonObject(1);
                assertEquals("Enforced", enforced.getString("type"));
                assertEquals("False", enforced.getString("status"));
                for (String node : List.of("node1", "node2")) {
                    assertTrue(enforced.getString("message").contains(node + ": policy tables need"), enforced.toString());
                    assertFalse(now.getJsonObject("nodes").getJsonObject(node).getBoolean("ok"));
                }
            });
            assertTrue(lab.on("node2", "manifests", "get", "cnp").ok().lines().anyMatch(l -> l.matches("demo +told +True +not on node1,node2")), "and the table");
            lab.apply(small).ok();
            Await.that("all is as before", () -> metric("node1", "patchbay_policy_not_in_force", "") == 0);
            Await.that("the policy's status too", () -> told().getJsonObject("status").getJsonArray("conditions").size() == 1);
        });
        Await.that("the node is healthy", () -> lab.on("node1", "status", "--brief").exit() == 0);
    }

    @Test
    void figuresAreServedToCollectors() {
        String address = lab.node("node1").getString("address");
        String[] curl = {"curl", "-s", "-m", "2", "http://" + address + ":9962/metrics"};
        assertTrue(lab.exec("node2", curl).exit() != 0, "nothing is served unless it is configured");
        lab.on("node1", "config", "set", "metrics.prometheus-serve-addr=:9962").ok();
        try {
            Await.that("node1 serves", () -> lab.exec("node2", curl).exit() == 0);
            is(NO_ANSWER, guarded.address() + ":8080", "tcp");
            String text = lab.exec("node2", curl).ok();
            for (String line : List.of("# TYPE cilium_policy_max_revision gauge", "# TYPE cilium_drop_count_total counter", "cilium_unreachable_nodes 0.0",
                    "cilium_endpoint_state{endpoint_state=\"ready\"} ", "cilium_forward_count_total{direction=\"EGRESS\"} ", "cilium_identity{type=\"cluster_local\"} ",
                    "cilium_bpf_map_pressure{map_name=\"policy\"} ", "patchbay_manifests_problems 0.0", "cilium_process_resident_memory_bytes ")) {
                assertTrue(text.lines().anyMatch(l -> l.startsWith(line)), () -> line + " is missing in\n" + text);
            }
            long pods = lab.pods().stream().filter(p -> p.node().equals("node1")).count();
            assertEquals(pods, metric("node1", "cilium_endpoint", ""));
            String dropped = "direction=\"INGRESS\",reason=\"Policy denied\"";
            double before = metric("node2", "cilium_drop_count_total", dropped);
            assertEquals(NO_ANSWER, lab.probe(client, true, guarded.address() + ":8080", "udp").exit());
            assertTrue(metric("node2", "cilium_drop_count_total", dropped) > before, "the other node dropped it");
            assertTrue(lab.on("node1", "status").ok().lines().anyMatch(l -> l.matches("Metrics: +Ok +:9962")));
            assertTrue(lab.on("node1", "metrics", "list", "-p", "policy").ok().lines().skip(1).allMatch(l -> l.contains("policy")));
            assertTrue(lab.on("node1", "config", "set", "metrics.prometheus-serve-addr=9962").failed(1).contains("prometheus-serve-addr"));
        } finally {
            lab.on("node1", "config", "set", "metrics.prometheus-serve-addr", "--unset").ok();
        }
        Await.that("and no more", () -> lab.exec("node2", curl).exit() != 0);
        lab.awaitRunning("node1");
    }
}
