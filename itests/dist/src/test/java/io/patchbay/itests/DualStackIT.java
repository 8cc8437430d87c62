package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.itests.variants.FeatureVariant;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A cluster of both families: what is seen of it, and real IPv6 traffic on every way there is. */
@Tag("dist")
class DualStackIT {
    private static final int REACHED = 0;
    private static final int REFUSED = 3;
    private static final int SILENT = 4;
    private static final String WORLD6 = "2001:db8:113::10";
    private static final String OTHER_WORLD6 = "2001:db8:113::20";
    private static final int SERVER = 8080;
    private static final int NODE_PORT = 31085;

    @TempDir
    static Path jars;
    private static Lab lab;
    private static Lab.Pod client;
    private static Lab.Pod near;
    private static Lab.Pod far;
    private static String router;

    @BeforeAll
    static void start() {
        lab = Lab.up("pbt-dual", "--dual-stack");
        lab.apply(Lab.manifest("dual.yaml")).ok();
        Await.that("the pods are ready", () -> lab.pods().stream().filter(p -> p.name().startsWith("dual/") && p.ready()).count() == 3);
        client = lab.pod("dual/client");
        near = lab.pod("dual/near");
        far = lab.pod("dual/far");
        router = client.address6().replaceAll("[0-9a-f]+$", "1");
        lab.exec("outside", "ip", "address", "replace", OTHER_WORLD6 + "/128", "dev", "lo", "nodad").ok();
        for (String node : List.of("node1", "node2")) {
            lab.awaitRunning(node);
            Await.that(node + " knows the backend", () -> lab.on(node, "service", "list").ok().contains("[::]:" + NODE_PORT + "/TCP"));
            Await.that(node + " leads outside to it", () -> outside(at(address6(node), NODE_PORT), "tcp") == REACHED);
        }
    }

    @AfterAll
    static void end() {
        if (lab != null) lab.close();
    }

    private static String at(String address, int port) {
        return (address.indexOf(':') >= 0 ? "[" + address + "]" : address) + ":" + port;
    }

    private static List<String> addresses(JsonObject o) {
        return o.getJsonArray("addresses").getValuesAs(JsonString::getString);
    }

    private static String address6(String node) {
        return addresses(lab.node(node)).get(1);
    }

    private static int outside(String to, String proto) {
        return lab.exec("outside", "pb-traffic", "probe", "--to", to, "--proto", proto, "--timeout", "1500").exit();
    }

    /** A process of the node itself, in the node's cgroup. */
    private static int onNode(String node, String to, String proto) {
        JsonObject n = lab.node(node);
        return Run.of("bash", "-c", "echo $$ >\"$0/agent/cgroup.procs\" && exec nsenter --net=\"/run/netns/$1\" -- \"${@:2}\"", n.getString("cgroup"),
                n.getString("netns"), Lab.program(), "probe", "--to", to, "--proto", proto, "--timeout", "1500").exit();
    }

    private static Run.Result in(Lab.Pod pod, String... words) {
        return Run.of(Lab.inPod(pod, true, words).toArray(String[]::new));
    }

    private static List<String> clusterIps(String service) {
        return lab.cluster("services").stream().filter(s -> s.getJsonObject("metadata").getString("name").equals(service)
                && s.getJsonObject("metadata").getString("namespace").equals("dual"))
                .map(s -> s.getJsonObject("spec").getJsonArray("clusterIPs").getValuesAs(JsonString::getString)).findFirst().orElseThrow();
    }

    private static void expect(List<String> wrong, int exit, Run.Result r, String what) {
        if (r.exit() != exit) wrong.add(what + ": " + r.exit() + " " + r.out().strip());
    }

