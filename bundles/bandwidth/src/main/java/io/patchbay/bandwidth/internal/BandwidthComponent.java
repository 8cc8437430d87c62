package io.patchbay.bandwidth.internal;

import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.EndpointStep;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Features;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.Qdisc;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
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
 * Gives each pod the rates that its annotations ask for. What it sends: departure times kept by fq where the kernel has it, else a token
 * bucket in the pod. What it receives: a token bucket on the host's side, which packets only meet when they are not handed to the pod
 * past it (PB_EP_NO_PEER). All kernel work is on the scope's thread. Limits stay when the component stops, and go when the feature is disabled.
 */
@Component(service = {EndpointStep.class, StatusSource.class}, immediate = true, property = FeatureRuntime.FEATURE + "=bandwidth")
public final class BandwidthComponent implements EndpointStep, StatusSource {
    private static final Logger LOG = LoggerFactory.getLogger(BandwidthComponent.class);
    /** enum pb_ep_flags. */
    private static final int NO_PEER = 2;
    private static final Duration LOOK = Duration.ofSeconds(10);

    private final Scope scope;
    private final NetlinkSocket netlink;
    private final Queues queues;
    private final Pacing pacing;
    private final MapHandle throttle;
    private final boolean paced;
    private final String reason;
    /** Pods with a limit, by endpoint id. */
    private final Map<Integer, Endpoint> limited = new ConcurrentHashMap<>();
    private final Map<Integer, String> problems = new ConcurrentHashMap<>();
    /** Endpoints whose queues are known to be what they were last told, or never were any. On the scope's thread. */
    private final Set<Integer> known = new HashSet<>();
    private volatile Endpoints endpoints;
    private volatile LocalNode node;
    private volatile Features features;
    private AutoCloseable subscription;

