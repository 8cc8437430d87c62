package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.JsonObject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Every command that the agent has, whoever brings it: help, wrong usage, completion, JSON; and that {@code status} follows the node. */
@Tag("dist")
class CommandsIT {
    private static final Pattern OPTION = Pattern.compile("(?<![\\w-])--?[A-Za-z0-9][A-Za-z0-9-]*");
    /** Words of a usage line that the agent has candidates for; files and jars are the machine's. */
    private static final Pattern NAMED = Pattern.compile("(?<![A-Z=/|-])(NAME|NUMBER|FEATURE|CHANGE|ID|ENDPOINT-ID|KIND)(?![a-z=])");
    /** No options of their own: what follows is another's command line. */
    private static final Set<String> FREE = Set.of("shell", "completion");

    private static Lab lab;
    private static Lab.Pod client;
    private static Lab.Pod web;
    private static List<String> commands;

    @BeforeAll
    static void start() {
        lab = Lab.up("pbt-cmd");
        lab.awaitRunning("node1");
        client = lab.pod("demo/client", "node1");
        web = lab.pod("demo/web", "node2");
        commands = on("help").ok().lines().skip(1).map(l -> l.strip().split(" {2,}")[0]).toList();
        // A change, so that there is a ledger.
        on("feature", "disable", "masquerade", "--now").ok();
        on("feature", "enable", "masquerade").ok();
    }

    @AfterAll
    static void end() {
        if (lab != null) {
            lab.close();
        }
    }

    private static Run.Result on(String... words) {
        return lab.on("node1", words);
    }

    private static Run.Result run(String command, String... more) {
        return on(Stream.concat(Arrays.stream(command.split(" ")), Arrays.stream(more)).toArray(String[]::new));
    }

    private static List<String> candidates(String command, String... more) {
        return on(Stream.of(List.of("completion", "words", "--"), List.of(command.split(" ")), List.of(more)).flatMap(List::stream).toArray(String[]::new)).ok().lines().toList();
    }

    @Test
    void everyCommandExplainsItself() {
        assertTrue(commands.size() > 35, commands.toString());
        List<String> wrong = new ArrayList<>();
        for (String command : commands) {
            List<String> help = run(command, "--help").ok().lines().toList();
            if (!on("help").ok().contains("  " + help.get(0)) || !help.get(1).startsWith("Usage: " + command)) {
                wrong.add(command + ": " + help);
            }
            if (!run("help " + command).ok().lines().toList().equals(help)) {
                wrong.add("help " + command + " is not " + command + " --help");
            }
        }
        assertEquals(List.of(), wrong);
    }

    /** What an option's refusal names as known, the help explains and completion offers. */
    @Test
    void everyOptionIsRefusedExplainedAndCompleted() {
        List<String> wrong = new ArrayList<>();
        for (String command : commands) {
            if (FREE.contains(command)) {
                continue;
            }
            String said = run(command, "--nonsense").failed(2);
            if (!said.contains("unknown option --nonsense") || !said.contains("Usage: " + command)) {
                wrong.add(command + " --nonsense: " + said);
            }
            Set<String> known = new TreeSet<>();
            int from = said.indexOf("known: ");
            if (from >= 0) {
                OPTION.matcher(said.substring(from, said.indexOf('\n', from))).results().map(m -> m.group()).forEach(known::add);
            }
            known.remove("--output");
            known.add("--help");
            List<String> offered = candidates(command, "-");
            String help = run(command, "--help").ok();
            for (String option : known) {
                if (!offered.contains(option)) wrong.add(command + ": " + option + " is not offered: " + offered);
                if (!option.equals("--help") && !help.contains(option)) wrong.add(command + ": " + option + " is not in its help");
            }
            for (String option : offered) {
                if (!option.startsWith("-")) wrong.add(command + ": " + option + " does not go on after -");
            }
        }
        assertEquals(List.of(), wrong);
    }

