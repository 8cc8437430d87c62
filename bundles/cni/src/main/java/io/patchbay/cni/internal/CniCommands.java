package io.patchbay.cni.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Subscription;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.ipam.AddressPool;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.node.LocalNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The commands of the specification. Thread-safe; each call runs on its caller's thread. */
final class CniCommands {
    private static final Logger LOG = LoggerFactory.getLogger(CniCommands.class);
    private static final long OPERATION_SECONDS = 40;

    private final Endpoints endpoints;
    private final AddressPool pool;
    private final ClusterTables tables;
    private final Executor executor;
    private final Supplier<LocalNode> node;
    private final Supplier<List<String>> missing;
    private final IntSupplier overhead;
    private final Duration podWait;

    /**
     * @param node     null while the node is not set up
     * @param missing  features that ADD needs and that do not run
     * @param overhead bytes that features take from each packet between nodes
     * @param podWait  how long ADD waits for the cluster to tell of its pod
     */
    CniCommands(Endpoints endpoints, AddressPool pool, ClusterTables tables, Executor executor, Supplier<LocalNode> node,
            Supplier<List<String>> missing, IntSupplier overhead, Duration podWait) {
        this.endpoints = endpoints;
        this.pool = pool;
        this.tables = tables;
        this.executor = executor;
        this.node = node;
        this.missing = missing;
        this.overhead = overhead;
        this.podWait = podWait;
    }

    /** @return standard output */
    String run(CniCall call) throws CniException {
        return switch (call.command()) {
            case "ADD" -> add(call);
            case "DEL" -> del(call);
            case "CHECK" -> check(call);
            case "STATUS" -> status();
            case "GC" -> gc(call);
            default -> CniJson.versions(call.version());
        };
    }

    private LocalNode available(int code) throws CniException {
        List<String> absent = missing.get();
        if (!absent.isEmpty()) throw new CniException(code, "not now: " + String.join("; ", absent));
        LocalNode local = node.get();
        if (local == null) throw new CniException(code, "this node's own network is not set up yet; `status` says why");
        return local;
    }

    private String add(CniCall call) throws CniException {
        if (call.hasPreviousResult()) {
            throw new CniException(CniException.UNSUPPORTED_FIELD, "prevResult " + call.config().get("prevResult")
                    + ": this plugin makes the interface itself and has to be the first in its list");
        }
        String namespace = call.required("K8S_POD_NAMESPACE");
        String name = call.required("K8S_POD_NAME");
        String uid = call.arguments().getOrDefault("K8S_POD_UID", "");
        LocalNode local = available(CniException.TRY_AGAIN);
        awaitPod(new ObjectKey(namespace, name), uid);

        String owner = AddressPool.owner(namespace, name, call.ifname(), call.containerId());
        int routeMtu = local.mtu() - overhead.getAsInt();
        List<IpAddress> addresses;
        try {
            addresses = pool.allocate(owner);
        } catch (AddressPool.ExhaustedException e) {
            throw new CniException(CniException.EXHAUSTED, e.getMessage());
        } catch (RuntimeException e) {
            throw new CniException(CniException.FAILED, "no address for " + namespace + "/" + name, String.valueOf(e.getMessage()));
        }
        try {
            Endpoint e = await(endpoints.create(new Endpoints.Request(call.containerId(), call.ifname(), call.netns(), namespace, name, uid, addresses,
                    routeMtu)), "the endpoint of " + namespace + "/" + name);
            return CniJson.added(call, e, local.routers(), local.mtu(), routeMtu);
        } catch (CniException e) {
            LOG.warn("ADD of {}/{} ({}): {} {}", namespace, name, call.containerId(), e.getMessage(), e.details());
            // an operation that only took too long goes on, and the next ADD or DEL finds its address
            if (endpoints.attachments().get(new Endpoints.Attachment(call.containerId(), call.ifname())) == null) pool.release(owner);
            throw e;
        }
    }

