package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/**
 * Attaches the socket hooks to the cgroup of the node's pods (configuration key {@code cgroup}; empty: packets alone are translated), and
 * says in {@code status} what of kube-proxy's work is done here. Attachments stay when this stops.
 */
@Component(service = StatusSource.class, immediate = true)
public final class SocketLb implements StatusSource {
    private static final Duration CHECK = Duration.ofSeconds(30);

    private final Attachments attachments;
    private final FeatureRuntime runtime;
    private final Scope scope;
    private final String cgroup;
    private volatile LocalNode node;
    private volatile String kubeProxy = "";
    private volatile boolean attached;

    @Activate
    public SocketLb(@Reference(target = "(patchbay.feature=service-lb)") FeatureRuntime runtime, @Reference Attachments attachments) {
        this.runtime = runtime;
        this.attachments = attachments;
        this.scope = runtime.scope("service-sockets");
        this.cgroup = runtime.config().getOrDefault("cgroup", "").strip();
        scope.every("attach-service-sockets", CHECK, () -> {
            attach();
            return null;
        });
        scope.every("probe-kube-proxy", CHECK, () -> {
            kubeProxy = KubeProxyProbe.look();
            return null;
        });
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY,
            unbind = "removeNode")
    void setNode(LocalNode n) {
        node = n;
    }

    void removeNode(LocalNode n) {
        if (node == n) node = null;
    }

    private void attach() {
        for (Attachments.Attachment a : attachments.list()) {
            if (a.hook().isSocket() && !a.where().equals(cgroup)) attachments.detachCgroup(a.where());
        }
        if (cgroup.isEmpty()) return;
        if (!Files.isDirectory(Path.of(cgroup))) {
            attached = false;
            throw new IllegalStateException("there is no cgroup " + cgroup + " (configuration key service-lb cgroup): packets are translated, sockets are not");
        }
        attachments.attachCgroup(cgroup);
        attached = true;
    }

    /** True when nothing is left to kube-proxy. Service types that are not served from outside the cluster are left. */
    private static final String MODE = "Partial";

    @Override
    public List<StatusRow> rows(boolean verbose) {
        LocalNode n = node;
        String devices = n == null ? "" : devices(n);
        List<String> cells = new ArrayList<>(List.of(MODE));
        if (!devices.isEmpty()) cells.add("[" + devices + "]");
        cells.add("ClusterIP at the " + (attached ? "socket and per packet" : "packet"));
        if (!kubeProxy.isEmpty()) cells.add("kube-proxy's rules are present: " + kubeProxy);
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("mode", MODE);
        data.put("devices", devices);
        data.put("socketLB", attached);
        data.put("cgroup", cgroup);
        data.put("kubeProxyRules", kubeProxy);
        data.put("services", List.of("ClusterIP"));
        List<StatusRow> rows = new ArrayList<>();
        rows.add(new StatusRow(StatusRow.Order.KUBE_PROXY_REPLACEMENT, "KubeProxyReplacement", cells, List.of(), true, data));
        if (verbose) rows.add(details(devices));
        return rows;
    }

    private StatusRow details(String devices) {
        List<String> lines = List.of(
                "  Status:                 " + MODE,
                "  Socket LB:              " + (attached ? "Enabled" : "Disabled"),
                "  Socket LB Tracing:      Disabled",
                "  Socket LB Coverage:     " + (attached ? cgroup : "None"),
                "  Devices:                " + devices,
                "  Backend Selection:      Random",
                "  Session Affinity:       Enabled",
                "  NAT46/64 Support:       Disabled",
                "  XDP Acceleration:       Disabled",
                "  Draining:               " + (runtime.draining() ? "Yes" : "No"),
                "  kube-proxy:             " + (kubeProxy.isEmpty() ? "no rules" : kubeProxy),
                "  Services:",
                "  - ClusterIP:      Enabled",
                "  - NodePort:       Disabled",
                "  - LoadBalancer:   Disabled",
                "  - externalIPs:    Disabled",
                "  - HostPort:       Disabled");
        return new StatusRow(StatusRow.Order.HUBBLE + 5, "KubeProxyReplacement Details", List.of(), lines, true, Map.of("lines", lines));
    }

    /** {@code eth0 172.18.0.11 (Direct Routing)}: the device of the default route is the one that services would be reached by. */
    private static String devices(LocalNode n) {
        String addresses = n.addresses().stream().map(Object::toString).collect(Collectors.joining(" "));
        List<String> all = new ArrayList<>();
        for (int i = 0; i < n.netdevs().size(); i++) {
            all.add(n.netdevs().get(i).name() + (i == 0 ? " " + addresses + " (Direct Routing)" : ""));
        }
        return String.join(", ", all);
    }
}
