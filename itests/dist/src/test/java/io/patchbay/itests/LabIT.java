package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.JsonObject;
import java.util.ArrayList;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What the lab's user sees, and what the pods get. */
@Tag("dist")
class LabIT {
    private static final int REACHED = 0;
    private static final int REFUSED = 3;
    private static final int NO_ANSWER = 4;

    private static Lab lab;
    private static Lab.Pod client;
    private static Lab.Pod web1;
    private static Lab.Pod web2;
    private static Lab.Pod guarded;
    private static Lab.Pod friend;
    private static String vip;

    @BeforeAll
    static void start() {
        lab = Lab.up("pbt-lab");
        client = lab.pod("demo/client", "node1");
        web1 = lab.pod("demo/web", "node1");
        web2 = lab.pod("demo/web", "node2");
        guarded = lab.pod("demo/guarded", "node2");
        friend = lab.pods().stream().filter(p -> p.name().startsWith("demo/friend-")).findFirst().orElseThrow();
        vip = lab.clusterIp("demo", "web");
        Await.that("the service answers", () -> lab.probe(client, true, vip + ":80", "tcp").exit() == REACHED);
    }

    @AfterAll
    static void end() {
        if (lab != null) {
            lab.close();
        }
    }

    @Test
    void everyRowOfStatusIsThereAndHealthy() {
        for (String node : List.of("node1", "node2")) {
            lab.awaitRunning(node);
            Await.passes(node + " is healthy", () -> {
                JsonObject s = lab.json(node, "status").asJsonObject();
                for (String row : List.of("KVStore", "Kubernetes", "KubeProxyReplacement", "IPAM", "BandwidthManager", "Host Routing", "Masquerading",
                        "Controller Status", "Proxy Status", "Hubble")) {
                    assertTrue(s.containsKey(row), row + " is missing: " + s.keySet());
                }
                s.forEach((row, v) -> assertTrue(row.equals("healthy") || v.asJsonObject().getBoolean("healthy"), row + ": " + v));
                assertTrue(s.getBoolean("healthy"));
            });
        }
        assertTrue(lab.on("node1", "status").ok().lines().anyMatch(l -> l.matches("IPAM: +IPv4: \\d+/254 allocated from 10\\.244\\.0\\.0/24,.*")));
    }

    @Test
    void podsReachWhatTheyMay() {
        String outside = lab.status().getJsonObject("outside").getString("address");
        List<String> wrong = new ArrayList<>();
        for (boolean inCgroup : new boolean[] {true, false}) {
            for (String proto : List.of("tcp", "udp")) {
                expect(wrong, REACHED, "same node", client, inCgroup, web1.address() + ":8080", proto);
                expect(wrong, REACHED, "across nodes", client, inCgroup, web2.address() + ":8080", proto);
                expect(wrong, REACHED, "through a ClusterIP", client, inCgroup, vip + ":80", proto);
                expect(wrong, NO_ANSWER, "refused by policy", client, inCgroup, guarded.address() + ":8080", proto);
            }
            expect(wrong, REACHED, "outside", client, inCgroup, outside + ":80", "tcp");
            expect(wrong, REACHED, "outside", client, inCgroup, outside + ":53", "udp");
            expect(wrong, REACHED, "a friend", friend, inCgroup, guarded.address() + ":8080", "tcp");
            expect(wrong, NO_ANSWER, "a friend at a port that policy leaves out", friend, inCgroup, guarded.address() + ":8080", "udp");
        }
        assertEquals(List.of(), wrong);
    }

    private static void expect(List<String> wrong, int exit, String what, Lab.Pod from, boolean inCgroup, String to, String proto) {
        Run.Result r = lab.probe(from, inCgroup, to, proto);
        if (r.exit() != exit) {
            wrong.add(what + (inCgroup ? " (socket)" : " (packet)") + ": " + r);
        }
    }

    @Test
    void aServiceIsSpreadOverAllItsPods() {
        Set<String> seen = java.util.stream.IntStream.range(0, 24).mapToObj(i -> lab.probe(client, true, vip + ":80", "tcp").ok().strip()).collect(Collectors.toSet());
        assertEquals(Set.of(web1.name().substring(5), web2.name().substring(5)), seen);
    }

