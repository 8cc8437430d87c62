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
import java.util.TreeMap;
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
        Await.that("the agent is gone", () -> !Run.isAlive(pid));
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

    /** Whatever a node keeps on its disk may be lost: what runs goes on, and the log says what was set aside. */
    @Test
    void otherDamagedFilesAreSetAside() throws IOException {
        Map<String, String> before = lab.features("node1");
        Path state = lab.stateDirectory("node1");
        String newest = Lab.list(state.resolve("datapath/ledgers")).stream().filter(f -> f.endsWith(".json")).findFirst().orElseThrow();
        for (String file : List.of("attachments.json", "core.json", generation(state), "ledgers/" + newest)) {
            String said = startOver(() -> write("datapath/" + file, file.startsWith("l") ? "" : "{\"attachments\": \u0000"));
            assertTrue(said.contains("datapath/" + file + " is damaged"), file + ": " + said);
            assertTrue(Files.exists(state.resolve("datapath/" + file + ".corrupt")), file + " is kept");
            assertEquals(before, lab.features("node1"), file);
            assertTrue(talks(), file);
        }
        Map<Path, String> records = new TreeMap<>();
        for (String f : Lab.list(state.resolve("features/endpoint"))) {
            Path file = state.resolve("features/endpoint").resolve(f);
            if (Files.isRegularFile(file)) records.put(file, Files.readString(file));
        }
        String said = startOver(() -> {
            for (String folder : List.of("features/endpoint", "features/identity", "features/node")) {
                Lab.list(state.resolve(folder)).stream().filter(f -> Files.isRegularFile(state.resolve(folder).resolve(f))).forEach(f -> write(folder + "/" + f, "damaged {"));
            }
        });
        assertTrue(said.contains("features/endpoint/"), said);
        assertEquals(before, lab.features("node1"));
        assertTrue(talks());
        assertEquals("OK\n", Await.value("the node is well", () -> lab.on("node1", "status", "--brief").out(), "OK\n"::equals));
        lab.ledgers("node1").forEach(Ledger::assertClean);
        // The pods have lost their names with their records; other tests of this lab look for them.
        startOver(() -> records.forEach((file, text) -> write(state.relativize(file).toString(), text)));
        assertTrue(Lab.objects(lab.json("node1", "endpoint", "list")).stream().anyMatch(e -> client.name().endsWith("/" + e.getString("pod"))));
    }

    private static String generation(Path state) {
        return Lab.list(state.resolve("datapath")).stream().filter(f -> f.matches("generation-\\d+\\.json")).findFirst().orElseThrow();
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
    void aJarWhoseCodeDoesNotReturnIsTakenBack() throws IOException {
        lab.on("node1", "config", "set", "lifecycle.bundle-seconds=2").ok();
        try {
            String said = refused(variant("0.5.4").hangingComponent().write(jars.resolve("hanging.jar")));
            assertTrue(said.contains(" its bundle did not end within 2 s; it waits in io.patchbay.itests.variants.payload.HangingComponent."), said);
        } finally {
            lab.on("node1", "config", "set", "lifecycle.bundle-seconds", "--unset").ok();
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
    void whereSignaturesAreWantedNothingElseIsTaken() throws IOException {
        String keys = jars.resolve("keys.p12").toString();
        String pem = jars.resolve("trusted.pem").toString();
        Run.of("keytool", "-genkeypair", "-keystore", keys, "-storepass", "changeit", "-alias", "acme", "-keyalg", "EC", "-dname", "CN=Acme").ok();
        Run.of("keytool", "-exportcert", "-rfc", "-keystore", keys, "-storepass", "changeit", "-alias", "acme", "-file", pem).ok();
        lab.on("node1", "config", "set", "lifecycle.trusted-certificates=" + pem).ok();
        lab.on("node1", "config", "set", "lifecycle.require-signatures=true").ok();
        try {
            Path jar = variant("0.8.0").write(jars.resolve("signed.jar"));
            assertTrue(refused(jar).contains("signed.jar is not signed"));
            Run.of("jarsigner", "-keystore", keys, "-storepass", "changeit", jar.toString(), "acme").ok();
            lab.on("node1", "feature", "update", jar.toString()).ok();
            assertEquals("0.8.0", lab.feature("node1", "bandwidth").getString("version"));
            lab.on("node1", "feature", "rollback", "bandwidth").ok();
        } finally {
            lab.on("node1", "config", "set", "lifecycle.require-signatures", "--unset").ok();
            lab.on("node1", "config", "set", "lifecycle.trusted-certificates", "--unset").ok();
        }
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
        Path object = foreign();
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
        assertEquals(List.of("clsact pod-egress foreign.o:[tc] before"), others(device));
        assertTrue(talks());
        Run.of("tc", "-n", ns, "filter", "delete", "dev", device, "ingress", "prio", "50").ok();
    }

    /** What {@code datapath show} says of others at a device: hook, name and whether it comes before ours. */
    private static List<String> others(String device) {
        return Lab.objects(lab.json("node1", "datapath", "show").asJsonObject().get("others")).stream().filter(o -> o.getString("where").equals(device))
                .map(o -> o.getString("mode") + " " + o.getString("hook") + " " + o.getString("name") + (o.getBoolean("first") ? " before" : " after")).sorted().toList();
    }

    @Test
    void foreignProgramsOfTheNodesDeviceStayWhereTheyAre() throws IOException {
        Path tool = jars.resolve("foreign-tcx");
        Run.of("cc", "-O2", "-Wall", "-Werror", "-o", tool.toString(), Lab.ROOT.resolve("itests/dist/src/test/c/foreign_tcx.c").toString()).ok();
        String ns = lab.name + "-node1";
        Lab.Pod far = lab.pod("demo/client", "node2");
        Path pins = Path.of("/sys/fs/bpf", lab.name + "-foreign");
        Files.createDirectories(pins);
        try (Traffic t = new Traffic()) {
            t.duplex("UDP across nodes", client, true, far, far.address(), 7300, 400);
            List<String> wanted = List.of("clsact netdev-egress foreign after", "clsact netdev-ingress foreign after", "tcx netdev-egress foreign after", "tcx netdev-egress foreign before",
                    "tcx netdev-ingress foreign after", "tcx netdev-ingress foreign before");
            Run.of("tc", "-n", ns, "qdisc", "add", "dev", "eth0", "clsact").ok();
            for (String side : List.of("ingress", "egress")) {
                for (String place : List.of("first", "last")) {
                    Run.of("nsenter", "--net=/run/netns/" + ns, "--", tool.toString(), "eth0", side, place, pins.resolve(side + place).toString()).ok();
                }
                Run.of("tc", "-n", ns, "filter", "add", "dev", "eth0", side, "prio", "5", "bpf", "direct-action", "obj", foreign().toString(), "sec", "tc").ok();
            }
            assertEquals(wanted, others("eth0").stream().map(o -> o.replace("foreign.o:[tc]", "foreign")).toList());
            lab.on("node1", "feature", "update", variant("0.6.0").write(jars.resolve("beside.jar")).toString()).ok();
            lab.on("node1", "feature", "disable", "masquerade", "--now").ok();
            lab.on("node1", "feature", "enable", "masquerade").ok();
            lab.on("node1", "feature", "rollback", "bandwidth").ok();
            kill();
            lab.patchbay("lab", "restart", "node1").ok();
            lab.awaitRunning("node1");
            assertEquals(wanted, others("eth0").stream().map(o -> o.replace("foreign.o:[tc]", "foreign")).toList());
            assertTrue(lab.on("node1", "datapath", "show").ok().contains("Attached by others"));
            t.stopClean();
            lab.ledgers("node1").forEach(Ledger::assertClean);
        } finally {
            for (String pin : Lab.list(pins)) {
                Files.delete(pins.resolve(pin));
            }
            Files.delete(pins);
            Run.of("tc", "-n", ns, "qdisc", "delete", "dev", "eth0", "clsact");
        }
        assertEquals(List.of(), others("eth0"));
        assertTrue(talks());
    }

    private static Path foreign() throws IOException {
        Path source = Files.writeString(jars.resolve("foreign.c"), "__attribute__((section(\"tc\"), used)) int foreign(void *skb) { return -1; }\n"
                + "char licence[] __attribute__((section(\"license\"), used)) = \"GPL\";\n");
        Path object = jars.resolve("foreign.o");
        Run.of("clang", "-O2", "-target", "bpf", "-c", source.toString(), "-o", object.toString()).ok();
        return object;
    }

    @Test
    void whatTheKernelLacksMakesOneFeatureUnavailable() throws Exception {
        for (String need : List.of("helper:from_the_future", "map:from_the_future", "qdisc:from_the_future")) {
            String said = refused(variant("0.7.0").needing(need).write(jars.resolve("needy.jar")));
            assertTrue(said.contains("bandwidth 0.7.0 can't run here: the kernel lacks " + need), said);
        }
        // A disabled feature takes any jar; it is the enabling that is refused.
        lab.on("node1", "feature", "disable", "bandwidth").ok();
        try {
            lab.on("node1", "feature", "update", jars.resolve("needy.jar").toString()).ok();
            String said = lab.on("node1", "feature", "enable", "bandwidth").failed(1);
            assertTrue(said.contains("bandwidth is unavailable: the kernel lacks qdisc:from_the_future"), said);
            assertEquals("Disabled", lab.feature("node1", "bandwidth").getString("state"));
            // As after a boot with a kernel that lacks it: the record has it enabled.
            try (Traffic t = new Traffic()) {
                t.duplex("UDP", client, true, friend, friend.address(), 7000, 200);
                kill();
                Path record = lab.stateDirectory("node1").resolve("features.json");
                String text = Files.readString(record);
                String changed = text.replaceFirst("(\"bandwidth\"\\s*:\\s*\\{[^}]*?\"desired\"\\s*:\\s*)\"disabled\"", "$1\"enabled\"");
                assertTrue(!changed.equals(text), text);
                Files.writeString(record, changed);
                lab.patchbay("lab", "restart", "node1").ok();
                Await.that("all others run", () -> lab.features("node1").entrySet().stream().allMatch(e -> e.getValue().equals(e.getKey().equals("bandwidth") ? "Unavailable" : "Running")));
                assertTrue(lab.feature("node1", "bandwidth").getString("detail").contains("the kernel lacks qdisc:from_the_future"), lab.feature("node1", "bandwidth").toString());
                String status = lab.on("node1", "status").out();
                assertTrue(status.contains("bandwidth") && status.contains("qdisc:from_the_future"), status);
                assertTrue(talks());
                t.stopClean();
            }
        } finally {
            lab.on("node1", "feature", "update", variant("0.7.1").write(jars.resolve("modest.jar")).toString());
            lab.on("node1", "feature", "enable", "bandwidth");
        }
        lab.awaitRunning("node1");
    }

    private static final String GREEDY = """
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: greedy, namespace: demo}
            spec:
              endpointSelector:
                matchLabels: {app: web}
              ingress:
                - fromCIDR: [%s]
            """;

    @Test
    void aFullPolicyMapLeavesTheLastGoodTableInForce() throws IOException {
        int used = lab.array("node1", "map", "dump", "policy").size();
        Path small = FeatureVariant.of(Lab.jar("policy")).version("0.5.0").room("policy", 4 * used + 64).write(jars.resolve("small-policy.jar"));
        lab.on("node1", "feature", "update", "--one-way", small.toString()).ok();
        lab.awaitRunning("node1");
        try (Traffic t = new Traffic()) {
            t.tcp("allowed", client, true, web.address() + ":8080");
            String many = java.util.stream.IntStream.range(0, 8 * used + 128).mapToObj(i -> "192.0." + i / 256 + "." + i % 256 + "/32").reduce((a, b) -> a + ", " + b).orElseThrow();
            lab.apply(GREEDY.formatted(many)).ok();
            Await.that("status says so", () -> {
                String status = lab.on("node1", "status", "--verbose").out();
                return lab.on("node1", "status").exit() == 1 && status.contains("policy tables need") && status.contains("in map policy");
            });
            assertTrue(talks());
            t.stopClean();
            lab.delete(GREEDY.formatted(many)).ok();
        }
        Await.that("all is well again", () -> lab.on("node1", "status").exit() == 0);
        lab.on("node1", "feature", "rollback", "policy").ok();
        lab.awaitRunning("node1");
        assertTrue(talks());
    }

    @Test
    void aFullIpcacheIsSaidToWhoAsksForAPod() throws IOException {
        int used = lab.array("node1", "map", "dump", "ipcache").size();
        Path small = FeatureVariant.of(Lab.jar("identity")).version("0.5.0").room("ipcache", used).write(jars.resolve("small-identity.jar"));
        lab.on("node1", "feature", "update", "--one-way", small.toString()).ok();
        lab.awaitRunning("node1");
        String pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: toomuch, namespace: demo}\nspec:\n  nodeName: node1\n  containers:\n"
                + "    - {name: idle, image: patchbay/traffic, command: [sleep, infinity]}\n";
        try (Traffic t = new Traffic()) {
            t.duplex("UDP", client, true, friend, friend.address(), 7000, 200);
            lab.apply(pod).ok();
            Await.that("the runtime is told", () -> {
                String said = lab.kubeletLog();
                return said.contains("demo/toomuch") && said.contains("map ipcache is full (" + used + " entries)");
            });
            // The runtime gives up and tries again, and with it what fails.
            Await.that("status says so", () -> lab.on("node1", "status", "--verbose").out().contains("map ipcache is full"));
            assertTrue(talks());
            lab.on("node1", "feature", "rollback", "identity").ok();
            Await.that("the pod is there once there is room", () -> lab.pods().stream().anyMatch(p -> p.name().equals("demo/toomuch") && p.ready()));
            t.stopClean();
        } finally {
            lab.on("node1", "feature", "rollback", "identity");
            lab.delete(pod).ok();
        }
        lab.awaitRunning("node1");
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
    void aLabThatDoesNotStartLeavesItsLogsAndNothingElse() throws IOException {
        Lab second = Lab.of("pbt-bad3");
        Path failed = Path.of("/run/patchbay/pbt-bad3.failed");
        try {
            Run.Result r = Run.of(second.command("lab", "up", "--no-check"), Map.of("PATCHBAY_NO_BUILD", "1", "PATCHBAY_AGENT_OPTIONS", "--nonsense"), "", Duration.ofSeconds(90));
            String said = r.failed(1);
            assertTrue(said.contains("node1: the process ended before it was ready; the whole log is " + failed.resolve("node1/agent.log")), said);
            assertTrue(said.contains("the lab 'pbt-bad3' did not start") && said.contains(failed.toString()), said);
            assertTrue(Files.readString(failed.resolve("node1/agent.log")).contains("--nonsense"));
            assertNothingOf(second, "pbt-bad3");
            assertTrue(second.patchbay("lab", "status").failed(1).contains("lab up"));
        } finally {
            second.close();
        }
        assertTrue(!Files.exists(failed), "lab down takes the logs too");
        assertTrue(talks());
    }

    /** A command of the start fails, not a check of ours: what was made so far goes as well. */
    @Test
    void aLabWhoseNetworkCantBeMadeLeavesNothing() throws IOException {
        Lab second = Lab.of("pbt-bad4");
        Path ip = Files.writeString(Files.createDirectories(jars.resolve("bin")).resolve("ip"),
                "#!/bin/sh\ncase \"$*\" in *'type bridge'*) echo 'Error: Unknown device type.' >&2; exit 2 ;; esac\nPATH=${PATH#*:} exec ip \"$@\"\n");
        assertTrue(ip.toFile().setExecutable(true));
        try {
            Run.Result r = Run.of(second.command("lab", "up", "--no-check"), Map.of("PATCHBAY_NO_BUILD", "1", "PATH", ip.getParent() + ":" + System.getenv("PATH")), "", Duration.ofSeconds(90));
            assertTrue(r.exit() != 0 && r.err().contains("Unknown device type") && r.err().contains("the lab 'pbt-bad4' did not start"), r.toString());
            assertNothingOf(second, "pbt-bad4");
        } finally {
            second.close();
        }
        assertTrue(talks());
    }

    private static void assertNothingOf(Lab gone, String name) {
        assertEquals(List.of(), gone.namespaces());
        for (String path : List.of("/run/patchbay/" + name, "/sys/fs/bpf/patchbay/" + name, lab.node("node1").getString("cgroup").replace("/pbt-bad/", "/" + name + "/"))) {
            assertTrue(!Files.exists(Path.of(path)), path + " is left");
        }
        assertEquals(List.of(), ProcessHandle.allProcesses().filter(p -> Run.isAlive(p.pid())).map(p -> p.info().commandLine().orElse("")).filter(c -> c.contains("/" + name + "/")).toList());
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
            second.on("node1", "status").ok();
            assertTrue(talks(), "the first lab works on");
            Lab.Pod other = second.pod("demo/client", "node1");
            assertEquals(0, second.probe(other, true, second.pod("demo/web", "node2").address() + ":8080", "tcp").exit());
        } finally {
            second.close();
        }
        assertNothingOf(second, "pbt-bad2");
        assertTrue(talks(), "and the first lab is as before");
        assertEquals("Running", lab.feature("node1", "policy").getString("state"));
    }
}
