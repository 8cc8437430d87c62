package io.patchbay.endpoint.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.EndpointStep;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Features;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.ipam.AddressPool;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import io.patchbay.netlink.Link;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
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
 * The pods' attachments as a service. Restored at the start ({@link Restore}), made and taken away on request ({@link EndpointMaker}), changed
 * with their pods ({@link PodChanges}), the node among them ({@link NodeEndpoint}), each on one of a few {@link Workers}; the state itself is in {@link EndpointTable}. Stopping takes
 * nothing away.
 */
@Component(service = {Endpoints.class, EndpointComponent.class}, immediate = true)
public final class EndpointComponent implements Endpoints {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointComponent.class);
    private static final Duration SWEEP = Duration.ofSeconds(30);
    /** The start of everything else comes first. */
    private static final Duration REHEARSE_AFTER = Duration.ofSeconds(1);

    private final FeatureRuntime runtime;
    private final Scope scope;
    private final PodDevices devices;
    private final EndpointLog log = new EndpointLog();
    private final EndpointTable table;
    private final MapHandle kernel;
    private final Reconciler<IpAddress, MapEntry> reconciler;
    private final Workers workers;
    private final Steps steps = new Steps();
    private final EndpointMaker maker;
    private final Restore restore;
    private final PodChanges pods;
    private final NodeEndpoint host;
    private final CompletableFuture<Void> restored = new CompletableFuture<>();
    private final AtomicBoolean rehearsed = new AtomicBoolean();
    private Set<Integer> suspects = Set.of();
    private volatile LocalNode node;
    private volatile AddressPool pool;
    private volatile Features features;

    @Activate
    public EndpointComponent(@Reference(target = "(patchbay.feature=endpoint)") FeatureRuntime runtime, @Reference ClusterTables tables,
            @Reference Identities identities, @Reference Ipcache ipcache, @Reference Reconcilers reconcilers,
            @Reference Attachments attachments) throws IOException {
        this.runtime = runtime;
        this.scope = runtime.scope("endpoint");
        this.kernel = runtime.map("endpoints");
        this.reconciler = scope.closing(reconcilers.forMap("sync-endpoints", kernel, MapEntry.KEY, MapEntry.VALUE));
        this.table = new EndpointTable(reconciler, log);
        this.devices = scope.closing(new PodDevices(attachments));
        this.workers = new Workers(scope);
        RecordStore store = new RecordStore(runtime.stateDirectory());
        Set<Integer> held = ConcurrentHashMap.newKeySet();
        this.maker = new EndpointMaker(tables, identities, ipcache, devices, store, table, steps, held);
        this.restore = new Restore(store, devices, kernel, ipcache, table, maker);
        this.host = new NodeEndpoint(tables, table);
        this.pods = new PodChanges(tables, identities, ipcache, table, log, steps, workers, held, scope,
                runtime.duration("identity-grace"), this::missing);
    }

    @Activate
    void activate() {
        scope.untilDone("endpoint-restore", () -> {
            if (!restored.isDone()) restore();
            return null;
        }).thenRun(this::follow);
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindNode(LocalNode n) {
        node = n;
        restored.thenRunAsync(() -> hostAddresses(n), scope.executor());
    }

    void unbindNode(LocalNode n) {
        if (node == n) node = null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindPool(AddressPool p) {
        pool = p;
    }

    void unbindPool(AddressPool p) {
        if (pool == p) pool = null;
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void bindStep(EndpointStep step, Map<String, Object> properties) {
        steps.add(step, properties.get(Constants.SERVICE_RANKING) instanceof Integer r ? r : 0);
    }

    void unbindStep(EndpointStep step) {
        steps.remove(step);
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindFeatures(Features f) {
        features = f;
    }

    void unbindFeatures(Features f) {
        if (features == f) features = null;
    }

    /** Enabled features that have a part in every endpoint and do not run. */
    private List<String> missing() {
        Features f = features;
        return f == null ? List.of("the features are being set up") : f.missingForAdd();
    }

    private void hostAddresses(LocalNode n) {
        host.is(n);
        // records and the node's addresses are all there is: the rest of the map is nobody's
        reconciler.synced();
        runtime.readyAfter(() -> reconciler.flush().thenRun(this::rehearse), scope);
    }

    private void rehearse() {
        if (rehearsed.compareAndSet(false, true)) scope.later(REHEARSE_AFTER, () -> scope.thread("endpoint-rehearsal", new Rehearsal(devices)::run));
    }

    // ---- start, and what is left behind ----

    private void restore() throws IOException {
        List<EndpointRecord> gone = restore.run();
        restored.complete(null);
        for (EndpointRecord r : gone) workers.submit(() -> remove(r, "its device has gone"));
    }

    private void follow() {
        pods.follow();
        host.follow(scope);
        scope.every("endpoint-sweep", SWEEP, () -> {
            sweep();
            return null;
        });
    }

    /** Twice in a row without device or namespace: the pod has gone without a word. */
    private void sweep() {
        Set<Integer> now = new HashSet<>();
        Map<String, Link> links = devices.all();
        for (EndpointRecord r : table.records()) {
            boolean gone = !links.containsKey(r.device()) || !PodDevices.namespaceExists(r);
            if (!gone || table.get(r.id()).map(Endpoint::state).filter(s -> s == Endpoint.State.WAITING_FOR_IDENTITY
                    || s == Endpoint.State.REGENERATING).isPresent()) continue;
            if (suspects.contains(r.id())) workers.submit(() -> remove(r, "its namespace has gone"));
            else now.add(r.id());
        }
        suspects = now;
    }

    private void remove(EndpointRecord r, String why) throws Exception {
        AddressPool addresses = pool;
        if (addresses == null) return; // the next sweep finds it again
        LOG.info("Endpoint {} ({}/{}) is removed: {}", r.id(), r.namespace(), r.pod(), why);
        workers.locked(r.device(), () -> {
            if (table.record(r.id()).filter(r::equals).isPresent()) maker.takeAway(r);
            return null;
        });
        addresses.release(AddressPool.owner(r.namespace(), r.pod(), r.ifname(), r.containerId()));
    }

    // ---- the service ----

    @Override
    public CompletableFuture<Endpoint> create(Request request) {
        return workers.after(restored, () -> workers.locked(EndpointRecord.deviceName(request.containerId(), request.ifname()), () -> {
            LocalNode local = node;
            if (local == null) throw new IOException("the node's own network is not set up yet");
            return maker.make(request, local);
        }));
    }

    @Override
    public CompletableFuture<Void> delete(String containerId, String ifname) {
        String device = EndpointRecord.deviceName(containerId, ifname);
        return workers.after(restored, () -> workers.locked(device, () -> {
            Optional<EndpointRecord> r = table.find(containerId, ifname);
            if (r.isPresent()) maker.takeAway(r.get());
            else devices.delete(device);
            return null;
        }));
    }

    @Override
    public Collection<Endpoint> list() {
        return table.list();
    }

    @Override
    public Optional<Endpoint> get(int id) {
        return table.get(id);
    }

    @Override
    public Optional<Endpoint> host() {
        return table.host();
    }

    @Override
    public Optional<Endpoint> byAddress(IpAddress address) {
        return table.byAddress(address);
    }

    @Override
    public Map<Attachment, Endpoint> attachments() {
        return table.attachments();
    }

    @Override
    public List<String> check(String containerId, String ifname) {
        if (!restored.isDone()) return List.of("the agent is still restoring its endpoints");
        EndpointRecord r = table.find(containerId, ifname).orElse(null);
        if (r == null) return List.of("there is no endpoint for " + ifname + " of container " + containerId);
        Endpoint e = table.get(r.id()).orElse(null);
        LocalNode local = node;
        if (e == null || local == null) return List.of("the node's own network is not set up yet");
        List<String> wrong = new ArrayList<>(devices.check(r, e.ifindex(), local.routers()));
        for (IpAddress a : r.addresses()) {
            Optional<MapEntry> entry = kernelEntry(a);
            if (entry.isEmpty()) wrong.add("the kernel's map of endpoints lacks " + a);
            else if (!entry.get().equals(MapEntry.of(e))) wrong.add("the kernel's map of endpoints has " + entry.get() + " for " + a);
        }
        if (e.state() != Endpoint.State.READY) wrong.add("the endpoint is " + e.state().text());
        return wrong;
    }

    private Optional<MapEntry> kernelEntry(IpAddress a) {
        return kernel.lookup(new Struct(kernel.key()).set("", a)).map(MapEntry.VALUE::decode);
    }

    /** Pods, and the node itself where its addresses are known. */
    List<Endpoint> listWithHost() {
        List<Endpoint> all = new ArrayList<>(table.list());
        table.host().ifPresent(all::add);
        return all;
    }

    /** Endpoints as the kernel has them, by number, the node itself among them. */
    Map<Integer, MapEntry> kernelEntries() {
        Map<Integer, MapEntry> result = new HashMap<>();
        kernel.entries().forEach((k, v) -> {
            MapEntry e = MapEntry.VALUE.decode(v);
            result.put(e.isHost() ? Endpoint.HOST : e.id(), e);
        });
        return result;
    }

    List<EndpointLog.Line> log(int id) {
        return log.of(id);
    }

    @Override
    public CompletableFuture<Void> setPolicy(Map<Integer, Integer> policyIds) {
        table.setPolicy(policyIds);
        return table.flush();
    }

    @Override
    public CompletableFuture<Void> setFlags(int id, int set, int clear) {
        if (id == Endpoint.HOST) table.hostFlags(set, clear);
        else table.update(id, "", e -> e.withFlags(set, clear));
        return table.flush();
    }

    @Override
    public AutoCloseable subscribe(Executor executor, Listener listener) {
        return table.subscribe(executor, listener);
    }
}
