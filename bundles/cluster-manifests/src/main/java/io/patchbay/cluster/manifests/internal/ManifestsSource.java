package io.patchbay.cluster.manifests.internal;

import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.cluster.NodeAnnouncer;
import io.patchbay.api.cluster.PolicyAnnouncer;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableSink;
import io.patchbay.api.cluster.TableSource;
import io.patchbay.api.cluster.TableTransaction;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import io.patchbay.cluster.decode.Problem;
import io.patchbay.cluster.manifests.ClusterObjects;
import io.patchbay.cluster.manifests.FolderWatch;
import io.patchbay.cluster.manifests.ManifestsFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Feeds the cluster tables from the folder, claims identities in it, and speaks for this node. */
@Component(service = {TableSource.class, IdentityClaims.class, NodeAnnouncer.class, PolicyAnnouncer.class, StatusSource.class, MetricSource.class, ManifestsSource.class}, immediate = true)
public final class ManifestsSource implements TableSource, IdentityClaims, NodeAnnouncer, PolicyAnnouncer, StatusSource, MetricSource {
    private static final Logger LOG = LoggerFactory.getLogger(ManifestsSource.class);

    /** What is read, as Cilium names it: group/version::kind. */
    private static final List<String> APIS = List.of("cilium/v2::CiliumCIDRGroup", "cilium/v2::CiliumClusterwideNetworkPolicy", "cilium/v2::CiliumIdentity",
            "cilium/v2::CiliumNetworkPolicy", "core/v1::ConfigMap", "core/v1::Namespace", "core/v1::Node", "core/v1::Pods", "core/v1::Service",
            "discovery/v1::EndpointSlice", "networking.k8s.io/v1::NetworkPolicy");

    private final ManifestsFolder folder;
    private final String nodeName;
    private final List<IpAddress> nodeIps;
    private FolderWatch watch;
    private TableSink sink;
    private boolean registered;
    private volatile List<Problem> problems = List.of();
    private volatile Optional<ClusterObjects> objects = Optional.empty();
    private volatile String failure;

    @Activate
    public ManifestsSource(BundleContext context, @Reference(target = "(" + FeatureRuntime.FEATURE + "=cluster-manifests)") FeatureRuntime runtime) {
        this(Path.of(runtime.config().get("folder")), context.getProperty("patchbay.node.name"), runtime.config().get("node-ips"));
        runtime.ready();
    }

    ManifestsSource(Path folder, String nodeName, String nodeIps) {
        this.folder = new ManifestsFolder(folder);
        this.nodeName = nodeName;
        this.nodeIps = Arrays.stream(nodeIps.split("[ ,]+")).filter(ip -> !ip.isBlank()).map(IpAddress::parse).toList();
    }

    ManifestsFolder folder() {
        return folder;
    }

    @Override
    public String name() {
        return "cluster-manifests";
    }

    @Override
    public Set<TableId<?, ?>> tables() {
        return Set.copyOf(TableId.all());
    }

    @Override
    public synchronized void start(TableSink newSink) {
        sink = newSink;
        // what an earlier sink was told says nothing about what the tables behind this one hold
        objects = Optional.empty();
        watch = new FolderWatch(folder, "cluster-manifests", this::refresh);
    }

    @Override
    public void stop() {
        FolderWatch old;
        synchronized (this) {
            old = watch;
            watch = null;
        }
        if (old != null) old.close();
    }

    /** On the watch's thread. */
    private void refresh() throws IOException {
        try {
            if (!registered) {
                folder.registerNode(nodeName, nodeIps);
                registered = true;
            }
            ManifestsFolder.State state = folder.refresh();
            report(state.problems());
            if (state.objects().isPresent()) publish(state.objects().get());
            failure = null;
        } catch (IOException | RuntimeException e) {
            failure = folder.root() + ": " + e;
            throw e;
        } finally {
            sink.health(failure != null ? failure : problems.isEmpty() ? null : problems.get(0).toString());
        }
    }

