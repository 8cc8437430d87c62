package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * The promise at length: what {@link SwapIT} and {@link LeakIT} do a few times, a hundred or a thousand times. No part of the tests: {@code ./patchbay bench
 * soak} runs it and keeps what it writes. A method is a section of that document; a row whose traffic suffered or whose ledger is not clean fails it.
 */
@Tag("dist")
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class Soak {
    /** How often each change of a feature is made; an update and its roll-back count as one. */
    private static final int REPEAT = Integer.getInteger("patchbay.repeat", 100);
    private static final int UPDATES = Integer.getInteger("patchbay.updates", 1000);
    private static final int AWAY_SECONDS = Integer.getInteger("patchbay.away", 30);
    private static final int AWAY_TIMES = Integer.getInteger("patchbay.away-times", 10);
    private static final Path DOCUMENT = Path.of(System.getProperty("patchbay.soak.out", "target/soak.md"));
    private static final List<String> FAULTS = List.of("lost", "hole", "unprocessed", "mixed", "deviceDrops");
    private static final int WARM_UP = 4;

    @TempDir
    static Path jars;
    private static Proof proof;

    @BeforeAll
    static void start() {
        proof = Proof.up("pbt-soak", jars);
    }

    @AfterAll
    static void end() {
        if (proof != null) {
            proof.close();
        }
    }

    private static void write(String text) {
        try {
            String before = Files.exists(DOCUMENT) ? Files.readString(DOCUMENT) : "";
            Files.writeString(DOCUMENT, before + text + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String n(long v) {
        return String.format(Locale.ROOT, "%,d", v);
    }

    /** Sums of one row: what the ledgers say, and what the traffic's own processes say. */
    private static final class Row {
        private long ledgers;
        private long packets;
        private final long[] faults = new long[FAULTS.size()];

        /** A generation's packets are whole in the ledger that ends it, so that the ledgers of a row add up without counting one twice. */
        synchronized void add(List<Ledger> made) {
            for (Ledger l : made) {
                ledgers++;
                packets += l.sum("byOld");
                for (int i = 0; i < faults.length; i++) {
                    faults[i] += l.sum(FAULTS.get(i));
                }
            }
        }

        String text(String what, long times, Traffic t) {
            long datagrams = 0;
            long requests = 0;
            long connections = 0;
            for (Map.Entry<String, JsonObject> e : t.stopClean().entrySet()) {
                JsonObject r = e.getValue();
                if (r.containsKey("datagrams_in")) {
                    datagrams += r.getJsonNumber("received").longValue();
                } else if (r.getString("mode").equals("tcp-crr")) {
                    connections += r.getJsonNumber("transactions").longValue();
                } else {
                    requests += r.getJsonNumber("transactions").longValue();
                }
            }
            StringBuilder b = new StringBuilder("| " + what + " | " + n(times) + " | " + n(ledgers) + " | " + n(packets) + " |");
            for (long f : faults) {
                b.append(' ').append(n(f)).append(" |");
            }
            return b.append(' ').append(n(datagrams)).append(" | ").append(n(requests)).append(" | ").append(n(connections)).append(" | 0 |").toString();
        }
    }

    private static void header(String title, String note) {
        write("\n## " + title + "\n\n" + note + "\n\n| change | times | ledgers | packets in them | lost | hole | unprocessed | mixed | device drops | datagrams received | TCP requests"
                + " | new connections | lost, reset or refused by the traffic's own count |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    }

    @Test
    @Order(1)
    void theLedgersCountWhatTheTrafficToolCounts() throws IOException {
        Lab lab = proof.lab;
        // The node's other pods say nothing of themselves; neighbours are known by a first packet before the window.
        lab.probe(proof.left, true, proof.right.address() + ":1", "udp");
        lab.probe(proof.left, true, proof.farRight.address() + ":1", "udp");
        String[] jar = {proof.newer("bandwidth").toString(), proof.newer("bandwidth").toString()};
        proof.change("node1", "feature", "update", jar[0]);
        long out = 0;
        long in = 0;
        long switches = 0;
        Map<String, JsonObject> reports;
        try (Traffic t = new Traffic()) {
            t.duplex("local", proof.left, true, proof.right, proof.right.address(), 7001, 2000);
            t.duplex("remote", proof.left, true, proof.farRight, proof.farRight.address(), 7002, 2000);
            for (int i = 0; i < REPEAT; i++) {
                for (Ledger l : proof.change("node1", "feature", "update", jar[(i + 1) % 2])) {
                    out += l.count("pod-egress", "byOld");
                    in += l.count("overlay-ingress", "byOld");
                    switches++;
                }
            }
            reports = t.stopClean();
        }
        for (Ledger l : proof.change("node1", "feature", "update", jar[(REPEAT + 1) % 2])) {
            out += l.count("pod-egress", "byOld");
            in += l.count("overlay-ingress", "byOld");
        }
        long sent = count(reports, "local, calling", "datagrams_out") + count(reports, "local, answering", "datagrams_out") + count(reports, "remote, calling", "datagrams_out");
        long received = count(reports, "remote, calling", "datagrams_in");
        write("\n## The ledgers against the traffic tool\n\nUDP alone, between two pods of node1 and across nodes, 2 000 datagrams a second each way, while the bandwidth feature of node1 was updated "
                + n(switches) + " times.\n\n| | the tool's own count | sum of the ledgers |\n|---|---|---|\n| datagrams that pods of node1 sent | " + n(sent) + " | " + n(out)
                + " |\n| datagrams that came through the tunnel | " + n(received) + " | " + n(in) + " |");
        assertEquals(sent, out, "what pods of node1 sent");
        assertEquals(received, in, "what came through the tunnel");
    }

    private static long count(Map<String, JsonObject> reports, String title, String field) {
        return reports.get(title).getJsonNumber(field).longValue();
    }

    @Test
    @Order(2)
    void everyFeatureIsUpdatedAndRolledBack() throws IOException {
        header("Update and roll-back", "On both nodes at the same time; times and ledgers are those of both.");
        List<String> failures = new ArrayList<>();
        for (String feature : proof.lab.features("node1").keySet()) {
            String jar = proof.newer(feature).toString();
            Row row = new Row();
            try (Traffic t = proof.traffic()) {
                Proof.onBoth(node -> {
                    for (int i = 0; i < REPEAT; i++) {
                        row.add(proof.change(node, "feature", "update", jar));
                        proof.isRunning(node, feature);
                        row.add(proof.change(node, "feature", "rollback", feature));
                        proof.isRunning(node, feature);
                    }
                });
                t.assertRunning();
                write(row.text(feature, 2L * REPEAT, t));
            } catch (AssertionError e) {
                failures.add(feature + ": " + e.getMessage());
            }
        }
        assertEquals(List.of(), failures);
    }

    @Test
    @Order(3)
    void whatCanBeDisabledIsDisabledAndEnabled() {
        header("Disable and enable", "Features that the traffic does not need, on both nodes at the same time.");
        List<String> failures = new ArrayList<>();
        for (String feature : List.of("bandwidth", "cni", "cluster-manifests", "health", "hubble")) {
            Row row = new Row();
            try (Traffic t = proof.traffic()) {
                Proof.onBoth(node -> {
                    for (int i = 0; i < REPEAT; i++) {
                        row.add(proof.change(node, "feature", "disable", feature));
                        assertEquals("Disabled", proof.lab.feature(node, feature).getString("state"));
                        row.add(proof.change(node, "feature", "enable", feature));
                        proof.isRunning(node, feature);
                    }
                });
                t.assertRunning();
                write(row.text(feature, 2L * REPEAT, t));
            } catch (AssertionError e) {
                failures.add(feature + ": " + e.getMessage());
            }
        }
        assertEquals(List.of(), failures);
    }

    @Test
    @Order(4)
    void bundlesAreStoppedAndStarted() throws IOException {
        header("Bundle stopped and started", "By the framework's own commands, on node1; the datapath stays in charge, so there is no ledger but that of one update at the end, which"
                + " contains all packets since the one before.");
        List<String> failures = new ArrayList<>();
        proof.change("node1", "feature", "update", proof.newer("bandwidth").toString());
        for (String feature : proof.lab.features("node1").keySet()) {
            if (feature.equals("shell")) {
                continue; // It is what this test speaks through.
            }
            Row row = new Row();
            try (Traffic t = proof.traffic()) {
                String bundle = proof.lab.bundle("node1", feature);
                for (int i = 0; i < REPEAT; i++) {
                    proof.lab.on("node1", "shell", "stop", bundle).ok();
                    Await.value(feature + " is frozen", () -> proof.lab.feature("node1", feature).getString("state"), "Frozen"::equals);
                    proof.lab.on("node1", "shell", "start", bundle).ok();
                    proof.isRunning("node1", feature);
                }
                row.add(proof.change("node1", "feature", "update", proof.newer("bandwidth").toString()));
                t.assertRunning();
                write(row.text(feature, REPEAT, t));
            } catch (AssertionError e) {
                failures.add(feature + ": " + e.getMessage());
            }
        }
        assertEquals(List.of(), failures);
    }

    @Test
    @Order(5)
    void theAgentIsKilledAndStaysAway() throws IOException {
        header("Agent killed", "kill -9, away for " + AWAY_SECONDS + " s, started again; node1 and node2 in turn.");
        Row row = new Row();
        try (Traffic t = proof.traffic()) {
            for (int i = 0; i < AWAY_TIMES; i++) {
                String node = i % 2 == 0 ? "node1" : "node2";
                int epoch = proof.last(node);
                proof.lab.patchbay("lab", "restart", node, "--wait", String.valueOf(AWAY_SECONDS)).ok();
                proof.lab.awaitRunning(node);
                assertEquals(epoch, proof.last(node), "it adopts what runs and builds nothing");
                t.assertRunning();
            }
            for (String node : List.of("node1", "node2")) {
                row.add(proof.change(node, "feature", "update", proof.newer("bandwidth").toString()));
            }
            write(row.text("kill -9, " + AWAY_SECONDS + " s away", AWAY_TIMES, t));
        }
    }

    @Test
    @Order(6)
    void updatesLeaveNothingBehind() throws IOException {
        header("A thousand updates of everything", "Every feature of node1 at once in each update.");
        String[] one = LeakIT.update(proof.lab, jars, "0.2.1");
        String[] other = LeakIT.update(proof.lab, jars, "0.2.2");
        for (int i = 0; i < WARM_UP; i++) {
            proof.change("node1", i % 2 == 0 ? one : other);
        }
        proof.lab.awaitRunning("node1");
        Held before = Held.by(proof.lab, "node1");
        Row row = new Row();
        try (Traffic t = proof.traffic()) {
            for (int i = 0; i < UPDATES; i++) {
                row.add(proof.change("node1", i % 2 == 0 ? one : other));
            }
            proof.lab.awaitRunning("node1");
            t.assertRunning();
            write(row.text("every feature", UPDATES, t));
        }
        Held[] after = new Held[1];
        try {
            Await.passes("the agent holds what it held", () -> {
                after[0] = Held.by(proof.lab, "node1");
                after[0].assertNoMoreThan(before, UPDATES + " updates of each feature");
            });
        } finally {
            write("\n| node1 holds | before | after |\n|---|---|---|");
            before.amounts().forEach((what, amount) -> write("| " + what + " | " + n(amount) + " | " + n(after[0].amounts().get(what)) + " |"));
        }
        assertTrue(proof.lab.ledgers("node1").size() > 1);
    }
}