    /** The cluster's news and the runtime's call race; which pod this is must be known, since its labels are its identity. */
    private void awaitPod(ObjectKey key, String uid) throws CniException {
        if (isKnown(key, uid)) return;
        CompletableFuture<Void> there = new CompletableFuture<>();
        Runnable look = () -> {
            if (isKnown(key, uid)) there.complete(null);
        };
        try (Subscription pods = tables.pods().subscribe(executor, new Watch<>(look)); Subscription spaces = tables.namespaces().subscribe(executor, new Watch<>(look))) {
            there.get(podWait.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new CniException(CniException.TRY_AGAIN, "the pod " + key + (uid.isEmpty() ? "" : " (" + uid + ")") + " is not known yet: the cluster has not told of "
                    + (tables.namespaces().get(key.namespace()).isEmpty() ? "its namespace" : "it") + " within " + podWait.toMillis() + " ms");
        } catch (ExecutionException e) {
            throw new CniException(CniException.FAILED, "waiting for the pod " + key + " failed", String.valueOf(e.getCause()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CniException(CniException.TRY_AGAIN, "interrupted");
        }
    }

    private boolean isKnown(ObjectKey key, String uid) {
        Pod pod = tables.pods().get(key).orElse(null);
        return pod != null && (uid.isEmpty() || pod.uid().isEmpty() || pod.uid().equals(uid)) && tables.namespaces().get(key.namespace()).isPresent();
    }

    private record Watch<K, R>(Runnable look) implements TableListener<K, R> {
        @Override
        public void onSnapshot(TableSnapshot<K, R> snapshot) {
            look.run();
        }

        @Override
        public void onChanges(TableSnapshot<K, R> now, List<Change<K, R>> changes) {
            look.run();
        }
    }

    private static <T> T await(Future<T> future, String what) throws CniException {
        try {
            return future.get(OPERATION_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new CniException(CniException.TRY_AGAIN, what + " takes longer than " + OPERATION_SECONDS + " s");
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            while (cause instanceof java.util.concurrent.CompletionException && cause.getCause() != null) cause = cause.getCause();
            String reason = cause.getMessage() == null ? cause.toString() : cause.getMessage();
            throw new CniException(cause instanceof Identities.ClaimException ? CniException.TRY_AGAIN : CniException.FAILED, what + ": " + reason);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CniException(CniException.TRY_AGAIN, "interrupted");
        }
    }

    private String del(CniCall call) throws CniException {
        try {
            await(endpoints.delete(call.containerId(), call.ifname()), "removing " + call.ifname() + " of container " + call.containerId());
        } catch (CniException e) {
            throw new CniException(CniException.TRY_AGAIN, e.getMessage(), e.details());
        }
        release(call.containerId(), call.ifname());
        return "";
    }

    /** By the end of the owner's name: DEL may come without the pod's. */
    private void release(String containerId, String ifname) {
        String end = ":" + ifname + "@" + containerId;
        for (String owner : pool.allocations().keySet()) if (owner.endsWith(end)) pool.release(owner);
    }

    private String check(CniCall call) throws CniException {
        List<String> wrong = new ArrayList<>(endpoints.check(call.containerId(), call.ifname()));
        Endpoint e = endpoints.attachments().get(new Endpoints.Attachment(call.containerId(), call.ifname()));
        if (e != null) wrong.addAll(call.problems(Set.copyOf(e.addresses())));
        if (!wrong.isEmpty()) throw new CniException(CniException.UNHEALTHY, wrong.get(0), String.join("; ", wrong));
        return "";
    }

    private String status() throws CniException {
        available(CniException.NOT_AVAILABLE);
        return "";
    }

    private String gc(CniCall call) throws CniException {
        Set<Endpoints.Attachment> valid = call.validAttachments();
        List<String> failed = new ArrayList<>();
        for (Map.Entry<Endpoints.Attachment, Endpoint> e : endpoints.attachments().entrySet()) {
            Endpoints.Attachment a = e.getKey();
            if (a.containerId().isEmpty() || valid.contains(a)) continue;
            LOG.info("GC: {} ({}) is no longer valid", e.getValue().name(), a);
            try {
                await(endpoints.delete(a.containerId(), a.ifname()), e.getValue().name());
                release(a.containerId(), a.ifname());
            } catch (CniException x) {
                failed.add(x.getMessage());
            }
        }
        Set<String> ends = new HashSet<>();
        for (Endpoints.Attachment a : valid) ends.add(":" + a.ifname() + "@" + a.containerId());
        for (Endpoints.Attachment a : endpoints.attachments().keySet()) ends.add(":" + a.ifname() + "@" + a.containerId());
        for (String owner : pool.allocations().keySet()) {
            int at = owner.lastIndexOf(':');
            if (owner.indexOf('@') > 0 && at > 0 && !ends.contains(owner.substring(at))) pool.release(owner);
        }
        if (!failed.isEmpty()) throw new CniException(CniException.TRY_AGAIN, failed.get(0), String.join("; ", failed));
        return "";
    }
}
