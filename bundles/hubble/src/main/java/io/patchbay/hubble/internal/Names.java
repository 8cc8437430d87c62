package io.patchbay.hubble.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.flow.Flow.Workload;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongSupplier;

/**
 * Who had an address, which service a frontend was, which labels an identity has: as of any time that the flow ring reaches back to.
 * Written by the listeners, one call at a time each; read by anyone.
 */
final class Names {
    /** A pod of this node. */
    record Local(int id, String namespace, String pod, List<IpAddress> addresses, int identity, LabelSet labels) {
    }

    /** A pod of the cluster. */
    record Owner(ObjectKey pod, Workload workload) {
    }

    /** @param protocol IANA number */
    record Frontend(IpAddress address, int port, int protocol) {
    }

    private static final String TEMPLATE_HASH = "pod-template-hash";

    private final History<IpAddress, Local> locals;
    private final History<Integer, Local> endpoints;
    private final History<IpAddress, Owner> owners;
    private final History<Frontend, ObjectKey> services;
    private final History<Integer, LabelSet> identities;
    private final LongSupplier clock;

    /** @param clock CLOCK_MONOTONIC; @param horizon time of the oldest flow that may be asked about */
    Names(LongSupplier clock, LongSupplier horizon) {
        this.clock = clock;
        locals = new History<>(horizon);
        endpoints = new History<>(horizon);
        owners = new History<>(horizon);
        services = new History<>(horizon);
        identities = new History<>(horizon);
    }

    /** Null: no pod of this node. */
    Local local(IpAddress address, long time) {
        return locals.at(address, time);
    }

    /** By endpoint id; null: none. */
    Local endpoint(int id, long time) {
        return endpoints.at(id, time);
    }

    /** Null: no pod that the cluster told of. */
    Owner owner(IpAddress address, long time) {
        return owners.at(address, time);
    }

    /** Null: no service. */
    ObjectKey service(IpAddress address, int port, int protocol, long time) {
        return services.at(new Frontend(address, port, protocol), time);
    }

    /** Null: not known. */
    LabelSet labels(int identity, long time) {
        return identities.at(identity, time);
    }

    /** For {@link Endpoints#subscribe}. */
    Endpoints.Listener endpoints() {
        return new Endpoints.Listener() {
            @Override
            public void put(Endpoint e) {
                Local local = new Local(e.id(), e.namespace(), e.pod(), List.copyOf(e.addresses()), e.identity(), e.labels());
                long now = clock.getAsLong();
                endpoints.put(e.id(), local, now);
                e.addresses().forEach(a -> locals.put(a, local, now));
            }

            @Override
            public void removed(Endpoint e) {
                long now = clock.getAsLong();
                endpoints.put(e.id(), null, now);
                for (IpAddress a : e.addresses()) {
                    // The address may have the next pod already.
                    Local current = locals.now(a);
                    if (current != null && current.id() == e.id()) locals.put(a, null, now);
                }
            }
        };
    }

    /** Whoever isn't among these has gone while nobody told. */
    void endpointsAre(Collection<Endpoint> all) {
        Set<IpAddress> there = new HashSet<>();
        Set<Integer> ids = new HashSet<>();
        for (Endpoint e : all) {
            there.addAll(e.addresses());
            ids.add(e.id());
        }
        long now = clock.getAsLong();
        for (Integer id : endpoints.keys()) if (!ids.contains(id)) endpoints.put(id, null, now);
        for (IpAddress a : locals.keys()) if (!there.contains(a)) locals.put(a, null, now);
    }

    /** For {@link Identities#subscribe}. Labels stay known until no flow can name the identity. */
    void identities(Map<Integer, Optional<LabelSet>> changes) {
        long now = clock.getAsLong();
        changes.forEach((number, labels) -> identities.put(number, labels.orElse(null), now));
    }