    @Test
    void everythingHasAnAddressOfEachFamily() {
        for (JsonObject node : lab.cluster("nodes")) {
            List<String> cidrs = node.getJsonObject("spec").getJsonArray("podCIDRs").getValuesAs(JsonString::getString);
            assertTrue(cidrs.size() == 2 && cidrs.get(0).startsWith("10.244.") && cidrs.get(1).matches("fd00:10:244:.*/64"), cidrs.toString());
        }
        String nodes = lab.on("node1", "node", "list").ok();
        for (String node : List.of("node1", "node2")) for (String a : addresses(lab.node(node))) assertTrue(nodes.contains(a), nodes);
        String endpoints = lab.on("node1", "endpoint", "list").ok();
        String ips = lab.on("node2", "ip", "list").ok();
        for (Lab.Pod pod : List.of(client, near)) {
            assertEquals(2, pod.addresses().size());
            assertTrue(endpoints.contains(pod.address() + " ") && endpoints.contains(pod.address6() + " "), endpoints);
            assertTrue(ips.contains(pod.address() + "/32") && ips.contains(pod.address6() + "/128"), ips);
        }
        assertTrue(ips.contains("reserved:world-ipv4") && ips.contains("reserved:world-ipv6"), ips);
        String status = lab.on("node1", "status").ok();
        assertTrue(status.matches("(?s).*IPv4: \\d+/254 allocated from 10\\.244\\.\\d\\.0/24, IPv6: \\d+/18446744073709551614 allocated from fd00:10:244:.*/64\\s.*"), status);
        assertTrue(status.contains("[IPv4: Enabled, IPv6: Enabled]"), status);

        String inside = in(client, "ip", "-6", "address", "show", "eth0").ok();
        assertTrue(inside.contains(client.address6() + "/128") && !inside.contains("tentative") && !inside.contains("fe80:"), inside);
        assertTrue(in(client, "ip", "-6", "route", "get", far.address6()).ok().contains("mtu 1450"));
        assertTrue(in(client, "ip", "-6", "neighbour").ok().contains(router + " dev eth0 lladdr"));
    }

    /** ADD again for a container that is there: the same answer. */
    @Test
    void theCniResultListsBothIpv6First() {
        JsonObject pod = Lab.objects(lab.status().get("pods")).stream().filter(p -> p.getString("pod").equals(client.name())).findFirst().orElseThrow();
        Path executable = Lab.DISTRIBUTION.resolve("bin/patchbay-cni");
        String config = Json.createObjectBuilder().add("cniVersion", "1.1.0").add("name", "patchbay").add("type", "patchbay-cni")
                .add("agentSocket", lab.node("node1").getString("socket")).build().toString();
        JsonObject result = Lab.parse(Run.of(List.of(executable.toString()), Map.of("CNI_COMMAND", "ADD", "CNI_CONTAINERID", pod.getString("containerID"),
                "CNI_NETNS", "/run/netns/" + client.netns(), "CNI_IFNAME", "eth0", "CNI_PATH", executable.getParent().toString(),
                "CNI_ARGS", "K8S_POD_NAMESPACE=dual;K8S_POD_NAME=client"), config, Duration.ofSeconds(60)).ok()).asJsonObject();
        List<JsonObject> ips = Lab.objects(result.get("ips"));
        assertEquals(List.of(client.address6() + "/128", client.address() + "/32"), ips.stream().map(i -> i.getString("address")).toList());
        assertEquals(router, ips.get(0).getString("gateway"));
        JsonObject all = Lab.objects(result.get("routes")).stream().filter(r -> r.getString("dst").equals("::/0")).findFirst().orElseThrow();
        assertEquals(router, all.getString("gw"));
        assertEquals(1450, all.getInt("mtu"));
    }

    @Test
    void podsAndNodesReachEachOther() {
        List<String> wrong = new ArrayList<>();
        for (String proto : List.of("tcp", "udp", "icmp")) {
            for (Lab.Pod to : List.of(near, far)) {
                for (String address : to.addresses()) {
                    expect(wrong, REACHED, lab.probe(client, true, at(address, SERVER), proto), proto + " to " + to.name() + " at " + address);
                    for (String node : List.of("node1", "node2")) {
                        if (onNode(node, at(address, SERVER), proto) != REACHED) wrong.add(proto + " from " + node + " to " + address);
                    }
                }
            }
        }
        for (String node : List.of(router, address6("node1"), address6("node2"))) {
            expect(wrong, REACHED, lab.probe(client, true, at(node, 0), "icmp"), "echo to " + node);
        }
        expect(wrong, REFUSED, lab.probe(client, true, at(far.address6(), 9), "udp"), "a closed port is said to be closed");
        assertEquals(List.of(), wrong);
    }

