package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.reconcile.Reconciler;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.UnaryOperator;

/**
 * The endpoints in memory, and what follows for the kernel's map and for those who subscribed: every change goes through here, under one
 * lock, so that all three see the same order. Thread-safe.
 */
final class EndpointTable {
    private static final int HOST_IDENTITY = 1;
    private static final int MOST = Endpoint.HOST - 1;

    private static final class Live {
        private final EndpointRecord record;
        private Endpoint endpoint;
        /** Whether the kernel's map shall have it. */
        private boolean inKernel;
        /** Counts changes of the policy class, so that a slow computation does not undo a later one. */
        private int policyChanges;

        private Live(EndpointRecord record, Endpoint endpoint) {
            this.record = record;
            this.endpoint = endpoint;
        }
    }

    private final Reconciler<IpAddress, MapEntry> map;
    private final EndpointLog log;
    private final Map<Integer, Live> live = new TreeMap<>();
    private final Map<Endpoints.Attachment, Integer> byAttachment = new HashMap<>();
    private final Map<String, Integer> byDevice = new HashMap<>();
    private final Map<IpAddress, Integer> byAddress = new HashMap<>();
    private final Set<Integer> reserved = new TreeSet<>();
    private final Subscribers subscribers = new Subscribers();
    private Set<IpAddress> hostAddresses = Set.of();
    /** The node itself; null until its addresses are known. */
    private Endpoint host;
    /** What the kernel had of the node's policy class and flags: in force until somebody sets others. */
    private int hostPolicy;
    private int hostFlags;
    private int last;

    EndpointTable(Reconciler<IpAddress, MapEntry> map, EndpointLog log) {
        this.map = map;
        this.log = log;
    }

    /** A number that nobody has; taken until {@link #insert} or {@link #giveBack}. */
    synchronized int reserve() {
        for (int i = 0; i < MOST; i++) {
            last = last >= MOST ? 1 : last + 1;
            if (!live.containsKey(last) && reserved.add(last)) return last;
        }
        throw new IllegalStateException("all " + MOST + " endpoint numbers are in use");
    }

    synchronized void giveBack(int id) {
        reserved.remove(id);
    }

    synchronized void insert(EndpointRecord record, Endpoint endpoint, boolean inKernel) {
        reserved.remove(record.id());
        last = Math.max(last, record.id());
        Live l = new Live(record, endpoint);
        l.inKernel = inKernel;
        live.put(record.id(), l);
        if (!record.containerId().isEmpty()) byAttachment.put(record.attachment(), record.id());
        byDevice.put(record.device(), record.id());
        record.addresses().forEach(a -> byAddress.put(a, record.id()));
        changed(l, "Created");
    }

    private void changed(Live l, String message) {
        if (l.inKernel) {
            MapEntry entry = MapEntry.of(l.endpoint);
            l.record.addresses().forEach(a -> map.put(a, entry));
        }
        if (!message.isEmpty()) log.add(l.record.id(), true, l.endpoint.state(), message);
        subscribers.put(l.endpoint);
    }

    /** Empty if it has gone. */
    synchronized Optional<Endpoint> update(int id, String message, UnaryOperator<Endpoint> change) {
        Live l = live.get(id);
        if (l == null) return Optional.empty();
        Endpoint before = l.endpoint;
        l.endpoint = change.apply(before);
        if (!message.isEmpty() || !l.endpoint.equals(before)) changed(l, message);
        return Optional.of(l.endpoint);
    }

    /** From now on the kernel's map has it, changed like this. */
    synchronized void toKernel(int id, UnaryOperator<Endpoint> change) {
        Live l = live.get(id);
        if (l == null) return;
        l.inKernel = true;
        l.endpoint = change.apply(l.endpoint);
        changed(l, "");
    }

    /** For {@link #merge}. */
    synchronized int policyChanges(int id) {
        Live l = live.get(id);
        return l == null ? 0 : l.policyChanges;
    }

    /** Takes over what a step made of an endpoint: its flags, and its policy class unless that was set since {@code policyChanges}. */
    synchronized Optional<Endpoint> merge(int id, Endpoint before, Endpoint after, int policyChanges) {
        return update(id, "", now -> {
            Live l = live.get(id);
            int set = after.flags() & ~before.flags();
            int clear = before.flags() & ~after.flags();
            Endpoint e = now.withFlags(set, clear);
            return l.policyChanges == policyChanges ? e.withPolicy(after.policyId()) : e;
        });
    }

    synchronized Optional<Endpoint> remove(int id) {
        Live l = live.remove(id);
        if (l == null) return Optional.empty();
        byAttachment.remove(l.record.attachment(), id);
        byDevice.remove(l.record.device(), id);
        for (IpAddress a : l.record.addresses()) {
            if (byAddress.remove(a, id)) map.remove(a);
        }
        log.forget(id);
        subscribers.removed(l.endpoint);
        return Optional.of(l.endpoint);
    }

