package io.patchbay.shell.internal;

import io.patchbay.api.feature.Features;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusRow.Order;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Rows of features that are not running or not part of this node: a row that a user looks for is never just missing. */
final class AbsentRows {
    private record Known(String feature, String label, int order) {
    }

    private static final List<Known> KNOWN = List.of(
            new Known("service-lb", "KubeProxyReplacement", Order.KUBE_PROXY_REPLACEMENT), new Known("ipam", "IPAM", Order.IPAM),
            new Known("bandwidth", "BandwidthManager", Order.BANDWIDTH_MANAGER), new Known("masquerade", "Masquerading", Order.MASQUERADING),
            new Known("hubble", "Hubble", Order.HUBBLE), new Known("routing", "Host Routing", Order.HOST_ROUTING),
            new Known("health", "Cilium health daemon", Order.HEALTH_DAEMON), new Known("health", "Cluster health", Order.CLUSTER_HEALTH),
            new Known("hubble", "NodeMonitor", Order.NODE_MONITOR), new Known("policy", "Host firewall", Order.HOST_FIREWALL));

    private AbsentRows() {
    }

    /** The rows of a feature that gave none itself. */
    static List<StatusRow> of(Features.FeatureStatus f, Set<String> present) {
        boolean disabled = f.state() == Features.State.DISABLED;
        boolean well = disabled || f.state() == Features.State.UNAVAILABLE;
        String state = f.state().name().charAt(0) + f.state().name().substring(1).toLowerCase(Locale.ROOT);
        String text = disabled ? "Disabled" : state + " (" + Ago.text(f.since()) + ")" + (f.detail().isEmpty() ? "" : " " + f.detail());
        return KNOWN.stream().filter(k -> k.feature().equals(f.descriptor().name()) && !present.contains(k.label()))
                .map(k -> new StatusRow(k.order(), k.label(), List.of(text), List.of(), well, Map.of("state", f.state().name()))).toList();
    }

    /** Rows whose feature this node does not have at all, and rows for what Patchbay never has. */
    static void withoutFeature(Features features, Set<String> present, List<StatusRow> rows) {
        for (Known k : KNOWN) {
            if (!present.contains(k.label()) && features.get(k.feature()).isEmpty()) {
                rows.add(StatusRow.of(k.order(), k.label(), "Disabled"));
            }
        }
        rows.add(StatusRow.of(Order.KVSTORE, "KVStore", "Disabled"));
        rows.add(StatusRow.of(Order.HOST_FIREWALL, "SRv6", "Disabled"));
        rows.add(StatusRow.of(Order.IPAM + 1, "IPv4 BIG TCP", "Disabled"));
        rows.add(StatusRow.of(Order.IPAM + 1, "IPv6 BIG TCP", "Disabled"));
        if (!present.contains("Proxy Status")) {
            rows.add(StatusRow.of(Order.PROXY, "Proxy Status", "No managed proxy redirect"));
        }
        if (!present.contains("Encryption")) {
            rows.add(StatusRow.of(Order.ENCRYPTION, "Encryption", "Disabled"));
        }
    }
}
