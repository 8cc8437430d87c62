package io.patchbay.lab;

import io.patchbay.api.cluster.Pod;
import io.patchbay.cluster.decode.PodSpec;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Starts processes in a pod's namespace and cgroup, with the environment that the manifest asks for. */
final class Launcher {
    /** {@code $(NAME)} in command and args, as Kubernetes expands it; {@code $$(NAME)} stands for itself. */
    private static final Pattern REFERENCE = Pattern.compile("\\$\\$|\\$\\(([A-Za-z_][A-Za-z0-9_]*)\\)");

    private final Sandbox sandbox;
    private final Pod pod;
    private final String path;

    Launcher(Sandbox sandbox, Pod pod, String path) {
        this.sandbox = sandbox;
        this.pod = pod;
        this.path = path;
    }

    Process start(List<String> command, PodSpec.Container container, ProcessBuilder.Redirect output) throws IOException {
        Map<String, String> environment = environment(container);
        // Into the cgroup first: a socket's cgroup is that of the process at the time of the call.
        List<String> all = new ArrayList<>(List.of("bash", "-c", "echo $$ > \"$0/cgroup.procs\" && exec nsenter --net=\"$1\" -- \"${@:2}\"",
                sandbox.cgroup().toString(), sandbox.netnsPath().toString()));
        command.forEach(word -> all.add(expand(word, environment)));
        ProcessBuilder b = new ProcessBuilder(all).redirectErrorStream(true).redirectOutput(output)
                .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")));
        b.environment().clear();
        b.environment().putAll(environment);
        return b.start();
    }

    private Map<String, String> environment(PodSpec.Container container) {
        Map<String, String> e = new HashMap<>(Map.of("PATH", path, "HOSTNAME", pod.name()));
        for (PodSpec.EnvVar v : container.env()) {
            e.put(v.name(), v.fieldPath().isEmpty() ? expand(v.value(), e) : field(v.fieldPath()));
        }
        return e;
    }

    private String field(String fieldPath) {
        return switch (fieldPath) {
            case "metadata.name" -> pod.name();
            case "metadata.namespace" -> pod.namespace();
            case "metadata.uid" -> pod.uid();
            case "spec.nodeName" -> pod.nodeName();
            case "spec.serviceAccountName" -> pod.serviceAccount();
            case "status.podIP" -> pod.ips().isEmpty() ? "" : pod.ips().get(0).toString();
            default -> "";
        };
    }

    private static String expand(String text, Map<String, String> environment) {
        return REFERENCE.matcher(text).replaceAll(m -> Matcher.quoteReplacement(
                m.group(1) == null ? "$" : environment.getOrDefault(m.group(1), m.group())));
    }
}
