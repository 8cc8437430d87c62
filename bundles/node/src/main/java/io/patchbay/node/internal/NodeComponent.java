package io.patchbay.node.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Features;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.node.Launch;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.node.RouteMtu;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.LinkEvent;
import io.patchbay.netlink.LinkMonitor;
import io.patchbay.netlink.NetlinkSocket;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the node's own devices, addresses, routes, sysctls and its entry in node_config as the cluster's node rows want them, and
 * publishes {@link LocalNode}. Everything happens on the scope's thread, at each change of a node row, device or address, and every 30 s.
 * Nothing is taken away when the component stops: the datapath goes on.
 */
@Component(service = StatusSource.class, immediate = true)
public final class NodeComponent implements StatusSource {
    private static final Logger LOG = LoggerFactory.getLogger(NodeComponent.class);
    private static final Duration CHECK = Duration.ofSeconds(30);
    /** For the kernel to have what was computed; what takes longer is tried again. */
    private static final Duration WAIT = Duration.ofSeconds(20);

    private final FeatureRuntime runtime;
    private final ClusterTables tables;
    private final Attachments attachments;
    private final String name;
    private final Scope scope;
    private final NetlinkSocket netlink;
    private final NodeDevices devices;
    private final Overheads overheads;
    private final Reconciler<Prefix, NodePlan.PodRoute> routes;
    private final Reconciler<Integer, NodeConfig> config;
    private final LocalNodeService service;
    private final AtomicBoolean scheduled = new AtomicBoolean();
    private volatile Features features;
    private volatile int hostIfindex;
    private volatile int tunnelIfindex;
    private volatile LocalNode published;
    private volatile String problem = "not set up yet";

    private boolean ready;
    private final Set<Integer> attached = new HashSet<>();

    @Activate
    public NodeComponent(@Reference(target = "(patchbay.feature=node)") FeatureRuntime runtime, @Reference ClusterTables tables,
            @Reference Reconcilers reconcilers, @Reference Attachments attachments, BundleContext context) {
        this.runtime = runtime;
        this.tables = tables;
        this.attachments = attachments;
        this.service = new LocalNodeService(context);
        this.name = nodeName(context);
        this.scope = runtime.scope("node");
        this.netlink = scope.closing(NetlinkSocket.open());
        this.devices = new NodeDevices(netlink);
        this.overheads = new Overheads(runtime.stateDirectory());
        this.hostIfindex = netlink.links().find(NodeDevices.HOST).map(Link::index).orElse(0);
        this.routes = scope.closing(reconcilers.create("sync-node-routes", new RouteTarget(netlink, () -> hostIfindex)));
        this.config = scope.closing(reconcilers.forMap("sync-node-config", runtime.map("node_config"), NodeConfig.KEY, NodeConfig.VALUE));
        scope.closing(LinkMonitor.start(event -> {
            // pods come and go all the time, and none of it concerns the node
            boolean pod = event instanceof LinkEvent.Changed c && c.link().name().startsWith(NodeDevices.POD_PREFIX)
                    || event instanceof LinkEvent.Removed r && r.link().name().startsWith(NodeDevices.POD_PREFIX);
            if (!pod) trigger();
        }));
        scope.closing(tables.nodes().subscribe(scope.executor(), new TableListener<>() {
            @Override
            public void onSnapshot(TableSnapshot<String, Node> snapshot) {
                trigger();
            }

            @Override
            public void onChanges(TableSnapshot<String, Node> now, List<Change<String, Node>> changes) {
                trigger();
            }
        }));
        scope.every("node-devices", CHECK, () -> {
            apply();
            return null;
        });
    }

