package io.patchbay.identity.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Table;
import io.patchbay.api.cluster.TableIndex;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Features;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.LabelFilter;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.node.Launch;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/**
 * Identities and the ipcache of this node, fed by the cluster's tables. Tables are followed on the scope's thread; the state is under this
 * object's lock, and everything that waits (claims, the kernel) happens outside it.
 *
 * <p>Until pods, nodes, namespaces, identities and endpoint slices have all synced, nothing of theirs is written: half of it could replace in the kernel
 * what was right before the agent started.
 */
@Component(service = {Identities.class, Ipcache.class, StatusSource.class}, immediate = true)
public final class IdentityComponent implements Identities, Ipcache, StatusSource {
    private static final int EP_HOST = 1; // enum pb_ep_flags
    /** How long at most addresses keep what they had while other features start, and how often that is looked at. */
    private static final Duration OTHERS = Duration.ofSeconds(10);
    private static final Duration LOOK = Duration.ofMillis(100);
    private static final ObjectKey API_SERVER = new ObjectKey("default", "kubernetes");

    private final FeatureRuntime runtime;
    private final ClusterTables tables;
    private final String nodeName;
    private final String cluster;
    private final LabelFilter filter;
    private final Scope scope;
    private final MapHandle addressMap;
    private final MapHandle prefixMap;
    private final Reconciler<IpAddress, KernelEntry> addresses;
    private final Reconciler<Prefix, KernelEntry> prefixes;
    private final IdentityRegistry registry;
    private final IpcacheState state = new IpcacheState();
    /** As configured; empty: both families where the node has pod CIDRs of both. */
    private final Optional<Boolean> dualStack;
    private final PodAddresses pods = new PodAddresses();
    private final Map<IpAddress, String> nodeAddresses = new HashMap<>();
    private volatile IdentityClaims claims;
    private LocalNode local;
    private boolean open;
    /** Whether leftovers of the kernel may go, and the addresses that keep them from it. */
    private boolean swept;
    private final Set<IpAddress> unsettled = new HashSet<>();
    private Set<IpAddress> apiServers = Set.of();
    /** Where {@link #placeApiServers} has put them. */
    private boolean apiServersPlaced;
    private boolean apiServerHere;
    private Set<Prefix> apiServersOutside = Set.of();
    /** What the kernel had of pods' addresses at the start, until {@link #othersRun}. */
    private final Map<IpAddress, Integer> found = new HashMap<>();
    private final CompletableFuture<Void> opened = new CompletableFuture<>();
    private volatile Features features;

    @Activate
    public IdentityComponent(@Reference(target = "(patchbay.feature=identity)") FeatureRuntime runtime, @Reference ClusterTables tables,
            @Reference Reconcilers reconcilers, BundleContext context) {
        this.runtime = runtime;
        this.tables = tables;
        this.nodeName = context.getProperty(Launch.NODE_NAME) == null ? "" : context.getProperty(Launch.NODE_NAME);
        Map<String, String> config = runtime.config();
        this.cluster = config.getOrDefault("cluster-name", "default");
        this.filter = LabelFilter.of(Arrays.stream(config.getOrDefault("labels", "").split("\\s+")).filter(s -> !s.isEmpty()).toList());
        this.scope = runtime.scope("identity");
        this.addressMap = runtime.map("ipcache");
        this.prefixMap = runtime.map("ipcache_prefixes");
        this.addresses = scope.closing(reconcilers.forMap("sync-ipcache", addressMap, KernelEntry.ADDRESS, KernelEntry.VALUE));
        this.prefixes = scope.closing(reconcilers.forMap("sync-ipcache-prefixes", prefixMap, KernelEntry.PREFIX, KernelEntry.VALUE));
        LocalPrefixes file = new LocalPrefixes(runtime.stateDirectory().resolve("prefixes.json"));
        file.load(kernelPrefixes());
        this.dualStack = dualStack(config.getOrDefault("dual-stack", "auto").trim());
        // until the node is known, as it was
        boolean both = dualStack.orElseGet(this::kernelHasBothWorlds);
        this.registry = new IdentityRegistry(scope.executor(), () -> claims, file, both);
        state.dualStack(both);
        adopt();
    }