    /** For the pods table. */
    TableListener<ObjectKey, Pod> pods() {
        return new TableListener<>() {
            @Override
            public void onSnapshot(TableSnapshot<ObjectKey, Pod> snapshot) {
                Map<IpAddress, Owner> all = new HashMap<>();
                for (Pod pod : snapshot.rows()) for (IpAddress a : addresses(pod)) all.put(a, owner(pod));
                replace(owners, all);
            }

            @Override
            public void onChanges(TableSnapshot<ObjectKey, Pod> snapshot, List<Change<ObjectKey, Pod>> changes) {
                long now = clock.getAsLong();
                for (Change<ObjectKey, Pod> c : changes) {
                    if (c.before() == null) continue;
                    List<IpAddress> still = c.after() == null ? List.of() : addresses(c.after());
                    for (IpAddress a : addresses(c.before())) if (!still.contains(a)) owners.remove(a, owner(c.before()), now);
                }
                for (Change<ObjectKey, Pod> c : changes) {
                    if (c.after() == null) continue;
                    for (IpAddress a : addresses(c.after())) owners.put(a, owner(c.after()), now);
                }
            }
        };
    }

    /** For the services table. */
    TableListener<ObjectKey, Service> services() {
        return new TableListener<>() {
            @Override
            public void onSnapshot(TableSnapshot<ObjectKey, Service> snapshot) {
                Map<Frontend, ObjectKey> all = new HashMap<>();
                for (Service s : snapshot.rows()) for (Frontend f : frontends(s)) all.put(f, s.key());
                replace(services, all);
            }

            @Override
            public void onChanges(TableSnapshot<ObjectKey, Service> snapshot, List<Change<ObjectKey, Service>> changes) {
                long now = clock.getAsLong();
                for (Change<ObjectKey, Service> c : changes) {
                    if (c.before() == null) continue;
                    Set<Frontend> still = c.after() == null ? Set.of() : frontends(c.after());
                    for (Frontend f : frontends(c.before())) if (!still.contains(f)) services.remove(f, c.key(), now);
                }
                for (Change<ObjectKey, Service> c : changes) {
                    if (c.after() == null) continue;
                    for (Frontend f : frontends(c.after())) services.put(f, c.key(), now);
                }
            }
        };
    }

    private <K, V> void replace(History<K, V> history, Map<K, V> all) {
        long now = clock.getAsLong();
        for (K key : history.keys()) if (!all.containsKey(key)) history.put(key, null, now);
        all.forEach((key, value) -> history.put(key, value, now));
    }

    /** Those that are the pod's own: not the node's, and none once its containers have ended. */
    private static List<IpAddress> addresses(Pod pod) {
        return pod.hostNetwork() || pod.phase().isEnded() ? List.of() : pod.ips();
    }

    private static Set<Frontend> frontends(Service s) {
        Set<Frontend> all = new HashSet<>();
        for (Service.Port p : s.ports()) {
            int protocol = p.protocol().number();
            s.clusterIps().forEach(a -> all.add(new Frontend(a, p.port(), protocol)));
            s.externalIps().forEach(a -> all.add(new Frontend(a, p.port(), protocol)));
            s.ingress().forEach(i -> all.add(new Frontend(i.ip(), p.port(), protocol)));
        }
        return all;
    }

    private static Owner owner(Pod pod) {
        return new Owner(pod.key(), workload(pod));
    }

    /**
     * What made the pod, from the labels that the controllers of Kubernetes put on their pods; the table has no owner references. A pod
     * of nobody's is its own workload, as in Hubble.
     */
    static Workload workload(Pod pod) {
        Map<String, String> labels = pod.labels();
        String name = pod.name();
        String hash = labels.get(TEMPLATE_HASH);
        if (hash != null) {
            int at = name.lastIndexOf("-" + hash + "-");
            if (at > 0) return new Workload(name.substring(0, at), "Deployment");
        }
        if (labels.containsKey("statefulset.kubernetes.io/pod-name")) return new Workload(withoutLast(name), "StatefulSet");
        String job = labels.getOrDefault("batch.kubernetes.io/job-name", labels.get("job-name"));
        if (job != null) return new Workload(job, "Job");
        if (labels.containsKey("controller-revision-hash")) return new Workload(withoutLast(name), "DaemonSet");
        return new Workload(name, "Pod");
    }

    private static String withoutLast(String name) {
        int dash = name.lastIndexOf('-');
        return dash > 0 ? name.substring(0, dash) : name;
    }
}
