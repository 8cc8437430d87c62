package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A storm of policies while agents are killed. Some pods, the inner ones, may talk to each other under every policy of the storm: nothing between them breaks or is
 * lost. Others, the lures and the outsiders, may under none talk to these, nor anybody to a lure: nothing of that ever gets through.
 * {@code -Dpatchbay.storm.seconds} makes it longer, {@code -Dpatchbay.storm.seed} repeats one.
 */
@Tag("dist")
class PolicyStormIT {
    private static final int SECONDS = Integer.getInteger("patchbay.storm.seconds", 75);
    /** How much of the log a failure shows. */
    private static final int LAST = Integer.getInteger("patchbay.storm.log", 60);
    /** Between two changes of inner pods' labels: longer than the grace, or none of them would ever be in force. */
    private static final long RELABEL_NANOS = TimeUnit.SECONDS.toNanos(6);
    private static final int MOST_DROPS = 200;
    private static final int BACK_SECONDS = 180;
    private static final int EXTRAS = 8;
    private static final int EXTRA_KINDS = 12;
    private static final int GUARDS = 10;
    private static final int LURES = 4;
    private static final List<String> NODES = List.of("node1", "node2");
    private static final int REACHED = 0;
    private static final int NO_ANSWER = 4;
    private static final String POD = """
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: %s, namespace: %s, labels: {%s}}
            spec: {nodeName: %s, containers: [{name: c, command: [%s], ports: [{name: web, containerPort: 8080}, {name: talk, containerPort: 7001, protocol: UDP}]}]}
            """;
    private static final String SERVE = "pb-traffic, serve, --tcp, \"8080\", --name, c";
    private static final String IDLE = "sleep, infinity";
    private static final String NP = """
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: %s, namespace: storm}
            spec: %s
            """;
    private static final String CNP = """
            ---
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: %s, namespace: storm}
            spec: %s
            """;
    private static final String CCNP = """
            ---
            apiVersion: cilium.io/v2
            kind: CiliumClusterwideNetworkPolicy
            metadata: {name: %s}
            spec: %s
            """;
    private static final String INNER = "{matchLabels: {zone: inner}}";
    /** What the traffic between inner pods needs. */
    private static final String PORTS = "[{ports: [{port: \"8080\", protocol: TCP}, {port: \"7000\", endPort: 7100, protocol: UDP}]}]";
    private static final String NP_PORTS = "[{port: web, protocol: TCP}, {port: 7000, endPort: 7100, protocol: UDP}]";
    private static final String NAMED_PORTS = "[{port: web, protocol: TCP}, {port: talk, protocol: UDP}]";

    private static Lab lab;
    private static long seed;
    private static Random random;
    private static Lab.Pod mover;
    private static Lab.Pod core2;
    private static Lab.Pod hub1;
    private static Lab.Pod hub2;
    private static Lab.Pod lure1;
    private static Lab.Pod lure2;
    private static Lab.Pod outsider;
    private static final List<Lab.Pod> INNERS = new ArrayList<>();
    /** What was done, for whoever reads a failure. */
    private static final List<String> LOG = new ArrayList<>();
    private static final Map<String, CompletableFuture<Void>> AWAY = new HashMap<>();

