package io.patchbay.metrics.internal;

import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import io.patchbay.api.status.Controllers;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The agent as a process, and what works in it. */
final class AgentMetrics implements MetricSource {
    private final Controllers controllers;

    AgentMetrics(Controllers controllers) {
        this.controllers = controllers;
    }

    @Override
    public List<Metric> metrics() {
        List<Metric> all = new ArrayList<>();
        all.add(Metric.gauge("cilium_controllers_failing", "Controllers whose last run failed", controllers.list().stream().filter(c -> !c.healthy()).count()));
        double start = ManagementFactory.getRuntimeMXBean().getStartTime() / 1000.0;
        all.add(Metric.gauge("cilium_process_start_time_seconds", "When the agent was started, in seconds of Unix time", start));
        ProcessHandle.current().info().totalCpuDuration().ifPresent(d -> all.add(new Metric("cilium_process_cpu_seconds_total", Metric.Kind.COUNTER,
                "CPU time of the agent", List.of(new Metric.Sample(java.util.Map.of(), d.toMillis() / 1000.0)))));
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            all.add(Metric.gauge("cilium_process_open_fds", "Open file descriptors of the agent", open.count()));
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmRSS:")) {
                    all.add(Metric.gauge("cilium_process_resident_memory_bytes", "Memory of the agent that is in RAM", Long.parseLong(line.replaceAll("\\D", "")) * 1024.0));
                }
            }
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return all;
    }
}