    @Test
    void whatIsTooBigIsSaidSoAndNothingIsFragmentedOutside() {
        Run.Result told = in(client, Lab.program(), "probe", "--proto", "icmp", "--size", "1440", "--to", at(far.address6(), 0));
        assertEquals("too big, MTU 1450 from " + router, told.out().strip());
        assertEquals(REACHED, in(client, Lab.program(), "probe", "--proto", "icmp", "--size", "1440", "--to", at(near.address6(), 0)).exit());
        long before = fragments();
        // routes that know nothing of the tunnel: both ends have to be told
        for (Lab.Pod pod : List.of(client, far)) defaultRoute(pod, "1500");
        try (Traffic t = new Traffic()) {
            t.start("bulk", client, true, "tcp-rr", "--to", at(far.address6(), SERVER), "--connections", "2", "--size", "500000", "--timeout-ms", "10000", "--seconds", "2");
            JsonObject bulk = t.endClean().get("bulk");
            assertTrue(Traffic.amount(bulk) > 5, bulk.toString());
        } finally {
            for (Lab.Pod pod : List.of(client, far)) defaultRoute(pod, "1450");
        }
        assertEquals(before, fragments(), "FragCreates of both nodes, in both families");
        assertTrue(in(client, "cat", "/proc/net/snmp6").ok().lines().anyMatch(l -> l.matches("Icmp6InPktTooBigs\\s+[1-9]\\d*")), "the pod was told");
    }

    private static void defaultRoute(Lab.Pod pod, String mtu) {
        String via = pod.address6().replaceAll("[0-9a-f]+$", "1");
        in(pod, "ip", "-6", "route", "replace", "default", "via", via, "dev", "eth0", "onlink", "metric", "1024", "mtu", mtu).ok();
    }

    private static long fragments() {
        long sum = 0;
        for (String node : List.of("node1", "node2")) {
            List<String[]> ip = lab.exec(node, "cat", "/proc/net/snmp").ok().lines().filter(l -> l.startsWith("Ip:")).map(l -> l.split(" ")).toList();
            sum += Long.parseLong(ip.get(1)[List.of(ip.get(0)).indexOf("FragCreates")]);
            sum += lab.exec(node, "cat", "/proc/net/snmp6").ok().lines().filter(l -> l.startsWith("Ip6FragCreates")).mapToLong(l -> Long.parseLong(l.split("\\s+")[1])).sum();
        }
        return sum;
    }

    @Test
    void aPodCantSpeakForAnother() {
        String other = "fd00:10:244::fff0";
        in(client, "ip", "address", "add", other + "/128", "dev", "eth0", "nodad").ok();
        try {
            for (Lab.Pod to : List.of(near, far)) {
                assertEquals(SILENT, in(client, Lab.program(), "probe", "--to", at(to.address6(), SERVER), "--bind", at(other, 0), "--timeout", "700").exit());
            }
            Await.that("the drops are seen", () -> lab.on("node1", "hubble", "observe", "--verdict", "DROPPED", "--ip", other).ok().contains("Invalid source"));
        } finally {
            in(client, "ip", "address", "delete", other + "/128", "dev", "eth0").ok();
        }
    }

