package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.itests.variants.FeatureVariant;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * The promise: features change while traffic flows between pods on one node, across nodes, through a ClusterIP and to the outside, and no packet is
 * lost, no connection broken, none let in that policy refuses. Traffic is counted by processes of its own and by the ledger.
 */
@Tag("dist")
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class SwapIT {
    /** Seconds that a killed agent stays away. */
    private static final String AWAY = System.getProperty("patchbay.away", "5");
    private static final int PPS = Proof.PPS;

    @TempDir
    static Path jars;
    private static Proof proof;
    private static Lab lab;
    private static Lab.Pod left;
    private static Lab.Pod right;
    private static Lab.Pod farRight;
    private static Lab.Pod server1;
    private static Lab.Pod server2;
    private static Lab.Pod stranger;
    private static Lab.Pod packets;
    private static String echo;

    @BeforeAll
    static void start() {
        proof = Proof.up("pbt-swap", jars);
        lab = proof.lab;
        left = proof.left;
        right = proof.right;
        farRight = proof.farRight;
        server1 = proof.server1;
        server2 = proof.server2;
        stranger = proof.stranger;
        packets = proof.packets;
        echo = proof.echo;
    }

    @AfterAll
    static void end() {
        if (proof != null) {
            proof.close();
        }
    }

    private static Traffic traffic() {
        return proof.traffic();
    }

    private static String outside() {
        return proof.outside();
    }

    private static List<Ledger> change(String node, String... command) {
        return proof.change(node, command);
    }

    private static int last(String node) {
        return proof.last(node);
    }

    private static Path newer(String feature) throws IOException {
        return proof.newer(feature);
    }

    private static void isRunning(String node, String feature) {
        proof.isRunning(node, feature);
    }

    /** On both nodes, at the same time: traffic between them then meets two changes. */
    @Test
    @Order(1)
    void everyFeatureIsUpdatedAndRolledBack() throws IOException {
        List<String> failures = Collections.synchronizedList(new ArrayList<>());
        try (Traffic t = traffic()) {
            for (String feature : lab.features("node1").keySet()) {
                Path jar = newer(feature);
                Proof.onBoth(node -> {
                    try {
                        String old = lab.feature(node, feature).getString("version");
                        change(node, "feature", "update", jar.toString());
                        isRunning(node, feature);
                        String version = Proof.version(jar);
                        assertEquals(version, lab.feature(node, feature).getString("version"));
                        assertTrue(lab.feature(node, feature).getString("summary").endsWith("(" + version + ")"));
                        change(node, "feature", "rollback", feature);
                        isRunning(node, feature);
                        assertEquals(old, lab.feature(node, feature).getString("version"));
                    } catch (AssertionError e) {
                        failures.add(feature + " on " + node + ": " + e.getMessage());
                    }
                });
            }
            t.stopClean();
        }
        assertEquals(List.of(), failures);
    }

    @Test
    @Order(2)
    void featuresAreDisabledAndEnabled() {
        // Traffic that needs none of these is not to notice; what needs one has its own part below.
        List<String> failures = new ArrayList<>();
        try (Traffic t = new Traffic()) {
            t.duplex("UDP on one node", left, true, right, right.address(), 7001, PPS);
            t.duplex("UDP across nodes", left, true, farRight, farRight.address(), 7002, PPS);
            t.tcp("TCP on one node", left, true, server1.address() + ":9000");
            t.tcp("TCP across nodes", left, true, server2.address() + ":9000");
            for (String feature : List.of("bandwidth", "cni", "cluster-manifests", "hubble", "policy")) {
                try {
                    change("node1", feature.equals("policy") ? new String[] {"feature", "disable", feature, "--override"} : new String[] {"feature", "disable", feature});
                    assertEquals("Disabled", lab.feature("node1", feature).getString("state"));
                    change("node1", "feature", "enable", feature);
                    isRunning("node1", feature);
                } catch (AssertionError e) {
                    failures.add(feature + ": " + e.getMessage());
                }
            }
            t.stopClean();
        }
        assertEquals(List.of(), failures);
        assertEquals(4, lab.probe(stranger, true, server1.address() + ":9000", "tcp").exit(), "policy is in force again");
    }

    @Test
    @Order(3)
    void whatDrainsKeepsItsConnections() {
        for (Map.Entry<String, String> drained : Map.of("masquerade", outside(), "service-lb", echo + ":80").entrySet()) {
            String feature = drained.getKey();
            try (Traffic t = new Traffic()) {
                t.start("open connections", packets, false, "tcp-rr", "--to", drained.getValue(), "--connections", "3", "--interval-us", "2000", "--timeout-ms", "10000",
                        "--until-signal");
                Await.that("the connections are open", () -> connections(packets) >= 3);
                change("node1", "feature", "disable", feature);
                assertEquals("Draining", lab.feature("node1", feature).getString("state"));
                assertTrue(lab.probe(packets, false, drained.getValue(), "tcp").exit() != 0, "a draining " + feature + " takes nothing new");
                t.assertRunning();
                t.stopClean();
            }
            change("node1", "feature", "enable", feature);
            isRunning("node1", feature);
            Await.that(feature + " works again", () -> lab.probe(packets, false, drained.getValue(), "tcp").exit() == 0);
        }
    }

    @Test
    @Order(4)
    void bundlesAreStoppedStartedAndUninstalled() throws IOException {
        List<String> failures = new ArrayList<>();
        try (Traffic t = traffic()) {
            for (String feature : lab.features("node1").keySet()) {
                if (feature.equals("shell")) {
                    continue; // It is what this test speaks through.
                }
                try {
                    String bundle = lab.bundle("node1", feature);
                    lab.on("node1", "shell", "stop", bundle).ok();
                    Await.value(feature + " is frozen", () -> lab.feature("node1", feature).getString("state"), "Frozen"::equals);
                    lab.on("node1", "shell", "start", bundle).ok();
                    isRunning("node1", feature);
                    lab.on("node1", "shell", "uninstall", bundle).ok();
                    Await.value(feature + " is frozen", () -> lab.feature("node1", feature).getString("state"), "Frozen"::equals);
                    // Gone, and its datapath still takes part in a change of another; then it comes back as a newer version.
                    String other = feature.equals("bandwidth") ? "masquerade" : "bandwidth";
                    change("node1", "feature", "update", newer(other).toString());
                    change("node1", "feature", "update", newer(feature).toString());
                    isRunning("node1", feature);
                } catch (AssertionError e) {
                    failures.add(feature + ": " + e.getMessage());
                }
            }
            t.stopClean();
        }
        assertEquals(List.of(), failures);
    }

    @Test
    @Order(5)
    void aStoppedFeatureSaysSo() {
        String bundle = lab.bundle("node1", "service-lb");
        lab.on("node1", "shell", "stop", bundle).ok();
        try {
            String said = lab.on("node1", "service", "list").failed(1);
            assertTrue(said.contains("service-lb") && said.contains("Frozen"), said);
            assertTrue(lab.on("node1", "status").out().contains("Frozen"), "status shows it");
        } finally {
            lab.on("node1", "shell", "start", bundle).ok();
        }
        isRunning("node1", "service-lb");
    }

    @Test
    @Order(6)
    void theAgentIsKilledAndComesBack() {
        try (Traffic t = traffic()) {
            long before = lab.agentPid("node1");
            Set<String> identities = identities();
            int epoch = last("node1");
            lab.patchbay("lab", "restart", "node1", "--wait", AWAY).ok();
            assertTrue(lab.agentPid("node1") != before);
            lab.awaitRunning("node1");
            assertEquals(epoch, last("node1"), "it adopts what runs and builds nothing");
            assertEquals(identities, identities(), "every address has the identity that it had");
            t.assertRunning();
            t.stopClean();
        }
    }

    /** Addresses and identities as the kernel of node1 has them. */
    private static Set<String> identities() {
        return lab.on("node1", "map", "dump", "ipcache").ok().lines().map(l -> l.replaceFirst(" flags=.*", "")).collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    @Order(7)
    void whatTheVerifierRefusesChangesNothing() throws Exception {
        Path jar = FeatureVariant.of(Lab.jar("bandwidth")).version("0.3.0").datapath(Lab.ROOT, "bandwidth", Map.of("bandwidth.c",
                s -> s.replace("__u64 at = departure(skb, s);", "__u64 at = departure(skb, s) + *(volatile __u8 *)(long)skb->data;"))).write(jars.resolve("unsafe.jar"));
        String said = refused("bandwidth", jar);
        for (String part : List.of("bandwidth", "pace_pod_egress", "invalid access to packet")) {
            assertTrue(said.contains(part), "names " + part + ": " + said);
        }
    }

    @Test
    @Order(8)
    void aLayoutThatCantBeCarriedOverChangesNothing() throws Exception {
        Path jar = FeatureVariant.of(Lab.jar("bandwidth")).version("0.3.1").datapath(Lab.ROOT, "bandwidth", Map.of("bandwidth.c",
                s -> s.replace("__u64 bytes_per_second;", "__u32 bytes_per_second; __u32 more;"))).write(jars.resolve("narrow.jar"));
        String said = refused("bandwidth", jar);
        for (String part : List.of("throttle", "bytes_per_second")) {
            assertTrue(said.contains(part), "names " + part + ": " + said);
        }
    }

    private static String refused(String feature, Path jar) {
        try (Traffic t = traffic()) {
            JsonObject before = lab.feature("node1", feature);
            int epoch = last("node1");
            String said = lab.on("node1", "feature", "update", jar.toString()).failed(1);
            assertEquals(epoch, last("node1"), "no switch");
            JsonObject after = lab.feature("node1", feature);
            assertEquals(before.getString("version"), after.getString("version"));
            assertEquals(before.getString("digest"), after.getString("digest"));
            isRunning("node1", feature);
            t.stopClean();
            return said;
        }
    }

    @Test
    @Order(9)
    void aNewConntrackLayoutCarriesLiveConnections() throws Exception {
        Path jar = FeatureVariant.of(Lab.jar("conntrack")).version("0.4.0").datapath(Lab.ROOT, "conntrack", Map.of("conntrack.c",
                s -> s.replace("struct ct_entry {\n", "struct ct_entry {\n    __u64 newcomer;\n"))).write(jars.resolve("wider.jar"));
        try (Traffic t = traffic()) {
            Ledger forward = change("node1", "feature", "update", jar.toString()).get(0);
            assertTrue(forward.carried().stream().anyMatch(c -> c.startsWith("ct4 ")), "carried over: " + forward.json());
            isRunning("node1", "conntrack");
            assertTrue(lab.on("node1", "map", "dump", "ct4").ok().contains("newcomer"), "the layout is the new one");
            Ledger back = change("node1", "feature", "rollback", "conntrack").get(0);
            assertTrue(back.carried().stream().anyMatch(c -> c.startsWith("ct4 ")), "carried back: " + back.json());
            isRunning("node1", "conntrack");
            assertTrue(!lab.on("node1", "map", "dump", "ct4").ok().contains("newcomer"), "the layout is the old one");
            t.assertRunning();
            t.stopClean();
        }
    }

    @Test
    @Order(10)
    void severalFeaturesChangeAsOne() throws IOException {
        try (Traffic t = traffic()) {
            List<String> words = new ArrayList<>(List.of("feature", "update"));
            for (String feature : lab.features("node1").keySet()) {
                words.add(newer(feature).toString());
            }
            assertEquals(1, change("node1", words.toArray(String[]::new)).size());
            lab.awaitRunning("node1");
            t.stopClean();
        }
    }

    @Test
    @Order(11)
    void theLedgerCountsWhatTheTrafficToolCounts() throws IOException {
        // The node's other pods say nothing of themselves; neighbours are known by a first packet before the window.
        lab.probe(left, true, right.address() + ":1", "udp");
        lab.probe(left, true, farRight.address() + ":1", "udp");
        change("node1", "feature", "update", newer("bandwidth").toString());
        Map<String, JsonObject> reports;
        try (Traffic t = new Traffic()) {
            t.duplexFor(3, "local", left, right, 7001, 2000);
            t.duplexFor(3, "remote", left, farRight, 7002, 2000);
            reports = t.endClean();
        }
        Ledger l = change("node1", "feature", "update", newer("bandwidth").toString()).get(0);
        long local = datagrams(reports, "local, calling", "datagrams_out") + datagrams(reports, "local, answering", "datagrams_out");
        long remoteOut = datagrams(reports, "remote, calling", "datagrams_out");
        long remoteIn = datagrams(reports, "remote, calling", "datagrams_in");
        assertEquals(local + remoteOut, l.count("pod-egress", "in"), "what pods of node1 sent: " + l.json());
        assertEquals(remoteIn, l.count("overlay-ingress", "in"), "what came through the tunnel: " + l.json());
    }

    /** Established connections in the pod, by the pod's own kernel table. */
    private static long connections(Lab.Pod pod) {
        return Run.of("nsenter", "--net=/run/netns/" + pod.netns(), "--", "cat", "/proc/net/tcp").ok().lines().filter(l -> l.trim().split("\\s+")[3].equals("01")).count();
    }

    private static long datagrams(Map<String, JsonObject> reports, String title, String field) {
        return reports.get(title).getJsonNumber(field).longValue();
    }
}
