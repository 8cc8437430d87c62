package io.patchbay.lab;

import io.patchbay.api.cluster.Pod;
import io.patchbay.cluster.decode.PodSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A container's readiness probe. TCP, HTTP and gRPC probes look whether the port is listened on in the pod's namespace: the
 * kubelet of a lab has no network of its own to connect from.
 */
final class Readiness {
    /** State LISTEN in /proc/PID/net/tcp (net/tcp_states.h). */
    private static final String LISTEN = "0A";

    private Readiness() {
    }

    static boolean passes(PodSpec.Container container, long pid, Launcher launcher) throws IOException, InterruptedException {
        if (container.readinessProbe().isEmpty()) {
            return true;
        }
        PodSpec.Probe probe = container.readinessProbe().get();
        if (!probe.exec().isEmpty()) {
            Process p = launcher.start(probe.exec(), container, ProcessBuilder.Redirect.DISCARD);
            if (!p.waitFor(Math.max(1, probe.timeoutSeconds()), TimeUnit.SECONDS)) {
                p.destroyForcibly();
                return false;
            }
            return p.exitValue() == 0;
        }
        return listens(pid, port(container, probe.port()));
    }

    private static int port(PodSpec.Container container, String port) {
        return container.ports().stream().filter(p -> p.name().equals(port)).map(Pod.Port::number).findFirst().orElseGet(() -> Integer.valueOf(port));
    }

    private static boolean listens(long pid, int port) throws IOException {
        String hex = String.format(":%04X", port);
        for (String table : List.of("tcp", "tcp6")) {
            Path file = Path.of("/proc/" + pid + "/net/" + table);
            if (Files.exists(file)) {
                try (Stream<String> lines = Files.lines(file)) {
                    if (lines.map(l -> l.trim().split("\\s+")).anyMatch(w -> w.length > 3 && w[1].endsWith(hex) && w[3].equals(LISTEN))) {
                        return true;
                    }
                }
            }
        }
        return false;
    }
}