    @Test
    void everyCommandCompletes() {
        List<String> wrong = new ArrayList<>();
        for (String command : commands) {
            String[] words = command.split(" ");
            for (int i = 0; i < words.length; i++) {
                String[] before = Arrays.copyOf(words, i + 1);
                before[i] = words[i].substring(0, 1);
                if (!candidates(String.join(" ", before)).contains(words[i])) wrong.add(String.join(" ", before) + " does not lead to " + command);
            }
            String usage = run(command, "--help").ok().lines().filter(l -> l.startsWith("Usage:") || l.startsWith("       " + command)).reduce("", (a, b) -> a + " " + b);
            String after = command.equals("manifests") ? "manifests get" : command;
            if (NAMED.matcher(usage).find() && !usage.contains("[-t TYPE]") && candidates(after, "").stream().allMatch(c -> c.startsWith("-"))) {
                wrong.add(command + " offers no name: " + candidates(after, ""));
            }
            Matcher outputs = Pattern.compile("-o ([a-z|]+)").matcher(run(command, "--help").ok());
            if (outputs.find() && !candidates(command, "-o", "").containsAll(List.of(outputs.group(1).split("\\|")))) {
                wrong.add(command + " -o offers " + candidates(command, "-o", ""));
            }
        }
        assertEquals(List.of(), wrong);
        assertTrue(candidates("map dump", "ct").contains("ct4"));
        assertTrue(candidates("endpoint get", "demo/cl").contains(client.name()));
        assertTrue(candidates("policy trace", "--src", "demo/").contains(web.name()));
        assertTrue(candidates("hubble observe", "--verdict", "D").contains("DROPPED"));
        assertTrue(candidates("monitor", "-t", "").contains("policy-verdict"));
        assertTrue(candidates("config get", "hubble.").contains("hubble.flow-buffer-size"));
    }

    @Test
    void bashCompletesToo() {
        String program = Lab.ROOT.resolve("patchbay").toString();
        String ask = "source <(\"$0\" --lab \"$1\" -n node1 completion bash) && COMP_WORDS=(\"$0\" \"${@:2}\") && COMP_CWORD=$(($# - 1)) && _patchbay \"$0\" && printf '%s\\n' \"${COMPREPLY[@]}\"";
        for (Map.Entry<List<String>, String> e : Map.of(List.of("feature", "dis"), "disable", List.of("feature", "disable", "masq"), "masquerade", List.of("map", "dump", "ipc"), "ipcache",
                List.of("status", "--v"), "--verbose", List.of("service", "list", "-o", ""), "json", List.of("la"), "lab", List.of("lab", "re"), "restart").entrySet()) {
            List<String> command = new ArrayList<>(List.of("bash", "-c", ask, program, lab.name, "--lab", lab.name, "-n", "node1"));
            command.addAll(e.getKey());
            assertTrue(Run.of(command.toArray(String[]::new)).ok().lines().toList().contains(e.getValue()), e.getKey() + " leads to " + e.getValue() + ": " + Run.of(command.toArray(String[]::new)));
        }
    }

    @Test
    void whatToolsReadIsJson() {
        for (String command : List.of("status", "status --verbose", "service list", "endpoint list", "identity list", "policy get", "ip list", "node list", "map list", "map dump ipcache",
                "feature list", "ledger", "ledger all", "config get", "config get hubble", "health", "version", "datapath show", "bpf ct list", "bpf nat list", "manifests get pods")) {
            lab.json("node1", command.split(" "));
        }
    }

    @Test
    void theShellHasTheSameCommands() {
        assertEquals(on("service", "list").ok(), on("shell", "service", "list").ok());
        assertTrue(on("shell", "service", "list", "extra").failed(2).contains("'extra' is too much"));
        assertTrue(on("shell", "feature", "enable", "nonsense").failed(1).contains("nonsense"));
        assertEquals("", on("shell", "feature", "enable", "nonsense").out(), "what went wrong is said on standard error");
        assertTrue(on("shell", "nonsense").failed(1).contains("nonsense"));
    }

    /** What the README tells its reader to type, but for what ends the lab, takes half a minute, or needs a file of the reader's own. */
    @Test
    void whatTheReadmeSaysWorks() throws Exception {
        List<String> lines = java.nio.file.Files.readAllLines(Lab.ROOT.resolve("README.md")).stream().filter(l -> l.matches(" {4}\\./patchbay (-n|lab exec) .*"))
                .map(l -> l.strip().replaceFirst("^\\./patchbay ", "").replaceFirst(" +#.*", "")).toList();
        assertTrue(lines.size() >= 7, lines.toString());
        for (String line : lines) {
            boolean endless = line.contains("--follow");
            List<String> words = new ArrayList<>(endless ? List.of("timeout", "2") : List.of());
            words.addAll(lab.command(line.split(" ")));
            Run.Result r = Run.of(words.toArray(String[]::new));
            assertEquals(endless ? 124 : 0, r.exit(), r.toString());
            // It may drain until it is gone; the next line is not its business.
            Await.that("nothing is draining", () -> !lab.features("node1").containsValue("Draining"));
        }
        lab.awaitRunning("node1");
    }

