package io.patchbay.conntrack.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs the {@link Collector} and forgets the connections of deleted pods. Connections live in the kernel and need none of this. */
@Component(service = StatusSource.class, immediate = true)
public final class ConntrackComponent implements StatusSource {
    private static final Logger LOG = LoggerFactory.getLogger(ConntrackComponent.class);
    private static final Duration TICK = Duration.ofSeconds(2);
    /** Pods that go together are purged together. */
    private static final Duration PURGE_AFTER = Duration.ofMillis(500);
    static final int ORDER = StatusRow.Order.MASQUERADING + 5;

    private final Scope scope;
    private final Collector collector;
    private final Set<IpAddress> gone = new HashSet<>();
    private AutoCloseable subscription;

    @Activate
    public ConntrackComponent(@Reference(target = "(patchbay.feature=conntrack)") FeatureRuntime runtime) {
        this.scope = runtime.scope("conntrack");
        List<MapHandle> maps = List.of(runtime.map("ct4"), runtime.map("ct6"));
        this.collector = new Collector(maps, runtime.map("ct_refused"), duration(runtime, "gc-interval-min", Duration.ofSeconds(10)),
                duration(runtime, "gc-interval-max", Duration.ofMinutes(30)), System::nanoTime);
        runtime.ready();
        scope.every("ct-gc", TICK, () -> {
            synchronized (collector) {
                return collector.tick();
            }
        });
    }

    /** {@code 10s}, {@code 500ms}, {@code 30m}, {@code 1h}. */
    static Duration duration(FeatureRuntime runtime, String key, Duration otherwise) {
        String text = runtime.config().getOrDefault(key, "").trim().toLowerCase(Locale.ROOT);
        if (text.isEmpty()) return otherwise;
        if (!text.matches("\\d+(ms|s|m|h)")) throw new IllegalArgumentException("conntrack " + key + " is '" + text + "': a number with ms, s, m or h");
        return text.endsWith("ms") ? Duration.ofMillis(Long.parseLong(text.substring(0, text.length() - 2))) : Duration.parse("PT" + text);
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    synchronized void bindEndpoints(Endpoints endpoints) {
        closeSubscription();
        subscription = endpoints.subscribe(scope.executor(), new Endpoints.Listener() {
            @Override
            public void put(Endpoint endpoint) {
                // an address that is in use again has been purged before: addresses rest after use
                synchronized (gone) {
                    endpoint.addresses().forEach(gone::remove);
                }
            }

            @Override
            public void removed(Endpoint endpoint) {
                boolean first;
                synchronized (gone) {
                    first = gone.isEmpty();
                    gone.addAll(endpoint.addresses());
                }
                if (first) scope.later(PURGE_AFTER, () -> scope.untilDone("ct-purge", ConntrackComponent.this::purge));
            }
        });
    }

    synchronized void unbindEndpoints(Endpoints endpoints) {
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

    private Object purge() {
        Set<IpAddress> now;
        synchronized (gone) {
            now = Set.copyOf(gone);
        }
        int purged;
        synchronized (collector) {
            purged = collector.purge(now);
        }
        synchronized (gone) {
            gone.removeAll(now);
        }
        LOG.debug("Connections of {}: {} forgotten", now, purged);
        return null;
    }

    @Deactivate
    synchronized void deactivate() {
        closeSubscription();
        scope.close();
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        Map<String, Collector.Count> counts = collector.counts();
        if (counts.isEmpty()) return List.of();
        List<String> cells = new ArrayList<>();
        List<String> details = new ArrayList<>();
        Map<String, Object> data = new LinkedHashMap<>();
        counts.forEach((name, c) -> {
            int entries = collector.entries(name);
            cells.add(name + " " + entries + "/" + c.max());
            if (verbose || c.refused() > 0) {
                details.add("  " + name + ": " + c.collected() + " collected, " + c.refused() + " connections refused because it was full");
            }
            data.put(name, Map.of("entries", entries, "max", c.max(), "collected", c.collected(), "refused", c.refused()));
        });
        long withoutPort = collector.withoutPort();
        if (verbose || withoutPort > 0) details.add("  " + withoutPort + " connections refused because another had their tuple and no port was free");
        data.put("withoutPort", withoutPort);
        if (verbose) details.add("  collected every " + collector.interval().toSeconds() + " s");
        return List.of(new StatusRow(ORDER, "Conntrack", cells, details, true, data));
    }
}
