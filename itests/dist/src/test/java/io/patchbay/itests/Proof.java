package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.itests.variants.FeatureVariant;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** The lab in which the promise is proved: its pods, the traffic that the promise is about, and changes that must not be felt by it. */
final class Proof implements AutoCloseable {
    /** Datagrams a second, each way, of each UDP stream. */
    static final int PPS = 400;

    final Lab lab;
    final Lab.Pod left;
    final Lab.Pod right;
    final Lab.Pod farRight;
    final Lab.Pod far;
    final Lab.Pod server1;
    final Lab.Pod server2;
    final Lab.Pod stranger;
    /** Its processes are started outside of its cgroup: services are translated packet by packet. */
    final Lab.Pod packets;
    final String echo;
    final String duplex;
    private final Path jars;
    private final AtomicInteger version = new AtomicInteger();

    private Proof(Lab lab, Path jars) {
        this.lab = lab;
        this.jars = jars;
        lab.apply(Lab.manifest("proof.yaml")).ok();
        left = lab.pod("proof/left", "node1");
        right = lab.pod("proof/right", "node1");
        farRight = lab.pod("proof/right", "node2");
        far = lab.pod("proof/far", "node2");
        server1 = lab.pod("proof/server", "node1");
        server2 = lab.pod("proof/server", "node2");
        stranger = lab.pod("proof/stranger", "node1");
        packets = lab.pod("proof/packets", "node1");
        echo = lab.clusterIp("proof", "echo");
        duplex = lab.clusterIp("proof", "duplex");
        for (String to : List.of(server1.address() + ":9000", server2.address() + ":9000", echo + ":80", outside())) {
            Await.that(to + " answers", () -> lab.probe(left, true, to, "tcp").exit() == 0 && lab.probe(packets, false, to, "tcp").exit() == 0);
        }
        lab.awaitRunning("node1");
        lab.awaitRunning("node2");
    }

    /** @param jars where newer versions are written */
    static Proof up(String name, Path jars) {
        Lab lab = Lab.up(name);
        try {
            return new Proof(lab, jars);
        } catch (AssertionError | RuntimeException e) {
            lab.close();
            throw e;
        }
    }

    @Override
    public void close() {
        lab.close();
    }

    String outside() {
        return lab.status().getJsonObject("outside").getString("address") + ":80";
    }

    /** Everything that the promise is about, all at once, until it is stopped. */
    Traffic traffic() {
        Traffic t = new Traffic();
        t.duplex("UDP on one node", left, true, right, right.address(), 7001, PPS);
        t.duplex("UDP across nodes", left, true, farRight, farRight.address(), 7002, PPS);
        t.duplex("UDP through a service at the socket", left, true, far, duplex, 7003, PPS);
        t.duplex("UDP through a service by packet", packets, false, far, duplex, 7004, PPS);
        t.tcp("TCP on one node", left, true, server1.address() + ":9000");
        t.tcp("TCP across nodes", left, true, server2.address() + ":9000");
        t.tcp("TCP through a service at the socket", left, true, echo + ":80");
        t.tcp("TCP through a service by packet", packets, false, echo + ":80");
        t.tcp("TCP to a backend of it, from the same pod", packets, false, server1.address() + ":9000");
        t.start("TCP to the outside, open connections", left, true, "tcp-rr", "--to", outside(), "--connections", "2", "--interval-us", "2000", "--timeout-ms", "10000",
                "--until-signal");
        t.refused("on one node", stranger, server1.address() + ":9000");
        t.refused("across nodes", stranger, server2.address() + ":9000");
        t.assertRunning();
        return t;
    }

    /** A change that must succeed; its ledgers must be clean. */
    List<Ledger> change(String node, String... command) {
        int before = last(node);
        try {
            lab.on(node, command).ok();
        } catch (AssertionError e) {
            // What it waits for goes with the lab.
            if (!String.valueOf(e.getMessage()).contains("took longer than")) throw e;
            throw new AssertionError(e.getMessage() + Run.of("jcmd", String.valueOf(lab.agentPid(node)), "Thread.print").out(), e);
        }
        List<Ledger> newest = lab.ledgers(node, "");
        List<Ledger> made = newest.isEmpty() ? newest : lab.ledgers(node, String.valueOf(newest.get(0).change())).stream().filter(l -> l.toEpoch() > before).toList();
        assertTrue(!made.isEmpty(), "no ledger of " + List.of(command));
        made.forEach(Ledger::assertClean);
        return made;
    }

    /** The newest epoch of which there is a ledger. */
    int last(String node) {
        return lab.ledgers(node, "").stream().mapToInt(Ledger::toEpoch).max().orElse(0);
    }

    /** A jar of the feature as it was built, with a version that no other has. */
    Path newer(String feature) throws IOException {
        String v = "0.1." + version.incrementAndGet();
        return FeatureVariant.of(Lab.jar(feature)).version(v).write(jars.resolve(feature + "-" + v + ".jar"));
    }

    /** The version of a jar that {@link #newer} wrote. */
    static String version(Path jar) {
        return jar.getFileName().toString().replaceFirst(".*-", "").replaceFirst("[.]jar$", "");
    }

    void isRunning(String node, String feature) {
        Await.value(feature + " of " + node + " is running", () -> lab.feature(node, feature).getString("state"), "Running"::equals);
    }

    /** The same on both nodes at the same time. */
    static void onBoth(Consumer<String> work) {
        CompletableFuture<Void> other = CompletableFuture.runAsync(() -> work.accept("node2"));
        try {
            work.accept("node1");
        } finally {
            try {
                other.join();
            } catch (CompletionException e) {
                throw e.getCause() instanceof AssertionError a ? a : new AssertionError(e.getCause());
            }
        }
    }
}
