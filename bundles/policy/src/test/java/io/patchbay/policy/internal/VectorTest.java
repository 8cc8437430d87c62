package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelFilter;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Trees;
import io.patchbay.cluster.decode.policy.PolicyDecoders;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.evaluator.TraceResult;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.ServiceFacts;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/**
 * The vectors of policy-vectors.yaml, through the evaluator, through the compiled tables, and through the real programs: each side of each connection is
 * a packet at the hook of the pod, with the tables of the pod's node in the kernel; once without sets of peers, once with a set wherever there can be one.
 */
@Tag("root")
class VectorTest {
    private static KernelJudge kernel;

    @BeforeAll
    static void load() {
        kernel = new KernelJudge();
    }

    @AfterAll
    static void close() {
        System.out.println("VectorTest: " + kernel.packets() + " packets through the real programs");
        kernel.close();
    }

    private static final ClusterDecoder DECODER = new ClusterDecoder(PolicyDecoders.all());
    private static final Map<String, String> ADDRESSES = Map.ofEntries(Map.entry("a/web", "10.0.0.10"), Map.entry("a/db", "10.0.0.11"),
            Map.entry("a/web-2", "10.0.0.13"), Map.entry("a/cli", "10.0.1.12"), Map.entry("a/cli6", "fd00::1:12"), Map.entry("b/web", "10.0.1.20"),
            Map.entry("b/cli", "10.0.1.21"), Map.entry("dns", "10.0.1.53"), Map.entry("init", "10.0.1.99"), Map.entry("n1", "192.168.1.1"),
            Map.entry("n2", "192.168.1.2"), Map.entry("e1", "1.1.1.1"), Map.entry("e2", "8.8.8.8"), Map.entry("e3", "203.0.113.7"),
            Map.entry("router", "203.0.113.1"), Map.entry("e6", "2001:db8:1::6"));

    @TestFactory
    List<DynamicTest> vectors() throws Exception {
        List<?> list = read();
        List<DynamicTest> tests = new ArrayList<>();
        for (int fewest : new int[] {Integer.MAX_VALUE, 1}) {
            for (Object o : list) {
                Map<?, ?> vector = (Map<?, ?>) o;
                String name = "vector " + vector.get("id") + (fewest == 1 ? ", sets of peers" : "");
                tests.add(DynamicTest.dynamicTest(name, () -> run(vector, fewest)));
            }
        }
        Set<Integer> ids = list.stream().map(o -> Integer.parseInt(((Map<?, ?>) o).get("id").toString().split(" ")[0]))
                .collect(Collectors.toSet());
        assertEquals(128, ids.size(), "every vector is there");
        return tests;
    }

    private static void run(Map<?, ?> vector, int fewest) {
        List<PolicyObject> policies = policies((List<?>) vector.get("policies"));
        Assumptions.assumeFalse(vector.containsKey("waiting"), () -> "waiting: " + vector.get("waiting"));
        PolicyOptions options = PolicyOptions.DEFAULTS.withSctp(vector.containsKey("sctp")).withHostFirewall(vector.containsKey("hostFirewall"));
        if ("always".equals(vector.get("mode"))) options = options.withMode(PolicyOptions.Mode.ALWAYS);
        if ("never".equals(vector.get("mode"))) options = options.withMode(PolicyOptions.Mode.NEVER);
        Cluster cluster = cluster(vector);
        for (Object o : (List<?>) vector.get("conns")) {
            String line = (String) o;
            String[] parts = line.split(" ");
            boolean hasCilium = parts.length > 2 && parts[parts.length - 2].equals("cilium");
            String cilium = parts[parts.length - 1];
            String verdict = hasCilium ? parts[parts.length - 3] : cilium;
            Connection connection = connection(line);
            check(line, options, policies, cluster, connection, verdict, vector.containsKey("audit"), fewest);
            // a vector that names no other verdict for Cilium's way must have the same one there; named ports are not part of that option
            check(line + " (Cilium's way)", options.withCiliumNetworkPolicy(true), policies, cluster, connection,
                    hasCilium && !vector.containsKey("departs") ? cilium : verdict, vector.containsKey("audit"), fewest);
        }
        assertTrue(!((List<?>) vector.get("conns")).isEmpty(), "a vector without connections proves nothing");
    }

