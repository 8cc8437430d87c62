package io.patchbay.endpoint.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.EndpointStep;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.ipam.AddressPool;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.MacAddress;
import io.patchbay.netlink.NetNs;
import io.patchbay.netlink.NetlinkSocket;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
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
 * Makes, restores, changes and removes the pods' attachments. Each operation runs on one of a few workers, one at a time per container
 * interface; the state itself is in {@link EndpointTable}. Stopping takes nothing away.
 */
@Component(service = {Endpoints.class, EndpointComponent.class}, immediate = true)
public final class EndpointComponent implements Endpoints {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointComponent.class);
    private static final int WORKERS = 8;
    private static final int STRIPES = 64;
    private static final Duration SWEEP = Duration.ofSeconds(30);
    private static final long WAIT_SECONDS = 20;

    private final FeatureRuntime runtime;
    private final ClusterTables tables;
    private final Identities identities;
    private final Ipcache ipcache;
    private final Scope scope;
    private final ExecutorService workers;
    private final PodDevices devices;
    private final RecordStore store;
    private final EndpointLog log = new EndpointLog();
    private final EndpointTable table;
    private final MapHandle kernel;
    private final Reconciler<IpAddress, MapEntry> reconciler;
    private final Duration grace;
    private final ReentrantLock[] locks = new ReentrantLock[STRIPES];
    private final CompletableFuture<Void> restored = new CompletableFuture<>();
    /** Endpoints whose identity this activation holds a reference to. */
    private final Set<Integer> held = ConcurrentHashMap.newKeySet();
    private final List<Step> steps = new CopyOnWriteArrayList<>();
    private Set<Integer> suspects = Set.of();
    private volatile LocalNode node;
    private volatile AddressPool pool;

    private record Step(int ranking, EndpointStep step) {
    }

    @Activate
    public EndpointComponent(@Reference(target = "(patchbay.feature=endpoint)") FeatureRuntime runtime, @Reference ClusterTables tables,
            @Reference Identities identities, @Reference Ipcache ipcache, @Reference Reconcilers reconcilers,
            @Reference Attachments attachments) throws IOException {
        this.runtime = runtime;
        this.tables = tables;
        this.identities = identities;
        this.ipcache = ipcache;
        this.grace = duration(runtime.config().getOrDefault("identity-grace", "5s"));
        this.store = new RecordStore(runtime.stateDirectory());
        this.scope = runtime.scope("endpoint");
        this.kernel = runtime.map("endpoints");
        this.reconciler = scope.closing(reconcilers.forMap("sync-endpoints", kernel, MapEntry.KEY, MapEntry.VALUE));
        this.table = new EndpointTable(reconciler, log);
        this.devices = new PodDevices(scope.closing(NetlinkSocket.open()), attachments);
        AtomicInteger number = new AtomicInteger();
        this.workers = Executors.newFixedThreadPool(WORKERS, work -> {
            Thread t = new Thread(work, "endpoint/worker-" + number.incrementAndGet());
            t.setDaemon(true);
            t.setContextClassLoader(null);
            return t;
        });
        scope.closing(() -> {
            workers.shutdown();
            if (!workers.awaitTermination(5, TimeUnit.SECONDS)) LOG.warn("An endpoint operation has not ended within 5 s");
        });
        for (int i = 0; i < STRIPES; i++) locks[i] = new ReentrantLock();
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
    synchronized void bindStep(EndpointStep step, Map<String, Object> properties) {
        steps.add(new Step(properties.get(Constants.SERVICE_RANKING) instanceof Integer r ? r : 0, step));
        steps.sort(Comparator.comparingInt(Step::ranking).reversed());
    }

    synchronized void unbindStep(EndpointStep step) {
        steps.removeIf(s -> s.step() == step);
    }

    static Duration duration(String text) {
        try {
            return Duration.parse("PT" + text.trim());
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("identity-grace: '" + text + "' is no duration such as 5s", e);
        }
    }

    private void hostAddresses(LocalNode n) {
        Set<IpAddress> all = new HashSet<>(n.addresses());
        all.addAll(n.routers());
        table.hostAddresses(all, n.host().ifindex());
        // records and the node's addresses are all there is: the rest of the map is nobody's
        reconciler.synced();
        reconciler.flush().whenComplete((x, error) -> {
            if (error == null) runtime.ready();
        });
    }

    // ---- start ----

    private void restore() throws IOException {
        Map<String, Link> links = devices.all();
        Map<Integer, Link> byIndex = new HashMap<>();
        links.values().forEach(l -> byIndex.put(l.index(), l));
        Map<IpAddress, MapEntry> inKernel = new HashMap<>();
        kernel.entries().forEach((k, v) -> inKernel.put(MapEntry.KEY.decode(k), MapEntry.VALUE.decode(v)));
        List<EndpointRecord> records = new ArrayList<>(store.load());
        records.addAll(recover(records, inKernel, byIndex));
        List<EndpointRecord> gone = new ArrayList<>();
        for (EndpointRecord r : records) {
            Link link = links.get(r.device());
            MapEntry entry = r.addresses().isEmpty() ? null : inKernel.get(r.addresses().get(0));
            Endpoint e = endpoint(r, link == null ? 0 : link.index(), entry);
            table.insert(r, e, entry != null && link != null && entry.ifindex() == link.index());
            if (link == null) gone.add(r);
            else devices.attach(link.index());
        }
        restored.complete(null);
        LOG.info("{} endpoints restored, {} of them have gone meanwhile", records.size() - gone.size(), gone.size());
        for (EndpointRecord r : gone) submit(() -> remove(r, "its device has gone"));
    }

    /** Pods that the kernel has and no record: their record was lost, and they go on. */
    private List<EndpointRecord> recover(List<EndpointRecord> records, Map<IpAddress, MapEntry> inKernel, Map<Integer, Link> byIndex)
            throws IOException {
        Set<Integer> known = new HashSet<>();
        records.forEach(r -> known.add(r.id()));
        Map<Integer, List<IpAddress>> addresses = new HashMap<>();
        Map<Integer, MapEntry> lost = new HashMap<>();
        inKernel.forEach((a, e) -> {
            if (e.isHost() || known.contains(e.id()) || !byIndex.containsKey(e.ifindex())) return;
            addresses.computeIfAbsent(e.id(), x -> new ArrayList<>()).add(a);
            lost.put(e.id(), e);
        });
        List<EndpointRecord> result = new ArrayList<>();
        for (MapEntry e : lost.values()) {
            Link link = byIndex.get(e.ifindex());
            List<IpAddress> list = addresses.get(e.id()).stream().sorted().toList();
            Ipcache.Entry owner = ipcache.lookup(list.get(0)).orElse(null);
            String[] name = owner == null || !owner.owner().contains("/") ? new String[] {"", ""} : owner.owner().split("/", 2);
            LOG.warn("Endpoint {} ({}, {}) has no record: kept as the kernel has it", e.id(), link.name(), list);
            EndpointRecord r = new EndpointRecord(e.id(), "", "", "", 0, name[0], name[1], "", list, link.name(), mac(e.mac()), mac(e.hostMac()), 0);
            store.save(r);
            result.add(r);
        }
        return result;
    }

    private static String mac(String hex) {
        return MacAddress.ofBytes(java.util.HexFormat.of().parseHex(hex)).toString();
    }

    private Endpoint endpoint(EndpointRecord r, int ifindex, MapEntry entry) {
        int identity = entry == null ? 0 : entry.identity();
        LabelSet labels = identities.labels(identity).orElse(LabelSet.empty());
        boolean complete = entry != null && entry.ifindex() == ifindex && (entry.flags() & MapEntry.NOT_READY) == 0;
        return new Endpoint(r.id(), r.containerId(), r.namespace(), r.pod(), r.podUid(), r.addresses(), ifindex, r.device(),
                MacAddress.parse(r.mac()).toBytes(), MacAddress.parse(r.hostMac()).toBytes(), r.netns(), identity, labels, Map.of(), Map.of(),
                entry == null ? 0 : entry.policyId(), entry == null ? MapEntry.NOT_READY : entry.flags(),
                complete ? Endpoint.State.READY : Endpoint.State.RESTORING);
    }

    /** After the restore: labels of pods and namespaces, and what is left behind. */
    private void follow() {
        scope.closing(tables.pods().subscribe(scope.executor(), new TableListener<ObjectKey, Pod>() {
            @Override
            public void onSnapshot(TableSnapshot<ObjectKey, Pod> snapshot) {
                refreshAll();
            }

            @Override
            public void onChanges(TableSnapshot<ObjectKey, Pod> now, List<Change<ObjectKey, Pod>> changes) {
                Set<ObjectKey> touched = new HashSet<>();
                for (Change<ObjectKey, Pod> c : changes) if (c.after() != null) touched.add(c.key());
                for (Endpoint e : table.list()) if (touched.contains(new ObjectKey(e.namespace(), e.pod()))) refresh(e.id());
            }
        }));
        scope.closing(tables.namespaces().subscribe(scope.executor(), new TableListener<String, Namespace>() {
            @Override
            public void onSnapshot(TableSnapshot<String, Namespace> snapshot) {
                refreshAll();
            }

            @Override
            public void onChanges(TableSnapshot<String, Namespace> now, List<Change<String, Namespace>> changes) {
                Set<String> touched = new HashSet<>();
                for (Change<String, Namespace> c : changes) if (c.after() != null) touched.add(c.key());
                for (Endpoint e : table.list()) if (touched.contains(e.namespace())) refresh(e.id());
            }
        }));
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
            if (suspects.contains(r.id())) submit(() -> remove(r, "its namespace has gone"));
            else now.add(r.id());
        }
        suspects = now;
    }

    private void remove(EndpointRecord r, String why) throws Exception {
        AddressPool addresses = pool;
        if (addresses == null) return; // the next sweep finds it again
        LOG.info("Endpoint {} ({}/{}) is removed: {}", r.id(), r.namespace(), r.pod(), why);
        locked(r.device(), () -> {
            if (table.record(r.id()).filter(r::equals).isPresent()) takeAway(r);
            return null;
        });
        addresses.release(AddressPool.owner(r.namespace(), r.pod(), r.ifname(), r.containerId()));
    }

    // ---- one at a time for each ----

    private <T> T locked(String device, Callable<T> work) throws Exception {
        ReentrantLock lock = locks[Math.floorMod(device.hashCode(), STRIPES)];
        lock.lock();
        try {
            return work.call();
        } finally {
            lock.unlock();
        }
    }

    private interface Work {
        void run() throws Exception;
    }

    private void submit(Work work) {
        try {
            workers.execute(() -> {
                try {
                    work.run();
                } catch (Exception e) {
                    LOG.error("Endpoint operation failed: {}", e.toString(), e);
                }
            });
        } catch (RejectedExecutionException e) {
            LOG.debug("Stopping: an operation is left to the next start");
        }
    }

    private <T> CompletableFuture<T> supply(Callable<T> work) {
        return restored.thenApplyAsync(x -> {
            try {
                return work.call();
            } catch (Exception e) {
                throw new CompletionException(e);
            }
        }, workers);
    }

    private static <T> T await(Future<T> future, String what) throws Exception {
        try {
            return future.get(WAIT_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new IOException(what + " takes longer than " + WAIT_SECONDS + " s", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Exception cause) throw cause;
            throw e;
        }
    }

    // ---- create ----

    @Override
    public CompletableFuture<Endpoint> create(Request request) {
        return supply(() -> locked(EndpointRecord.deviceName(request.containerId(), request.ifname()), () -> make(request)));
    }

    private Endpoint make(Request q) throws Exception {
        LocalNode local = node;
        if (local == null) throw new IOException("the node's own network is not set up yet");
        Optional<EndpointRecord> known = table.find(q.containerId(), q.ifname());
        if (known.isPresent()) {
            EndpointRecord r = known.get();
            Endpoint e = table.get(r.id()).orElseThrow();
            boolean same = e.state() == Endpoint.State.READY && r.addresses().equals(q.addresses()) && PodDevices.namespaceExists(r)
                    && devices.check(r, e.ifindex(), local.routers()).isEmpty();
            if (same) return e;
            takeAway(r);
        }
        Pod pod = tables.pods().get(new ObjectKey(q.namespace(), q.pod())).orElseThrow(() -> new IOException("the cluster has no pod "
                + q.namespace() + "/" + q.pod() + " (yet)"));
        Namespace namespace = tables.namespaces().get(q.namespace()).orElseThrow(() -> new IOException("the cluster has no namespace "
                + q.namespace() + " (yet)"));
        LabelSet labels = identities.labelsOf(pod, namespace);
        CompletableFuture<Integer> identity = identities.acquire(labels); // while the device is made

        int id = table.reserve();
        EndpointRecord record = null;
        try (NetNs ns = NetNs.open(Path.of(q.netns())); NetlinkSocket inPod = ns.socket()) {
            record = new EndpointRecord(id, q.containerId(), q.ifname(), q.netns(), ns.inode(), q.namespace(), q.pod(), q.podUid(), q.addresses(),
                    EndpointRecord.deviceName(q.containerId(), q.ifname()), devices.newMac(), devices.newMac(), q.mtu());
            store.save(record);
            Link link = devices.make(record, local.mtu(), ns, inPod);
            Endpoint e = endpoint(record, link.index(), null).withPod(pod.annotations(), ports(pod)).withState(Endpoint.State.WAITING_FOR_IDENTITY);
            table.insert(record, e, false);
            int number = await(identity, "the identity of " + e.name());
            held.add(id);
            table.update(id, "Identity " + number, x -> x.withIdentity(number, labels).withState(Endpoint.State.REGENERATING));
            prepare(id);
            List<CompletableFuture<Void>> published = new ArrayList<>();
            for (IpAddress a : q.addresses()) {
                published.add(ipcache.put(Prefix.of(a), new Ipcache.Entry(number, null, Ipcache.Source.LOCAL, e.name())));
            }
            table.update(id, "", x -> x.withFlags(0, MapEntry.NOT_READY));
            table.toKernel(id);
            await(table.flush(), "the map endpoints");
            for (CompletableFuture<Void> f : published) await(f, "the ipcache");
            devices.open(record, link.index(), local.routers(), inPod);
            return table.update(id, "Ready", x -> x.withState(Endpoint.State.READY)).orElseThrow(() -> new IOException(e.name() + " was removed meanwhile"));
        } catch (Exception | Error e) {
            undo(id, record, identity);
            throw e;
        }
    }

    private void undo(int id, EndpointRecord record, CompletableFuture<Integer> identity) {
        boolean owned = held.contains(id); // then takeAway releases it
        try {
            if (record != null && table.record(id).isPresent()) {
                takeAway(record);
            } else if (record != null) {
                devices.delete(record.device());
                store.delete(id);
            }
        } catch (Exception e) {
            LOG.warn("Endpoint {} could not be made, nor all of it be taken away: {}; the sweep tries again", id, e.toString());
        } finally {
            table.giveBack(id);
            if (!owned) identity.thenAccept(identities::release);
        }
    }

    /** {@code TCP/http} to number; of containers that name the same, the first counts, as in Kubernetes. */
    static Map<String, Integer> ports(Pod pod) {
        Map<String, Integer> ports = new HashMap<>();
        for (Pod.Port p : pod.ports()) if (!p.name().isEmpty()) ports.putIfAbsent(p.protocol().name() + "/" + p.name(), p.number());
        return ports;
    }

    /** What other features do for an endpoint, one after the other, each seeing what the ones before it set. */
    private void prepare(int id) throws Exception {
        for (Step s : steps) {
            Optional<Endpoint> before = table.get(id);
            if (before.isEmpty()) return;
            int policyChanges = table.policyChanges(id);
            Endpoint after = await(s.step().prepare(before.get()), s.step().getClass().getSimpleName() + " of " + before.get().name());
            table.merge(id, before.get(), after, policyChanges);
        }
    }

    // ---- delete ----

    @Override
    public CompletableFuture<Void> delete(String containerId, String ifname) {
        String device = EndpointRecord.deviceName(containerId, ifname);
        return supply(() -> locked(device, () -> {
            Optional<EndpointRecord> r = table.find(containerId, ifname);
            if (r.isPresent()) takeAway(r.get());
            else devices.delete(device);
            return null;
        }));
    }

    /** No packet first, then nobody's address, then no device; the record last, so that a kill in between starts over. */
    private void takeAway(EndpointRecord r) throws Exception {
        Optional<Endpoint> e = table.update(r.id(), "", x -> x.withState(Endpoint.State.DISCONNECTING));
        table.fromKernel(r.id());
        await(table.flush(), "the map endpoints");
        for (IpAddress a : r.addresses()) await(ipcache.remove(Prefix.of(a), Ipcache.Source.LOCAL), "the ipcache");
        devices.delete(r.device());
        e.filter(x -> x.ifindex() != 0).ifPresent(x -> devices.detach(x.ifindex()));
        store.delete(r.id());
        table.remove(r.id());
        if (e.isPresent()) {
            for (Step s : steps) {
                try {
                    s.step().forget(e.get());
                } catch (RuntimeException x) {
                    LOG.warn("{} could not forget {}: {}", s.step().getClass().getSimpleName(), e.get().name(), x.toString());
                }
            }
            if (held.remove(r.id())) identities.release(e.get().identity());
        }
    }

    // ---- changes of the pod ----

    private void refreshAll() {
        if (tables.pods().snapshot().isSynced() && tables.namespaces().snapshot().isSynced()) table.list().forEach(e -> refresh(e.id()));
    }

    private void refresh(int id) {
        Optional<EndpointRecord> r = table.record(id);
        if (r.isEmpty()) return;
        submit(() -> {
            try {
                locked(r.get().device(), () -> {
                    refreshNow(id);
                    return null;
                });
            } catch (Exception e) {
                log.add(id, false, table.get(id).map(Endpoint::state).orElse(Endpoint.State.NOT_READY), String.valueOf(e.getMessage()));
                LOG.warn("Endpoint {} keeps what it has: {}; tried again in 1 s", id, e.toString());
                scope.later(Duration.ofSeconds(1), () -> refresh(id));
            }
        });
    }

    /** The new identity is in force for peers and for the pod before its packets carry it; the old one stays known for a while. */
    private void refreshNow(int id) throws Exception {
        Endpoint e = table.get(id).orElse(null);
        if (e == null || e.state() == Endpoint.State.DISCONNECTING) return;
        Pod pod = tables.pods().get(new ObjectKey(e.namespace(), e.pod())).orElse(null);
        Namespace namespace = tables.namespaces().get(e.namespace()).orElse(null);
        if (pod == null || namespace == null) return;
        if (!pod.uid().isEmpty() && !e.podUid().isEmpty() && !pod.uid().equals(e.podUid())) return; // its successor of the same name
        Map<String, Integer> ports = ports(pod);
        if (!e.annotations().equals(pod.annotations()) || !e.namedPorts().equals(ports)) {
            table.update(id, "", x -> x.withPod(pod.annotations(), ports));
        }
        LabelSet labels = identities.labelsOf(pod, namespace);
        boolean complete = e.state() == Endpoint.State.READY;
        if (held.contains(id) && labels.equals(e.labels()) && complete) return;
        int number = await(identities.acquire(labels), "the identity of " + e.name());
        int before = e.identity();
        boolean wasHeld = !held.add(id);
        if (wasHeld && number == before) identities.release(number); // one reference is enough
        if (number == before && complete) {
            table.update(id, "", x -> x.withIdentity(number, labels));
            for (IpAddress a : e.addresses()) ipcache.put(Prefix.of(a), new Ipcache.Entry(number, null, Ipcache.Source.LOCAL, e.name()));
            return;
        }
        // what steps compute, they compute for the new identity; the kernel still has the old one
        Endpoint next = e.withIdentity(number, labels).withPod(pod.annotations(), ports).withState(Endpoint.State.REGENERATING);
        int policyChanges = table.policyChanges(id);
        for (Step s : steps) next = await(s.step().prepare(next), s.step().getClass().getSimpleName() + " of " + e.name());
        Endpoint ready = next;
        for (IpAddress a : e.addresses()) {
            await(ipcache.put(Prefix.of(a), new Ipcache.Entry(number, null, Ipcache.Source.LOCAL, e.name())), "the ipcache");
        }
        boolean overtaken = table.policyChanges(id) != policyChanges;
        table.update(id, "Identity " + before + " -> " + number, x -> {
            Endpoint y = x.withIdentity(number, labels).withFlags(ready.flags() & ~e.flags(), e.flags() & ~ready.flags() | MapEntry.NOT_READY)
                    .withState(Endpoint.State.READY);
            return overtaken ? y : y.withPolicy(ready.policyId());
        });
        table.toKernel(id);
        await(table.flush(), "the map endpoints");
        if (wasHeld && number != before) scope.later(grace, () -> identities.release(before));
    }

    // ---- the rest of the service ----

    @Override
    public Collection<Endpoint> list() {
        return table.list();
    }

    @Override
    public Optional<Endpoint> get(int id) {
        return table.get(id);
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
        return kernel.lookup(new io.patchbay.api.datapath.Struct(kernel.key()).set("", a)).map(MapEntry.VALUE::decode);
    }

    /** Endpoints as the kernel has them, by number. */
    Map<Integer, MapEntry> kernelEntries() {
        Map<Integer, MapEntry> result = new HashMap<>();
        kernel.entries().forEach((k, v) -> {
            MapEntry e = MapEntry.VALUE.decode(v);
            if (!e.isHost()) result.put(e.id(), e);
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
        table.update(id, "", e -> e.withFlags(set, clear));
        return table.flush();
    }

    @Override
    public AutoCloseable subscribe(Executor executor, Listener listener) {
        return table.subscribe(executor, listener);
    }
}
