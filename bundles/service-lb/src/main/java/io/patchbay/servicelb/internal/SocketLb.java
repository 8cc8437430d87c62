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
    private final DeadBackends dead;
    private final Scope scope;
    private final String cgroup;
    private final LbConfig config;
    private volatile LocalNode node;
    private volatile String kubeProxy = "";
    private volatile boolean attached;
    private volatile boolean everybody;

    @Activate
    public SocketLb(@Reference(target = "(patchbay.feature=service-lb)") FeatureRuntime runtime, @Reference Attachments attachments,
            @Reference DeadBackends dead) {
        this.runtime = runtime;
        this.dead = dead;
        this.attachments = attachments;
        this.scope = runtime.scope("service-sockets");
        this.cgroup = runtime.config().getOrDefault("cgroup", "").strip();
        this.config = LbConfig.of(runtime.config());
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
        // Every cgroup has a type but the root, which all processes are in.
        everybody = !Files.exists(Path.of(cgroup, "cgroup.type"));
        attached = true;
    }

    /** NodePorts of Kubernetes, unless its API server was told otherwise. */
    private static final String RANGE = "30000-32767";

    /**
     * True when a node without kube-proxy serves all that clients of it may use: ports of the node included, at its own addresses, too,
     * which its processes reach at the socket only: such packets never leave it.
     */
    private String mode() {
        return config.nodePorts() && attached ? "True" : "Partial";
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        LocalNode n = node;
        String devices = n == null ? "" : devices(n);
        List<String> cells = new ArrayList<>(List.of(mode()));
        if (!devices.isEmpty()) cells.add("[" + devices + "]");
        if (!attached) cells.add("sockets are not translated, all packets are");
        else if (!everybody) cells.add("processes outside of " + cgroup + " packet by packet");
        if (!config.nodePorts()) cells.add("ports of the node are left to others");
        if (!kubeProxy.isEmpty()) cells.add("kube-proxy's rules are present: " + kubeProxy);
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("mode", mode());
        data.put("devices", devices);
        data.put("socketLB", attached);
        data.put("cgroup", cgroup);
        data.put("allProcesses", everybody);
        data.put("kubeProxyRules", kubeProxy);
        data.put("algorithm", config.maglev() ? "maglev" : "random");
        data.put("services", config.nodePorts() ? List.of("ClusterIP", "NodePort", "LoadBalancer", "ExternalIPs", "HostPort") : List.of("ClusterIP", "LoadBalancer", "ExternalIPs"));
        Refusals refused = Refusals.read(runtime);
        data.put("refusedNoPort", refused.ports());
        data.put("refusedMapFull", refused.flows() + refused.mappings());
        List<StatusRow> rows = new ArrayList<>();
        rows.add(new StatusRow(StatusRow.Order.KUBE_PROXY_REPLACEMENT, "KubeProxyReplacement", cells, refused.any() ? List.of("  refused: " + refused) : List.of(), true,
                data));
        if (verbose) rows.add(details(devices));
        return rows;
    }

    private StatusRow details(String devices) {
        List<String> lines = List.of(
                "  Status:                 " + mode(),
                "  Socket LB:              " + (attached ? "Enabled" : "Disabled"),
                "  Socket LB Tracing:      Disabled",
                "  Socket LB Coverage:     " + (attached ? cgroup : "None"),
                "  Dead Backends' Sockets: " + dead.describe(),
                "  Devices:                " + devices,
                "  Mode:                   SNAT",
                "  Backend Selection:      " + (config.maglev() ? "Maglev (Table Size: by service, 251 to 131071)" : "Random"),
                "  Session Affinity:       Enabled",
                "  NAT46/64 Support:       Disabled",
                "  XDP Acceleration:       Disabled",
                "  Draining:               " + (runtime.draining() ? "Yes" : "No"),
                "  kube-proxy:             " + (kubeProxy.isEmpty() ? "no rules" : kubeProxy),
                "  Services:",
                "  - ClusterIP:      Enabled",
                "  - NodePort:       " + (config.nodePorts() ? "Enabled (Range: " + RANGE + ")" : "Disabled"),
                "  - LoadBalancer:   Enabled",
                "  - externalIPs:    Enabled",
                "  - HostPort:       " + (config.nodePorts() ? "Enabled" : "Disabled"),
                "  Annotations:",
                "  - " + ServicePlan.ALGORITHM_ANNOTATION);
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
