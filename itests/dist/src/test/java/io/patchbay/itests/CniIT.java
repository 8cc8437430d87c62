package io.patchbay.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonValue;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/** The CNI executable, called as a container runtime calls it: CNI specification 1.1. The lab's own kubelet is stopped meanwhile. */
@Tag("dist")
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class CniIT {
    private static final int PODS = 60;

    private static Lab lab;
    private static String config;
    private static final Set<String> made = new HashSet<>();
    private static int next;

    @BeforeAll
    static void start() {
        lab = Lab.up("pbt-cni");
        Run.of("kill", "-STOP", String.valueOf(lab.status().getInt("kubeletPid"))).ok();
        StringBuilder pods = new StringBuilder();
        for (int i = 0; i < PODS; i++) {
            pods.append("---\napiVersion: v1\nkind: Pod\nmetadata: {name: p").append(i).append(", namespace: default}\nspec:\n  nodeName: node1\n")
                    .append("  containers:\n    - {name: none, image: none, command: [none]}\n");
        }
        lab.apply(pods.toString()).ok();
        config = config("1.1.0", Map.of()).toString();
    }

    @AfterAll
    static void end() {
        if (lab != null) {
            for (String netns : made) {
                Run.of("ip", "netns", "delete", netns);
            }
            lab.close();
        }
    }

    private static JsonObject config(String version, Map<String, JsonValue> more) {
        JsonObjectBuilder b = Json.createObjectBuilder().add("cniVersion", version).add("name", "patchbay").add("type", "patchbay-cni")
                .add("agentSocket", lab.directory().resolve("node1/agent.sock").toString());
        more.forEach(b::add);
        return b.build();
    }

    /** A container that gets its network from one call. */
    private record Container(String id, String pod, String netns) {
        static synchronized Container next() {
            int n = next++;
            if (n >= PODS) {
                throw new IllegalStateException("the cluster of this test has no more pods");
            }
            String netns = lab.name + "-c" + n;
            made.add(netns);
            Run.of("ip", "netns", "add", netns).ok();
            return new Container("container" + n, "p" + n, netns);
        }

        Run.Result call(String command) {
            return call(command, config);
        }

        Run.Result call(String command, String input) {
            return cni(command, Map.of("CNI_CONTAINERID", id, "CNI_NETNS", "/run/netns/" + netns, "CNI_IFNAME", "eth0",
                    "CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=" + pod), input);
        }

        String add() {
            return address(call("ADD").ok());
        }
    }

    private static Run.Result cni(String command, Map<String, String> environment, String input) {
        Path executable = Lab.DISTRIBUTION.resolve("bin/patchbay-cni");
        Map<String, String> all = new HashMap<>(environment);
        all.put("CNI_COMMAND", command);
        all.put("CNI_PATH", executable.getParent().toString());
        return Run.of(List.of(executable.toString()), all, input, Duration.ofSeconds(90));
    }

    private static String address(String result) {
        return Lab.parse(result).asJsonObject().getJsonArray("ips").getJsonObject(0).getString("address");
    }

    private static void error(int code, Run.Result r) {
        assertTrue(r.exit() != 0, r.toString());
        JsonObject o = Lab.parse(r.out()).asJsonObject();
        assertEquals(code, o.getInt("code"), r.toString());
        assertTrue(!o.getString("msg").isBlank(), r.toString());
        assertTrue(o.containsKey("cniVersion"), r.toString());
    }

    private static Set<String> endpoints() {
        Set<String> all = new HashSet<>();
        Lab.objects(lab.json("node1", "endpoint", "list")).forEach(e -> all.add(e.getString("pod")));
        return all;
    }

    @Test
    void aPodComesAndGoes() {
        Container c = Container.next();
        JsonObject result = Lab.parse(c.call("ADD").ok()).asJsonObject();
        assertEquals("1.1.0", result.getString("cniVersion"));
        String address = result.getJsonArray("ips").getJsonObject(0).getString("address");
        assertTrue(address.matches("10\\.244\\.0\\.\\d+/32"), address);
        JsonObject inside = Lab.objects(result.get("interfaces")).stream().filter(i -> !i.getString("sandbox", "").isEmpty()).findFirst().orElseThrow();
        assertEquals("eth0", inside.getString("name"));
        assertEquals("/run/netns/" + c.netns(), inside.getString("sandbox"));
        String seen = Run.of("ip", "-n", c.netns(), "address", "show", "eth0").ok();
        assertTrue(seen.contains(address.replace("/32", "")) && seen.contains(inside.getString("mac")), seen);
        assertTrue(Run.of("ip", "-n", c.netns(), "route").ok().contains("default"));
        assertTrue(endpoints().contains(c.pod()));

        assertEquals(address, c.add(), "ADD again answers the same");
        c.call("CHECK", config("1.1.0", Map.of("prevResult", result)).toString()).ok();
        assertEquals("", c.call("DEL").ok());
        assertTrue(!endpoints().contains(c.pod()));
        assertTrue(Run.of("ip", "-n", c.netns(), "link", "show", "eth0").exit() != 0);
        assertEquals("", c.call("DEL").ok(), "DEL of what is gone succeeds");
        error(101, c.call("CHECK", config("1.1.0", Map.of("prevResult", result)).toString()));
    }

    @Test
    void checkFindsWhatSomebodyChanged() {
        Container c = Container.next();
        JsonObject result = Lab.parse(c.call("ADD").ok()).asJsonObject();
        Run.of("ip", "-n", c.netns(), "address", "flush", "dev", "eth0").ok();
        error(101, c.call("CHECK", config("1.1.0", Map.of("prevResult", result)).toString()));
        c.call("DEL").ok();
    }

    @Test
    void aVanishedNamespaceIsNoReasonToFail() {
        Container c = Container.next();
        c.add();
        Run.of("ip", "netns", "delete", c.netns()).ok();
        assertEquals("", c.call("DEL").ok());
        assertTrue(!endpoints().contains(c.pod()));
    }

    @Test
    void versionsAndStatus() {
        JsonObject v = Lab.parse(cni("VERSION", Map.of(), "{\"cniVersion\":\"1.1.0\"}").ok()).asJsonObject();
        assertEquals(List.of("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"), v.getJsonArray("supportedVersions").getValuesAs(jakarta.json.JsonString::getString));
        assertEquals("", cni("STATUS", Map.of(), config).ok());
        for (String old : List.of("0.3.1", "0.4.0", "1.0.0")) {
            Container c = Container.next();
            assertEquals(old, Lab.parse(c.call("ADD", config(old, Map.of()).toString()).ok()).asJsonObject().getString("cniVersion"));
            c.call("DEL", config(old, Map.of()).toString()).ok();
        }
    }

    @Test
    void wrongCallsHaveTheirCodes() {
        Container c = Container.next();
        error(1, c.call("ADD", config("9.9.9", Map.of()).toString()));
        error(4, c.call("NONSENSE"));
        error(4, cni("ADD", Map.of("CNI_NETNS", "/run/netns/" + c.netns(), "CNI_IFNAME", "eth0"), config));
        error(6, c.call("ADD", config.substring(0, config.length() - 1)));
        error(11, new Container("x", "nobody-knows-this-pod", c.netns()).call("ADD"));
        assertEquals(Set.of(), new HashSet<>(endpoints().stream().filter(e -> e.equals(c.pod())).toList()), "none of these left anything");
    }

    @Test
    void manyAtOnceGetAddressesOfTheirOwn() throws Exception {
        List<Container> containers = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            containers.add(Container.next());
        }
        ExecutorService threads = Executors.newFixedThreadPool(containers.size());
        try {
            List<Future<String>> answers = containers.stream().map(c -> threads.submit(c::add)).toList();
            Set<String> addresses = new HashSet<>();
            for (Future<String> a : answers) {
                assertTrue(addresses.add(a.get()), "given twice: " + a.get());
            }
            // Half of them go by GC, the others by DEL, again all at once.
            var valid = Json.createArrayBuilder();
            containers.subList(0, 15).forEach(c -> valid.add(Json.createObjectBuilder().add("containerID", c.id()).add("ifname", "eth0")));
            assertEquals("", cni("GC", Map.of(), config("1.1.0", Map.of("cni.dev/valid-attachments", valid.build())).toString()).ok());
            Set<String> left = endpoints();
            containers.subList(0, 15).forEach(c -> assertTrue(left.contains(c.pod()), c.pod() + " stays"));
            containers.subList(15, 30).forEach(c -> assertTrue(!left.contains(c.pod()), c.pod() + " is collected"));
            List<Future<String>> deleted = containers.stream().map(c -> threads.submit(() -> c.call("DEL").ok())).toList();
            for (Future<String> d : deleted) {
                assertEquals("", d.get());
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void aPodThatGoesWhileTheAgentIsAwayIsCleanedUp() {
        Container gone = Container.next();
        gone.add();
        Container stays = Container.next();
        String address = stays.add();
        long pid = lab.agentPid("node1");
        Run.of("kill", "-KILL", String.valueOf(pid)).ok();
        Await.that("the agent is gone", () -> !ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false));
        assertEquals("", gone.call("DEL").ok(), "it is queued");
        Run.of("ip", "netns", "delete", gone.netns()).ok();
        error(11, Container.next().call("ADD"));
        error(11, cni("STATUS", Map.of(), config));
        cni("VERSION", Map.of(), "{\"cniVersion\":\"1.1.0\"}").ok();
        lab.patchbay("lab", "restart", "node1").ok();
        lab.awaitRunning("node1");
        assertTrue(!endpoints().contains(gone.pod()), "it was taken away at once");
        assertTrue(endpoints().contains(stays.pod()));
        assertEquals(address, stays.add(), "the other's address is its own still");
        assertEquals(List.of(), Lab.list(lab.directory().resolve("node1/cni-del")));
        stays.call("DEL").ok();
    }

    @Test
    @Order(Integer.MAX_VALUE)
    void aNodeThatHasNoAddressesLeftSaysSo() throws Exception {
        // The node is given a small range while its agent is away; what earlier tests gave back of it may rest still, which is in use as well.
        Run.of("kill", "-KILL", String.valueOf(lab.agentPid("node1"))).ok();
        Path node = lab.directory().resolve("cluster/objects/nodes/node1.json");
        Files.writeString(node, Files.readString(node).replace("10.244.0.0/24", "10.244.0.0/29"));
        lab.patchbay("lab", "restart", "node1").ok();
        lab.awaitRunning("node1");
        List<Container> containers = new ArrayList<>();
        Run.Result last = null;
        for (int i = 0; i < 8 && (last == null || last.exit() == 0); i++) {
            Container c = Container.next();
            containers.add(c);
            last = c.call("ADD");
        }
        error(102, last);
        String said = Lab.parse(last.out()).asJsonObject().getString("msg");
        assertTrue(said.matches("no address left in 10\\.244\\.0\\.0/29: (\\d) of \\1 in use.*"), said);
        assertTrue(lab.on("node1", "status").ok().contains("/6 allocated from 10.244.0.0/29"));
        containers.forEach(c -> c.call("DEL").ok());
    }
}