    private static void check(String line, PolicyOptions options, List<PolicyObject> policies, Cluster cluster, Connection connection,
            String verdict, boolean audit, int fewest) {
        int expected = verdict.equals("A") ? 0 : Integer.parseInt(verdict.substring(1));
        CompiledCluster compiled = new CompiledCluster(options, policies, List.<CidrGroup>of(), cluster);
        if (audit) {
            int byKernel = compiled.verdictBy(kernel.with(options, fewest, KernelJudge.AUDIT), connection);
            assertEquals(expected, byKernel, () -> "kernel: " + line + " in audit mode");
            expected = 133; // what the table must say for the datapath to report AUDIT
        }
        TraceResult trace = new Evaluator(options, policies, List.of(), cluster).evaluate(connection);
        assertEquals(expected, trace.reason(), () -> "evaluator: " + line + "\n" + trace.render());
        assertEquals(expected, compiled.verdict(connection), () -> "compiled: " + line + "\n" + trace.render());
        assertEquals(expected, compiled.verdictBy(kernel.with(options, fewest), connection), () -> "kernel: " + line + "\n" + trace.render());
    }

    // ---- reading ---------------------------------------------------------------------------------------------------

    private static List<PolicyObject> policies(List<?> list) {
        Map<PolicyObject.Key, PolicyObject> inForce = new LinkedHashMap<>();
        int number = 0;
        for (Object o : list) {
            Map<?, ?> p = (Map<?, ?>) o;
            Map<String, Object> doc = document(p, number++);
            String refused = (String) p.get("refused");
            try {
                List<Decoded> decoded = DECODER.decode("vector", json(doc).getBytes(StandardCharsets.UTF_8));
                assertEquals(null, refused, () -> "must be refused: " + json(doc));
                PolicyObject policy = (PolicyObject) decoded.get(0).row();
                inForce.put(policy.key(), policy);
            } catch (DecodeException e) {
                assertTrue(refused != null, () -> "refused: " + e.getMessage());
                assertTrue(e.getMessage().contains(refused), () -> "the message must name " + refused + ": " + e.getMessage());
            }
        }
        return List.copyOf(inForce.values());
    }

    private static Map<String, Object> document(Map<?, ?> p, int number) {
        String kind = (String) p.get("kind");
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("name", p.containsKey("name") ? p.get("name") : "p" + number);
        if (p.containsKey("ns")) metadata.put("namespace", p.get("ns"));
        Map<String, Object> doc = new LinkedHashMap<>();
        doc.put("apiVersion", kind.equals("NP") ? "networking.k8s.io/v1" : "cilium.io/v2");
        doc.put("kind", kind.equals("NP") ? "NetworkPolicy" : kind.equals("CNP") ? "CiliumNetworkPolicy" : "CiliumClusterwideNetworkPolicy");
        doc.put("metadata", metadata);
        if (p.containsKey("spec")) doc.put("spec", p.get("spec"));
        if (p.containsKey("specs")) doc.put("specs", p.get("specs"));
        return doc;
    }

    private static List<?> read() throws Exception {
        try (InputStream in = VectorTest.class.getResourceAsStream("/policy-vectors.yaml")) {
            Problems problems = new Problems();
            Object list = Trees.read("policy-vectors.yaml", new String(in.readAllBytes(), StandardCharsets.UTF_8), problems).get(0).value();
            problems.throwIfAny();
            return (List<?>) list;
        }
    }

    /** The documents of all vectors that the decoder takes. */
    static List<Map<String, Object>> documents() throws Exception {
        List<Map<String, Object>> documents = new ArrayList<>();
        for (Object v : read()) {
            for (Object p : (List<?>) ((Map<?, ?>) v).get("policies")) {
                if (!((Map<?, ?>) p).containsKey("refused")) documents.add(document((Map<?, ?>) p, documents.size()));
            }
        }
        return documents;
    }

    /** The world of the vectors that add nothing to it. */
    static Cluster world() {
        return cluster(Map.of("web2", ""));
    }

    /** Every connection that some vector asks for. */
    static List<Connection> connections() throws Exception {
        Set<String> lines = new TreeSet<>();
        for (Object v : read()) {
            if (((Map<?, ?>) v).get("conns") instanceof List<?> l) l.forEach(c -> lines.add((String) c));
        }
        return lines.stream().map(VectorTest::connection).toList();
    }

