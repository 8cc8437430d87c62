package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.reconcile.Codec;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import io.patchbay.netlink.NetNs;
import io.patchbay.netlink.NetlinkException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the socket programs which pod a network namespace is (lb_netns), so that a client with affinity is known by its pod's address
 * on both ways. The node's own namespace is the node.
 */
@Component(service = Clients.class, immediate = true)
public final class Clients {
    private static final Logger LOG = LoggerFactory.getLogger(Clients.class);

    /** @param v4 null: none; likewise {@code v6} */
    record Addresses(IpAddress v4, IpAddress v6) {
        static Addresses of(List<IpAddress> all) {
            return new Addresses(all.stream().filter(IpAddress::isV4).findFirst().orElse(null),
                    all.stream().filter(a -> !a.isV4()).findFirst().orElse(null));
        }
    }

    static final Codec<Long> COOKIE = new Codec<>() {
        @Override
        public void encode(Long value, Struct into) {
            into.set("", value);
        }

        @Override
        public Long decode(Struct from) {
            return from.get("");
        }
    };
    static final Codec<Addresses> ADDRESSES = new Codec<>() {
        @Override
        public void encode(Addresses value, Struct into) {
            if (value.v4 != null) into.set("addr4", value.v4);
            if (value.v6 != null) into.set("addr6", value.v6);
        }

        @Override
        public Addresses decode(Struct from) {
            return new Addresses(from.isZero("addr4") ? null : from.address("addr4"), from.isZero("addr6") ? null : from.address("addr6"));
        }
    };

    private final Scope scope;
    private final Reconciler<Long, Addresses> reconciler;
    private final String node;
    /** By endpoint; a namespace that is gone has no cookie to ask for any more. Only on the scope's thread. */
    private final Map<Integer, Long> cookies = new HashMap<>();

    @Activate
    public Clients(@Reference(target = "(patchbay.feature=service-lb)") FeatureRuntime runtime, @Reference Endpoints endpoints,
            @Reference ClusterTables tables, @Reference Reconcilers reconcilers, BundleContext context) {
        this.scope = runtime.scope("service-clients");
        this.node = NodeName.of(context);
        this.reconciler = scope.closing(reconcilers.forMap("sync-service-clients", runtime.map("lb_netns"), COOKIE, ADDRESSES));
        scope.closing(endpoints.subscribe(scope.executor(), new Endpoints.Listener() {
            @Override
            public void put(Endpoint endpoint) {
                known(endpoint);
            }

            @Override
            public void removed(Endpoint endpoint) {
                Long cookie = cookies.remove(endpoint.id());
                if (cookie != null) reconciler.remove(cookie);
            }
        }));
        scope.closing(tables.nodes().subscribe(scope.executor(), new TableListener<String, Node>() {
            @Override
            public void onSnapshot(TableSnapshot<String, Node> snapshot) {
                self(snapshot);
            }

            @Override
            public void onChanges(TableSnapshot<String, Node> now, List<Change<String, Node>> changes) {
                self(now);
            }
        }));
        // Behind the endpoints that the subscription began with.
        scope.executor().execute(reconciler::synced);
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    private void known(Endpoint endpoint) {
        Long cookie = cookies.get(endpoint.id());
        if (cookie == null) {
            try (NetNs ns = NetNs.open(Path.of(endpoint.netns()))) {
                cookie = ns.cookie();
            } catch (NetlinkException e) {
                // Its sockets' calls go on untranslated and are translated per packet.
                LOG.warn("The namespace of {} can't be entered, so services with affinity are translated per packet for it: {}", endpoint.name(),
                        e.getMessage());
                return;
            }
            cookies.put(endpoint.id(), cookie);
        }
        reconciler.put(cookie, Addresses.of(endpoint.addresses()));
    }

    private void self(TableSnapshot<String, Node> nodes) {
        nodes.get(node).ifPresent(n -> {
            try (NetNs own = NetNs.own()) {
                reconciler.put(own.cookie(), Addresses.of(n.internalIps()));
            }
        });
    }
}
