package io.patchbay.vxlan.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.Subscription;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Features;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.node.RouteMtu;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.LinkEvent;
import io.patchbay.netlink.LinkMonitor;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.VxlanSpec;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
 * Keeps the tunnel device, its hook and the list of nodes that may send through it. Everything happens on the scope's thread. When the
 * component stops all of it stays: tunnels go on; only when the feature was disabled does the device go.
 */
@Component(service = RouteMtu.class, immediate = true, property = FeatureRuntime.FEATURE + "=vxlan")
public final class VxlanComponent implements RouteMtu {
    static final String DEVICE = "pb_vxlan";
    /** Ethernet 14, IPv4 20, UDP 8, VXLAN 8. */
    private static final int OVERHEAD = 50;
    private static final Duration CHECK = Duration.ofSeconds(30);
    private static final Logger LOG = LoggerFactory.getLogger(VxlanComponent.class);

    private final FeatureRuntime runtime;
    private final ClusterTables tables;
    private final Attachments attachments;
    private final Scope scope;
    private final NetlinkSocket netlink;
    private final MapHandle config;
    private final Reconciler<IpAddress, TunnelNode> nodes;
    private final LocalNode local;
    private final int port;
    private Map<IpAddress, TunnelNode> wanted = Map.of();
    private volatile Features features;
    private volatile int ifindex;
    private boolean ready;
    private boolean ended;

    @Activate
    public VxlanComponent(@Reference(target = "(patchbay.feature=vxlan)") FeatureRuntime runtime, @Reference ClusterTables tables,
            @Reference Reconcilers reconcilers, @Reference Attachments attachments,
            @Reference(policyOption = ReferencePolicyOption.GREEDY) LocalNode local) {
        this.runtime = runtime;
        this.tables = tables;
        this.attachments = attachments;
        this.local = local;
        this.port = port(runtime.config().getOrDefault("tunnel-port", "8472"));
        this.scope = runtime.scope("vxlan");
        this.netlink = scope.closing(NetlinkSocket.open());
        this.config = runtime.map("vxlan_config");
        this.nodes = scope.closing(reconcilers.forMap("sync-tunnel-nodes", runtime.map("tunnel_nodes"), TunnelNode.KEY, TunnelNode.VALUE));
        scope.closing(LinkMonitor.startRemovals(event -> {
            if (event instanceof LinkEvent.Removed r && r.link().index() == ifindex) scope.untilDone("vxlan-restore", this::converge);
        }));
        Subscription rows = tables.nodes().subscribe(scope.executor(), new TableListener<>() {
            @Override
            public void onSnapshot(TableSnapshot<String, Node> snapshot) {
                update(snapshot);
            }

            @Override
            public void onChanges(TableSnapshot<String, Node> now, java.util.List<Change<String, Node>> changes) {
                update(now);
            }
        });
        scope.closing(rows);
        scope.every("vxlan-device", CHECK, this::converge);
    }

    static int port(String text) {
        if (!text.trim().matches("\\d{1,5}")) throw new IllegalArgumentException("vxlan tunnel-port '" + text + "' is no port");
        int p = Integer.parseInt(text.trim());
        if (p < 1 || p > 65535) throw new IllegalArgumentException("vxlan tunnel-port " + p + " is not within 1 and 65535");
        return p;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindFeatures(Features f) {
        features = f;
    }

    void unbindFeatures(Features f) {
        if (features == f) features = null;
    }

    private synchronized void update(TableSnapshot<String, Node> snapshot) {
        if (ended) return;
        Map<IpAddress, TunnelNode> now = TunnelNode.of(snapshot.rows(), local.name());
        Set<IpAddress> gone = new HashSet<>(wanted.keySet());
        gone.removeAll(now.keySet());
        nodes.change(now, gone);
        wanted = now;
        if (snapshot.isSynced()) nodes.synced();
        becomeReady(snapshot.isSynced());
    }

    private synchronized Object converge() {
        if (ended) return null; // the device may be gone for good
        Optional<Link> found = netlink.links().find(DEVICE);
        if (found.isPresent() && !found.get().kind().equals("vxlan")) {
            throw new IllegalStateException("there is a device " + DEVICE + " of kind '" + found.get().kind() + "': it is in the way, remove it");
        }
        Struct key = new Struct(config.key());
        int configured = config.lookup(key).map(c -> c.port("port")).orElse(0);
        if (found.isPresent() && configured != 0 && configured != port) {
            // A device keeps its port for life. Nodes change theirs one after the other anyway: the tunnel is cut until all have.
            LOG.info("{} had port {}, now {}: made anew", DEVICE, configured, port);
            netlink.links().delete(found.get().index());
            found = Optional.empty();
        }
        Link link = found.orElseGet(() -> netlink.links().createVxlan(VxlanSpec.named(DEVICE, port)));
        netlink.links().setNoLinkLocal(link.index());
        // before it is up: no packet comes out of it unseen
        attachments.attach(Hook.OVERLAY_INGRESS, link.index());
        if (!link.isUp()) netlink.links().setUp(link.index(), true);
        ifindex = link.index();
        Struct value = new Struct(config.value()).set("ifindex", link.index()).setPort("port", port);
        if (!config.lookup(key).filter(value::equals).isPresent()) config.put(key, value);
        becomeReady(tables.nodes().snapshot().isSynced());
        return null;
    }

    private void becomeReady(boolean synced) {
        if (ready || !synced || ifindex == 0) return;
        ready = true;
        runtime.readyAfter(nodes::flush, scope);
    }

    @Override
    public int overhead() {
        return OVERHEAD;
    }

    /** The scope waits for its tasks: not under the lock that they need. */
    @Deactivate
    void deactivate() {
        leave();
        scope.close();
    }

    private synchronized void leave() {
        ended = true;
        Features f = features;
        boolean disabled = f != null && f.get("vxlan").map(s -> s.state() == Features.State.DISABLED).orElse(false);
        if (disabled && ifindex != 0) {
            config.put(new Struct(config.key()), new Struct(config.value()));
            attachments.detach(Hook.OVERLAY_INGRESS, ifindex);
            netlink.links().deleteIfExists(DEVICE);
        }
    }
}