    @BeforeAll
    static void start() throws IOException {
        seed = Long.getLong("patchbay.storm.seed", System.nanoTime());
        random = new Random(seed);
        lab = Lab.up("pbt-policies");
        file("namespaces", namespaces(0));
        file("pods", pods(0, 0));
        file("outsider", outsider(0));
        Await.that("the storm's pods are there", () -> lab.pods().stream().filter(p -> p.ready() && (p.name().startsWith("storm/") || p.name().startsWith("crowd/"))).count() == 7);
        mover = lab.pod("storm/mover");
        core2 = lab.pod("storm/core2");
        hub1 = lab.pod("storm/hub1");
        hub2 = lab.pod("storm/hub2");
        lure1 = lab.pod("storm/lure1");
        lure2 = lab.pod("storm/lure2");
        outsider = lab.pod("crowd/outsider");
        INNERS.addAll(List.of(mover, core2, hub1, hub2));
        lab.awaitRunning("node1");
        // One that is refused would keep out all that come after it.
        for (int i = 0; i < GUARDS; i++) check(guard(i));
        for (int i = 0; i < LURES; i++) check(lures(i));
        for (int i = 0; i < EXTRA_KINDS; i++) check(extra(0, i));
        guard();
        file("lures", lures(random.nextInt(LURES)));
        for (String node : NODES) {
            lab.awaitRunning(node);
            Await.that(node + " has the first policies", () -> has(node, "lures"));
        }
        for (Lab.Pod hub : List.of(hub1, hub2)) {
            Await.that("the inner pods reach " + hub.name(), () -> reach(mover, hub) == REACHED && reach(core2, hub) == REACHED);
            Await.that("nobody else does", () -> reach(lure1, hub) == NO_ANSWER && reach(lure2, hub) == NO_ANSWER && reach(outsider, hub) == NO_ANSWER);
        }
    }

    @AfterAll
    static void end() {
        if (lab != null) lab.close();
    }

    private static void check(String policy) throws IOException {
        Path file = Files.writeString(lab.directory().resolve("checked.yaml"), policy);
        lab.on("node1", "manifests", "check", "-f", file.toString()).ok();
    }

    /** Whether the policy of that name is in force. */
    private static boolean has(String node, String policy) {
        return lab.on(node, "policy", "get").ok().contains("\"" + policy + "\"");
    }

    private static int reach(Lab.Pod from, Lab.Pod to) {
        return lab.probe(from, true, to.address() + ":8080", "tcp").exit();
    }

    // ---- the world ----

