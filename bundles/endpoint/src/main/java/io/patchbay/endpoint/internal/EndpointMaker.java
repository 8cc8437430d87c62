package io.patchbay.endpoint.internal;

import static io.patchbay.endpoint.internal.Workers.await;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.node.LocalNode;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.MacAddress;
import io.patchbay.netlink.NetNs;
import io.patchbay.netlink.NetlinkSocket;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes attachments and takes them away, in the order that keeps what is half made without traffic. The caller holds the interface's lock. */
final class EndpointMaker {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointMaker.class);

    private final ClusterTables tables;
    private final Identities identities;
    private final Ipcache ipcache;
    private final PodDevices devices;
    private final RecordStore store;
    private final EndpointTable table;
    private final Steps steps;
    private final Set<Integer> held;

    /** @param held endpoints whose identity this activation holds a reference to; thread-safe */
    EndpointMaker(ClusterTables tables, Identities identities, Ipcache ipcache, PodDevices devices, RecordStore store, EndpointTable table, Steps steps,
            Set<Integer> held) {
        this.tables = tables;
        this.identities = identities;
        this.ipcache = ipcache;
        this.devices = devices;
        this.store = store;
        this.table = table;
        this.steps = steps;
        this.held = held;
    }

    /** An endpoint as its record and the kernel's entry say: without labels, which it has from its identity's row ({@link PodChanges}). @param entry null: not in the kernel */
    Endpoint endpoint(EndpointRecord r, int ifindex, MapEntry entry) {
        int identity = entry == null ? 0 : entry.identity();
        boolean complete = entry != null && entry.ifindex() == ifindex && (entry.flags() & MapEntry.NOT_READY) == 0;
        return new Endpoint(r.id(), r.containerId(), r.namespace(), r.pod(), r.podUid(), r.addresses(), ifindex, r.device(),
                MacAddress.parse(r.mac()).toBytes(), MacAddress.parse(r.hostMac()).toBytes(), r.netns(), identity, LabelSet.empty(), Map.of(), Map.of(),
                entry == null ? 0 : entry.policyId(), entry == null ? MapEntry.NOT_READY : entry.flags(),
                complete ? Endpoint.State.READY : Endpoint.State.RESTORING);
    }

    Endpoint make(Endpoints.Request q, LocalNode local) throws Exception {
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
            int[] policyChanges = {0};
            steps.prepare(() -> {
                policyChanges[0] = table.policyChanges(id);
                return table.get(id).orElse(null);
            }, (before, after) -> table.merge(id, before, after, policyChanges[0]));
            List<CompletableFuture<Void>> published = new ArrayList<>();
            for (IpAddress a : q.addresses()) {
                published.add(ipcache.put(Prefix.of(a), new Ipcache.Entry(number, null, Ipcache.Source.LOCAL, e.name())));
            }
            table.toKernel(id, x -> x.withFlags(0, MapEntry.NOT_READY));
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

    /** No packet first, then nobody's address, then no device; the record last, so that a kill in between starts over. */
    void takeAway(EndpointRecord r) throws Exception {
        Optional<Endpoint> e = table.update(r.id(), "", x -> x.withState(Endpoint.State.DISCONNECTING));
        table.fromKernel(r.id());
        await(table.flush(), "the map endpoints");
        for (IpAddress a : r.addresses()) await(ipcache.remove(Prefix.of(a), Ipcache.Source.LOCAL), "the ipcache");
        devices.delete(r.device());
        e.filter(x -> x.ifindex() != 0).ifPresent(x -> devices.detach(x.ifindex()));
        store.delete(r.id());
        table.remove(r.id());
        if (e.isPresent()) {
            steps.forget(e.get());
            if (held.remove(r.id())) identities.release(e.get().identity());
        }
    }
}