    @Test
    void theNodeReachesItsPodsAndTheyReachIt() {
        lab.exec("node1", "pb-traffic", "probe", "--to", friend.address() + ":1", "--timeout", "1500");
        // A friend listens nowhere: its kernel's refusal shows that the packet came there and back.
        String at = friend.node();
        assertEquals(3, lab.exec(at, "pb-traffic", "probe", "--to", friend.address() + ":1", "--timeout", "1500").exit(), "node to pod");
        assertEquals(3, lab.probe(friend, true, lab.node(at).getString("address") + ":1", "tcp").exit(), "pod to node");
    }

    @Test
    void theOutsideSeesTheNode() {
        String outside = lab.status().getJsonObject("outside").getString("address");
        try (Traffic t = new Traffic()) {
            t.start("outside", client, true, "tcp-rr", "--to", outside + ":80", "--connections", "1", "--interval-us", "10000", "--until-signal");
            String seen = Await.value("a connection at the outside host", () -> lab.exec("outside", "cat", "/proc/net/tcp", "/proc/net/tcp6").ok().lines()
                    .map(l -> l.trim().split("\\s+")).filter(w -> w.length > 3 && w[1].endsWith(":0050") && w[3].equals("01")).map(w -> w[2]).collect(Collectors.joining(",")), s -> !s.isEmpty());
            String[] bytes = lab.node("node1").getString("address").split("\\.");
            String wanted = String.format("%02X%02X%02X%02X:", Integer.valueOf(bytes[3]), Integer.valueOf(bytes[2]), Integer.valueOf(bytes[1]), Integer.valueOf(bytes[0]));
            assertTrue(seen.contains(wanted), "the caller is node1 (" + wanted + "): " + seen);
            t.stopClean();
        }
    }

    @Test
    void flowsAreSeenWithNamesAndVerdicts() {
        lab.probe(client, true, web1.address() + ":8080", "tcp").ok();
        lab.probe(client, true, web2.address() + ":8080", "udp").ok();
        Await.passes("the flows are there", () -> {
            List<JsonObject> flows = lab.on("node1", "hubble", "observe", "--pod", client.name(), "--last", "400", "-o", "json").ok().lines()
                    .map(l -> Lab.parse(l).asJsonObject()).map(f -> f.containsKey("flow") ? f.getJsonObject("flow") : f).toList();
            for (Lab.Pod to : List.of(web1, web2)) {
                assertTrue(flows.stream().anyMatch(f -> pod(f, "source").equals(client.name()) && pod(f, "destination").equals(to.name())
                        && f.getString("verdict").equals("FORWARDED")), "to " + to.name() + ": " + flows);
            }
        });
        assertEquals(NO_ANSWER, lab.probe(client, true, guarded.address() + ":8080", "tcp").exit());
        Await.passes("the refusal is there", () -> {
            String table = lab.on("node2", "hubble", "observe", "--verdict", "DROPPED", "--pod", guarded.name(), "-o", "table").ok();
            assertTrue(table.lines().findFirst().orElse("").matches("TIMESTAMP +SOURCE +DESTINATION +TYPE +VERDICT +SUMMARY"), table);
            assertTrue(table.lines().anyMatch(l -> l.contains(client.name()) && l.contains(guarded.name()) && l.contains("DROPPED")), table);
            assertTrue(table.contains("Policy denied") || table.contains("policy-verdict"), table);
        });
    }

    private static String pod(JsonObject flow, String end) {
        JsonObject o = flow.getJsonObject(end);
        return o == null ? "" : o.getString("namespace", "") + "/" + o.getString("pod_name", "");
    }

    @Test
    void listsAgreeWithTheCluster() {
        List<JsonObject> services = Lab.objects(lab.json("node1", "service", "list"));
        JsonObject tcp = services.stream().map(s -> s.getJsonObject("status").getJsonObject("realized")).filter(
                s -> s.getJsonObject("frontend-address").getString("ip").equals(vip) && s.getJsonObject("frontend-address").getString("protocol").equals("TCP")).findFirst().orElseThrow();
        assertEquals(Set.of(web1.address() + ":8080", web2.address() + ":8080"), Lab.objects(tcp.get("backend-addresses")).stream()
                .map(b -> b.getString("ip") + ":" + b.getInt("port")).collect(Collectors.toSet()));
        for (String node : List.of("node1", "node2")) {
            Set<String> wanted = lab.pods().stream().filter(p -> p.node().equals(node)).map(p -> p.name() + " " + p.address()).collect(Collectors.toSet());
            Set<String> shown = Lab.objects(lab.json(node, "endpoint", "list")).stream().filter(e -> !e.getString("pod").isEmpty() && e.getString("state").equals("ready") && e.getBoolean("inKernel"))
                    .map(e -> e.getString("namespace") + "/" + e.getString("pod") + " " + e.getJsonArray("addresses").getString(0)).collect(Collectors.toSet());
            assertEquals(wanted, shown);
        }
        assertEquals(identities("node1"), identities("node2"), "a number means the same on every node");
        assertTrue(identities("node1").keySet().stream().anyMatch(i -> i >= 256));
        assertEquals(2, lab.array("node1", "node", "list").size());
    }