    /** Written aside and renamed: whoever reads the folder sees one or the other. */
    private static void file(String name, String text) {
        try {
            Path file = lab.directory().resolve("cluster/manifests/storm-" + name + ".yaml");
            Path aside = file.resolveSibling("." + file.getFileName());
            Files.writeString(aside, text);
            Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String namespaces(int stage) {
        return "apiVersion: v1\nkind: Namespace\nmetadata: {name: storm, labels: {weather: s" + stage + "}}\n"
                + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: crowd, labels: {team: t" + random.nextInt(3) + "}}\n";
    }

    private static String pods(int inner, int lure) {
        return POD.formatted("mover", "storm", "zone: inner, role: core, turn: t" + inner, "node1", IDLE)
                + POD.formatted("core2", "storm", "zone: inner, role: core", "node2", IDLE)
                + POD.formatted("hub1", "storm", "zone: inner, role: hub", "node1", SERVE)
                + POD.formatted("hub2", "storm", "zone: inner, role: hub", "node2", SERVE)
                + POD.formatted("lure1", "storm", "role: lure, turn: t" + lure, "node1", SERVE)
                + POD.formatted("lure2", "storm", "role: lure, turn: t" + lure, "node2", SERVE);
    }

    /** Somebody whose labels say that he is one of them; his namespace is another. */
    private static String outsider(int turn) {
        return POD.formatted("outsider", "crowd", "role: hub, turn: t" + turn, "node1", IDLE);
    }

    private static String crowd() {
        return IntStream.range(0, 4).filter(i -> random.nextInt(3) > 0)
                .mapToObj(i -> POD.formatted("face" + i, "crowd", "face: f" + random.nextInt(5) + ", zone: z" + random.nextInt(2), NODES.get(random.nextInt(2)), IDLE))
                .collect(Collectors.joining());
    }

    // ---- the policies ----

    /** Always there, and each time another: inner pods talk to each other, lures and outsiders to none of them. */
    private static void guard() {
        String text = guard(random.nextInt(GUARDS));
        note("guard " + text);
        file("guard", text);
    }

    private static String guard(int kind) {
        String strangers = lure1.address() + "/32, " + lure2.address() + "/32, " + outsider.address() + "/32";
        return switch (kind) {
            case 0 -> NP.formatted("guard", "{podSelector: " + INNER + ", policyTypes: [Ingress], ingress: [{from: [{podSelector: " + INNER + "}]}]}");
            case 1 -> NP.formatted("guard", "{podSelector: " + INNER + ", ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: weather, operator: Exists}]}, podSelector: "
                    + INNER + "}], ports: " + NP_PORTS + "}]}");
            case 2 -> NP.formatted("guard", "{podSelector: " + INNER + ", policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: [" + strangers
                    + "]}}]}], egress: [{}]}");
            case 3 -> NP.formatted("guard", "{podSelector: " + INNER + ", policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: " + INNER + "}], ports: " + NAMED_PORTS
                    + "}], egress: [{to: [{podSelector: " + INNER + "}], ports: " + NAMED_PORTS + "}]}");
            case 4 -> CNP.formatted("guard", "{endpointSelector: " + INNER + ", ingress: [{fromEndpoints: [" + INNER + "], toPorts: " + PORTS + "}]}");
            case 5 -> CNP.formatted("guard", "{endpointSelector: " + INNER + ", ingress: [{fromEntities: [cluster]}], ingressDeny: [{fromEndpoints: [{matchLabels: {role: lure}}, "
                    + "{matchLabels: {k8s:io.kubernetes.pod.namespace: crowd}}]}]}");
            case 6 -> CNP.formatted("guard", "{endpointSelector: " + INNER + ", ingress: [{fromEntities: [all], toPorts: " + PORTS + "}], ingressDeny: [{fromEndpoints: [{matchExpressions: "
                    + "[{key: zone, operator: NotIn, values: [inner]}]}, {matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: NotIn, values: [storm]}]}]}]}");
            case 7 -> CCNP.formatted("guard", "{endpointSelector: " + INNER + ", ingress: [{fromEndpoints: [{matchLabels: {zone: inner, k8s:io.kubernetes.pod.namespace: storm}}]}], "
                    + "egress: [{toEndpoints: [" + INNER + "], toPorts: " + PORTS + "}]}");
            case 8 -> CNP.formatted("guard-in", "{endpointSelector: {matchLabels: {role: core}}, ingress: [{fromEndpoints: [" + INNER + "]}], ingressDeny: [{fromEntities: [world]}]}")
                    + NP.formatted("guard", "{podSelector: {matchLabels: {role: hub}}, ingress: [{from: [{podSelector: " + INNER + "}], ports: [{port: 8080}, {protocol: UDP}]}]}");
            default -> CNP.formatted("guard", "{endpointSelector: " + INNER + ", enableDefaultDeny: {ingress: false}, ingress: [{fromCIDR: [192.0.2.0/24]}], ingressDeny: [{fromEndpoints: "
                    + "[{matchLabels: {role: lure}}, {matchLabels: {k8s:io.kubernetes.pod.namespace: crowd}}]}]}");
        };
    }

    /** Nobody reaches a lure. */
    private static String lures(int kind) {
        return switch (kind) {
            case 0 -> NP.formatted("lures", "{podSelector: {matchLabels: {role: lure}}, policyTypes: [Ingress]}");
            case 1 -> CNP.formatted("lures", "{endpointSelector: {matchLabels: {role: lure}}, ingress: [{}]}");
            case 2 -> CNP.formatted("lures", "{endpointSelector: {matchLabels: {role: lure}}, ingressDeny: [{fromEntities: [all]}], egress: [{toEntities: [cluster]}]}");
            default -> CNP.formatted("lures", "{endpointSelector: {matchLabels: {role: lure}}, ingress: [{fromEndpoints: [{matchLabels: {role: nobody}}]}], "
                    + "egressDeny: [{toEndpoints: [" + INNER + "]}]}");
        };
    }

    /** One that comes and goes: it takes nothing from the inner pods and gives nothing to the others. */
    private static String extra(int i, int kind) {
        String name = "extra" + i;
        return switch (kind) {
            case 0 -> CNP.formatted(name, "{endpointSelector: " + INNER + ", ingressDeny: [{fromEndpoints: [{matchLabels: {role: r" + random.nextInt(5) + "}}]}], ingress: [{fromEndpoints: [" + INNER + "]}]}");
            case 1 -> CNP.formatted(name, "{endpointSelector: " + INNER + ", ingress: [{fromCIDRSet: [{cidr: 198.51.0.0/16, except: [198.51." + random.nextInt(200) + ".0/24]}]}, {fromEndpoints: [" + INNER + "]}]}");
            case 2 -> CNP.formatted(name, "{endpointSelector: " + INNER + ", egress: [{toEndpoints: [" + INNER + "]}, {toCIDR: [203.0." + random.nextInt(200) + ".0/24]}]}");
            case 3 -> CNP.formatted(name, "{endpointSelector: " + INNER + ", egress: [{toEntities: [all]}], egressDeny: [{toPorts: [{ports: [{port: \"" + (20000 + random.nextInt(9000))
                    + "\", endPort: " + (30000 + random.nextInt(9000)) + "}]}]}]}");
            case 4 -> CNP.formatted(name, "{endpointSelector: {matchLabels: {role: lure}}, egressDeny: [{toEntities: [cluster]}], egress: [{toEntities: [world]}]}");
            case 5 -> NP.formatted(name, "{podSelector: " + INNER + ", policyTypes: [Egress], egress: [{to: [{podSelector: " + INNER + "}], ports: " + NAMED_PORTS + "}]}");
            case 6 -> NP.formatted(name, "{podSelector: " + INNER + ", policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.244.0.0/16, except: [10.244." + (2 + random.nextInt(200)) + ".0/24]}}]}]}");
            case 7 -> NP.formatted(name, "{podSelector: " + INNER + ", policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {role: r" + random.nextInt(5) + "}}}]}, {from: [{podSelector: "
                    + INNER + "}], ports: [{port: 1000, endPort: " + (9000 + random.nextInt(50000)) + "}, {protocol: UDP}]}]}");
            case 8 -> CCNP.formatted(name, "{endpointSelector: {matchLabels: {k8s:io.kubernetes.pod.namespace: crowd}}, ingress: [{fromEndpoints: [{matchLabels: {zone: z1}}]}], egress: [{toEntities: [all]}]}");
            case 9 -> CCNP.formatted(name, "{endpointSelector: {matchLabels: {k8s:io.cilium.k8s.namespace.labels.team: t1}}, ingressDeny: [{fromEntities: [remote-node]}], egress: [{toEndpoints: [{}]}]}");
            case 10 -> CNP.formatted(name, "{endpointSelector: " + INNER + ", ingress: [{fromEndpoints: [{matchExpressions: [{key: role, operator: In, values: [core, hub]}]}], icmps: [{fields: [{type: "
                    + random.nextInt(16) + "}]}]}, {fromEndpoints: [" + INNER + "], toPorts: " + PORTS + "}]}");
            default -> CNP.formatted(name, "{endpointSelector: " + INNER + ", ingress: [{fromEndpoints: [" + INNER + "]}, {fromCIDR: [" + IntStream.range(0, 60)
                    .mapToObj(n -> "100." + random.nextInt(200) + "." + n + ".0/" + (20 + random.nextInt(9))).collect(Collectors.joining(", ")) + "]}]}");
        };
    }

    // ---- the storm ----

    private static void note(String what) {
        LOG.add(LocalTime.now() + " " + what.replaceAll("\\s+", " "));
    }

    /** The agent of a node is killed, and started again after a while; the storm goes on meanwhile. */
    private static void kill(String node) {
        int wait = random.nextInt(3);
        note("kill " + node + ", away " + wait + " s");
        AWAY.put(node, CompletableFuture.runAsync(() -> lab.patchbay("lab", "restart", node, "--wait", String.valueOf(wait)).ok()));
    }

    private static boolean isAway(String node) {
        return AWAY.containsKey(node) && !AWAY.get(node).isDone();
    }

    private static void allBack() throws InterruptedException {
        for (CompletableFuture<Void> f : AWAY.values()) {
            try {
                f.get(BACK_SECONDS, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                throw new AssertionError("an agent does not come back", e.getCause());
            } catch (java.util.concurrent.TimeoutException e) {
                throw new AssertionError("an agent does not come back within " + BACK_SECONDS + " s", e);
            }
        }
        AWAY.clear();
    }

    /**
     * Labels of inner pods change: they have other identities then, and a node whose agent is away for longer than the grace can't know them. So both agents
     * are there until their kernels do; then they may die again, before the pods have them too.
     */
    private static void relabel(String label, Collection<Lab.Pod> pods, Runnable change) throws InterruptedException {
        allBack();
        note("relabel " + label);
        change.run();
        for (String node : NODES) {
            for (Lab.Pod pod : pods) if (!pod.node().equals(node)) Await.that(node + " knows " + pod.name() + " as " + label, () -> knows(node, pod, label));
        }
        note("known " + label);
    }

    /** Whether the ipcache of a node's kernel has a pod of another node under an identity with that label. */
    private static boolean knows(String node, Lab.Pod pod, String label) {
        int identity = lab.array(node, "ip", "list").getValuesAs(JsonObject.class).stream().filter(e -> e.getString("ip").equals(pod.address() + "/32"))
                .mapToInt(e -> e.getInt("identity")).findFirst().orElse(0);
        return lab.array(node, "identity", "list").getValuesAs(JsonObject.class).stream().filter(e -> e.getInt("id") == identity)
                .anyMatch(e -> e.getJsonArray("labels").getValuesAs(JsonString::getString).contains(label));
    }

    @Test
    void nothingDeniedGetsThroughAndNothingAllowedBreaks() throws Exception {
        try (Drops drops = new Drops(lab, NODES, INNERS.stream().map(Lab.Pod::address).toList())) {
            try {
                storm();
            } catch (AssertionError | Exception e) {
                StringBuilder why = new StringBuilder("seed " + seed + ": " + e.getMessage() + "\nwhat was done last:\n");
                LOG.subList(Math.max(0, LOG.size() - LAST), LOG.size()).forEach(l -> why.append("  ").append(l).append('\n'));
                List<String> dropped = drops.all();
                why.append(dropped.size()).append(" packets dropped between inner pods, the first of them, in UTC:\n");
                dropped.stream().limit(MOST_DROPS).forEach(l -> why.append("  ").append(l).append('\n'));
                for (String node : NODES) {
                    List<String> lines = lab.log(node).lines().toList();
                    why.append("log of ").append(node).append(":\n").append(String.join("\n", lines.subList(Math.max(0, lines.size() - LAST), lines.size()))).append('\n');
                }
                throw new AssertionError(why.toString(), e);
            }
        }
    }

    private static Traffic traffic() {
        Traffic t = new Traffic();
        t.tcp("TCP on one node", mover, true, hub1.address() + ":8080");
        t.tcp("TCP to the other node", mover, true, hub2.address() + ":8080");
        t.tcp("TCP from the other node", core2, true, hub1.address() + ":8080");
        t.duplex("UDP on one node", mover, true, hub1, hub1.address(), 7001, 200);
        t.duplex("UDP across nodes", mover, true, core2, core2.address(), 7001, 200);
        t.duplex("UDP across nodes, back", hub2, true, mover, mover.address(), 7001, 200);
        for (Lab.Pod hub : List.of(hub1, hub2)) {
            for (Lab.Pod from : List.of(lure1, lure2, outsider)) t.refused(from.name() + " to " + hub.name(), from, hub.address() + ":8080");
        }
        t.refused("to a lure on one node", mover, lure1.address() + ":8080");
        t.refused("to a lure on the other", mover, lure2.address() + ":8080");
        t.refusedUdp("UDP on one node", lure1, hub1, 7050, 50);
        t.refusedUdp("UDP across nodes", lure2, hub1, 7051, 50);
        t.refusedUdp("UDP of another namespace", outsider, hub2, 7052, 50);
        t.refusedUdp("UDP to a lure", core2, lure1, 7053, 50);
        return t;
    }

    private static void storm() throws Exception {
        Map<String, Integer> done = new HashMap<>();
        int kills = 0;
        try (Traffic t = traffic()) {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
            int inner = 0;
            int weather = 0;
            int lure = 0;
            long relabelled = System.nanoTime();
            while (System.nanoTime() < end || kills < 3 || inner + weather < 2) {
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(random.nextInt(150)));
                int what = random.nextInt(100);
                if (what < 35) {
                    guard();
                } else if (what < 65) {
                    int i = random.nextInt(EXTRAS);
                    String text = random.nextInt(4) == 0 ? "" : extra(i, random.nextInt(EXTRA_KINDS));
                    note("extra" + i + " " + text);
                    file("extra" + i, text);
                } else if (what < 72) {
                    int kind = random.nextInt(LURES);
                    note("lures " + kind);
                    file("lures", lures(kind));
                } else if (what < 80) {
                    note("crowd");
                    file("crowd", crowd());
                } else if (what < 85) {
                    int turn = ++lure;
                    note("lures turn");
                    file("pods", pods(inner, turn));
                    file("outsider", outsider(turn));
                } else if (what < 88) {
                    if (System.nanoTime() - relabelled < RELABEL_NANOS) continue;
                    if (random.nextInt(3) > 0) {
                        int turn = ++inner;
                        int other = lure;
                        relabel("k8s:turn=t" + turn, List.of(mover), () -> file("pods", pods(turn, other)));
                    } else {
                        int stage = ++weather;
                        relabel("k8s:io.cilium.k8s.namespace.labels.weather=s" + stage, INNERS, () -> file("namespaces", namespaces(stage)));
                    }
                    relabelled = System.nanoTime();
                } else if (what < 90) {
                    file("namespaces", namespaces(weather));
                } else if (what < 94) {
                    String node = NODES.get(random.nextInt(2));
                    if (!isAway(node)) {
                        if (random.nextBoolean()) guard(); // amid its change
                        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(random.nextInt(40)));
                        kill(node);
                        kills++;
                    }
                }
                done.merge("actions", 1, Integer::sum);
            }
            done.putAll(Map.of("kills", kills, "other labels of inner pods", inner + weather));
            note("end: " + done);
            allBack();
            for (String node : NODES) lab.awaitRunning(node);
            t.assertRunning();
            t.stopClean();
        }
        System.out.println("storm of seed " + seed + ": " + done);
        theLastWordCounts();
    }

    /** After the storm every change counts as before, and both nodes have what the folder says. */
    private static void theLastWordCounts() {
        for (int i = 0; i < EXTRAS; i++) file("extra" + i, "");
        file("lures", lures(0)); // others keep the lures from going out
        String last = CNP.formatted("guard", "{endpointSelector: " + INNER + ", ingress: [{fromEndpoints: [{matchLabels: {role: lure}}, {matchLabels: {role: last}}]}]}");
        file("guard", last);
        for (String node : NODES) {
            Await.that(node + " has the last policy", () -> has(node, "last"));
            Await.passes(node + " is healthy", () -> {
                JsonObject status = lab.json(node, "status").asJsonObject();
                assertTrue(status.getBoolean("healthy"), status.toString());
            });
        }
        Await.that("who was kept out comes in", () -> reach(lure1, hub1) == REACHED && reach(lure2, hub1) == REACHED);
        assertEquals(NO_ANSWER, reach(mover, hub1));
        assertEquals(NO_ANSWER, reach(core2, hub1));
        guard();
        Await.that("and the other way about", () -> reach(lure1, hub2) == NO_ANSWER && reach(mover, hub2) == REACHED);
    }
}