    @Activate
    public BandwidthComponent(@Reference(target = "(patchbay.feature=bandwidth)") FeatureRuntime runtime, @Reference KernelFeatures kernel) {
        this.scope = runtime.scope("bandwidth");
        this.netlink = scope.closing(NetlinkSocket.open());
        this.queues = new Queues(netlink);
        this.throttle = runtime.map("throttle");
        KernelFeatures.Probe fq = kernel.probe("qdisc:fq");
        this.paced = fq.available();
        this.reason = fq.reason();
        this.pacing = new Pacing(netlink, Pacing.FQ);
        if (paced) {
            scope.every("bandwidth-fq-watch", LOOK, this::fq);
        }
        runtime.ready();
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindFeatures(Features f) {
        features = f;
    }

    void unbindFeatures(Features f) {
        if (features == f) features = null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindNode(LocalNode service) {
        node = service;
        if (paced) scope.untilDone("bandwidth-fq", this::fq);
    }

    void unbindNode(LocalNode service) {
        // the queues stay
        if (node == service) node = null;
    }

    /** Departure times mean something only to fq; it is put back when something has taken it away. */
    private Object fq() {
        LocalNode n = node;
        for (LocalNode.Device d : n == null ? List.<LocalNode.Device>of() : n.netdevs()) {
            pacing.ensure(d.ifindex()).ifPresent(before -> LOG.info("{}: fq instead of {}, for pods' bandwidth limits", d.name(), before));
        }
        return null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    synchronized void bindEndpoints(Endpoints service) {
        closeSubscription();
        endpoints = service;
        subscription = service.subscribe(scope.executor(), new Endpoints.Listener() {
            @Override
            public void put(Endpoint endpoint) {
                changed(endpoint);
            }

            @Override
            public void removed(Endpoint endpoint) {
                forget(endpoint);
            }
        });
    }

    synchronized void unbindEndpoints(Endpoints service) {
        if (endpoints == service) endpoints = null;
        closeSubscription();
    }

    private void closeSubscription() {
        if (subscription == null) return;
        try {
            subscription.close();
        } catch (Exception e) {
            LOG.warn("Subscription to endpoints: {}", e.toString());
        }
        subscription = null;
    }

    /** A new pod: its queue is there before its device goes up. A wrong annotation fails the pod, with its name. */
    @Override
    public CompletableFuture<Endpoint> prepare(Endpoint endpoint) {
        return CompletableFuture.supplyAsync(() -> {
            Limits limits = Limits.of(endpoint);
            if (!isUnlimited(endpoint, limits)) apply(endpoint, limits);
            return limits.ingress() == null ? endpoint : withFlags(endpoint, endpoint.flags() | NO_PEER);
        }, scope.executor());
    }

    private static Endpoint withFlags(Endpoint e, int flags) {
        return new Endpoint(e.id(), e.containerId(), e.namespace(), e.pod(), e.podUid(), e.addresses(), e.ifindex(), e.device(), e.mac(), e.hostMac(),
                e.netns(), e.identity(), e.labels(), e.annotations(), e.namedPorts(), e.policyId(), flags, e.state());
    }

    /** An annotation of a running pod may have changed, or the agent has just started. A wrong one leaves what was in force. */
    private void changed(Endpoint endpoint) {
        // One whose record was lost is known by its address alone: the queues that it has stay.
        if (endpoint.state() == Endpoint.State.DISCONNECTING || endpoint.netns().isEmpty()) return;
        try {
            Limits limits = Limits.of(endpoint);
            boolean noPeer = (endpoint.flags() & NO_PEER) != 0;
            // its device has just been made: nobody has given it a queue yet
            if (endpoint.state() == Endpoint.State.WAITING_FOR_IDENTITY) known.add(endpoint.id());
            if (isUnlimited(endpoint, limits) && !noPeer) return;
            apply(endpoint, limits);
            Endpoints service = endpoints;
            if (service != null && noPeer != (limits.ingress() != null)) {
                service.setFlags(endpoint.id(), noPeer ? 0 : NO_PEER, noPeer ? NO_PEER : 0);
            }
            problems.remove(endpoint.id());
        } catch (NetlinkException | IllegalArgumentException | IllegalStateException e) {
            problems.put(endpoint.id(), endpoint.name() + ": " + e.getMessage());
            LOG.warn("Bandwidth of {}: {}", endpoint.name(), e.getMessage());
        }
    }

    /** Without a limit, and known to have none in force: most pods, for which the kernel is not asked. */
    private boolean isUnlimited(Endpoint pod, Limits limits) {
        return limits.equals(Limits.NONE) && !limited.containsKey(pod.id()) && known.contains(pod.id());
    }

    private void apply(Endpoint pod, Limits limits) {
        known.remove(pod.id()); // in case of a failure half way
        if (paced) {
            Struct key = new Struct(throttle.key()).set("", pod.id());
            if (limits.egress() == null) {
                throttle.delete(key);
            } else if (throttle.lookup(key).filter(v -> v.get("bytes_per_second") == limits.egress().bytesPerSecond()).isEmpty()) {
                throttle.put(key, new Struct(throttle.value()).set("bytes_per_second", limits.egress().bytesPerSecond()));
            }
        } else {
            queues.egress(pod, limits.egress());
        }
        queues.ingress(pod, limits.ingress());
        if (limits.equals(Limits.NONE)) limited.remove(pod.id());
        else limited.put(pod.id(), pod);
        known.add(pod.id());
    }

    @Override
    public void forget(Endpoint endpoint) {
        // queues went with their devices
        limited.remove(endpoint.id());
        problems.remove(endpoint.id());
        scope.executor().execute(() -> known.remove(endpoint.id()));
        if (paced) throttle.delete(new Struct(throttle.key()).set("", endpoint.id()));
    }

    @Deactivate
    synchronized void deactivate() {
        Endpoints service = endpoints;
        closeSubscription();
        Features f = features;
        if (f != null && f.get("bandwidth").map(s -> s.state() == Features.State.DISABLED).orElse(false)) {
            for (Endpoint pod : List.copyOf(limited.values())) {
                try {
                    apply(pod, Limits.NONE);
                    if (service != null) service.setFlags(pod.id(), 0, NO_PEER);
                } catch (RuntimeException e) {
                    LOG.warn("Bandwidth of {} could not be lifted: {}", pod.name(), e.toString());
                }
            }
        }
        scope.close();
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        List<String> devices = new ArrayList<>();
        List<String> details = new ArrayList<>();
        LocalNode n = node;
        for (LocalNode.Device d : paced && n != null ? n.netdevs() : List.<LocalNode.Device>of()) {
            if (pacing.isInForce(d.ifindex())) devices.add(d.name());
            else details.add("  " + d.name() + " has no fq: limits do not hold there; it is put back within " + LOOK.toSeconds() + " s");
        }
        boolean complete = details.isEmpty();
        for (Endpoint pod : new TreeMap<>(limited).values()) {
            Limits limits = Limits.of(pod);
            if (!paced || limits.ingress() != null) devices.add(pod.device());
            if (!verbose) continue;
            if (limits.egress() != null) {
                details.add("  " + pod.name() + " egress " + limits.egress() + (paced ? paced(pod, limits.egress()) : Queues.inForce(pod).map(BandwidthComponent::counts).orElse(" NOT IN FORCE")));
            }
            if (limits.ingress() != null) {
                details.add("  " + pod.name() + " ingress " + limits.ingress() + queues.ingressInForce(pod).map(BandwidthComponent::counts).orElse(" NOT IN FORCE"));
            }
        }
        problems.values().forEach(p -> details.add("  " + p));
        String mode = paced ? "EDT with BPF" : "TBF fallback (no sch_fq in this kernel)";
        if (verbose && !paced) details.add("  fq: " + reason);
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("mode", paced ? "edt" : "tbf");
        data.put("devices", devices);
        data.put("reason", paced ? "" : reason);
        return List.of(new StatusRow(StatusRow.Order.BANDWIDTH_MANAGER, "BandwidthManager", List.of(mode, devices.toString()), details,
                complete && problems.isEmpty(), data));
    }

    private String paced(Endpoint pod, Rate rate) {
        return throttle.lookup(new Struct(throttle.key()).set("", pod.id())).filter(v -> v.get("bytes_per_second") == rate.bytesPerSecond())
                .map(v -> " EDT, " + v.get("horizon_drops") + " dropped").orElse(" NOT IN FORCE");
    }

    private static String counts(Qdisc q) {
        return " TBF, " + q.packets() + " packets, " + q.drops() + " dropped, " + q.queued() + " waiting";
    }
}
