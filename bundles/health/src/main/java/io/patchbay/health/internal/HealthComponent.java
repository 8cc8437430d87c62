package io.patchbay.health.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/** Probes every node's responder in turn, this node's own too, and says in {@code status} how many answered. */
@Component(immediate = true, service = {StatusSource.class, HealthComponent.class})
public final class HealthComponent implements StatusSource {
    private static final Duration TIMEOUT = Duration.ofSeconds(2);
    /** Nodes often start together: who did not answer is asked again soon, for a while. */
    private static final Duration SOON = Duration.ofSeconds(1);
    private static final int SOON_TIMES = 30;

    private final ClusterTables tables;
    private final LocalNode local;
    private final int port;
    private final Scope scope;
    private volatile List<NodeHealth> last = List.of();
    private volatile String listening;
    /** Of the scope's thread alone. */
    private int soonLeft = SOON_TIMES;
    private boolean soonPlanned;

    @Activate
    public HealthComponent(@Reference(target = "(" + FeatureRuntime.FEATURE + "=health)") FeatureRuntime runtime, @Reference ClusterTables tables,
                           @Reference(policyOption = ReferencePolicyOption.GREEDY) LocalNode local) {
        this.tables = tables;
        this.local = local;
        this.port = Integer.parseInt(runtime.config().get("port"));
        this.scope = runtime.scope("health");
        scope.untilDone("health-responder", this::listen);
        scope.every("health-probe", Duration.ofSeconds(Long.parseLong(runtime.config().get("interval-seconds"))), this::probeAll);
        runtime.ready();
    }

    private Void listen() throws IOException {
        IpAddress own = local.v4().orElseThrow(() -> new IOException("this node has no IPv4 address to listen on"));
        try {
            Responder responder = new Responder(inet(own), port);
            scope.thread("health-responder", responder::serve);
            // What is registered last is closed first: the thread waits in accept, and ends when the socket is closed.
            scope.closing(responder);
            listening = own + ":" + responder.port();
        } catch (IOException e) {
            throw new IOException(own + ":" + port + " can't be listened on (" + e.getMessage() + "): patchbay config set health.port=…", e);
        }
        return null;
    }

    private static InetAddress inet(IpAddress a) throws UnknownHostException {
        return a.toInetAddress();
    }

    private Void probeAll() {
        List<NodeHealth> now = new ArrayList<>();
        for (Node n : tables.nodes().snapshot().rows()) {
            Optional<IpAddress> address = n.internalIps().stream().filter(IpAddress::isV4).findFirst();
            if (address.isEmpty()) {
                now.add(new NodeHealth(n.name(), null, n.name().equals(local.name()), null, "has no IPv4 address", Instant.now()));
                continue;
            }
            Duration rtt = null;
            String problem = "";
            try {
                rtt = Prober.probe(inet(address.get()), port, TIMEOUT);
            } catch (IOException e) {
                problem = e.getMessage();
            }
            now.add(new NodeHealth(n.name(), address.get(), n.name().equals(local.name()), rtt, problem, Instant.now()));
        }
        now.sort(Comparator.comparing(NodeHealth::node));
        last = List.copyOf(now);
        if (now.stream().allMatch(NodeHealth::reachable)) {
            soonLeft = SOON_TIMES;
        } else if (soonLeft > 0 && !soonPlanned) {
            soonLeft--;
            soonPlanned = true;
            scope.later(SOON, () -> {
                soonPlanned = false;
                probeAll();
            });
        }
        return null;
    }

    List<NodeHealth> last() {
        return last;
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        List<NodeHealth> nodes = last;
        String address = listening;
        StatusRow daemon = address == null
                ? new StatusRow(StatusRow.Order.HEALTH_DAEMON, "Cilium health daemon", List.of("Failure", "not listening on port " + port), List.of(), true, Map.of())
                : new StatusRow(StatusRow.Order.HEALTH_DAEMON, "Cilium health daemon", List.of("Ok"), List.of(), true, Map.of("listening", address));
        if (nodes.isEmpty()) {
            return List.of(daemon, StatusRow.of(StatusRow.Order.CLUSTER_HEALTH, "Cluster health", "no probe has ended yet"));
        }
        long reachable = nodes.stream().filter(NodeHealth::reachable).count();
        Instant at = nodes.stream().map(NodeHealth::at).max(Comparator.naturalOrder()).orElseThrow().truncatedTo(ChronoUnit.SECONDS);
        List<String> details = nodes.stream().filter(n -> verbose || !n.reachable()).map(n -> "  " + HealthCommand.line(n)).toList();
        // An unreachable node is news of the cluster, not a fault of this agent.
        return List.of(daemon, new StatusRow(StatusRow.Order.CLUSTER_HEALTH, "Cluster health",
                List.of(reachable + "/" + nodes.size() + " reachable", "(" + at + ")"), details, true,
                Map.of("reachable", reachable, "nodes", nodes.size())));
    }

    @Deactivate
    void close() {
        scope.close();
    }
}