    static String json(Object value) {
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream().map(e -> json(e.getKey()) + ":" + json(e.getValue())).collect(Collectors.joining(",", "{", "}"));
        }
        if (value instanceof List<?> list) return list.stream().map(VectorTest::json).collect(Collectors.joining(",", "[", "]"));
        if (value instanceof String s) return '"' + s.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
        return String.valueOf(value);
    }

    private static Connection connection(String line) {
        int arrow = line.indexOf('>');
        IpAddress source = address(line.substring(0, arrow));
        String[] rest = line.substring(arrow + 1).split(" ");
        if (rest[1].equals("icmp")) {
            String[] type = rest[2].split("/");
            return Connection.icmp(source, address(rest[0]), Integer.parseInt(type[0]), type.length > 1 ? Integer.parseInt(type[1]) : 0);
        }
        int slash = rest[0].lastIndexOf('/');
        int colon = rest[0].lastIndexOf(':');
        int protocol = switch (rest[0].substring(slash + 1)) {
            case "TCP" -> 6;
            case "UDP" -> 17;
            case "SCTP" -> 132;
            default -> throw new IllegalArgumentException(line);
        };
        return Connection.port(source, address(rest[0].substring(0, colon)), protocol, Integer.parseInt(rest[0].substring(colon + 1, slash)));
    }

    private static IpAddress address(String name) {
        String text = ADDRESSES.getOrDefault(name, name);
        return IpAddress.parse(text.startsWith("[") ? text.substring(1, text.length() - 1) : text);
    }

    private static Cluster cluster(Map<?, ?> vector) {
        boolean dual = vector.containsKey("dualStack");
        String teamB = vector.containsKey("teamB") ? (String) vector.get("teamB") : "y";
        Map<String, Map<String, String>> namespaces = Map.of("a", Map.of("team", "x"), "b", Map.of("team", teamB), "kube-system", Map.of());
        List<Cluster.Pod> pods = new ArrayList<>();
        PortName http = new PortName("http", 6);
        pods.add(pod(namespaces, "a", "web", "n1", Map.of("app", "web", "pod-template-hash", "abc"), "10.0.0.10",
                Map.of(http, 8080, new PortName("metrics", 6), 9090)));
        pods.add(pod(namespaces, "a", "db", "n1", Map.of("app", "db"), "10.0.0.11", Map.of()));
        if (vector.containsKey("web2")) {
            pods.add(pod(namespaces, "a", "web-2", "n1", Map.of("app", "web", "pod-template-hash", "abc"), "10.0.0.13", Map.of(http, 8081)));
        }
        Cluster.Pod cli = pod(namespaces, "a", "cli", "n2", Map.of("app", "cli"), "10.0.1.12", Map.of());
        if (dual) {
            cli = new Cluster.Pod(cli.name(), cli.labels(), List.of(cli.addresses().get(0), IpAddress.parse(ADDRESSES.get("a/cli6"))), cli.node(),
                    cli.ports());
        }
        pods.add(cli);
        pods.add(pod(namespaces, "b", "web", "n2", Map.of("app", "web"), "10.0.1.20", Map.of(http, 80)));
        pods.add(pod(namespaces, "b", "cli", "n2", Map.of("app", "cli"), "10.0.1.21", Map.of()));
        pods.add(pod(namespaces, "kube-system", "coredns", "n2", Map.of("k8s-app", "kube-dns"), "10.0.1.53", Map.of()));
        pods.add(new Cluster.Pod("init", LabelSet.of(Label.reserved("init")), List.of(IpAddress.parse("10.0.1.99")), "n2", Map.of()));
        List<Cluster.Node> nodes = List.of(
                new Cluster.Node("n1", LabelSet.of(Label.k8s("kubernetes.io/hostname", "n1")), List.of(IpAddress.parse("192.168.1.1")), false),
                new Cluster.Node("n2", LabelSet.of(Label.k8s("kubernetes.io/hostname", "n2")), List.of(IpAddress.parse("192.168.1.2")), true));
        List<ServiceFacts> services = new ArrayList<>();
        if (vector.get("services") instanceof List<?> list) {
            for (Object o : list) {
                Map<?, ?> s = (Map<?, ?>) o;
                Map<String, String> selector = new TreeMap<>();
                if (s.get("selector") instanceof Map<?, ?> m) m.forEach((k, x) -> selector.put((String) k, (String) x));
                Set<IpAddress> endpoints = s.get("endpoints") instanceof List<?> l
                        ? l.stream().map(x -> IpAddress.parse((String) x)).collect(Collectors.toSet()) : Set.of();
                services.add(new ServiceFacts((String) s.get("ns"), (String) s.get("name"), LabelSet.empty(), selector, endpoints));
            }
        }
        return new Cluster(pods, nodes, services, Set.of(), dual);
    }

    private static Cluster.Pod pod(Map<String, Map<String, String>> namespaces, String namespace, String name, String node,
            Map<String, String> labels, String address, Map<PortName, Integer> ports) {
        Map<String, String> namespaceLabels = new HashMap<>(namespaces.get(namespace));
        namespaceLabels.put("kubernetes.io/metadata.name", namespace);
        return new Cluster.Pod(namespace + "/" + name, IdentityLabels.ofPod(namespace, "default", labels, namespaceLabels, "default",
                LabelFilter.defaults()), List.of(IpAddress.parse(address)), node, ports);
    }
}
