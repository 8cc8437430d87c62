package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import java.time.Duration;
import java.util.function.LongSupplier;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Collects the flows that are over: every half minute, and at once when a connection found the map full. The datapath honours expiry
 * itself, so that nothing but room depends on this. While the feature drains it says when none is left.
 */
@Component(service = Flows.class, immediate = true)
public final class Flows {
    private static final Logger LOG = LoggerFactory.getLogger(Flows.class);
    private static final Duration LOOK = Duration.ofSeconds(2);
    private static final long COLLECT_NS = Duration.ofSeconds(30).toNanos();
    /** An expired flow may be about to begin anew; one that has been over for a while is not. */
    private static final long GRACE_NS = Duration.ofSeconds(5).toNanos();

    private final FeatureRuntime runtime;
    private final Scope scope;
    private final MapHandle flows;
    private final MapHandle ports;
    private final LongSupplier clock;
    private long lastCollection;
    private Refusals last;

    @Activate
    public Flows(@Reference(target = "(patchbay.feature=service-lb)") FeatureRuntime runtime) {
        // Java's nanoTime is CLOCK_MONOTONIC, and so is bpf_ktime_get_ns.
        this(runtime, System::nanoTime);
    }

    Flows(FeatureRuntime runtime, LongSupplier clock) {
        this.runtime = runtime;
        this.clock = clock;
        this.scope = runtime.scope("service-flows");
        this.flows = runtime.map("lb_flows");
        this.ports = runtime.map("lb_nat");
        this.last = Refusals.read(runtime);
        this.lastCollection = clock.getAsLong();
        scope.every("collect-service-flows", LOOK, () -> {
            look();
            return null;
        });
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    private void look() {
        long now = clock.getAsLong();
        Refusals refused = Refusals.read(runtime);
        if (refused.ports() != last.ports()) {
            LOG.warn("{} new connections from outside found no port of this node towards their backend", refused.ports() - last.ports());
        }
        if (refused.flows() != last.flows()) {
            LOG.warn("Map lb_flows ({} entries) was full: {} new connections through services were refused", flows.maxEntries(), refused.flows() - last.flows());
        }
        if (refused.mappings() != last.mappings()) {
            LOG.warn("Map lb_nat ({} entries) was full: {} new connections from outside were refused", ports.maxEntries(), refused.mappings() - last.mappings());
        }
        boolean more = !refused.equals(last);
        last = refused;
        boolean draining = runtime.draining();
        if (!draining && !more && now - lastCollection < COLLECT_NS) return;
        int left = collect(now, more ? 0 : GRACE_NS);
        lastCollection = now;
        if (draining && left == 0) runtime.drained();
    }

    /** Deletes what has been over for {@code grace} ns. @return how many live ones there are */
    int collect(long now, long grace) {
        return collect(flows, now, grace) + collect(ports, now, grace);
    }

    private static int collect(MapHandle flows, long now, long grace) {
        int[] live = {0};
        flows.forEach((key, value) -> {
            if (value.get("expires") > now) live[0]++;
            // It is read again: meanwhile another connection may have taken its place.
            else if (value.get("expires") + grace <= now && flows.lookup(key).filter(v -> v.get("expires") + grace <= now).isPresent()) flows.delete(key);
        });
        return live[0];
    }
}
