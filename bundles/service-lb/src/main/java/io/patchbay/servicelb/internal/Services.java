package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ClusterSnapshot;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.TableIndex;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the service maps as services and endpoint slices want them. Nothing is written before all tables have synced: a service
 * whose slices have not come yet would lose its backends. All computing happens on the scope's thread.
 */
@Component(service = Services.class, immediate = true)
public final class Services {
    private static final Logger LOG = LoggerFactory.getLogger(Services.class);

    /** Services whose entries are handed over together. */
    private static final int AT_ONCE = 500;

    private final FeatureRuntime runtime;
    private final ClusterTables tables;
    private final Scope scope;
    private final Reconciler<LbKey, LbValue> reconciler;
    private final HealthChecks health;
    private final String node;
    private final LbConfig config;
    private final ServiceState state = new ServiceState();
    private NodeView view;
    private boolean began;
    private volatile boolean ready;
    private volatile Runnable departure = () -> {
    };
    /** Of the cluster and the node that all services were computed from. */
    private long computed = -1;
    private NodeView computedView;

    @Activate
    public Services(@Reference(target = "(patchbay.feature=service-lb)") FeatureRuntime runtime, @Reference ClusterTables tables,
            @Reference Reconcilers reconcilers, BundleContext context) {
        this(runtime, tables, reconcilers, NodeName.of(context));
    }

