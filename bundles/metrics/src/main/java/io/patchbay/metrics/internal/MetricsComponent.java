package io.patchbay.metrics.internal;

import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.metrics.Metric;
import io.patchbay.api.metrics.MetricSource;
import io.patchbay.api.status.Controllers;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;

/** Collects what every {@link MetricSource} has, and serves it where the configuration says. */
@Component(immediate = true, service = {StatusSource.class, MetricsComponent.class})
public final class MetricsComponent implements StatusSource {
    private static final int ROW = StatusRow.Order.HUBBLE + 1;

    private final List<MetricSource> sources = new CopyOnWriteArrayList<>();
    private final Controllers controllers;
    private final Controllers.Controller collecting;
    private final Scope scope;
    private final String address;
    private volatile boolean serving;
    private volatile List<String> problems = List.of();

    @Activate
    public MetricsComponent(@Reference(target = "(" + FeatureRuntime.FEATURE + "=metrics)") FeatureRuntime runtime, @Reference Controllers controllers) {
        this.controllers = controllers;
        this.address = runtime.config().get("prometheus-serve-addr");
        this.scope = runtime.scope("metrics");
        this.collecting = scope.closing(controllers.register("metrics-collect"));
        if (!address.isEmpty()) scope.untilDone("metrics-server", this::serve);
        runtime.ready();
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void addSource(MetricSource source) {
        sources.add(source);
    }

    void removeSource(MetricSource source) {
        sources.remove(source);
    }

    private Void serve() throws IOException {
        try {
            scope.closing(new MetricsServer(socket(address), scope.executor(), () -> PrometheusText.of(metrics())));
        } catch (IOException | IllegalArgumentException e) {
            throw new IOException(address + " can't be listened on (" + e.getMessage() + "): patchbay config set metrics.prometheus-serve-addr=…", e);
        }
        serving = true;
        return null;
    }

    /** {@code :9962}, {@code 10.0.0.1:9962}, {@code [::1]:9962}; the configuration's pattern leaves nothing else. */
    static InetSocketAddress socket(String text) throws IOException {
        int colon = text.lastIndexOf(':');
        String host = text.substring(0, colon);
        int port = Integer.parseInt(text.substring(colon + 1));
        return host.isEmpty() ? new InetSocketAddress(port) : new InetSocketAddress(InetAddress.getByName(host), port);
    }

    /** All figures now, by name. */
    List<Metric> metrics() {
        List<MetricSource> all = new ArrayList<>(sources);
        all.add(new AgentMetrics(controllers));
        Gathering.Result now = Gathering.of(all);
        if (now.problems().isEmpty()) collecting.succeeded();
        else if (!now.problems().equals(problems)) collecting.failed(new IllegalStateException(String.join("; ", now.problems())));
        problems = now.problems();
        return now.metrics();
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        List<String> details = problems.stream().map(p -> "  " + p).toList();
        if (address.isEmpty()) return verbose ? List.of(new StatusRow(ROW, "Metrics", List.of("Disabled"), details, true, Map.of("state", "Disabled"))) : List.of();
        boolean on = serving;
        return List.of(new StatusRow(ROW, "Metrics", on ? List.of("Ok", address) : List.of("Failure", "not listening on " + address), details, on,
                Map.of("state", on ? "Ok" : "Failure", "address", address)));
    }

    @Deactivate
    void close() {
        scope.close();
    }
}
