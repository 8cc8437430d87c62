package io.patchbay.hubble.internal;

import io.patchbay.api.flow.FlowSource.Stats;
import io.patchbay.api.status.StatusRow;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The rows "Hubble" and "NodeMonitor" of {@code status}. */
final class StatusRows {
    /** What a ring buffer is made of: the page size of the machines that Patchbay runs on. */
    private static final int PAGE = 4096;

    private StatusRows() {
    }

    static List<StatusRow> of(Stats s, int ringBytes, long unknown) {
        double uptime = Math.max(s.uptime().toNanos(), 1) / 1e9;
        double perSecond = s.seen() / uptime;
        StatusRow hubble = new StatusRow(StatusRow.Order.HUBBLE, "Hubble", List.of("Ok", flows(s.current(), s.max(), perSecond), "Metrics: Disabled"),
                List.of(), true, Map.of("state", "Ok", "currentFlows", s.current(), "maxFlows", s.max(), "seenFlows", s.seen(),
                        "flowsPerSecond", perSecond, "metrics", "Disabled", "readersLost", s.readersLost()));
        List<String> losses = s.kernelLost() == 0 && unknown == 0 ? List.of()
                : List.of("  " + s.kernelLost() + " events lost, " + unknown + " unknown notifications");
        int cpus = onlineCpus();
        // Cilium has a ring for each CPU; this is one ring for all of them.
        StatusRow monitor = new StatusRow(StatusRow.Order.NODE_MONITOR, "NodeMonitor",
                List.of("Listening for events on " + cpus + " CPUs with " + ringBytes / PAGE + "x" + PAGE + " of shared memory"), losses, true,
                Map.of("cpus", cpus, "pages", ringBytes / PAGE, "pageSize", PAGE, "lost", s.kernelLost(), "unknown", unknown));
        return List.of(hubble, monitor);
    }

    private static String flows(int current, int max, double perSecond) {
        return String.format(Locale.ROOT, "Current/Max Flows: %d/%d (%.2f%%), Flows/s: %.2f", current, max, 100.0 * current / max, perSecond);
    }

    /** CPUs that may write events; a JVM that is confined to some of them would not know. */
    private static int onlineCpus() {
        try {
            int n = 0;
            for (String range : Files.readString(Path.of("/sys/devices/system/cpu/online")).strip().split(",")) {
                String[] ends = range.split("-");
                n += Integer.parseInt(ends[ends.length - 1]) - Integer.parseInt(ends[0]) + 1;
            }
            return n;
        } catch (IOException | NumberFormatException e) {
            return Runtime.getRuntime().availableProcessors();
        }
    }
}