    /** As the launcher was told, else the host's name. */
    static String nodeName(BundleContext context) {
        String given = context.getProperty(Launch.NODE_NAME);
        if (given != null && !given.isBlank()) return given;
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            throw new IllegalStateException("this node has no name: start the agent with one", e);
        }
    }

    @Deactivate
    void deactivate() {
        scope.close();
        service.close();
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void bindMtu(RouteMtu mtu, Map<String, Object> properties) {
        // references are bound after the constructor
        overheads.add(featureOf(properties), mtu);
        trigger();
    }

    void unbindMtu(RouteMtu mtu, Map<String, Object> properties) {
        overheads.remove(featureOf(properties), mtu);
        trigger();
    }

    private static String featureOf(Map<String, Object> properties) {
        return String.valueOf(properties.getOrDefault(FeatureRuntime.FEATURE, properties.get(Constants.SERVICE_ID)));
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindFeatures(Features f) {
        features = f;
    }

    void unbindFeatures(Features f) {
        if (features == f) features = null;
    }

    /** Has {@link #apply} run soon; many reasons at once make one run. */
    private void trigger() {
        if (!scheduled.compareAndSet(false, true)) return;
        try {
            scope.executor().execute(() -> {
                scheduled.set(false);
                try {
                    apply();
                } catch (Exception e) {
                    LOG.warn("Node devices: {}; tried again in 1 s", e.toString());
                    scope.later(Duration.ofSeconds(1), this::trigger);
                }
            });
        } catch (RuntimeException closed) {
            // the scope is being closed: nothing is due any more
            scheduled.set(false);
        }
    }

    /** On the scope's thread, and under no lock: whoever hears of the node does so within. */
    private void apply() throws Exception {
        try {
            converge();
        } catch (Exception e) {
            problem = e.getMessage() == null ? e.toString() : e.getMessage();
            throw e;
        }
    }

    private void converge() throws Exception {
        TableSnapshot<String, Node> nodes = tables.nodes().snapshot();
        Optional<Node> row = nodes.get(name);
        if (row.isEmpty() || row.get().podCidrs().isEmpty() || row.get().internalIps().isEmpty()) {
            problem = row.isEmpty() ? "the cluster has no node " + name : "the node " + name + " has no "
                    + (row.get().podCidrs().isEmpty() ? "pod CIDR" : "internal IP") + " yet";
            return; // what is there stays as it is
        }
        Node own = row.get();
        List<Link> netdevs = devices.netdevs(runtime.config().getOrDefault("devices", ""), own.internalIps());
        if (netdevs.isEmpty()) throw new IOException("no device has a default route or an address of this node ("
                + own.internalIps() + "): name them: config set node.devices=NAME,NAME");
        int configured = Integer.parseInt(runtime.config().getOrDefault("mtu", "0").trim());
        int mtu = configured > 0 ? configured : netdevs.stream().mapToInt(Link::mtu).min().orElse(1500);
        int routeMtu = NodePlan.routeMtu(mtu, overheads.current(this::stateOf));

        NodeDevices.Pair pair = devices.ensurePair(mtu);
        hostIfindex = pair.host().index();
        List<IpAddress> routers = NodePlan.routers(own);
        devices.ensureAddresses(pair.host(), routers);
        attachments.attach(Hook.HOST_EGRESS, pair.host().index());
        attachNetdevs(netdevs);

        Map<Prefix, NodePlan.PodRoute> wanted = NodePlan.routes(own, nodes.rows(), hostIfindex, routeMtu);
        Set<Prefix> gone = new LinkedHashSet<>(lastRoutes.keySet());
        gone.removeAll(wanted.keySet());
        routes.change(wanted, gone);
        lastRoutes = wanted;
        if (nodes.isSynced()) routes.synced();

        Set<IpAddress> addresses = new LinkedHashSet<>(own.internalIps());
        addresses.addAll(devices.ownAddresses());
        LocalNode node = new LocalNode(name, List.copyOf(addresses), own.podCidrs(), routers, netdevs.stream().map(NodeComponent::device).toList(),
                device(pair.host()), device(pair.net()), mtu);
        tunnelIfindex = devices.tunnel().map(Link::index).orElse(0);
        config.put(0, NodeConfig.of(node, tunnelIfindex));
        config.synced();
        await(config.flush(), "the map node_config");
        await(routes.refresh(), "routes"); // somebody may have removed one: routes say nothing when they go
        problem = "";
        publish(node);
        if (!ready) {
            ready = true;
            runtime.ready();
        }
    }

    private static void await(CompletableFuture<Void> writing, String what) throws Exception {
        try {
            writing.get(WAIT.toSeconds(), TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new IOException(what + ": not written within " + WAIT.toSeconds() + " s", e);
        }
    }

    private Map<Prefix, NodePlan.PodRoute> lastRoutes = Map.of();

    private void attachNetdevs(List<Link> netdevs) {
        Set<Integer> now = new HashSet<>();
        for (Link link : netdevs) {
            attachments.attach(Hook.NETDEV_INGRESS, link.index());
            attachments.attach(Hook.NETDEV_EGRESS, link.index());
            now.add(link.index());
        }
        for (int index : attached) {
            if (now.contains(index)) continue;
            attachments.detach(Hook.NETDEV_INGRESS, index);
            attachments.detach(Hook.NETDEV_EGRESS, index);
        }
        attached.clear();
        attached.addAll(now);
    }

    private Features.State stateOf(String feature) {
        Features f = features;
        return f == null ? null : f.get(feature).map(Features.FeatureStatus::state).orElse(null);
    }

    private static LocalNode.Device device(Link link) {
        return new LocalNode.Device(link.name(), link.index(), link.mac() == null ? new byte[6] : link.mac().toBytes(), link.mtu());
    }

    private void publish(LocalNode node) {
        if (published != null && text(published).equals(text(node))) return;
        published = node;
        service.publish(node);
        LOG.info("Node {}: addresses {}, pod CIDRs {}, devices {}, MTU {}", node.name(), node.addresses(), node.podCidrs(),
                node.netdevs().stream().map(LocalNode.Device::name).toList(), node.mtu());
    }

    /** The node by value: records compare arrays by identity. */
    private static String text(LocalNode n) {
        StringBuilder s = new StringBuilder().append(n.name()).append(n.addresses()).append(n.podCidrs()).append(n.routers()).append(n.mtu());
        List<LocalNode.Device> all = new ArrayList<>(n.netdevs());
        all.add(n.host());
        all.add(n.net());
        for (LocalNode.Device d : all) s.append('|').append(d.name()).append(d.ifindex()).append(java.util.Arrays.toString(d.mac())).append(d.mtu());
        return s.toString();
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        String network = tunnelIfindex != 0 ? "Tunnel [vxlan]" : "Native";
        List<StatusRow> rows = new ArrayList<>();
        LocalNode node = published;
        List<String> details = new ArrayList<>();
        if (!problem.isEmpty()) {
            details.add("  " + problem);
        } else if (verbose && node != null) {
            details.add("  pb_host " + node.routers() + ", MTU " + node.host().mtu() + ", routes to " + lastRoutes.keySet());
            for (LocalNode.Device d : node.netdevs()) details.add("  " + d.name() + ", ifindex " + d.ifindex() + ", MTU " + d.mtu());
        }
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("network", tunnelIfindex != 0 ? "tunnel" : "native");
        data.put("protocol", tunnelIfindex != 0 ? "vxlan" : "");
        data.put("host", "BPF");
        if (!problem.isEmpty()) data.put("problem", problem);
        rows.add(new StatusRow(StatusRow.Order.ROUTING, "Routing", List.of("Network: " + network, "Host: BPF"), details, problem.isEmpty(), data));
        rows.add(StatusRow.of(StatusRow.Order.HOST_ROUTING, "Host Routing", "BPF"));
        rows.add(attachRow());
        rows.add(StatusRow.of(StatusRow.Order.ATTACH_MODE + 1, "Device Mode", "veth"));
        return rows;
    }

    private StatusRow attachRow() {
        List<Attachments.Attachment> all = attachments.list();
        boolean tcx = all.stream().anyMatch(a -> a.mode().equals("tcx"));
        List<String> absent = all.stream().filter(a -> !a.present()).map(a -> "  " + a.hook().text() + " is missing on " + a.where()).toList();
        long restored = all.stream().mapToLong(Attachments.Attachment::restored).sum();
        List<String> cells = new ArrayList<>(List.of(tcx ? "TCX" : "Legacy TC"));
        if (restored > 0) cells.add("put back " + restored + " times");
        return new StatusRow(StatusRow.Order.ATTACH_MODE, "Attach Mode", cells, absent, absent.isEmpty(),
                Map.of("mode", tcx ? "tcx" : "tc", "restored", restored));
    }
}
