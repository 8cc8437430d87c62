package io.patchbay.cluster.manifests.internal;

import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.cluster.NodeAnnouncer;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableSink;
import io.patchbay.api.cluster.TableSource;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.labels.LabelSet;
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
@Component(service = {TableSource.class, IdentityClaims.class, NodeAnnouncer.class, StatusSource.class, ManifestsSource.class}, immediate = true)
public final class ManifestsSource implements TableSource, IdentityClaims, NodeAnnouncer, StatusSource {
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
        Optional<ClusterObjects> before = objects;
        sink.commit(t -> {
            // equal maps are skipped by the table itself row by row; comparing here saves the walk over what didn't change
            if (!before.map(b -> b.namespaces().equals(now.namespaces())).orElse(false)) t.replaceAll(TableId.NAMESPACES, now.namespaces().values());
            if (!before.map(b -> b.nodes().equals(now.nodes())).orElse(false)) t.replaceAll(TableId.NODES, now.nodes().values());
            if (!before.map(b -> b.pods().equals(now.pods())).orElse(false)) t.replaceAll(TableId.PODS, now.pods().values());
            if (!before.map(b -> b.services().equals(now.services())).orElse(false)) t.replaceAll(TableId.SERVICES, now.services().values());
            if (!before.map(b -> b.endpointSlices().equals(now.endpointSlices())).orElse(false)) {
                t.replaceAll(TableId.ENDPOINT_SLICES, now.endpointSlices().values());
            }
            if (!before.map(b -> b.identities().equals(now.identities())).orElse(false)) t.replaceAll(TableId.IDENTITIES, now.identities().values());
            if (!before.map(b -> b.configMaps().equals(now.configMaps())).orElse(false)) t.replaceAll(TableId.CONFIG_MAPS, now.configMaps().values());
            if (!before.map(b -> b.policies().equals(now.policies())).orElse(false)) t.replaceAll(TableId.POLICIES, now.policies());
            if (!before.map(b -> b.cidrGroups().equals(now.cidrGroups())).orElse(false)) t.replaceAll(TableId.CIDR_GROUPS, now.cidrGroups());
            if (before.isEmpty()) TableId.all().forEach(t::synced);
        });
        objects = Optional.of(now);
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