    // ---- status ----

    private static String row(String label, String... options) {
        String all = on(Stream.concat(Stream.of("status"), Arrays.stream(options)).toArray(String[]::new)).out();
        return all.lines().filter(l -> l.startsWith(label + ":")).findFirst().map(l -> l.substring(label.length() + 1).strip()).orElse("no row " + label + " in:\n" + all);
    }

    private static void becomes(String label, String pattern) {
        Await.value(label + " becomes " + pattern, () -> row(label), r -> r.matches(pattern));
    }

    @Test
    void everyRowIsThereInTheOrderThatUsersKnow() {
        List<String> wanted = List.of("KVStore", "Kubernetes", "Kubernetes APIs", "KubeProxyReplacement", "Host firewall", "SRv6", "CNI Chaining", "CNI Config file", "Cilium", "NodeMonitor",
                "Cilium health daemon", "IPAM", "IPv4 BIG TCP", "IPv6 BIG TCP", "BandwidthManager", "Routing", "Host Routing", "Attach Mode", "Device Mode", "Masquerading",
                "Clock Source for BPF", "Controller Status", "Proxy Status", "Global Identity Range", "Hubble", "KubeProxyReplacement Details", "BPF Maps", "Encryption", "Cluster health", "Modules Health");
        List<String> shown = on("status", "--verbose").ok().lines().filter(l -> l.matches("[A-Z][^:]*:.*")).map(l -> l.substring(0, l.indexOf(':'))).filter(wanted::contains).toList();
        assertEquals(wanted, shown);
    }

    @Test
    void rowsOfFeaturesFollowThem() {
        String modules = row("Modules Health");
        assertTrue(modules.startsWith("Stopped(0) Degraded(0) OK("), modules);
        assertTrue(row("Masquerading").matches("BPF +\\[eth0] +10\\.244\\.0\\.0/24 {2}\\[IPv4: Enabled, IPv6: Disabled]"), row("Masquerading"));
        for (Map.Entry<String, String> e : Map.of("masquerade", "Masquerading", "bandwidth", "BandwidthManager", "service-lb", "KubeProxyReplacement", "hubble", "Hubble").entrySet()) {
            String before = row(e.getValue());
            on("feature", "disable", e.getKey(), "--now").ok();
            becomes(e.getValue(), "Disabled");
            assertTrue(row("Modules Health").startsWith("Stopped(1) "), row("Modules Health"));
            on("feature", "enable", e.getKey()).ok();
            lab.awaitRunning("node1");
            if (!e.getKey().equals("hubble")) {
                becomes(e.getValue(), Pattern.quote(before));
            }
        }
        becomes("Modules Health", "Stopped\\(0\\) Degraded\\(0\\) OK\\(\\d+\\)");
        // A feature whose bundle is stopped is still in charge, and not well.
        String bundle = lab.bundle("node1", "bandwidth");
        on("shell", "stop", bundle).ok();
        Await.that("bandwidth is frozen", () -> "Frozen".equals(lab.feature("node1", "bandwidth").getString("state")));
        assertEquals(1, on("status").exit());
        assertTrue(row("BandwidthManager").startsWith("Frozen"), row("BandwidthManager"));
        assertTrue(row("Modules Health").startsWith("Stopped(0) Degraded(1) "), row("Modules Health"));
        assertTrue(on("status", "--brief").failed(1).startsWith("error in "), on("status", "--brief").toString());
        on("shell", "start", bundle).ok();
        lab.awaitRunning("node1");
        Await.that("all is well", () -> on("status", "--brief").exit() == 0 && on("status", "--brief").out().equals("OK\n"));
    }

    private static final String POD = """
            apiVersion: v1
            kind: Pod
            metadata: {name: counted, namespace: demo, annotations: {kubernetes.io/egress-bandwidth: 10M}}
            spec:
              nodeName: node1
              containers:
                - {name: idle, image: patchbay/traffic, command: [sleep, infinity]}
            """;

