package io.patchbay.endpoint.internal;

import static io.patchbay.endpoint.internal.Workers.await;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Table;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Follows the labels, annotations and ports of the pods that have endpoints here, and the labels of their namespaces. */
final class PodChanges {
    private static final Logger LOG = LoggerFactory.getLogger(PodChanges.class);
    private static final Duration AGAIN = Duration.ofSeconds(1);

    private final ClusterTables tables;
    private final Identities identities;
    private final Ipcache ipcache;
    private final EndpointTable table;
    private final EndpointLog log;
    private final Steps steps;
    private final Workers workers;
    private final Set<Integer> held;
    private final Scope scope;
    private final Duration grace;
    private final Supplier<List<String>> missing;

    /**
     * @param grace   how long other nodes have to learn of a new identity before an endpoint has it, and how long one that it no longer has stays known
     * @param missing features that an endpoint needs and that do not run
     */
    PodChanges(ClusterTables tables, Identities identities, Ipcache ipcache, EndpointTable table, EndpointLog log, Steps steps, Workers workers,
            Set<Integer> held, Scope scope, Duration grace, Supplier<List<String>> missing) {
        this.tables = tables;
        this.identities = identities;
        this.ipcache = ipcache;
        this.table = table;
        this.log = log;
        this.steps = steps;
        this.workers = workers;
        this.held = held;
        this.scope = scope;
        this.grace = grace;
        this.missing = missing;
    }

    void follow() {
        follow(tables.pods(), touched -> e -> touched.contains(new ObjectKey(e.namespace(), e.pod())));
        follow(tables.namespaces(), touched -> e -> touched.contains(e.namespace()));
        follow(tables.identities(), touched -> e -> false); // only for the first snapshot: refreshAll waits for it
    }

    /** One that was restored has no labels yet. What its identity stands for says what it was; its pod may have others by now. */
    private Endpoint inform(Endpoint e, Optional<LabelSet> now) {
        if (!e.labels().isEmpty() || e.identity() == 0) return e;
        Optional<LabelSet> labels = tables.identities().get((long) e.identity()).map(CiliumIdentity::labels).or(() -> now);
        labels.ifPresent(l -> table.update(e.id(), "", x -> x.withIdentity(x.identity(), l)));
        return table.get(e.id()).orElse(e);
    }

    private interface About<K> {
        /** Endpoints that these rows are about. */
        Predicate<Endpoint> of(Set<K> touched);
    }

    private <K, R> void follow(Table<K, R> rows, About<K> about) {
        scope.closing(rows.subscribe(scope.executor(), new TableListener<K, R>() {
            @Override
            public void onSnapshot(TableSnapshot<K, R> snapshot) {
                refreshAll();
            }

            @Override
            public void onChanges(TableSnapshot<K, R> now, List<Change<K, R>> changes) {
                Set<K> touched = new HashSet<>();
                for (Change<K, R> c : changes) if (c.after() != null) touched.add(c.key());
                table.list().stream().filter(about.of(touched)).forEach(e -> refresh(e.id()));
            }
        }));
    }

    private void refreshAll() {
        if (tables.pods().snapshot().isSynced() && tables.namespaces().snapshot().isSynced() && tables.identities().snapshot().isSynced()) table.list().forEach(e -> refresh(e.id()));
    }

    private void refresh(int id) {
        refresh(id, () -> { });
    }

    /** @param after runs in any case, when the endpoint has been looked at */
    private void refresh(int id, Runnable after) {
        Optional<EndpointRecord> r = table.record(id);
        if (r.isEmpty()) {
            after.run();
            return;
        }
        workers.submit(() -> {
            try {
                workers.locked(r.get().device(), () -> {
                    refreshNow(id);
                    return null;
                });
            } catch (Exception e) {
                log.add(id, false, table.get(id).map(Endpoint::state).orElse(Endpoint.State.NOT_READY), String.valueOf(e.getMessage()));
                LOG.warn("Endpoint {} keeps what it has: {}; tried again in {} s", id, e.toString(), AGAIN.toSeconds());
                scope.later(AGAIN, () -> refresh(id));
            } finally {
                after.run();
            }
        });
    }

