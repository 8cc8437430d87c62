package io.patchbay.itests;

import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonObject;
import jakarta.json.JsonReader;
import jakarta.json.JsonString;
import jakarta.json.JsonValue;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A lab of the test's own, used as its user would: through {@code ./patchbay}. */
final class Lab implements AutoCloseable {
    static final Path ROOT = Path.of(System.getProperty("patchbay.root", "../..")).toAbsolutePath().normalize();
    static final Path DISTRIBUTION = Path.of(System.getenv().getOrDefault("PATCHBAY_DISTRIBUTION", ROOT.resolve("distribution/target/standard").toString()));
    private static final Duration UP = Duration.ofSeconds(180);

    /** A pod as {@code lab status -o json} shows it. */
    record Pod(String name, String node, String netns, Path cgroup, List<String> addresses, boolean ready) {
        /** The first, which is IPv4; "" while there is none. */
        String address() {
            return addresses.isEmpty() ? "" : addresses.get(0);
        }

        /** In a dual-stack lab. */
        String address6() {
            return addresses.stream().filter(a -> a.indexOf(':') >= 0).findFirst().orElseThrow(() -> new AssertionError(name + " has no IPv6 address: " + addresses));
        }
    }

    final String name;
    private final String[] options;
    private final Map<String, String> environment;
    private Path directory;

    private Lab(String name, Map<String, String> environment, String[] options) {
        this.name = name;
        this.environment = environment;
        this.options = options;
    }

    /** Removes what an interrupted run left under this name, and starts. @param options of {@code lab up} */
    static Lab up(String name, String... options) {
        Lab lab = of(name, options);
        lab.start().ok();
        return lab;
    }

    /** The same, with another distribution than the others. */
    static Lab upWith(Path distribution, String name) {
        Lab lab = of(Map.of("PATCHBAY_DISTRIBUTION", distribution.toString()), name);
        lab.start().ok();
        return lab;
    }

    /** One that is not started yet; leftovers of its name are removed. */
    static Lab of(String name, String... options) {
        return of(Map.of(), name, options);
    }

    private static Lab of(Map<String, String> environment, String name, String... options) {
        if (!name.startsWith("pbt-")) {
            throw new IllegalArgumentException("labs of tests are called pbt-…, not " + name);
        }
        Lab lab = new Lab(name, environment, options);
        lab.sweep();
        return lab;
    }

    Run.Result start() {
        Run.Result r = Run.of(command(Stream.concat(Stream.of("lab", "up", "--no-check"), Arrays.stream(options)).toArray(String[]::new)), with("PATCHBAY_NO_BUILD", "1"), "", UP);
        if (r.exit() == 0) {
            directory = Path.of(status().getString("directory"));
        }
        return r;
    }

    private void sweep() {
        patchbay("lab", "down").ok();
        for (String netns : namespaces()) {
            Run.of("ip", "netns", "delete", netns).ok();
        }
    }

    @Override
    public void close() {
        sweep();
    }

    Path directory() {
        return directory;
    }

    Path stateDirectory(String node) {
        return directory.resolve(node).resolve("state");
    }

    /** Namespaces of this lab, by name. */
    List<String> namespaces() {
        return list(Path.of("/run/netns")).stream().filter(n -> n.startsWith(name + "-")).toList();
    }