    @Test
    void rowsFollowPodsAndTheirTraffic() {
        Matcher ipam = Pattern.compile("IPv4: (\\d+)/254 allocated from 10\\.244\\.0\\.0/24,").matcher(row("IPAM"));
        assertTrue(ipam.matches(), row("IPAM"));
        int given = Integer.parseInt(ipam.group(1));
        assertEquals(lab.pods().stream().filter(p -> p.node().equals("node1")).count() + 1, given, "the pods and the router");
        String bandwidth = row("BandwidthManager");
        lab.apply(POD).ok();
        try {
            becomes("IPAM", "IPv4: " + (given + 1) + "/254 allocated from 10\\.244\\.0\\.0/24,");
            String address = Await.value("it is ready", () -> lab.pods().stream().filter(p -> p.name().equals("demo/counted") && p.ready()).map(Lab.Pod::address).findFirst().orElse(""),
                    a -> !a.isEmpty());
            assertTrue(on("status", "--verbose").out().contains("  " + address + " (demo/counted)"));
            assertTrue(on("status", "--verbose").out().matches("(?s).*  demo/counted egress 10M (TBF|EDT), .*"), row("BandwidthManager", "--verbose"));
            assertTrue(bandwidth.startsWith("EDT") || !row("BandwidthManager").equals(bandwidth), "its device has the bucket: " + row("BandwidthManager"));
            int flows = flows();
            for (int i = 0; i < 5; i++) {
                lab.probe(client, true, web.address() + ":8080", "tcp").ok();
            }
            Await.that("Hubble counts them", () -> flows() >= flows + 15);
            assertTrue(row("Conntrack").matches("ct4 [1-9]\\d*/131072 +ct6 0/131072"), row("Conntrack"));
        } finally {
            lab.delete(POD).ok();
        }
        becomes("IPAM", "IPv4: " + given + "/254 allocated from 10\\.244\\.0\\.0/24,.*");
        Await.that("nothing of it is left", () -> !on("status", "--verbose").out().contains("demo/counted egress"));
    }

    private static int flows() {
        Matcher m = Pattern.compile("Ok +Current/Max Flows: (\\d+)/4095 \\(\\d+\\.\\d\\d%\\), Flows/s: \\d+\\.\\d\\d +Metrics: Disabled").matcher(row("Hubble"));
        assertTrue(m.matches(), row("Hubble"));
        return Integer.parseInt(m.group(1));
    }

    @Test
    void aNodeThatDoesNotAnswerIsSeen() {
        assertTrue(row("Cluster health").matches("2/2 reachable +\\(\\d{4}-.*Z\\)"), row("Cluster health"));
        on("config", "set", "health.interval-seconds=1").ok();
        Run.of("ip", "-n", lab.name + "-node2", "link", "set", "eth0", "down").ok();
        try {
            becomes("Cluster health", "1/2 reachable +\\(\\d{4}-.*Z\\)");
            assertTrue(on("status").out().lines().anyMatch(l -> l.strip().startsWith("node2 ")), "it is named: " + on("status").out());
            assertEquals(1, on("health").exit());
        } finally {
            String ns = lab.name + "-node2";
            Run.of("ip", "-n", ns, "link", "set", "eth0", "up").ok();
            Run.of("ip", "-n", ns, "route", "replace", "default", "via", "172.18.0.2").ok();
        }
        becomes("Cluster health", "2/2 reachable.*");
        on("config", "set", "health.interval-seconds", "--unset").ok();
    }

    @Test
    void aControllerThatFailsIsCounted() {
        Matcher all = Pattern.compile("(\\d+)/(\\d+) healthy").matcher(row("Controller Status"));
        assertTrue(all.matches() && all.group(1).equals(all.group(2)), row("Controller Status"));
        int count = Integer.parseInt(all.group(2));
        List<String> listed = on("status", "--verbose").ok().lines().dropWhile(l -> !l.startsWith("Controller Status:")).skip(2).takeWhile(l -> l.startsWith("  ")).toList();
        assertEquals(count, listed.size(), "one line each: " + listed);
        Process other = lab.inNode("node1", Lab.program(), "serve", "--tcp", "4999");
        try {
            Await.that("the port is another's", () -> Run.of("ss", "-N", lab.name + "-node1", "-Hltn", "sport = :4999").ok().contains("4999"));
            on("config", "set", "health.port=4999").ok();
            becomes("Controller Status", (count - 1) + "/" + count + " healthy");
            assertTrue(on("status").out().matches("(?s).*\n  health-responder +.*4999.*"), "it is named, with the reason: " + on("status").out());
            JsonObject json = Lab.parse(on("status", "-o", "json").out()).asJsonObject().getJsonObject("Controller Status");
            assertEquals(count - 1, json.getInt("healthyCount"));
            assertTrue(row("Modules Health").startsWith("Stopped(0) Degraded(1) "), row("Modules Health"));
        } finally {
            other.destroyForcibly();
            on("config", "set", "health.port", "--unset").ok();
        }
        becomes("Controller Status", count + "/" + count + " healthy");
    }

