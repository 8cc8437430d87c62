package io.patchbay.lab;

import io.patchbay.api.cluster.Pod;
import io.patchbay.api.net.IpAddress;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonReader;
import jakarta.json.JsonValue;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A pod's namespace, cgroup and attachment, made as a container runtime makes them: through the CNI executable. */
final class Sandbox {
    private final Surroundings surroundings;
    private final LabNode node;
    private final Pod pod;
    private final String containerId;

    Sandbox(Surroundings surroundings, LabNode node, Pod pod, String containerId) {
        this.surroundings = surroundings;
        this.node = node;
        this.pod = pod;
        this.containerId = containerId;
    }

    /** The CNI plugin's error, by its code (CNI specification 1.1, section "Error"). */
    static final class CniException extends Exception {
        private static final long serialVersionUID = 1L;

        CniException(String message) {
            super(message);
        }
    }

    String netns() {
        return pod.hostNetwork() ? surroundings.lab() + "-" + node.name() : surroundings.lab() + "-" + pod.namespace() + "-" + pod.name();
    }

    Path netnsPath() {
        return Path.of("/run/netns", netns());
    }

    Path cgroup() {
        return node.cgroup().resolve("pods").resolve(pod.namespace() + "_" + pod.name());
    }

    boolean exists() {
        return Files.exists(netnsPath()) && Files.isDirectory(cgroup());
    }

    /** Idempotent. */
    List<IpAddress> create() throws IOException, InterruptedException, CniException {
        Files.createDirectories(cgroup());
        if (pod.hostNetwork()) {
            return node.addresses();
        }
        if (!Files.exists(netnsPath())) {
            // The list is what lab down removes; the line is there before the namespace is.
            Files.writeString(surroundings.directory().resolve("namespaces"), netns() + "\n", java.nio.file.StandardOpenOption.CREATE,
                    java.nio.file.StandardOpenOption.APPEND);
            run(Map.of(), "", "ip", "netns", "add", netns());
            run(Map.of(), "", "ip", "-n", netns(), "link", "set", "lo", "up");
        }
        JsonObject result = cni("ADD");
        List<IpAddress> addresses = new ArrayList<>();
        for (JsonValue ip : result.getJsonArray("ips")) {
            String text = ip.asJsonObject().getString("address");
            addresses.add(IpAddress.parse(text.substring(0, text.indexOf('/'))));
        }
        // a plugin lists them in whatever order; podIPs begin with the family of the node's first address
        boolean first = node.addresses().get(0).isV4();
        addresses.sort(Comparator.comparing(a -> a.isV4() != first));
        return addresses;
    }

    /** Idempotent. */
    void destroy() throws IOException, InterruptedException, CniException {
        if (!pod.hostNetwork()) {
            cni("DEL");
            if (Files.exists(netnsPath())) {
                run(Map.of(), "", "ip", "netns", "delete", netns());
            }
        }
        Files.deleteIfExists(cgroup());
    }

    /** Ends every process of the pod. */
    void kill() throws IOException {
        Path kill = cgroup().resolve("cgroup.kill");
        if (Files.exists(kill)) {
            Files.writeString(kill, "1");
        }
    }

    List<Long> processes() throws IOException {
        Path file = cgroup().resolve("cgroup.procs");
        if (!Files.exists(file)) {
            return List.of();
        }
        try (Stream<String> lines = Files.lines(file)) {
            return lines.map(Long::valueOf).toList();
        }
    }

    private JsonObject cni(String command) throws IOException, InterruptedException, CniException {
        Map<String, String> environment = new HashMap<>();
        environment.put("CNI_COMMAND", command);
        environment.put("CNI_CONTAINERID", containerId);
        environment.put("CNI_NETNS", netnsPath().toString());
        environment.put("CNI_IFNAME", "eth0");
        environment.put("CNI_PATH", surroundings.cni().getParent().toString());
        environment.put("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=" + pod.namespace() + ";K8S_POD_NAME=" + pod.name() + ";K8S_POD_INFRA_CONTAINER_ID="
                + containerId + ";K8S_POD_UID=" + pod.uid());
        String config = Json.createObjectBuilder().add("cniVersion", "1.1.0").add("name", "patchbay").add("type", "patchbay-cni")
                .add("agentSocket", node.agentSocket().toString()).build().toString();
        Output output = execute(environment, config, surroundings.cni().toString());
        if (output.exit() != 0) {
            throw new CniException(describe(output));
        }
        if (output.text().isBlank()) {
            return JsonValue.EMPTY_JSON_OBJECT;
        }
        try (JsonReader reader = Json.createReader(new StringReader(output.text()))) {
            return reader.readObject();
        }
    }

    private static String describe(Output output) {
        try (JsonReader reader = Json.createReader(new StringReader(output.text()))) {
            JsonObject error = reader.readObject();
            return "CNI error " + error.getInt("code", 0) + ": " + error.getString("msg", "") + " " + error.getString("details", "");
        } catch (jakarta.json.JsonException e) {
            return "the CNI plugin ended with " + output.exit() + ": " + output.text().strip();
        }
    }

    private record Output(int exit, String text) {
    }

    private static Output execute(Map<String, String> environment, String stdin, String... command) throws IOException, InterruptedException {
        ProcessBuilder b = new ProcessBuilder(command).redirectErrorStream(true);
        b.environment().putAll(environment);
        Process p = b.start();
        try (var in = p.getOutputStream()) {
            in.write(stdin.getBytes(StandardCharsets.UTF_8));
        }
        String text = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        p.waitFor(70, TimeUnit.SECONDS);
        return new Output(p.exitValue(), text);
    }

    private static void run(Map<String, String> environment, String stdin, String... command) throws IOException, InterruptedException {
        Output o = execute(environment, stdin, command);
        if (o.exit() != 0) {
            throw new IOException(String.join(" ", command) + ": " + o.text().strip());
        }
    }
}