    static List<String> list(Path directory) {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> all = Files.list(directory)) {
            return all.map(p -> p.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    // ---- commands ----

    List<String> command(String... words) {
        return Stream.concat(Stream.of(ROOT.resolve("patchbay").toString(), "--lab", name), Arrays.stream(words)).toList();
    }

    Run.Result patchbay(String... words) {
        return Run.of(command(words), environment, "", Duration.ofSeconds(120));
    }

    private Map<String, String> with(String key, String value) {
        Map<String, String> all = new HashMap<>(environment);
        all.put(key, value);
        return all;
    }

    Run.Result on(String node, String... words) {
        return patchbay(Stream.concat(Stream.of("-n", node), Arrays.stream(words)).toArray(String[]::new));
    }

    JsonValue json(String node, String... words) {
        return parse(on(node, Stream.concat(Arrays.stream(words), Stream.of("-o", "json")).toArray(String[]::new)).ok());
    }

    JsonArray array(String node, String... words) {
        return json(node, words).asJsonArray();
    }

    /** Objects of the cluster: {@code manifests get KIND}. */
    List<JsonObject> cluster(String kind) {
        return objects(json("node1", "manifests", "get", kind).asJsonObject().get("items"));
    }

    static JsonValue parse(String text) {
        try (JsonReader r = Json.createReader(new StringReader(text))) {
            return r.readValue();
        } catch (jakarta.json.JsonException e) {
            throw new AssertionError("no JSON: " + text, e);
        }
    }

    static List<JsonObject> objects(JsonValue array) {
        return array.asJsonArray().getValuesAs(JsonObject.class);
    }

    JsonObject status() {
        return parse(patchbay("lab", "status", "-o", "json").ok()).asJsonObject();
    }

    JsonObject node(String node) {
        return objects(status().get("nodes")).stream().filter(n -> n.getString("name").equals(node)).findFirst().orElseThrow();
    }

    long agentPid(String node) {
        return node(node).getInt("agentPid");
    }

    // ---- pods ----

    List<Pod> pods() {
        List<Pod> all = new ArrayList<>();
        for (JsonObject p : objects(status().get("pods"))) {
            List<String> addresses = p.getJsonArray("addresses").getValuesAs(JsonString::getString);
            all.add(new Pod(p.getString("pod"), p.getString("node"), p.getString("netns"), Path.of(p.getString("cgroup")),
                    addresses, p.getBoolean("ready") && !p.getBoolean("terminating")));
        }
        return all;
    }

    /** The one pod of a workload on a node, {@code namespace/workload}, once it is ready. */
    Pod pod(String workload, String node) {
        return Await.value("a pod of " + workload + " is ready on " + node, () -> pods().stream().filter(
                p -> p.name().startsWith(workload + "-") && p.node().equals(node) && p.ready()).findFirst(), Optional::isPresent).get();
    }

    /** A pod by its whole name. */
    Pod pod(String name) {
        return pods().stream().filter(p -> p.name().equals(name)).findFirst().orElseThrow(() -> new AssertionError("no pod " + name + ": " + pods()));
    }

    Run.Result exec(Pod pod, String... words) {
        return exec(pod.name(), words);
    }

    /** @param where a pod's name or a node, {@code outside} among them */
    Run.Result exec(String where, String... words) {
        return patchbay(Stream.concat(Stream.of("lab", "exec", where, "--"), Arrays.stream(words)).toArray(String[]::new));
    }

    /** Program and arguments that run in the pod's namespace and, if asked for, in its cgroup; the process started is the program itself. */
    static List<String> inPod(Pod pod, boolean inCgroup, String... words) {
        List<String> all = new ArrayList<>(List.of("bash", "-c", (inCgroup ? "echo $$ >\"$0/cgroup.procs\" && " : "") + "exec nsenter --net=\"/run/netns/$1\" -- \"${@:2}\"",
                pod.cgroup().toString(), pod.netns()));
        all.addAll(List.of(words));
        return all;
    }

    static String program() {
        return ROOT.resolve("distribution/lab/target/bin/pb-traffic").toString();
    }

    /** One connection: exit status 0 reached, 3 refused, 4 no answer. */
    Run.Result probe(Pod from, boolean inCgroup, String to, String proto) {
        return Run.of(inPod(from, inCgroup, program(), "probe", "--to", to, "--proto", proto, "--timeout", "1500").toArray(String[]::new));
    }

    /** A program that runs in a node's namespace, or in that of {@code outside}, until it is destroyed. */
    Process inNode(String node, String... words) {
        List<String> all = new ArrayList<>(List.of("nsenter", "--net=/run/netns/" + name + "-" + node, "--"));
        all.addAll(List.of(words));
        return start(all);
    }

    private static Process start(List<String> command) {
        try {
            return new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** One TCP connection that stays open, to a server that says everything back. */
    static final class Talk implements AutoCloseable {
        private static final String LOOP = "exec 3<>\"/dev/tcp/$0/$1\" || exit 1; while IFS= read -r line; do echo \"$line\" >&3;"
                + " if IFS= read -r -t 2 answer <&3; then echo heard; else echo silence; fi; done";
        private final Process process;
        private final java.io.BufferedReader answers;

        private Talk(Process process) {
            this.process = process;
            this.answers = process.inputReader();
        }

        /** Says something. @return whether an answer came within 2 s; it may be that to something said before */
        boolean isHeard() {
            try {
                process.getOutputStream().write("hello\n".getBytes(StandardCharsets.UTF_8));
                process.getOutputStream().flush();
                String answer = answers.readLine();
                if (answer == null || !answer.equals("heard") && !answer.equals("silence")) throw new AssertionError("the connection is gone: " + answer);
                return answer.equals("heard");
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public void close() {
            process.destroyForcibly();
        }
    }

    Talk talk(String node, String address, int port) {
        return new Talk(inNode(node, "bash", "-c", Talk.LOOP, address, String.valueOf(port)));
    }

    Talk talk(Pod from, String address, int port) {
        return new Talk(start(inPod(from, true, "bash", "-c", Talk.LOOP, address, String.valueOf(port))));
    }

    // ---- the cluster ----

    Run.Result apply(String yaml) {
        return manifests("apply", yaml);
    }

    Run.Result delete(String yaml) {
        return manifests("delete", yaml);
    }

    private Run.Result manifests(String verb, String yaml) {
        try {
            Path file = Files.createTempFile(name, ".yaml");
            try {
                Files.writeString(file, yaml);
                return patchbay("lab", verb, "-f", file.toString());
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String manifest(String name) {
        try (var in = Lab.class.getResourceAsStream("/manifests/" + name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String clusterIp(String namespace, String service) {
        return cluster("services").stream()
                .filter(s -> s.getJsonObject("metadata").getString("name").equals(service)
                        && s.getJsonObject("metadata").getString("namespace").equals(namespace))
                .map(s -> s.getJsonObject("spec").getString("clusterIP")).findFirst().orElseThrow();
    }

    // ---- features ----

    /** Names and states. */
    Map<String, String> features(String node) {
        return objects(array(node, "feature", "list")).stream().collect(Collectors.toMap(f -> f.getString("name"), f -> f.getString("state"), (a, b) -> a, TreeMap::new));
    }

    JsonObject feature(String node, String feature) {
        return objects(array(node, "feature", "list")).stream().filter(f -> f.getString("name").equals(feature)).findFirst().orElseThrow();
    }

    void awaitRunning(String node) {
        Await.value("every feature of " + node + " is running", () -> features(node), s -> s.values().stream().allMatch("Running"::equals));
    }

    static Path jar(String feature) {
        Path bundles = DISTRIBUTION.resolve("bundles");
        return list(bundles).stream().filter(n -> n.matches("io\\.patchbay\\." + feature + "-[0-9].*\\.jar")).map(bundles::resolve).findFirst()
                .orElseThrow(() -> new AssertionError("no jar of " + feature + " in " + bundles));
    }

    /** Every ledger of the node that is kept, the oldest first. */
    List<Ledger> ledgers(String node) {
        return ledgers(node, "all");
    }

    /** @param which {@code all}, the number of a change, or nothing: the newest */
    List<Ledger> ledgers(String node, String which) {
        return objects(which.isEmpty() ? array(node, "ledger") : array(node, "ledger", which)).stream().map(Ledger::new).toList();
    }

    /** The id of a feature's bundle, as Felix's lb shows it. */
    String bundle(String node, String feature) {
        return on(node, "shell", "lb", "-s").ok().lines().filter(l -> l.matches(".*\\|io\\.patchbay\\." + feature + " .*"))
                .map(l -> l.substring(0, l.indexOf('|')).strip()).findFirst().orElseThrow(() -> new AssertionError("no bundle of " + feature + " on " + node));
    }

    String log(String node) {
        return text(directory.resolve(node).resolve("agent.log"));
    }

    /** What the container runtime of the lab has said. */
    String kubeletLog() {
        return text(directory.resolve("kubelet.log"));
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