    /**
     * The new identity is in force for peers, those of other nodes too, and for the pod before its packets carry it; the old one stays known for a while.
     */
    private void refreshNow(int id) throws Exception {
        Endpoint found = table.get(id).orElse(null);
        if (found == null || found.state() == Endpoint.State.DISCONNECTING) return;
        Pod pod = tables.pods().get(new ObjectKey(found.namespace(), found.pod())).orElse(null);
        Namespace namespace = tables.namespaces().get(found.namespace()).orElse(null);
        Endpoint e = inform(found, pod == null || namespace == null ? Optional.empty() : Optional.of(identities.labelsOf(pod, namespace)));
        if (pod == null || namespace == null) return;
        if (!pod.uid().isEmpty() && !e.podUid().isEmpty() && !pod.uid().equals(e.podUid())) return; // its successor of the same name
        Map<String, Integer> ports = EndpointMaker.ports(pod);
        if (!e.annotations().equals(pod.annotations()) || !e.namedPorts().equals(ports)) {
            table.update(id, "", x -> x.withPod(pod.annotations(), ports));
        }
        LabelSet labels = identities.labelsOf(pod, namespace);
        boolean complete = e.state() == Endpoint.State.READY;
        if (held.contains(id) && labels.equals(e.labels()) && complete) return;
        if (!labels.equals(e.labels()) && !missing.get().isEmpty()) {
            // Who doesn't run can't say what the new identity may: while policy is away, no table denies it anything.
            LOG.debug("Endpoint {} keeps identity {}: {}", id, e.identity(), missing.get());
            scope.later(AGAIN, () -> refresh(id));
            return;
        }
        int number = await(identities.acquire(labels), "the identity of " + e.name());
        int before = e.identity();
        boolean others = tables.nodes().snapshot().rows().size() > 1;
        Duration early = grace.minus(identities.knownFor(number));
        if (others && before != 0 && number != before && early.compareTo(Duration.ZERO) > 0) {
            // held meanwhile: a number that nobody holds is forgotten, and would be as new the next time
            scope.later(early, () -> refresh(id, () -> identities.release(number)));
            return;
        }
        boolean wasHeld = !held.add(id);
        if (wasHeld && number == before) identities.release(number); // one reference is enough
        if (number == before && complete) {
            table.update(id, "", x -> x.withIdentity(number, labels));
            for (IpAddress a : e.addresses()) ipcache.put(Prefix.of(a), new Ipcache.Entry(number, null, Ipcache.Source.LOCAL, e.name()));
            return;
        }
        // what steps compute, they compute for the new identity; the kernel still has the old one
        Endpoint[] next = {e.withIdentity(number, labels).withPod(pod.annotations(), ports).withState(Endpoint.State.REGENERATING)};
        int policyChanges = table.policyChanges(id);
        steps.prepare(() -> next[0], (was, is) -> next[0] = is);
        Endpoint ready = next[0];
        for (IpAddress a : e.addresses()) {
            await(ipcache.put(Prefix.of(a), new Ipcache.Entry(number, null, Ipcache.Source.LOCAL, e.name())), "the ipcache");
        }
        boolean overtaken = table.policyChanges(id) != policyChanges;
        table.update(id, "Identity " + before + " -> " + number, x -> {
            Endpoint y = x.withIdentity(number, labels).withFlags(ready.flags() & ~e.flags(), e.flags() & ~ready.flags() | MapEntry.NOT_READY)
                    .withState(Endpoint.State.READY);
            return overtaken ? y : y.withPolicy(ready.policyId());
        });
        table.toKernel(id, x -> x);
        await(table.flush(), "the map endpoints");
        if (wasHeld && number != before) scope.later(grace, () -> identities.release(before));
    }
}
