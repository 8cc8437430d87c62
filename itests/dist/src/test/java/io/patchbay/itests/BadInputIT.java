package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.itests.variants.FeatureVariant;
import io.patchbay.itests.variants.payload.ThrowingActivator;
import io.patchbay.itests.variants.payload.ThrowingComponent;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is damaged, foreign or wrong: each is told clearly, and what ran goes on. */
@Tag("dist")
class BadInputIT {
    @TempDir
    static Path jars;
    private static Lab lab;
    private static Lab.Pod client;
    private static Lab.Pod web;
    private static Lab.Pod friend;

    @BeforeAll
    static void start() {
        lab = Lab.up("pbt-bad");
        client = lab.pod("demo/client", "node1");
        web = lab.pod("demo/web", "node1");
        friend = lab.pods().stream().filter(p -> p.name().startsWith("demo/friend-")).findFirst().orElseThrow();
        lab.awaitRunning("node1");
        Await.that("the pods talk", BadInputIT::talks);
    }

    @AfterAll
    static void end() {
        if (lab != null) {
            lab.close();
        }
    }

    private static boolean talks() {
        return lab.probe(client, true, web.address() + ":8080", "tcp").exit() == 0;
    }

    private static void kill() {
        long pid = lab.agentPid("node1");
        Run.of("kill", "-KILL", String.valueOf(pid)).ok();
        Await.that("the agent is gone", () -> !ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false));
    }

    /** Starts the agent over damaged state, while traffic goes on; returns what it logged since. */
    private static String startOver(Runnable damage) {
        try (Traffic t = new Traffic()) {
            t.duplex("UDP", client, true, friend, friend.address(), 7000, 200);
            kill();
            int before = lab.log("node1").length();
            damage.run();
            lab.patchbay("lab", "restart", "node1").ok();
            lab.awaitRunning("node1");
            t.stopClean();
            return lab.log("node1").substring(before);
        }
    }

    private static void write(String file, String text) {
        try {
            Files.writeString(lab.stateDirectory("node1").resolve(file), text);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void aDamagedRecordIsBuiltAgain() {
        Map<String, String> before = lab.features("node1");
        String said = startOver(() -> write("features.json", "{\"format\": 1, \"chan"));
        assertEquals(before, lab.features("node1"), "nothing was disabled by the loss");
        assertTrue(said.contains("features.json") && said.contains("damaged"), said);
        assertTrue(Files.exists(lab.stateDirectory("node1").resolve("features.json.corrupt")), "it is kept");
    }

    @Test
    void aDamagedJournalIsSetAside() {
        String said = startOver(() -> write("journal/999999.json", "\u0000\u0000"));
        assertTrue(said.contains("999999.json") && said.contains("damaged"), said);
    }

    @Test
    void damagedAllocationsGiveNoAddressTwice() throws IOException {
        Path folder = lab.stateDirectory("node1").resolve("features/ipam");
        List<String> files = Lab.list(folder).stream().filter(f -> !f.startsWith(".") && !f.contains("corrupt")).toList();
        assertTrue(!files.isEmpty(), "ipam keeps its state in " + folder);
        String said = startOver(() -> files.forEach(f -> write("features/ipam/" + f, "damaged\n")));
        assertTrue(said.contains("features/ipam/") || said.contains(files.get(0)), "the log names the file: " + said);
        String pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: late, namespace: demo}\nspec:\n  nodeName: node1\n  containers:\n"
                + "    - {name: idle, image: patchbay/traffic, command: [sleep, infinity]}\n";
        lab.apply(pod).ok();
        List<Lab.Pod> all = Await.value("the late pod is there", lab::pods, l -> l.stream().anyMatch(p -> p.name().equals("demo/late") && p.ready()));
        assertEquals(all.size(), all.stream().map(Lab.Pod::address).distinct().count(), "no address twice: " + all);
        lab.delete(pod).ok();
    }

    private static String refused(Path jar) {
        Map<String, String> before = lab.features("node1");
        JsonObject feature = lab.feature("node1", "bandwidth");
        int ledgers = lab.ledgers("node1").size();
        String said = lab.on("node1", "feature", "update", jar.toString()).failed(1);
        Await.value("bandwidth runs", () -> lab.feature("node1", "bandwidth").getString("state"), "Running"::equals);
        assertEquals(feature.getString("digest"), lab.feature("node1", "bandwidth").getString("digest"));
        assertEquals(before, lab.features("node1"));
        assertEquals(ledgers, lab.ledgers("node1").size(), "there was no switch");
        assertTrue(talks());
        return said;
    }

    private static FeatureVariant variant(String version) throws IOException {
        return FeatureVariant.of(Lab.jar("bandwidth")).version(version);
    }

    @Test
    void aJarThatDoesNotResolveIsRefused() throws IOException {
        String said = refused(variant("0.5.0").importing("com.example.absent").write(jars.resolve("unresolvable.jar")));
        assertTrue(said.contains("com.example.absent"), said);
    }

    @Test
    void aJarThatIsNeverReadyIsTakenBack() throws IOException {
        lab.on("node1", "config", "set", "lifecycle.ready-seconds=2").ok();
        try {
            String said = refused(variant("0.5.1").neverReady().write(jars.resolve("silent.jar")));
            assertTrue(said.contains("bandwidth was not ready within 2 s"), said);
        } finally {
            lab.on("node1", "config", "set", "lifecycle.ready-seconds", "--unset").ok();
        }
    }

    @Test
    void aJarWhoseCodeThrowsIsTakenBack() throws IOException {
        String activator = refused(variant("0.5.2").throwingActivator().write(jars.resolve("activator.jar")));
        assertTrue(activator.contains(ThrowingActivator.REASON), activator);
        String component = refused(variant("0.5.3").throwingComponent().write(jars.resolve("component.jar")));
        assertTrue(component.contains(ThrowingComponent.REASON), component);
    }

    @Test
    void whatIsNoFeatureIsRefused() throws IOException {
        Path text = Files.writeString(jars.resolve("text.jar"), "no jar at all");
        assertTrue(refused(text).contains("text.jar"));
        assertTrue(refused(jars.resolve("absent.jar")).contains("absent.jar"));
        String api = Lab.list(Lab.DISTRIBUTION.resolve("bundles")).stream().filter(n -> n.startsWith("io.patchbay.api-")).findFirst().orElseThrow();
        assertTrue(refused(Lab.DISTRIBUTION.resolve("bundles").resolve(api)).contains("is no feature"));
    }

    @Test
    void foreignFiltersStayAndOursComeBack() throws IOException {
        Path source = Files.writeString(jars.resolve("foreign.c"), "__attribute__((section(\"tc\"), used)) int foreign(void *skb) { return -1; }\n"
                + "char licence[] __attribute__((section(\"license\"), used)) = \"GPL\";\n");
        Path object = jars.resolve("foreign.o");
        Run.of("clang", "-O2", "-target", "bpf", "-c", source.toString(), "-o", object.toString()).ok();
        String device = Lab.objects(lab.json("node1", "endpoint", "list")).stream().filter(e -> client.name().endsWith("/" + e.getString("pod"))).findFirst().orElseThrow()
                .getString("device");
        String ns = lab.name + "-node1";
        Run.of("tc", "-n", ns, "filter", "add", "dev", device, "ingress", "prio", "50", "bpf", "direct-action", "obj", object.toString(), "sec", "tc").ok();
        assertTrue(talks());
        Run.of("tc", "-n", ns, "filter", "delete", "dev", device, "ingress", "prio", "100").ok();
        Await.that("ours is back", () -> Run.of("tc", "-n", ns, "filter", "show", "dev", device, "ingress").ok().contains("pref 100 "));
        assertTrue(talks());
        kill();
        lab.patchbay("lab", "restart", "node1").ok();
        lab.awaitRunning("node1");
        String filters = Run.of("tc", "-n", ns, "filter", "show", "dev", device, "ingress").ok();
        assertTrue(filters.contains("pref 50 bpf"), "the foreign one stays: " + filters);
        assertTrue(talks());
        Run.of("tc", "-n", ns, "filter", "delete", "dev", device, "ingress", "prio", "50").ok();
    }

    @Test
    void aSecondAgentOnTheSameNodeIsRefused() throws IOException {
        long pid = lab.agentPid("node1");
        String[] arguments = Files.readString(Path.of("/proc/" + pid + "/cmdline")).split("\u0000");
        List<String> own = List.of(arguments).subList(List.of(arguments).indexOf("--node-name"), arguments.length);
        List<String> command = Stream.concat(Stream.of("nsenter", "--net=/run/netns/" + lab.name + "-node1", "--",
                Lab.DISTRIBUTION.resolve("bin/patchbay-agent").toString()), own.stream()).toList();
        Run.Result r = Run.of(command, Map.of(), "", Duration.ofSeconds(60));
        assertEquals(1, r.exit(), r.toString());
        assertTrue((r.err() + r.out()).contains(lab.stateDirectory("node1").toString()), r.toString());
        assertEquals(pid, lab.agentPid("node1"));
        assertTrue(lab.on("node1", "status").exit() == 0 && talks());
    }

    @Test
    void aLabKilledHalfWayStartsAgainBesideAnother() throws Exception {
        Lab second = Lab.of("pbt-bad2");
        try {
            ProcessBuilder b = new ProcessBuilder(second.command("lab", "up", "--no-check")).redirectErrorStream(true).redirectOutput(jars.resolve("half.log").toFile());
            b.environment().put("PATCHBAY_NO_BUILD", "1");
            Process up = b.start();
            Await.that("its agents are starting", () -> Files.exists(Path.of("/run/patchbay/pbt-bad2/node2/agent.pid")));
            up.descendants().forEach(ProcessHandle::destroyForcibly);
            up.destroyForcibly().waitFor();
            second.start().ok();
            assertEquals(0, second.on("node1", "status").exit());
            assertTrue(talks(), "the first lab works on");
            Lab.Pod other = second.pod("demo/client", "node1");
            assertEquals(0, second.probe(other, true, second.pod("demo/web", "node2").address() + ":8080", "tcp").exit());
        } finally {
            second.close();
        }
        assertEquals(List.of(), second.namespaces());
        for (String path : List.of("/run/patchbay/pbt-bad2", "/sys/fs/bpf/patchbay/pbt-bad2", lab.node("node1").getString("cgroup").replace("/pbt-bad/", "/pbt-bad2/"))) {
            assertTrue(!Files.exists(Path.of(path)), path + " is left");
        }
        assertEquals(List.of(), ProcessHandle.allProcesses().filter(p -> p.info().commandLine().orElse("").contains("/pbt-bad2/")).map(p -> p.info().commandLine().get()).toList());
        assertTrue(talks(), "and the first lab is as before");
        assertEquals("Running", lab.feature("node1", "policy").getString("state"));
    }
}