    private void publish(ClusterObjects now) {
        ClusterObjects before = objects.orElse(null);
        sink.commit(t -> {
            if (before == null) {
                // whatever an earlier sink was told, the tables behind this one may hold something else
                t.replaceAll(TableId.NAMESPACES, now.namespaces().values());
                t.replaceAll(TableId.NODES, now.nodes().values());
                t.replaceAll(TableId.PODS, now.pods().values());
                t.replaceAll(TableId.SERVICES, now.services().values());
                t.replaceAll(TableId.ENDPOINT_SLICES, now.endpointSlices().values());
                t.replaceAll(TableId.IDENTITIES, now.identities().values());
                t.replaceAll(TableId.CONFIG_MAPS, now.configMaps().values());
                t.replaceAll(TableId.POLICIES, now.policies());
                t.replaceAll(TableId.CIDR_GROUPS, now.cidrGroups());
                TableId.all().forEach(t::synced);
                return;
            }
            change(t, TableId.NAMESPACES, before.namespaces(), now.namespaces());
            change(t, TableId.NODES, before.nodes(), now.nodes());
            change(t, TableId.PODS, before.pods(), now.pods());
            change(t, TableId.SERVICES, before.services(), now.services());
            change(t, TableId.ENDPOINT_SLICES, before.endpointSlices(), now.endpointSlices());
            change(t, TableId.IDENTITIES, before.identities(), now.identities());
            change(t, TableId.CONFIG_MAPS, before.configMaps(), now.configMaps());
            if (before.policies() != now.policies()) t.replaceAll(TableId.POLICIES, now.policies());
            if (before.cidrGroups() != now.cidrGroups()) t.replaceAll(TableId.CIDR_GROUPS, now.cidrGroups());
        });
        objects = Optional.of(now);
    }

    /** A row that is the same object needs no look: of a large table few rows are other ones. */
    private static <K, R> void change(TableTransaction t, TableId<K, R> table, Map<K, R> before, Map<K, R> now) {
        if (before == now) return;
        now.forEach((key, row) -> {
            if (before.get(key) != row) t.upsert(table, row);
        });
        before.keySet().forEach(key -> {
            if (!now.containsKey(key)) t.delete(table, key);
        });
    }

    private void report(List<Problem> now) {
        List<Problem> before = problems;
        problems = now;
        for (Problem problem : now) if (!before.contains(problem)) LOG.error("{}", problem);
        if (now.isEmpty() && !before.isEmpty()) LOG.info("{} is in order again", folder.root());
    }

    @Override
    public Result claim(long number, LabelSet labels) {
        return folder.claimIdentity(number, labels);
    }

    @Override
    public void announce(Map<String, String> annotations) throws IOException {
        folder.annotateNode(nodeName, annotations);
    }

    @Override
    public void announcePolicies(Map<PolicyObject.Key, String> notInForce) throws IOException {
        folder.writePolicyStatus(nodeName, notInForce);
    }

    @Override
    public List<Metric> metrics() {
        return List.of(Metric.gauge("patchbay_manifests_problems", "What is wrong in the folder of manifests: while there is anything, its last good state is in force",
                problems.size() + (failure == null ? 0 : 1)));
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        List<Problem> wrong = problems;
        String broken = failure;
        boolean healthy = wrong.isEmpty() && broken == null && objects.isPresent();
        List<String> details = new java.util.ArrayList<>();
        if (broken != null) details.add(broken);
        wrong.forEach(p -> details.add(p.toString()));
        String text = healthy ? "Ok" : objects.isPresent() ? "Error, the last good state stays in force" : details.isEmpty() ? "Starting" : "Error";
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("state", text);
        data.put("folder", folder.root().toString());
        data.put("problems", details);
        return List.of(new StatusRow(StatusRow.Order.KUBERNETES, "Kubernetes", List.of(text, "manifests in " + folder.root()), details, healthy, data),
                StatusRow.of(StatusRow.Order.KUBERNETES_APIS, "Kubernetes APIs", APIS.stream().map(a -> '"' + a + '"')
                        .collect(java.util.stream.Collectors.joining(", ", "[", "]"))));
    }
}