    Services(FeatureRuntime runtime, ClusterTables tables, Reconcilers reconcilers, String node) {
        this.runtime = runtime;
        this.tables = tables;
        this.node = node;
        this.config = LbConfig.of(runtime.config());
        this.view = new NodeView(node, "", List.of(), config.maglev());
        this.scope = runtime.scope("services");
        this.health = scope.closing(HealthChecks.open());
        scope.thread("service-health-checks", health::serve);
        this.reconciler = scope.closing(reconcilers.create("sync-services", new LbTarget(reconcilers, runtime::map)));
        scope.closing(tables.services().subscribe(scope.executor(), this.<ObjectKey, Service>listener(c -> List.of(c.key()))));
        scope.closing(tables.endpointSlices().subscribe(scope.executor(), this.<ObjectKey, EndpointSlice>listener(Services::servicesOf)));
        scope.closing(tables.pods().subscribe(scope.executor(), this.<ObjectKey, Pod>listener(this::hostPortsOf)));
        scope.closing(tables.nodes().subscribe(scope.executor(), new TableListener<String, Node>() {
            @Override
            public void onSnapshot(TableSnapshot<String, Node> snapshot) {
                look(snapshot);
                begin(true);
            }

            @Override
            public void onChanges(TableSnapshot<String, Node> now, List<Change<String, Node>> changes) {
                if (look(now)) begin(true);
            }
        }));
        scope.untilDone("services-start", this::start);
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    /** The service that a frontend of the kernel's map leads to, as far as is known. Any thread. */
    Optional<ObjectKey> owner(Frontend frontend) {
        return Optional.ofNullable(state.owners().get(frontend));
    }

    /** Calls when a backend has left or stopped to serve, or a pod has gone, and once when services are known. Of one listener. */
    AutoCloseable onDeparture(Runnable listener) {
        departure = listener;
        scope.executor().execute(() -> {
            if (began) listener.run();
        });
        return () -> departure = () -> {
        };
    }

    /**
     * Those whose backend is dead. One of UDP is dead for a service in which it does not serve any more: whatever is sent to it is better
     * sent to another. A connection of TCP may go on as long as its pod lives, in the service or not, so it is dead when the pod has gone.
     *
     * @return fails while services are not known yet
     */
    CompletableFuture<Set<Translated>> dead(Collection<Translated> translations) {
        List<Translated> all = List.copyOf(translations);
        return CompletableFuture.supplyAsync(() -> {
            if (!began) throw new IllegalStateException("services are not known yet");
            ClusterSnapshot now = tables.snapshot();
            Set<Translated> unserved = new HashSet<>();
            for (Translated t : all) {
                if (!state.serves(t.asked(), t.backend())) unserved.add(t);
            }
            if (unserved.isEmpty()) return unserved;
            Set<IpAddress> pods = new HashSet<>();
            now.pods().asMap().values().stream().filter(p -> !p.phase().isEnded()).forEach(p -> pods.addAll(p.ips()));
            unserved.removeIf(t -> t.backend().protocol() == Protocol.TCP
                    && (state.serves(t.backend()) || pods.contains(t.backend().address()) || !isOfPods(now, t.backend().address())));
            return unserved;
        }, scope.executor());
    }

    /** Whether a node has it for its pods. Of other addresses nobody here knows whether they live. */
    private static boolean isOfPods(ClusterSnapshot now, IpAddress address) {
        return now.nodes().asMap().values().stream().anyMatch(n -> n.podCidrs().stream().anyMatch(c -> c.contains(address)));
    }

    private interface Affected<K, R> {
        Collection<ObjectKey> by(Change<K, R> change);
    }

    private <K, R> TableListener<K, R> listener(Affected<K, R> affected) {
        return new TableListener<>() {
            @Override
            public void onSnapshot(TableSnapshot<K, R> snapshot) {
                begin(true);
            }

            @Override
            public void onChanges(TableSnapshot<K, R> now, List<Change<K, R>> changes) {
                if (!began) {
                    begin(false);
                    return;
                }
                Set<ObjectKey> services = new HashSet<>();
                changes.forEach(c -> services.addAll(affected.by(c)));
                update(tables.snapshot(), services);
                if (state.takeDepartures() || changes.stream().anyMatch(c -> c.after() == null && c.before() instanceof Pod)) departure.run();
            }
        };
    }

    private static Collection<ObjectKey> servicesOf(Change<ObjectKey, EndpointSlice> c) {
        Set<ObjectKey> services = new HashSet<>();
        if (c.before() != null) c.before().service().ifPresent(services::add);
        if (c.after() != null) c.after().service().ifPresent(services::add);
        return services;
    }

    private Collection<ObjectKey> hostPortsOf(Change<ObjectKey, Pod> c) {
        boolean before = c.before() != null && ServicePlan.wantsHostPorts(c.before(), node);
        boolean after = c.after() != null && ServicePlan.wantsHostPorts(c.after(), node);
        return before || after ? List.of(ServicePlan.hostPorts(after ? c.after() : c.before())) : List.of();
    }

    /** @param again whether all is to be computed although it was before */
    private void begin(boolean again) {
        ClusterSnapshot now = tables.snapshot();
        // Without the node's addresses its NodePorts would go, without the pods their host ports.
        if (!now.services().isSynced() || !now.endpointSlices().isSynced() || !now.nodes().isSynced() || !now.pods().isSynced() || began && !again) return;
        look(now.nodes());
        if (!began) {
            restore();
            began = true;
        }
        // Each table's first call brings the same snapshot.
        if (again && now.revision() == computed && view.equals(computedView)) return;
        computed = now.revision();
        computedView = view;
        // By name, so that first numbers are the same on every node.
        List<ObjectKey> all = new ArrayList<>(now.services().size());
        now.services().rows().forEach(s -> all.add(s.key()));
        for (ObjectKey known : state.services()) {
            if (ServicePlan.podOf(known).isEmpty() && now.services().get(known).isEmpty()) all.add(known);
        }
        Set<ObjectKey> pods = new HashSet<>();
        for (ObjectKey known : state.services()) {
            if (ServicePlan.podOf(known).isPresent()) pods.add(known);
        }
        now.pods().rows().stream().filter(p -> ServicePlan.wantsHostPorts(p, node)).map(ServicePlan::hostPorts).forEach(pods::add);
        all.addAll(pods);
        all.sort(null);
        long start = System.nanoTime();
        update(now, all);
        LOG.info("Services: {} computed in {} ms", all.size(), (System.nanoTime() - start) / 1_000_000);
        reconciler.synced();
        announce();
        state.takeDepartures();
        departure.run();
    }

    /** Says that the feature is ready once everything planned is in the kernel. */
    private void announce() {
        reconciler.flush().whenComplete((done, failure) -> {
            if (failure == null) {
                ready = true;
                runtime.ready();
            } else {
                LOG.warn("Services are not all in the kernel: {}", failure.getMessage());
            }
        });
    }

    /** A table that becomes synced without a change of rows tells nobody, and a flush may fail once: looked at again until it is done. */
    private Void start() {
        if (ready) return null;
        scope.executor().execute(() -> {
            if (began) announce();
            else begin(true);
        });
        throw new IllegalStateException("services wait for the cluster's tables, or are not all in the kernel yet");
    }

    private void restore() {
        Map<Frontend, LbValue.Service> services = new HashMap<>();
        Map<Integer, BackendAddress> backends = new HashMap<>();
        runtime.map("lb_services").forEach((k, v) -> tolerate(() -> services.put(LbTarget.FRONTEND.decode(k), LbTarget.SERVICE.decode(v))));
        runtime.map("lb_backends")
                .forEach((k, v) -> tolerate(() -> backends.put(LbTarget.BACKEND_ID.decode(k).id(), LbTarget.BACKEND.decode(v).address())));
        state.restore(services, backends);
    }

    /** What can't be read is no number to keep; the reconciler names it. */
    private static void tolerate(Callable<?> read) {
        try {
            read.call();
        } catch (Exception e) {
            LOG.debug("Services: an entry that is none of ours", e);
        }
    }

    /** @return whether something that plans depend on has changed */
    private boolean look(TableSnapshot<String, Node> nodes) {
        NodeView now = nodes.get(node).map(n -> new NodeView(node, n.zone(), config.addresses(n.internalIps()), config.maglev()))
                .orElse(new NodeView(node, "", List.of(), config.maglev()));
        boolean changed = !now.equals(view);
        view = now;
        return changed && began;
    }

    private void update(ClusterSnapshot now, Collection<ObjectKey> services) {
        ServiceState.Delta delta = new ServiceState.Delta();
        CompletableFuture<Void> handed = CompletableFuture.completedFuture(null);
        int planned = 0;
        for (ObjectKey key : services) {
            state.set(key, plan(now, key), delta);
            // The next ones are computed while these are handed over, and the kernel is written; one after the other, and no more than two at a time.
            if (++planned % AT_ONCE == 0) {
                handed.join();
                ServiceState.Delta done = delta;
                handed = CompletableFuture.runAsync(() -> hand(done));
                delta = new ServiceState.Delta();
            }
        }
        handed.join();
        hand(delta);
    }

    private ServicePlan plan(ClusterSnapshot now, ObjectKey key) {
        Optional<ObjectKey> pod = ServicePlan.podOf(key);
        if (pod.isPresent()) return now.pods().get(pod.get()).map(p -> ServicePlan.ofHostPorts(p, view)).orElse(ServicePlan.NOTHING);
        Optional<Service> service = now.services().get(key);
        ServicePlan plan = service.map(s -> ServicePlan.of(s, now.endpointSlices().by(TableIndex.SLICES_BY_SERVICE, key), view)).orElse(ServicePlan.NOTHING);
        health.set(key, service.map(Service::healthCheckNodePort).orElse(0), plan.localEndpoints());
        return plan;
    }

    private void hand(ServiceState.Delta delta) {
        if (!delta.isEmpty()) reconciler.change(delta.puts(), delta.removes());
    }
}
