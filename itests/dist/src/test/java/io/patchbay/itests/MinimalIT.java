package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The smallest distribution: what it has works, and all that it has not is added from its repository while it runs. */
@Tag("dist")
class MinimalIT {
    private static final Set<String> MINIMAL = Set.of("cluster-manifests", "cni", "conntrack", "endpoint", "identity", "ipam", "node", "routing", "shell");
    private static final List<String> NODES = List.of("node1", "node2");

    private Lab lab;
    private Lab.Pod client;

    private void assertProbe(int exit, String to) {
        Await.that(to + " is answered with " + exit, () -> lab.probe(client, true, to, "tcp").exit() == exit);
    }

    private void add(String feature) {
        for (String node : NODES) {
            String said = lab.on(node, "feature", "add", feature).ok();
            assertTrue(said.endsWith(feature + " added\n"), said);
        }
    }

    @Test
    void everythingElseIsAddedWhileItRuns() {
        try (Lab minimal = Lab.upWith(Lab.ROOT.resolve("distribution/target/minimal"), "pbt-minimal")) {
            lab = minimal;
            client = lab.pod("demo/client", "node1");
            Lab.Pod friend = lab.pod("demo/friend", "node1");
            String near = lab.pod("demo/web", "node1").address() + ":8080";
            String far = lab.pod("demo/web", "node2").address() + ":8080";
            String guarded = lab.pod("demo/guarded", "node2").address() + ":8080";
            String service = lab.clusterIp("demo", "web") + ":80";
            String outside = lab.status().getJsonObject("outside").getString("address") + ":80";
            assertEquals(MINIMAL, lab.features("node1").keySet());
            assertEquals("OK\n", lab.on("node1", "status", "--brief").ok());
            assertProbe(0, near);
            assertProbe(4, far);
            String seen = lab.patchbay("lab", "check").ok();
            assertTrue(seen.contains("Flows of node1 are not seen: it is without hubble"), seen);
            assertTrue(lab.on("node1", "hubble", "observe").failed(2).contains("patchbay feature add hubble"));
            try (Traffic t = new Traffic()) {
                t.duplex("UDP on one node", client, true, friend, friend.address(), 7001, Proof.PPS);
                add("vxlan");
                assertProbe(0, far);
                assertProbe(0, guarded);
                assertProbe(4, service);
                add("service-lb");
                assertProbe(0, service);
                assertProbe(4, outside);
                add("masquerade");
                assertProbe(0, outside);
                add("policy");
                assertProbe(4, guarded);
                for (String more : List.of("bandwidth", "health", "hubble", "metrics")) {
                    add(more);
                }
                t.stopClean();
            }
            NODES.forEach(node -> lab.ledgers(node).forEach(Ledger::assertClean));
            assertProbe(0, service);
            assertTrue(lab.on("node1", "hubble", "observe", "--pod", client.name(), "--last", "5").ok().contains(client.name()));
            assertTrue(lab.on("node1", "feature", "add", "vxlan").failed(1).contains("vxlan is here and enabled already"));

            lab.patchbay("lab", "restart", "node1").ok();
            lab.awaitRunning("node1");
            Set<String> all = new TreeSet<>(MINIMAL);
            all.addAll(List.of("vxlan", "service-lb", "masquerade", "policy", "bandwidth", "health", "hubble", "metrics"));
            assertEquals(all, new TreeSet<>(lab.features("node1").keySet()), "the record knows them");
            assertProbe(0, service);
            assertProbe(4, guarded);
        }
    }
}