    /** Takes it out of the kernel's map; it is still known. */
    synchronized void fromKernel(int id) {
        Live l = live.get(id);
        if (l == null) return;
        l.inKernel = false;
        for (IpAddress a : l.record.addresses()) if (Integer.valueOf(id).equals(byAddress.get(a))) map.remove(a);
    }

    synchronized void setPolicy(Map<Integer, Integer> policies) {
        Map<IpAddress, MapEntry> puts = new LinkedHashMap<>();
        List<Endpoint> changed = new ArrayList<>();
        policies.forEach((id, policy) -> {
            if (id == Endpoint.HOST) hostPolicy(policy);
            Live l = live.get(id);
            if (l == null) return;
            l.policyChanges++;
            if (l.endpoint.policyId() == policy) return;
            l.endpoint = l.endpoint.withPolicy(policy);
            if (l.inKernel) l.record.addresses().forEach(a -> puts.put(a, MapEntry.of(l.endpoint)));
            log.add(id, true, l.endpoint.state(), "Policy class " + policy);
            changed.add(l.endpoint);
        });
        if (!puts.isEmpty()) map.change(puts, List.of());
        changed.forEach(subscribers::put);
    }

    /** What an earlier run left in the kernel for the node itself. */
    synchronized void hostFound(int policyId, int flags) {
        hostPolicy = policyId;
        hostFlags = flags;
    }

    /** The node's own addresses, so that nothing takes them for a pod's, and the node as an endpoint. */
    synchronized void hostIs(Collection<IpAddress> addresses, int ifindex, String device, LabelSet labels) {
        if (host != null) {
            hostPolicy = host.policyId();
            hostFlags = host.flags();
        }
        host = new Endpoint(Endpoint.HOST, "", "", "", "", List.copyOf(addresses), ifindex, device, new byte[6], new byte[6], "", HOST_IDENTITY, labels,
                Map.of(), Map.of(), hostPolicy, hostFlags, Endpoint.State.READY);
        hostToKernel();
    }

    private void hostToKernel() {
        Map<IpAddress, MapEntry> puts = new HashMap<>();
        for (IpAddress a : host.addresses()) if (!byAddress.containsKey(a)) puts.put(a, MapEntry.host(host));
        List<IpAddress> gone = hostAddresses.stream().filter(a -> !puts.containsKey(a) && !byAddress.containsKey(a)).toList();
        map.change(puts, gone);
        hostAddresses = Set.copyOf(puts.keySet());
        subscribers.host(host);
    }

    /** Nothing while the node's addresses are not known. */
    private void hostPolicy(int policyId) {
        if (host == null || host.policyId() == policyId) return;
        host = host.withPolicy(policyId);
        log.add(Endpoint.HOST, true, host.state(), "Policy class " + policyId);
        hostToKernel();
    }

    synchronized void hostFlags(int set, int clear) {
        if (host == null) return;
        host = host.withFlags(set, clear);
        hostToKernel();
    }

    synchronized Optional<Endpoint> host() {
        return Optional.ofNullable(host);
    }

    CompletableFuture<Void> flush() {
        return map.flush();
    }

    synchronized Collection<Endpoint> list() {
        return live.values().stream().map(l -> l.endpoint).toList();
    }

    synchronized Collection<EndpointRecord> records() {
        return live.values().stream().map(l -> l.record).toList();
    }

    synchronized Optional<Endpoint> get(int id) {
        return Optional.ofNullable(live.get(id)).map(l -> l.endpoint);
    }

    synchronized Optional<EndpointRecord> record(int id) {
        return Optional.ofNullable(live.get(id)).map(l -> l.record);
    }

    synchronized Optional<Endpoint> byAddress(IpAddress a) {
        return Optional.ofNullable(byAddress.get(a)).flatMap(this::get);
    }

    /** Also finds one whose record was lost, by the name that its device must have. */
    synchronized Optional<EndpointRecord> find(String containerId, String ifname) {
        Integer id = byAttachment.get(new Endpoints.Attachment(containerId, ifname));
        if (id == null) id = byDevice.get(EndpointRecord.deviceName(containerId, ifname));
        return id == null ? Optional.empty() : record(id);
    }

    synchronized Map<Endpoints.Attachment, Endpoint> attachments() {
        Map<Endpoints.Attachment, Endpoint> result = new LinkedHashMap<>();
        live.values().forEach(l -> result.put(l.record.attachment(), l.endpoint));
        return result;
    }

    synchronized AutoCloseable subscribe(Executor executor, Endpoints.Listener listener) {
        return subscribers.add(executor, listener, list(), host);
    }
}