    // ---- lists and flows ----

    @Test
    void theListsHaveTheColumnsThatUsersKnow() {
        for (Map.Entry<String, String> e : Map.of("service list", "ID +Frontend +Service Type +Backend", "node list", "Name +IPv4 Address +Endpoint CIDR +IPv6 Address +Endpoint CIDR +Source",
                "identity list", "ID +LABELS +REFCOUNT", "ip list", "IP +IDENTITY +SOURCE",
                "endpoint list", "ENDPOINT +POLICY \\(ingress\\) +POLICY \\(egress\\) +IDENTITY +LABELS \\(source:key\\[=value]\\) +IPv6 +IPv4 +STATUS").entrySet()) {
            String head = run(e.getKey()).ok().lines().findFirst().orElse("");
            assertTrue(head.stripTrailing().matches(e.getValue()), e.getKey() + ": " + head);
        }
        assertTrue(on("service", "list").ok().lines().anyMatch(l -> l.matches("1 +10\\.96\\.\\d+\\.\\d+:80/(TCP|UDP) +ClusterIP +1 => 10\\.244\\.\\d\\.\\d+:8080/(TCP|UDP) \\(active\\)")));
        assertTrue(on("policy", "get").ok().matches("(?s)\\[.*]\\nRevision: \\d+\\n"));
    }

    @Test
    void observeChoosesAndPrintsAsAsked() {
        for (int i = 0; i < 3; i++) {
            lab.probe(client, true, web.address() + ":8080", "tcp").ok();
            lab.probe(client, true, web.address() + ":8080", "udp").ok();
        }
        String pod = client.name();
        Await.that("flows are there", () -> observed("--pod", pod, "--protocol", "udp").size() >= 6);
        assertEquals(3, observed("--last", "3").size());
        assertTrue(observed("--protocol", "tcp").stream().allMatch(l -> l.contains("TCP")));
        assertTrue(observed("--protocol", "udp").stream().allMatch(l -> l.contains("UDP")));
        assertTrue(observed("--port", "8080").stream().allMatch(l -> l.contains(":8080")));
        assertTrue(observed("--ip", web.address(), "--numeric").stream().allMatch(l -> l.contains(web.address() + ":")) && !observed("--ip", web.address()).isEmpty());
        assertTrue(observed("--namespace", "demo").size() > 0 && observed("--namespace", "elsewhere").isEmpty());
        assertTrue(observed("--verdict", "FORWARDED").stream().allMatch(l -> l.contains("FORWARDED")));
        assertTrue(observed("--since", "1h").size() >= 12 && observed("--since", "2100-01-01").isEmpty());
        assertTrue(on("hubble", "observe", "--last", "2", "-o", "table").ok().lines().findFirst().orElse("").matches("TIMESTAMP +SOURCE +DESTINATION +TYPE +VERDICT +SUMMARY"));
        String dict = on("hubble", "observe", "--last", "1", "-o", "dict").ok();
        for (String key : List.of("TIMESTAMP", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY")) {
            assertTrue(dict.lines().anyMatch(l -> l.strip().startsWith(key + ":")), dict);
        }
        on("hubble", "observe", "--last", "5", "-o", "json").ok().lines().forEach(l -> Lab.parse(l).asJsonObject());
        for (String bad : List.of("--since soon", "--port many", "--ip nowhere", "--verdict MAYBE", "--protocol smoke", "--last few", "-o pretty", "--follow -o table", "word")) {
            String said = run("hubble observe", bad.split(" ")).failed(2);
            assertTrue(said.startsWith("patchbay hubble observe: ") && said.contains(bad.replaceFirst("^-\\S+ (?=[A-Za-z])", "").split(" ")[0]), bad + ": " + said);
        }
    }

    private static List<String> observed(String... options) {
        return run("hubble observe", options).ok().lines().filter(l -> !l.isBlank()).toList();
    }

    @Test
    void observeFollows() throws Exception {
        Process p = new ProcessBuilder(lab.command("-n", "node1", "hubble", "observe", "--follow", "--pod", client.name(), "--protocol", "udp", "-o", "json")).start();
        try (var lines = p.inputReader()) {
            Await.that("it shows a flow that came after it", () -> {
                lab.probe(client, true, web.address() + ":8080", "udp");
                try {
                    return lines.ready();
                } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            assertTrue(lines.readLine().contains("\"UDP\""));
        } finally {
            p.descendants().forEach(ProcessHandle::destroy);
            p.destroy();
            p.waitFor();
        }
    }
}
