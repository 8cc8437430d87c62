package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Verdict;
import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What became of packets, from the kernel's counters: each packet once, at the hook that it came in by. */
final class PacketMetrics implements MetricSource {
    private record Key(String direction, String reason) implements Comparable<Key> {
        @Override
        public int compareTo(Key o) {
            int d = direction.compareTo(o.direction);
            return d != 0 ? d : reason.compareTo(o.reason);
        }
    }

    private final Counters counters;

    PacketMetrics(Counters counters) {
        this.counters = counters;
    }

    /** As seen from the node: what its pods, its own stack and it itself send goes out. */
    private static String direction(Hook hook) {
        return switch (hook) {
            case POD_EGRESS, HOST_EGRESS, NETDEV_EGRESS -> "EGRESS";
            default -> "INGRESS";
        };
    }

    @Override
    public List<Metric> metrics() {
        Map<String, Long> forwarded = new TreeMap<>(Map.of("EGRESS", 0L, "INGRESS", 0L));
        Map<Key, Long> dropped = new TreeMap<>();
        counters.verdicts().forEach((hook, codes) -> codes.forEach((code, packets) -> {
            if (Verdict.isDrop(code)) dropped.merge(new Key(direction(hook), Verdict.text(code)), packets, Long::sum);
            else forwarded.merge(direction(hook), packets, Long::sum);
        }));
        return List.of(Metric.counter("cilium_forward_count_total", "Packets that passed the datapath",
                        forwarded.entrySet().stream().map(e -> Metric.sample("direction", e.getKey(), e.getValue())).toList()),
                Metric.counter("cilium_drop_count_total", "Packets that the datapath dropped", dropped.entrySet().stream()
                        .map(e -> new Metric.Sample(Map.of("direction", e.getKey().direction, "reason", e.getKey().reason), e.getValue())).toList()));
    }
}
