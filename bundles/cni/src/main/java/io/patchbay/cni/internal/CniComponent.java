package io.patchbay.cni.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cni.CniHandler;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Features;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.ipam.AddressPool;
import io.patchbay.api.node.Launch;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.node.RouteMtu;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Offers the CNI commands to the agent, and writes the configuration file where one is wanted. */
@Component(service = {CniHandler.class, StatusSource.class}, immediate = true)
public final class CniComponent implements CniHandler, StatusSource {
    private static final Logger LOG = LoggerFactory.getLogger(CniComponent.class);

    private final FeatureRuntime runtime;
    private final Scope scope;
    private final CniCommands commands;
    private final String confDirectory;
    private final Path socket;
    private final List<RouteMtu> mtus = new CopyOnWriteArrayList<>();
    private volatile LocalNode node;
    private volatile Features features;
    private volatile String confState;

    @Activate
    public CniComponent(@Reference(target = "(patchbay.feature=cni)") FeatureRuntime runtime, @Reference ClusterTables tables,
            @Reference Endpoints endpoints, @Reference AddressPool pool, BundleContext context) {
        this.runtime = runtime;
        this.scope = runtime.scope("cni");
        this.confDirectory = runtime.config().getOrDefault("write-conf", "").trim();
        this.confState = confDirectory.isEmpty() ? "CNI configuration file management disabled" : "not written yet";
        this.socket = Path.of(context.getProperty(Launch.RUN_DIR) == null ? "/run/patchbay" : context.getProperty(Launch.RUN_DIR)).resolve("agent.sock");
        this.commands = new CniCommands(endpoints, pool, tables, scope.executor(), () -> node, this::missing,
                () -> mtus.stream().mapToInt(RouteMtu::overhead).sum(), runtime.duration("pod-wait"));
    }

    @Activate
    void activate() {
        runtime.ready();
        if (confDirectory.isEmpty()) return;
        scope.every("write-cni-conf", Duration.ofSeconds(10), () -> {
            if (node == null || !missing().isEmpty()) return null; // a runtime would send pods that have to wait
            confState = "successfully wrote CNI configuration file to " + ConfFile.write(Path.of(confDirectory), socket.toString());
            return null;
        });
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindNode(LocalNode n) {
        node = n;
    }

    void unbindNode(LocalNode n) {
        if (node == n) node = null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindFeatures(Features f) {
        features = f;
    }

    void unbindFeatures(Features f) {
        if (features == f) features = null;
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void bindMtu(RouteMtu m) {
        mtus.add(m);
    }

    void unbindMtu(RouteMtu m) {
        mtus.remove(m);
    }

    private List<String> missing() {
        Features f = features;
        return f == null ? List.of("the features are being set up") : f.missingForAdd();
    }

    @Override
    public Result handle(Map<String, String> environment, byte[] stdin) {
        String version = CniCall.NEWEST;
        try {
            CniCall call = CniCall.parse(environment, stdin);
            version = call.version();
            return new Result(0, commands.run(call));
        } catch (CniException e) {
            return new Result(1, CniJson.error(version, e));
        } catch (RuntimeException e) {
            LOG.error("CNI {} failed", environment.get("CNI_COMMAND"), e);
            return new Result(1, CniJson.error(version, new CniException(CniException.FAILED, "an error of the agent's own", e.toString())));
        }
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        return List.of(StatusRow.of(StatusRow.Order.CNI_CHAINING, "CNI Chaining", "none"),
                StatusRow.of(StatusRow.Order.CNI_CONFIG, "CNI Config file", confState));
    }
}