    private boolean kernelHasBothWorlds() {
        Struct key = new Struct(prefixMap.key());
        KernelEntry.PREFIX.encode(Prefix.parse("0.0.0.0/0"), key);
        return prefixMap.lookup(key).filter(v -> v.get("identity") == ReservedIdentity.WORLD_IPV4).isPresent();
    }

    static Optional<Boolean> dualStack(String text) {
        return switch (text) {
            case "auto" -> Optional.empty();
            case "true" -> Optional.of(true);
            case "false" -> Optional.of(false);
            default -> throw new IllegalArgumentException("identity dual-stack '" + text + "' is not one of auto, true, false");
        };
    }

    @Activate
    void activate() {
        follow(tables.identities(), snapshot -> registry.rowsAre(snapshot.rows()),
                changes -> changes.forEach(c -> registry.rowChanged(c.key(), c.after())));
        follow(tables.namespaces(), snapshot -> allPods(), changes -> changes.forEach(c -> tables.snapshot().pods()
                .by(TableIndex.PODS_BY_NAMESPACE, c.key()).forEach(this::pod)));
        follow(tables.nodes(), snapshot -> nodes(), changes -> nodes());
        follow(tables.pods(), snapshot -> allPods(), changes -> {
            for (Change<ObjectKey, Pod> c : changes) {
                if (c.after() != null) pod(c.after());
                else gone(c.key());
            }
        });
        follow(tables.endpointSlices(), snapshot -> apiServers(), changes -> {
            if (changes.stream().anyMatch(c -> isApiServer(c.before()) || isApiServer(c.after()))) apiServers();
        });
        // after the tables, so that the numbers are there when pods are looked at
        scope.closing(registry.subscribe(scope.executor(), changes -> changes.forEach((number, labels) -> labels.ifPresent(this::named))));
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindClaims(IdentityClaims c) {
        claims = c;
    }

    void unbindClaims(IdentityClaims c) {
        if (claims == c) claims = null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindFeatures(Features f) {
        features = f;
    }

    void unbindFeatures(Features f) {
        if (features == f) features = null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindNode(LocalNode node) {
        boolean both = dualStack.orElseGet(() -> node.podCidrs().stream().map(p -> p.address().isV4()).distinct().count() == 2);
        registry.dualStack(both);
        synchronized (this) {
            local = node;
            state.dualStack(both);
            write();
        }
        // the tables may have been there first
        scope.executor().execute(() -> {
            nodes();
            openWhenSynced();
        });
    }

    void unbindNode(LocalNode node) {
        // its successor is bound already; without one, what is known stays
    }

    private <K, R> void follow(Table<K, R> table, Consumer<TableSnapshot<K, R>> all, Consumer<List<Change<K, R>>> some) {
        scope.closing(table.subscribe(scope.executor(), new TableListener<>() {
            @Override
            public void onSnapshot(TableSnapshot<K, R> snapshot) {
                all.accept(snapshot);
                openWhenSynced();
            }

            @Override
            public void onChanges(TableSnapshot<K, R> now, List<Change<K, R>> changes) {
                some.accept(changes);
                openWhenSynced();
            }
        }));
    }

    // ---- start ----

    private Map<Prefix, Integer> kernelPrefixes() {
        Map<Prefix, Integer> result = new TreeMap<>();
        prefixMap.entries().forEach((k, v) -> {
            int identity = (int) v.get("identity");
            if (IdentityNumbers.isLocal(identity)) result.put(KernelEntry.PREFIX.decode(k), identity);
        });
        addressMap.entries().forEach((k, v) -> {
            int identity = (int) v.get("identity");
            if (IdentityNumbers.isLocal(identity)) result.put(Prefix.of(k.address("")), identity);
        });
        return result;
    }

    /** Peer classes, and this node's pods until the feature endpoint speaks for them, are what the kernel has. */
    private void adopt() {
        synchronized (this) {
            addressMap.entries().forEach((k, v) -> {
                if (v.get("peer_class") != 0) state.classify(k.address(""), (int) v.get("peer_class"));
                if (IdentityNumbers.isCluster(v.get("identity"))) found.put(k.address(""), (int) v.get("identity"));
            });
            runtime.map("endpoints").entries().forEach((k, v) -> {
                if ((v.get("flags") & EP_HOST) == 0 && v.get("identity") != 0) {
                    state.put(Prefix.of(k.address("")), new Entry((int) v.get("identity"), null, Source.LOCAL, ""));
                }
            });
            registry.prefixes().forEach((p, n) -> state.put(p, new Entry(n, null, Source.GENERATED, "")));
            write();
        }
    }

    private void openWhenSynced() {
        synchronized (this) {
            if (open || local == null) return;
            var now = tables.snapshot();
            if (!(now.pods().isSynced() && now.nodes().isSynced() && now.namespaces().isSynced() && now.identities().isSynced()
                    && now.endpointSlices().isSynced())) return;
            open = true;
            apiServers = addressesOfApiServers();
            // The table has its rows, but the registry may not have been told yet: a pod without a number would lose its entry until it is.
            registry.rowsAre(now.identities().rows());
            nodesLocked();
            for (Pod p : now.pods().rows()) podLocked(p);
            // Those that were known before nothing was published are no news to podLocked.
            pods.all().forEach(this::publish);
            write();
        }
        opened.complete(null);
        runtime.readyAfter(() -> CompletableFuture.allOf(addresses.flush(), prefixes.flush()), scope);
        othersRun(System.nanoTime() + OTHERS.toNanos());
    }

    /** Once the other features run that have a part in every endpoint, policy among them, addresses get the identities that their pods have got meanwhile. */
    private void othersRun(long atLatest) {
        Features f = features;
        boolean missing = f == null || !f.missingForAdd().isEmpty();
        if (missing && System.nanoTime() < atLatest) {
            scope.later(LOOK, () -> othersRun(atLatest));
            return;
        }
        synchronized (this) {
            found.clear();
            pods.all().forEach(this::publish);
            write();
        }
    }

    /** What the kernel has and nobody claims goes only when no claim waits for its number any more: what is claimed would go with it. Under the lock. */
    private void sweep() {
        if (swept || !open || !unsettled.isEmpty()) return;
        swept = true;
        addresses.synced();
        prefixes.synced();
    }

    // ---- from the tables; on the scope's thread ----

    private void allPods() {
        synchronized (this) {
            TableSnapshot<ObjectKey, Pod> now = tables.pods().snapshot();
            for (ObjectKey known : pods.pods()) if (now.get(known).isEmpty()) pods.remove(known).forEach(this::publish);
            now.rows().forEach(this::podLocked);
            write();
        }
    }

    private void pod(Pod p) {
        synchronized (this) {
            podLocked(p);
            write();
        }
    }

    private void gone(ObjectKey key) {
        synchronized (this) {
            pods.remove(key).forEach(this::publish);
            write();
        }
    }

    private void podLocked(Pod p) {
        if (p.hostNetwork() || p.phase().isEnded() || p.ips().isEmpty()) {
            pods.remove(p.key()).forEach(this::publish);
            return;
        }
        LabelSet labels = tables.namespaces().get(p.namespace()).map(n -> labelsOf(p, n)).orElse(null);
        pods.put(new PodAddresses.Claim(p.key(), p.nodeName(), labels, p.ips(), p.terminating())).forEach(this::publish);
    }

    /** A number has become known: its pods may have waited for it. */
    private void named(LabelSet labels) {
        synchronized (this) {
            pods.addressesWith(labels).forEach(this::publish);
            write();
        }
    }

    /** Makes the entry of an address what its pod's says; under the lock. */
    private void publish(IpAddress address) {
        if (!open) return;
        unsettled.remove(address);
        Prefix prefix = Prefix.of(address);
        Optional<PodAddresses.Claim> owner = pods.owner(address);
        if (owner.isEmpty()) {
            state.remove(prefix, Source.CUSTOM_RESOURCE);
            return;
        }
        PodAddresses.Claim claim = owner.get();
        Optional<Integer> number = claim.labels() == null ? Optional.empty() : registry.number(claim.labels());
        if (number.isEmpty()) {
            // this pod's old identity stays until the new one is known (make before break), another pod's does not
            if (!state.owner(prefix, Source.CUSTOM_RESOURCE).equals(claim.pod().toString())) state.remove(prefix, Source.CUSTOM_RESOURCE);
            return;
        }
        CompletableFuture<?> settled = registry.settled(number.get());
        if (!settled.isDone() || settled.isCompletedExceptionally()) {
            if (!swept) unsettled.add(address);
            settled.whenComplete((x, error) -> {
                Runnable again = () -> {
                    synchronized (this) {
                        publish(address);
                        write();
                    }
                };
                if (error == null) scope.executor().execute(again);
                else scope.later(Duration.ofSeconds(1), again);
            });
            return;
        }
        IpAddress tunnel = null;
        if (!claim.node().equals(localName())) {
            tunnel = tables.nodes().get(claim.node()).flatMap(n -> way(n)).orElse(null);
        }
        // The tables that were found may lack an identity that has come while no agent was here, and those of this run are not there yet.
        state.put(prefix, new Entry(found.getOrDefault(address, number.get()), tunnel, Source.CUSTOM_RESOURCE, claim.pod().toString()));
    }

    private String localName() {
        return local == null ? nodeName : local.name();
    }

    /** The address that other nodes encapsulate to. */
    private static Optional<IpAddress> way(Node node) {
        return node.internalIps().stream().filter(IpAddress::isV4).findFirst().or(() -> node.internalIps().stream().findFirst());
    }

    private void nodes() {
        synchronized (this) {
            nodesLocked();
            pods.all().forEach(this::publish);
            write();
        }
    }

    private void nodesLocked() {
        if (!open || local == null) return;
        Map<IpAddress, Entry> wanted = new HashMap<>();
        Map<Prefix, IpAddress> ways = new HashMap<>();
        for (Node node : tables.nodes().snapshot().rows()) {
            if (node.name().equals(local.name())) continue;
            IpAddress way = way(node).orElse(null);
            for (IpAddress a : node.internalIps()) wanted.put(a, remote(a, null, node.name()));
            for (Prefix cidr : node.podCidrs()) {
                if (way == null) continue;
                ways.put(cidr, way);
                IpAddress router = cidr.isSingle() ? cidr.address() : cidr.address().plus(1);
                wanted.put(router, remote(router, way, node.name()));
            }
        }
        for (IpAddress a : local.addresses()) wanted.put(a, new Entry(ReservedIdentity.HOST, null, Source.LOCAL, local.name()));
        for (IpAddress a : local.routers()) wanted.put(a, new Entry(ReservedIdentity.HOST, null, Source.LOCAL, local.name()));
        for (IpAddress a : Set.copyOf(nodeAddresses.keySet())) {
            if (wanted.containsKey(a)) continue;
            nodeAddresses.remove(a);
            state.remove(Prefix.of(a), Source.LOCAL);
            state.remove(Prefix.of(a), Source.K8S);
        }
        wanted.forEach((a, e) -> {
            nodeAddresses.put(a, e.owner());
            state.remove(Prefix.of(a), e.source() == Source.LOCAL ? Source.K8S : Source.LOCAL);
            state.put(Prefix.of(a), e);
        });
        for (Prefix cidr : state.tunnels().keySet()) if (!ways.containsKey(cidr)) state.tunnel(cidr, null);
        ways.forEach(state::tunnel);
        placeApiServers(wanted.keySet());
    }

    /**
     * An API server on another node has made that node's addresses {@link ReservedIdentity#KUBE_APISERVER}. One on this node is part of what the node's own
     * identity stands for, and one outside the cluster has an identity by its address. Under the lock.
     */
    private void placeApiServers(Set<IpAddress> ofNodes) {
        boolean here = apiServers.stream().anyMatch(local.addresses()::contains);
        Set<Prefix> outside = new HashSet<>();
        for (IpAddress a : apiServers) if (!ofNodes.contains(a)) outside.add(Prefix.of(a));
        if (apiServersPlaced && here == apiServerHere && outside.equals(apiServersOutside)) return;
        apiServersPlaced = true;
        apiServerHere = here;
        apiServersOutside = outside;
        scope.untilDone("place-api-servers", () -> {
            boolean nowHere;
            Set<Prefix> nowOutside;
            synchronized (this) { // as they are when it is this task's turn: one before may have had to be tried again
                nowHere = apiServerHere;
                nowOutside = apiServersOutside;
            }
            registry.apiServerHere(nowHere);
            CompletableFuture<?> outsideKnown = requirePrefixes(IdentityRegistry.API_SERVER, nowOutside);
            if (outsideKnown.isCompletedExceptionally()) outsideKnown.join(); // they could not be written down
            return null;
        });
    }

    private Entry remote(IpAddress a, IpAddress tunnel, String node) {
        return new Entry(apiServers.contains(a) ? ReservedIdentity.KUBE_APISERVER : ReservedIdentity.REMOTE_NODE, tunnel, Source.K8S, node);
    }

    private static boolean isApiServer(EndpointSlice slice) {
        return slice != null && slice.service().filter(API_SERVER::equals).isPresent();
    }

    private Set<IpAddress> addressesOfApiServers() {
        Set<IpAddress> now = new HashSet<>();
        tables.endpointSlices().snapshot().by(TableIndex.SLICES_BY_SERVICE, API_SERVER).forEach(s -> s.endpoints().forEach(e -> now.addAll(e.addresses())));
        return now;
    }

    private void apiServers() {
        Set<IpAddress> now = addressesOfApiServers();
        synchronized (this) {
            if (now.equals(apiServers)) return;
            apiServers = now;
        }
        nodes();
    }

    /** Hands what changed to the reconcilers; under the lock, so that they see changes in order. */
    private void write() {
        Map<IpAddress, KernelEntry> putAddresses = new HashMap<>();
        Map<Prefix, KernelEntry> putPrefixes = new HashMap<>();
        Set<IpAddress> dropAddresses = new HashSet<>();
        Set<Prefix> dropPrefixes = new HashSet<>();
        for (Prefix p : state.changed()) {
            Optional<KernelEntry> e = state.kernel(p);
            if (p.isSingle()) {
                if (e.isPresent()) putAddresses.put(p.address(), e.get());
                else dropAddresses.add(p.address());
            } else if (e.isPresent()) {
                putPrefixes.put(p, e.get());
            } else {
                dropPrefixes.add(p);
            }
        }
        if (!putAddresses.isEmpty() || !dropAddresses.isEmpty()) addresses.change(putAddresses, dropAddresses);
        if (!putPrefixes.isEmpty() || !dropPrefixes.isEmpty()) prefixes.change(putPrefixes, dropPrefixes);
        sweep();
    }

    // ---- Identities ----

    @Override
    public CompletableFuture<Integer> acquire(LabelSet labels) {
        return registry.acquire(labels);
    }

    @Override
    public void release(int identity) {
        registry.release(identity);
    }

    @Override
    public LabelSet labelsOf(Pod pod, Namespace namespace) {
        return IdentityLabels.ofPod(pod.namespace(), pod.serviceAccount(), pod.labels(), namespace.labels(), cluster, filter);
    }

    @Override
    public Optional<LabelSet> labels(int identity) {
        return registry.labels(identity);
    }

    @Override
    public Map<Integer, LabelSet> all() {
        return registry.all();
    }

    @Override
    public Duration knownFor(int identity) {
        return registry.knownFor(identity);
    }

    @Override
    public boolean worldByFamily() {
        return registry.dualStack();
    }

    @Override
    public int references(int identity) {
        return registry.references(identity);
    }

    @Override
    public CompletableFuture<Map<Prefix, Integer>> requirePrefixes(String user, Set<Prefix> wanted) {
        LocalPrefixes.Changed changed;
        Map<Prefix, Integer> result = new TreeMap<>();
        try {
            changed = registry.require(user, wanted);
        } catch (IOException e) {
            return CompletableFuture.failedFuture(new IOException("prefixes of " + user + " can't be kept: " + e.getMessage(), e));
        }
        Map<Prefix, Integer> all = registry.prefixes();
        wanted.forEach(p -> result.put(p, all.get(p)));
        Map<Prefix, Integer> fresh = new TreeMap<>(result);
        synchronized (this) {
            changed.removed().keySet().forEach(p -> state.remove(p, Source.GENERATED));
            write();
            fresh.keySet().removeIf(p -> state.has(p, Source.GENERATED));
        }
        // Whoever judges by identities has written down what they may before any address has them.
        return CompletableFuture.allOf(fresh.values().stream().map(registry::settled).toArray(CompletableFuture[]::new)).thenCompose(x -> {
            synchronized (this) {
                Map<Prefix, Integer> now = registry.prefixes();
                fresh.forEach((p, n) -> {
                    if (n.equals(now.get(p))) state.put(p, new Entry(n, null, Source.GENERATED, ""));
                });
                write();
            }
            return CompletableFuture.allOf(addresses.flush(), prefixes.flush());
        }).thenApply(x -> {
            registry.forgetPrefixes(changed.removed());
            return result;
        });
    }

    @Override
    public AutoCloseable subscribe(Executor executor, Listener listener) {
        return registry.subscribe(executor, listener);
    }

    // ---- Ipcache ----

    @Override
    public Map<Prefix, Entry> entries() {
        Map<Prefix, Entry> result = new TreeMap<>();
        addressMap.entries().forEach((k, v) -> add(result, Prefix.of(k.address("")), v));
        prefixMap.entries().forEach((k, v) -> add(result, KernelEntry.PREFIX.decode(k), v));
        return result;
    }

    /** Identity and tunnel are the kernel's; who said so is ours to know. */
    private void add(Map<Prefix, Entry> to, Prefix prefix, Struct value) {
        KernelEntry k = KernelEntry.VALUE.decode(value);
        Optional<Entry> ours;
        synchronized (this) {
            ours = state.effective(prefix);
        }
        to.put(prefix, new Entry(k.identity(), k.tunnel(), ours.map(Entry::source).orElse(Source.GENERATED), ours.map(Entry::owner).orElse("")));
    }

    @Override
    public synchronized Optional<Entry> lookup(IpAddress address) {
        return state.lookup(address);
    }

    @Override
    public CompletableFuture<Void> put(Prefix prefix, Entry entry) {
        synchronized (this) {
            state.put(prefix, entry);
            write();
        }
        return flush(prefix);
    }

    @Override
    public CompletableFuture<Void> remove(Prefix prefix, Source source) {
        synchronized (this) {
            state.remove(prefix, source);
            write();
        }
        return flush(prefix);
    }

    private CompletableFuture<Void> flush(Prefix prefix) {
        return prefix.isSingle() ? addresses.flush() : prefixes.flush();
    }

    @Override
    public CompletableFuture<Void> classify(Map<IpAddress, Integer> classes) {
        synchronized (this) {
            classes.forEach(state::classify);
            write();
        }
        // Before, the addresses of pods are not this component's to write.
        return opened.thenCompose(x -> addresses.flush());
    }

    @Override
    public synchronized Map<IpAddress, Integer> classes() {
        return state.classes();
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        return List.of(new StatusRow(StatusRow.Order.IDENTITY_RANGE, "Global Identity Range", List.of("min " + IdentityNumbers.MIN_CLUSTER
                + ", max " + IdentityNumbers.MAX_CLUSTER), List.of(), true,
                Map.of("min", IdentityNumbers.MIN_CLUSTER, "max", IdentityNumbers.MAX_CLUSTER, "known", registry.all().size())));
    }
}