    /** The neighbour that the CNI call left is gone, and policy lets nothing out: the router still answers for itself. */
    @Test
    void aPodThatForgotItsRouterIsToldAgain() {
        String nothing = policy("networking.k8s.io/v1", "NetworkPolicy", "nothing", "podSelector: {matchLabels: {app: client}}, policyTypes: [Egress, Ingress]");
        lab.apply(nothing).ok();
        try {
            Await.that("nothing gets out", () -> lab.probe(client, true, at(near.address6(), SERVER), "tcp").exit() == SILENT);
            in(client, "ip", "-6", "neighbour", "delete", router, "dev", "eth0").ok();
            lab.probe(client, true, at(near.address6(), SERVER), "udp");
            assertTrue(in(client, "ip", "-6", "neighbour").ok().matches("(?s).*" + router + " dev eth0 lladdr [0-9a-f:]+ .*"), in(client, "ip", "-6", "neighbour").ok());
        } finally {
            lab.delete(nothing).ok();
        }
        Await.that("it speaks again", () -> lab.probe(client, true, at(near.address6(), SERVER), "tcp").exit() == REACHED);
        // asked directly, as the kernel does of an entry that has grown old
        in(client, "ip", "-6", "neighbour", "replace", router, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0").ok();
        Await.that("a wrong neighbour is mended", () -> lab.probe(client, true, at(near.address6(), SERVER), "tcp").exit() == REACHED);
    }

    @ParameterizedTest
    @CsvSource({"tcp, true", "tcp, false", "udp, true", "udp, false"})
    void aServiceOfBothFamiliesAtTheSocketAndPerPacket(String proto, boolean inCgroup) {
        List<String> ips = clusterIps("far");
        assertTrue(ips.size() == 2 && ips.get(0).startsWith("10.96.") && ips.get(1).startsWith("fd00:10:96::"), ips.toString());
        List<String> wrong = new ArrayList<>();
        for (String ip : ips) {
            expect(wrong, REACHED, lab.probe(client, inCgroup, at(ip, 80), proto), "the ClusterIP " + ip);
            expect(wrong, REACHED, lab.probe(far, inCgroup, at(ip, 80), proto), "the ClusterIP " + ip + ", from its own backend");
        }
        for (String node : List.of("node1", "node2")) {
            for (String address : addresses(lab.node(node))) {
                expect(wrong, REACHED, lab.probe(client, inCgroup, at(address, NODE_PORT), proto), "the node port at " + address);
            }
        }
        assertEquals(List.of(), wrong);
    }

    @ParameterizedTest
    @ValueSource(strings = {"node1", "node2"})
    void aNodePortFromOutsideAndFromTheNode(String node) {
        List<String> wrong = new ArrayList<>();
        for (String proto : List.of("tcp", "udp")) {
            for (String address : addresses(lab.node(node))) {
                for (int i = 0; i < 3; i++) if (outside(at(address, NODE_PORT), proto) != REACHED) wrong.add("from outside, " + proto + " " + address);
            }
            for (String address : List.of("127.0.0.1", "::1", address6("node1"))) {
                if (onNode(node, at(address, NODE_PORT), proto) != REACHED) wrong.add("at " + node + ", " + proto + " " + address);
            }
            if (onNode(node, at(clusterIps("far").get(1), 80), proto) != REACHED) wrong.add("the ClusterIP at " + node + ", " + proto);
            for (String address : clusterIps("far")) {
                expect(wrong, REACHED, lab.exec(node, "pb-traffic", "probe", "--to", at(address, 80), "--proto", proto, "--timeout", "1500"),
                        "outside of the cgroup of " + node + ", " + proto + " " + address);
            }
        }
        assertEquals(List.of(), wrong);
        assertTrue(lab.on(node, "service", "list").ok().matches("(?s).*\\[" + address6(node) + "\\]:" + NODE_PORT + "/TCP +NodePort +1 => \\[" + far.address6() + "\\]:8080/TCP \\(active\\).*"));
    }

    @Test
    void aClientStaysWithItsBackendOnBothWays() {
        List<String> ips = clusterIps("six");
        assertTrue(ips.size() == 1 && ips.get(0).indexOf(':') >= 0, ips.toString());
        Set<String> answers = new HashSet<>();
        for (int i = 0; i < 8; i++) answers.add(lab.probe(client, i % 2 == 0, at(ips.get(0), 80), "tcp").ok().strip());
        assertEquals(1, answers.size(), answers.toString());
    }

    @Test
    void theOutsideSeesTheNode() {
        for (String proto : List.of("tcp", "icmp")) assertEquals(REACHED, lab.probe(client, true, at(WORLD6, 80), proto).exit(), proto);
        assertEquals(REACHED, lab.probe(client, true, at(WORLD6, 53), "udp").exit());
        try (Traffic t = new Traffic()) {
            t.start("outside", client, true, "tcp-rr", "--to", at(WORLD6, 80), "--connections", "1", "--interval-us", "10000", "--until-signal");
            // fd00:172:18::11 as the kernel prints it, four words of this machine's byte order
            Await.passes("the caller is node1", () -> {
                String seen = lab.exec("outside", "cat", "/proc/net/tcp6").ok();
                assertTrue(seen.lines().map(l -> l.trim().split("\\s+")).anyMatch(w -> w.length > 3 && w[1].endsWith(":0050") && w[3].equals("01")
                        && w[2].startsWith("720100FD000018000000000011000000:")), seen);
            });
            String nat = lab.on("node1", "bpf", "nat", "list").ok();
            assertTrue(nat.contains("OUT [" + client.address6() + "]:") && nat.contains("XLATE_SRC [" + address6("node1") + "]:"), nat);
            t.stopClean();
        }
        Await.that("hubble knows the pod behind it", () -> lab.on("node1", "hubble", "observe", "-6", "--to-ip", WORLD6, "-o", "table").ok()
                .matches("(?s).*dual/client:\\d+ +\\[" + WORLD6 + "\\]:80 +to-network +FORWARDED.*"));
    }

    private static String policy(String version, String kind, String name, String spec) {
        return "{apiVersion: " + version + ", kind: " + kind + ", metadata: {name: " + name + ", namespace: dual}, spec: {" + spec + "}}";
    }

    private static void under(String policy, Runnable checks) {
        lab.apply(policy).ok();
        try {
            checks.run();
        } finally {
            lab.delete(policy).ok();
        }
    }

    /** Exit of a connection, once it is the wanted one: a policy needs its moment. */
    private static void becomes(int exit, String to, String proto) {
        Await.value(proto + " to " + to, () -> lab.probe(client, true, to, proto).exit(), e -> e == exit);
    }

    /** Vector 114. */
    @Test
    void anIpBlockOfIpv6WithAnException() {
        under(policy("networking.k8s.io/v1", "NetworkPolicy", "block", "podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], "
                + "egress: [{to: [{ipBlock: {cidr: \"2001:db8::/32\", except: [\"" + WORLD6 + "/128\"]}}]}]"), () -> {
            becomes(SILENT, at(WORLD6, 80), "tcp");
            becomes(REACHED, at(OTHER_WORLD6, 80), "tcp");
            becomes(SILENT, "203.0.113.10:80", "tcp");
            becomes(SILENT, at(near.address6(), SERVER), "tcp");
            Await.that("it is seen", () -> lab.on("node1", "hubble", "observe", "-6", "--verdict", "DROPPED", "--to-ip", WORLD6).ok().contains("Policy denied"));
        });
        becomes(REACHED, at(WORLD6, 80), "tcp");
    }

    /** Vector 115. */
    @Test
    void theWorldIsToldApartByFamily() {
        under(policy("cilium.io/v2", "CiliumNetworkPolicy", "four", "endpointSelector: {matchLabels: {app: client}}, egress: [{toCIDR: [0.0.0.0/0]}]"), () -> {
            becomes(SILENT, at(WORLD6, 80), "tcp");
            becomes(REACHED, "203.0.113.10:80", "tcp");
        });
        under(policy("cilium.io/v2", "CiliumNetworkPolicy", "six", "endpointSelector: {matchLabels: {app: client}}, egress: [{toCIDR: [\"::/0\"]}]"), () -> {
            becomes(SILENT, "203.0.113.10:80", "tcp");
            becomes(REACHED, at(WORLD6, 80), "tcp");
        });
        under(policy("cilium.io/v2", "CiliumNetworkPolicy", "world", "endpointSelector: {matchLabels: {app: client}}, egress: [{toEntities: [world]}]"), () -> {
            becomes(SILENT, at(near.address6(), SERVER), "tcp");
            becomes(REACHED, at(WORLD6, 80), "tcp");
            becomes(REACHED, "203.0.113.10:80", "tcp");
        });
    }

    /** What comes through another node's tunnel is the world of its family here, too. */
    @Test
    void clientsOutsideAreTheWorldOfTheirFamilyThroughEachNode() {
        under(policy("cilium.io/v2", "CiliumNetworkPolicy", "six", "endpointSelector: {matchLabels: {only: far}}, ingress: [{fromCIDR: [\"::/0\"]}]"), () -> {
            becomes(SILENT, at(far.address6(), SERVER), "tcp");
            for (String node : List.of("node1", "node2")) {
                assertEquals(REACHED, outside(at(address6(node), NODE_PORT), "tcp"), node);
                assertEquals(SILENT, outside(at(lab.node(node).getString("address"), NODE_PORT), "tcp"), node + ", IPv4");
            }
        });
    }

    @Test
    void errorsAboutAnAllowedConnectionPassAndOthersDont() {
        under(policy("cilium.io/v2", "CiliumNetworkPolicy", "udp", "endpointSelector: {matchLabels: {app: client}}, ingress: [{}], "
                + "egress: [{toEndpoints: [{matchLabels: {only: far}}], toPorts: [{ports: [{port: \"9\", protocol: UDP}, {port: \"8080\", protocol: TCP}]}]}]"), () -> {
            becomes(SILENT, at(near.address6(), SERVER), "tcp");
            becomes(REACHED, at(far.address6(), SERVER), "tcp");
            becomes(REFUSED, at(far.address6(), 9), "udp");
            becomes(SILENT, at(far.address6(), 0), "icmp");
        });
    }

    @Test
    void hubbleTellsTheFamiliesApart() {
        lab.probe(client, true, at(near.address6(), SERVER), "tcp").ok();
        lab.probe(client, true, at(near.address(), SERVER), "tcp").ok();
        Await.that("both are seen", () -> flows("-6").stream().anyMatch(DualStackIT::isToNear) && flows("-4").stream().anyMatch(DualStackIT::isToNear));
        for (String family : List.of("-4", "-6")) {
            for (JsonObject flow : flows(family)) assertEquals("IPv" + family.substring(1), flow.getJsonObject("IP").getString("ipVersion"), flow.toString());
        }
        assertTrue(lab.on("node1", "hubble", "observe", "-6", "--pod", "dual/client", "-o", "table").ok().matches("(?s).*dual/client:\\d+ +dual/near:8080 +to-endpoint +FORWARDED.*"));
        assertTrue(lab.on("node1", "hubble", "observe", "--numeric", "-6", "--pod", "dual/client", "-o", "compact").ok().contains("[" + client.address6() + "]:"));
    }

    private static boolean isToNear(JsonObject flow) {
        return flow.getJsonObject("destination").getString("pod_name", "").equals("near");
    }

    private static List<JsonObject> flows(String family) {
        return lab.on("node1", "hubble", "observe", family, "--pod", "dual/client", "--last", "50", "-o", "json").ok().lines()
                .map(l -> Lab.parse(l).asJsonObject()).filter(o -> o.containsKey("flow")).map(o -> o.getJsonObject("flow")).toList();
    }

    /** All features as one change, and the agent away for a moment: no IPv6 packet is lost, and addresses go on from where they were. */
    @Test
    void featuresChangeUnderIpv6Traffic() throws IOException {
        int before = last();
        try (Traffic t = new Traffic()) {
            t.duplex("UDP on one node", client, true, near, near.address6(), 7001, 400);
            t.duplex("UDP across nodes", client, true, far, far.address6(), 7002, 400);
            t.tcp("TCP across nodes", client, true, at(far.address6(), SERVER));
            t.tcp("TCP through a service at the socket", client, true, at(clusterIps("far").get(1), 80));
            // of another pod: the client calls the backend itself, too
            t.tcp("TCP through a service by packet", near, false, at(clusterIps("far").get(1), 80));
            t.start("TCP to the outside", client, true, "tcp-rr", "--to", at(WORLD6, 80), "--connections", "2", "--interval-us", "2000", "--timeout-ms", "10000", "--until-signal");
            t.assertRunning();
            List<String> words = new ArrayList<>(List.of("feature", "update"));
            for (String feature : lab.features("node1").keySet()) {
                words.add(FeatureVariant.of(Lab.jar(feature)).version("0.6.0").write(jars.resolve(feature + "-0.6.0.jar")).toString());
            }
            lab.on("node1", words.toArray(String[]::new)).ok();
            lab.awaitRunning("node1");
            lab.patchbay("lab", "restart", "node1", "--wait", "1").ok();
            lab.awaitRunning("node1");
            t.assertRunning();
            t.stopClean();
        }
        List<Ledger> made = lab.ledgers("node1").stream().filter(l -> l.json().getJsonNumber("toEpoch").intValue() > before).toList();
        assertEquals(1, made.size());
        made.forEach(Ledger::assertClean);
        assertEquals(client.addresses(), lab.pod(client.name()).addresses());
        assertTrue(lab.on("node1", "status").ok().matches("(?s).*IPv6: \\d+/18446744073709551614 allocated.*"));
    }

    private static int last() {
        return lab.ledgers("node1").stream().mapToInt(l -> l.json().getJsonNumber("toEpoch").intValue()).max().orElse(0);
    }
}