    private static Map<Integer, String> identities(String node) {
        return Lab.objects(lab.json(node, "identity", "list")).stream().collect(Collectors.toMap(i -> i.getInt("id"), i -> i.get("labels").toString()));
    }

    private static final String POD = """
            apiVersion: v1
            kind: Pod
            metadata: {name: %s, namespace: demo, labels: {app: %s}}
            spec:
              nodeName: node1
              containers:
                - {name: idle, image: patchbay/traffic, command: [sleep, infinity]}
            """;

    private static Lab.Pod ready(String name) {
        return Await.value(name + " is ready", () -> lab.pods().stream().filter(p -> p.name().equals(name) && p.ready()).findFirst(), java.util.Optional::isPresent).get();
    }

    @Test
    void aPodCantSpeakForAnother() {
        String manifest = POD.formatted("impostor", "client");
        lab.apply(manifest).ok();
        try {
            Lab.Pod impostor = ready("demo/impostor");
            assertEquals(REACHED, lab.probe(impostor, true, web1.address() + ":8080", "tcp").exit());
            String other = "10.244.0.250";
            Run.of("ip", "-n", impostor.netns(), "address", "add", other + "/32", "dev", "eth0").ok();
            for (String proto : List.of("tcp", "udp")) {
                for (Lab.Pod to : List.of(web1, web2)) {
                    assertEquals(NO_ANSWER, lab.exec(impostor, "pb-traffic", "probe", "--to", to.address() + ":8080", "--bind", other + ":0", "--proto", proto,
                            "--timeout", "700").exit(), proto + " from another address");
                }
            }
            Await.passes("the drops are seen", () -> assertTrue(lab.on("node1", "hubble", "observe", "--verdict", "DROPPED", "--ip", other).ok().contains("Invalid source"),
                    lab.on("node1", "hubble", "observe", "--verdict", "DROPPED", "--last", "5").ok()));
            // A changed MAC makes a kernel forget its neighbours; they are put back, so that only the MAC is another's.
            String neighbours = Run.of("ip", "-n", impostor.netns(), "neighbour", "show", "dev", "eth0").ok();
            Run.of("ip", "-n", impostor.netns(), "link", "set", "eth0", "address", "02:00:00:00:be:ef").ok();
            neighbours.lines().map(l -> l.split(" ")).filter(w -> w.length > 2 && w[1].equals("lladdr")).forEach(
                    w -> Run.of("ip", "-n", impostor.netns(), "neighbour", "replace", w[0], "lladdr", w[2], "dev", "eth0").ok());
            assertEquals(NO_ANSWER, lab.probe(impostor, true, web1.address() + ":8080", "tcp").exit(), "from another MAC");
        } finally {
            lab.delete(manifest).ok();
        }
    }

    @Test
    void nothingIsFragmentedOnTheWay() {
        assertTrue(Run.of("ip", "-n", client.netns(), "route", "get", web2.address()).ok().contains("mtu 1450"), "the route knows what the tunnel takes");
        long before = fragments();
        try (Traffic t = new Traffic()) {
            t.start("bulk", client, true, "tcp-rr", "--to", web2.address() + ":8080", "--connections", "2", "--size", "1000000", "--seconds", "2");
            Map<String, JsonObject> r = t.endClean();
            assertTrue(Traffic.amount(r.get("bulk")) > 5, r.toString());
        }
        assertEquals(before, fragments(), "FragCreates of both nodes");
    }

    private static long fragments() {
        long sum = 0;
        for (String node : List.of("node1", "node2")) {
            List<String[]> ip = lab.exec(node, "cat", "/proc/net/snmp").ok().lines().filter(l -> l.startsWith("Ip:")).map(l -> l.split(" ")).toList();
            sum += Long.parseLong(ip.get(1)[List.of(ip.get(0)).indexOf("FragCreates")]);
        }
        return sum;
    }

