package io.patchbay.launcher;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the agent is started with. An option wins over the environment variable of the same name
 * ({@code --state-dir}: {@code PATCHBAY_STATE_DIR}).
 *
 * @param set values of the node layer of the configuration, {@code feature.key} to value
 */
record Arguments(Path distribution, Path stateDir, Path pinDir, Path runDir, String nodeName, String logLevel, Map<String, String> set) {
    static final List<String> USAGE = List.of(
            "Usage: patchbay-agent [options]",
            "  --distribution DIR   bundles, features, config (default: where the start script is)",
            "  --state-dir DIR      what survives restarts (default /var/lib/patchbay)",
            "  --pin-dir DIR        pins, inside a bpffs (default /sys/fs/bpf/patchbay)",
            "  --run-dir DIR        the socket's directory (default /run/patchbay)",
            "  --node-name NAME     Kubernetes name of this node (default: host name)",
            "  --log-level LEVEL    trace, debug, info, warn, error (default info)",
            "  --set F.KEY=VALUE    configuration of a feature, node layer; may be repeated",
            "Each has an environment variable too: PATCHBAY_STATE_DIR for --state-dir, and so on.");

    static Arguments parse(String[] args, Map<String, String> environment) {
        Map<String, String> given = new LinkedHashMap<>();
        Map<String, String> set = new LinkedHashMap<>();
        List<String> known = List.of("--distribution", "--state-dir", "--pin-dir", "--run-dir", "--node-name", "--log-level");
        for (String name : known) {
            String v = environment.get("PATCHBAY_" + name.substring(2).toUpperCase(java.util.Locale.ROOT).replace('-', '_'));
            if (v != null && !v.isEmpty()) {
                given.put(name, v);
            }
        }
        for (int i = 0; i < args.length; i++) {
            int eq = args[i].indexOf('=');
            boolean joined = args[i].startsWith("--") && eq > 0;
            String name = joined ? args[i].substring(0, eq) : args[i];
            if (!known.contains(name) && !name.equals("--set")) {
                throw new IllegalArgumentException("unknown option " + name);
            }
            if (!joined && i + 1 == args.length) {
                throw new IllegalArgumentException(name + " needs a value");
            }
            String value = joined ? args[i].substring(eq + 1) : args[++i];
            if (name.equals("--set")) {
                int at = value.indexOf('=');
                if (at <= 0 || value.lastIndexOf('.', at) <= 0) {
                    throw new IllegalArgumentException("--set wants feature.key=value, not '" + value + "'");
                }
                set.put(value.substring(0, at), value.substring(at + 1));
            } else {
                given.put(name, value);
            }
        }
        String level = given.getOrDefault("--log-level", "info");
        if (!List.of("trace", "debug", "info", "warn", "error").contains(level)) {
            throw new IllegalArgumentException("--log-level " + level + " is not known; one of trace, debug, info, warn, error");
        }
        if (!given.containsKey("--distribution")) {
            throw new IllegalArgumentException("--distribution is needed");
        }
        return new Arguments(path(given.get("--distribution")), path(given.getOrDefault("--state-dir", "/var/lib/patchbay")),
                path(given.getOrDefault("--pin-dir", "/sys/fs/bpf/patchbay")), path(given.getOrDefault("--run-dir", "/run/patchbay")),
                given.containsKey("--node-name") ? given.get("--node-name") : hostName(), level, Map.copyOf(set));
    }

    private static Path path(String p) {
        return Path.of(p).toAbsolutePath().normalize();
    }

    private static String hostName() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
        } catch (IOException e) {
            return InetAddress.getLoopbackAddress().getHostName();
        }
    }
}