    @Test
    void bandwidthIsLimitedByAnnotation() {
        // 50 Mbit/s: what it echoes in 3 s is below 50 Mbit/s plus the bucket, and the unlimited pod's is far above.
        long limited = echoed(friend, guarded.address() + ":8080");
        long free = echoed(client, web2.address() + ":8080");
        assertTrue(limited < 3 * 50_000_000L / 8 * 13 / 10, "limited pod sent " + limited + " bytes in 3 s");
        assertTrue(limited > 3 * 50_000_000L / 8 / 4, "limited pod sent only " + limited + " bytes in 3 s");
        assertTrue(free > 2 * limited, "unlimited: " + free + ", limited: " + limited);
    }

    private static long echoed(Lab.Pod from, String to) {
        try (Traffic t = new Traffic()) {
            t.start("bulk", from, true, "tcp-rr", "--to", to, "--connections", "4", "--size", "100000", "--seconds", "3", "--timeout-ms", "10000");
            return Traffic.amount(t.endClean().get("bulk")) * 100_000;
        }
    }

    @Test
    void aPolicyChangesUnderItsPods() {
        String policy = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: shut, namespace: demo}
                spec:
                  podSelector:
                    matchLabels: {app: client}
                  policyTypes: [Egress]
                """;
        assertEquals(REACHED, lab.probe(client, true, web1.address() + ":8080", "tcp").exit());
        lab.apply(policy).ok();
        Await.that("the client may not speak", () -> lab.probe(client, true, web1.address() + ":8080", "tcp").exit() == NO_ANSWER);
        lab.delete(policy).ok();
        Await.that("the client may speak again", () -> lab.probe(client, true, web1.address() + ":8080", "tcp").exit() == REACHED);
    }

    @Test
    void aChangedLabelChangesWhatAPodMay() {
        lab.apply(POD.formatted("turncoat", "stranger")).ok();
        try {
            Lab.Pod turncoat = ready("demo/turncoat");
            assertEquals(NO_ANSWER, lab.probe(turncoat, true, guarded.address() + ":8080", "tcp").exit());
            String before = lab.on("node1", "ip", "list").ok().lines().filter(l -> l.contains(turncoat.address())).findFirst().orElseThrow();
            lab.apply(POD.formatted("turncoat", "friend")).ok();
            Await.that("it is a friend now", () -> lab.probe(turncoat, true, guarded.address() + ":8080", "tcp").exit() == REACHED);
            assertEquals(turncoat.address(), lab.pod("demo/turncoat").address(), "the same pod");
            assertNotEquals(before, lab.on("node1", "ip", "list").ok().lines().filter(l -> l.contains(turncoat.address())).findFirst().orElseThrow());
            lab.apply(POD.formatted("turncoat", "stranger")).ok();
            Await.that("it is none any more", () -> lab.probe(turncoat, true, guarded.address() + ":8080", "tcp").exit() == NO_ANSWER);
        } finally {
            lab.delete(POD.formatted("turncoat", "stranger")).ok();
        }
        Await.that("the pod is gone", () -> lab.pods().stream().noneMatch(p -> p.name().equals("demo/turncoat")));
        assertFalse(lab.namespaces().stream().anyMatch(n -> n.contains("turncoat")));
    }

    private static final String CNP = """
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: told, namespace: demo}
            spec: %s
            """;

    @Test
    void anOpenConnectionFollowsThePolicyAndAnswersPass() {
        String shut = CNP.formatted("{endpointSelector: {matchLabels: {app: web}}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: client}}]}], ingress: [{fromEntities: [all]}]}");
        try (Lab.Talk talk = lab.talk(client, web1.address(), 8080)) {
            assertTrue(talk.isHeard());
            lab.apply(shut).ok();
            Await.that("the next packet is refused", () -> !talk.isHeard());
            // the other way about: the server's pod may speak to nobody, and still answers
            lab.apply(CNP.formatted("{endpointSelector: {matchLabels: {app: web}}, egress: [{}]}")).ok();
            Await.that("answers pass a closed direction", talk::isHeard);
            assertEquals(NO_ANSWER, lab.probe(web1, true, web2.address() + ":8080", "tcp").exit());
        } finally {
            lab.delete(shut).ok();
        }
        Await.that("all is open again", () -> lab.probe(web1, true, web2.address() + ":8080", "tcp").exit() == REACHED);
    }

    @Test
    void aNamespacesLabelsAreItsPods() {
        String namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: demo, labels: {stage: %s}}}";
        String policy = CNP.formatted("{endpointSelector: {matchLabels: {app: web}}, ingressDeny: [{fromEndpoints: [{matchLabels: "
                + "{app: client, k8s:io.cilium.k8s.namespace.labels.stage: live}}]}]}");
        lab.apply(policy).ok();
        try (Lab.Talk talk = lab.talk(client, web2.address(), 8080)) {
            Await.that("the policy is in force", () -> lab.on("node2", "policy", "get").ok().contains("namespace.labels.stage"));
            assertTrue(talk.isHeard(), "a namespace without the label");
            lab.apply(namespace.formatted("live")).ok();
            Await.that("with it, an open connection too", () -> !talk.isHeard());
            assertEquals(NO_ANSWER, lab.probe(client, true, web2.address() + ":8080", "tcp").exit());
            lab.apply(namespace.formatted("gone")).ok();
            Await.that("with another", () -> lab.probe(client, true, web2.address() + ":8080", "tcp").exit() == REACHED);
        } finally {
            lab.delete(policy).ok();
            lab.apply("{apiVersion: v1, kind: Namespace, metadata: {name: demo}}").ok();
        }
    }

    @Test
    void theRingTellsWhatAPolicyWouldChange() {
        assertEquals(REACHED, lab.probe(client, true, web2.address() + ":8080", "tcp").exit());
        assertEquals(REACHED, lab.probe(friend, true, guarded.address() + ":8080", "tcp").exit());
        String file = lab.directory().resolve("diff.yaml").toString();
        write(file, CNP.formatted("{endpointSelector: {matchLabels: {app: web}}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: client}}]}]}"));
        JsonObject diff = lab.json("node1", "policy", "diff", file).asJsonObject();
        JsonObject row = Lab.objects(diff.get("changed")).stream().filter(r -> r.getString("source").equals(client.name())
                && r.getString("destination").equals(web2.name()) && r.getInt("port", 0) == 8080).findFirst().orElseThrow(() -> new AssertionError(diff));
        assertTrue(row.getJsonObject("now").getBoolean("allowed"));
        assertEquals(181, row.getJsonObject("then").getInt("reason"));
        assertTrue(row.getJsonObject("then").getString("decidedBy").contains("denied by CiliumNetworkPolicy demo/told rule 0 ingressDeny[0]"), row.toString());
        assertTrue(Lab.objects(diff.get("changed")).stream().noneMatch(r -> r.getString("destination").equals(guarded.name())), diff.toString());
        String beside = Path.of("").toAbsolutePath().relativize(Path.of(file)).toString();
        Run.Result named = lab.on("node1", "policy", "diff", beside, "--conn", client.name() + "," + web2.name() + ",8080/TCP");
        assertTrue(named.ok().lines().anyMatch(l -> l.matches("- +" + client.name() + " +" + web2.name() + ":8080 +TCP +ALLOWED +DENIED .*")), named.out());
        assertTrue(lab.on("node1", "policy", "diff", "nix.yaml").failed(1).contains("there is no file " + Path.of("nix.yaml").toAbsolutePath()));
        assertTrue(lab.on("node1", "policy", "diff", file).ok().contains("connections would change"));
        assertEquals(REACHED, lab.probe(client, true, web2.address() + ":8080", "tcp").exit(), "nothing was applied");
        lab.on("node1", "feature", "disable", "hubble").ok();
        try {
            assertTrue(lab.on("node1", "policy", "diff", file).failed(1).contains("hubble is not running"));
        } finally {
            lab.on("node1", "feature", "enable", "hubble").ok();
        }
    }

    private static void write(String file, String text) {
        try {
            java.nio.file.Files.writeString(java.nio.file.Path.of(file), text);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static final String HOST_POLICY = """
            apiVersion: cilium.io/v2
            kind: CiliumClusterwideNetworkPolicy
            metadata: {name: nodes}
            spec:
              nodeSelector: {}
              ingress:
              - fromEntities: [world]
                toPorts: [{ports: [{port: "%s", protocol: TCP}]}]
              - fromEntities: [remote-node]
                toPorts: [{ports: [{port: "8472", protocol: UDP}, {port: "4240", protocol: TCP}]}]
              egress:
              - toEntities: [cluster]
              - toCIDR: ["%s/32"]
                toPorts: [{ports: [{port: "80", protocol: TCP}]}]
            """;

    private static int outside(String to) {
        return lab.exec("outside", "pb-traffic", "probe", "--to", to, "--proto", "tcp", "--timeout", "1500").exit();
    }

    private static int fromNode1(String to) {
        return lab.exec("node1", "pb-traffic", "probe", "--to", to, "--proto", "tcp", "--timeout", "1500").exit();
    }

    @Test
    void aHostFirewallProtectsItsNode() {
        String node1 = lab.node("node1").getString("address");
        String world = lab.status().getJsonObject("outside").getString("address");
        String policy = HOST_POLICY.formatted("22", world);
        Process server = lab.inNode("node1", Lab.program(), "serve", "--tcp", "22", "--tcp", "2222", "--name", "node1");
        try (AutoCloseable stop = server::destroyForcibly) {
            Await.that("the node serves", () -> outside(node1 + ":2222") == REACHED);
            lab.apply(policy).ok();
            Await.that("the policy is known", () -> lab.on("node1", "policy", "get").ok().contains("nodeSelector"));
            assertEquals(REACHED, outside(node1 + ":2222"), "without enable-host-firewall it has no effect");
            assertTrue(lab.on("node1", "status").ok().lines().anyMatch(l -> l.matches("Host firewall: +Disabled.*")));
            lab.on("node1", "config", "set", "policy.enable-host-firewall=true").ok();
            Await.that("what no rule allows is refused", () -> outside(node1 + ":2222") == NO_ANSWER);
            assertEquals(REACHED, outside(node1 + ":22"));
            assertEquals(REACHED, fromNode1(world + ":80"));
            assertEquals(NO_ANSWER, fromNode1(world + ":53"), "no rule lets the node out to there");
            assertEquals(NO_ANSWER, lab.probe(client, true, node1 + ":22", "tcp").exit(), "the rule is about the world, not about pods");
            assertEquals(REACHED, lab.probe(client, true, web2.address() + ":8080", "tcp").exit(), "across nodes");
            assertEquals(REACHED, fromNode1(web1.address() + ":8080"), "the node to its pod");
            assertEquals(REACHED, lab.probe(client, true, world + ":80", "tcp").exit(), "masqueraded");
            lab.exec("node2", "curl", "-s", "-m", "2", "http://" + node1 + ":4240/hello").ok();
            lab.exec("node1", "curl", "-s", "-m", "2", "http://" + lab.node("node2").getString("address") + ":4240/hello").ok();
            assertTrue(lab.on("node1", "status").ok().lines().anyMatch(l -> l.matches("Host firewall: +Enabled +\\[eth0\\].*")));
            assertTrue(lab.on("node1", "endpoint", "list").ok().lines().anyMatch(l -> l.matches("65535 +Enabled +Enabled +1 +.*")));
            assertTrue(lab.on("node1", "bpf", "policy", "get", "host", "-n").ok().lines().anyMatch(l -> l.matches("Allow +Ingress +2 +22/TCP .*")));
            assertEquals(0, lab.on("node1", "policy", "trace", "--src", world, "--dst", "node1", "--dport", "22/TCP").exit());
            assertEquals(1, lab.on("node1", "policy", "trace", "--src", world, "--dst", "node1", "--dport", "2222/TCP").exit());
            String flows = lab.on("node1", "hubble", "observe", "--all", "-o", "json").ok();
            assertTrue(flows.lines().anyMatch(l -> l.contains("\"ingress_allowed_by\":[{\"name\":\"nodes\"")), "the rule is named");
            assertTrue(flows.lines().anyMatch(l -> l.contains("\"POLICY_DENIED\"") && l.contains("\"destination_port\":2222")), "so is what was refused");

            try (Lab.Talk talk = lab.talk("outside", node1, 22)) {
                assertTrue(talk.isHeard());
                lab.apply(HOST_POLICY.formatted("23", world)).ok();
                Await.that("an open connection follows", () -> !talk.isHeard());
                lab.apply(policy).ok();
                Await.that("and goes on", talk::isHeard);
            }
            lab.on("node1", "endpoint", "config", "host", "PolicyAuditMode=Enabled").ok();
            Await.that("audit lets pass", () -> outside(node1 + ":2222") == REACHED);
            assertTrue(lab.on("node1", "endpoint", "list").ok().contains("Disabled (Audit)"));
            assertTrue(lab.on("node1", "hubble", "observe", "--all", "--verdict", "AUDIT").ok().contains(":2222"));
            lab.on("node1", "endpoint", "config", "host", "PolicyAuditMode=Disabled").ok();
            Await.that("and then no more", () -> outside(node1 + ":2222") == NO_ANSWER);
            lab.on("node1", "config", "set", "policy.enable-host-firewall", "--unset").ok();
            Await.that("without it nothing is asked", () -> outside(node1 + ":2222") == REACHED);
            assertEquals(REFUSED, fromNode1(world + ":53"), "nobody listens there, which the node hears again");
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Exception e) {
            throw new AssertionError(e);
        } finally {
            lab.on("node1", "config", "set", "policy.enable-host-firewall", "--unset"); // if it came so far, it was unset before
            lab.delete(policy).ok();
        }
        lab.awaitRunning("node1");
    }

    @Test
    void aBrokenManifestIsRefusedWhole() {
        String said = lab.apply("""
                apiVersion: v1
                kind: ConfigMap
                metadata: {name: innocent, namespace: demo}
                data: {a: b}
                ---
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: broken, namespace: demo}
                spec:
                  podSelektor: {}
                """).failed(1);
        for (String part : List.of(".yaml", "document 2", "podSelektor")) {
            assertTrue(said.contains(part), "names " + part + ": " + said);
        }
        assertTrue(lab.cluster("configmaps").stream().noneMatch(c -> c.getJsonObject("metadata").getString("name").equals("innocent")), "nothing of it was applied");
        assertEquals(REACHED, lab.probe(client, true, vip + ":80", "tcp").exit());
    }

    /** What a tool that knows metatype sees, by the framework's own service: every feature with configuration, a key of each type. */
    @Test
    void formsOfTheConfigurationAreThere() {
        String lifecycle = lab.bundle("node1", "lifecycle");
        String pids = lab.on("node1", "shell", "inspect", "cap", "service", lifecycle).ok();
        assertTrue(pids.contains("MetaTypeProvider") && pids.contains("metatype.pid"), pids);
        for (String feature : List.of("hubble", "policy", "service-lb", "ipam")) {
            assertTrue(pids.contains("io.patchbay." + feature), feature + ": " + pids);
        }
    }

    @Test
    void healthIsThereForTools() {
        List<JsonObject> nodes = Lab.objects(lab.json("node1", "health"));
        assertEquals(Set.of("node1", "node2"), nodes.stream().map(n -> n.getString("node")).collect(Collectors.toSet()));
        for (JsonObject n : nodes) {
            assertTrue(n.getBoolean("reachable") && n.getJsonNumber("rttNanos").longValue() > 0, n.toString());
            assertEquals(n.getString("node").equals("node1"), n.getBoolean("local"));
        }
    }

    @Test
    void commandsFailAsTheyShould() {
        assertTrue(lab.on("node1", "nonsense").failed(2).contains("nonsense"));
        assertEquals(2, lab.on("node1", "feature", "enable").exit());
        assertTrue(lab.on("node1", "feature", "enable", "nonsense").failed(1).contains("nonsense"));
        assertTrue(lab.on("node1", "service").failed(2).contains("service list"));
        assertTrue(lab.on("node1", "config", "set", "hubble.flow-buffer-size=abc").failed(1).contains("'abc' is none of"));
        List<String> taken = new ArrayList<>();
        for (String command : List.of("status", "service list", "endpoint list", "identity list", "policy get", "ip list", "node list", "map list", "feature list", "config get",
                "version", "datapath show", "health")) {
            for (String more : List.of("extra words", "--nonsense", "-o nonsense")) {
                int exit = lab.on("node1", (command + " " + more).split(" ")).exit();
                if (exit != 2) {
                    taken.add(command + " " + more + ": " + exit);
                }
            }
        }
        assertEquals(List.of(), taken, "wrong usage is refused");
        for (String words : List.of("down extra", "restart node1 --wait", "restart node1 --wait soon", "restart node7", "check extra", "status -o yaml", "get", "exec", "apply", "up extra")) {
            assertEquals(2, lab.patchbay(("lab " + words).split(" ")).exit(), "lab " + words);
        }
        assertTrue(lab.on("node9", "status").failed(1).contains("agent"));
        assertTrue(lab.on("node1", "feature", "disable", "conntrack").failed(1).contains("can't be disabled"));
        assertTrue(lab.on("node1", "feature", "disable", "policy").failed(1).contains("--override"));
    }
}
