package io.patchbay.masquerade.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/** Tells the datapath its ports, collects expired mappings, and says when a draining feature has none left. */
@Component(service = StatusSource.class, immediate = true)
public final class MasqueradeComponent implements StatusSource {
    private static final Duration TICK = Duration.ofSeconds(2);
    private static final long COLLECT_EVERY = Duration.ofSeconds(30).toNanos();
    /** Indexes behind the counts of collisions in snat4_probes and snat6_probes. */
    private static final int NO_PORT = 32;
    private static final int MAP_FULL = 33;

    private final FeatureRuntime runtime;
    private final Scope scope;
    private final List<Mappings> families;
    private final MasqueradeConfig config;
    private volatile LocalNode node;
    /** Of all families. */
    private volatile Mappings.Result last;
    private volatile Map<Integer, Long> probes = Map.of();
    private long due;
    private long failuresBefore;

    @Activate
    public MasqueradeComponent(@Reference(target = "(patchbay.feature=masquerade)") FeatureRuntime runtime) {
        this.runtime = runtime;
        this.config = MasqueradeConfig.of(runtime.config());
        this.scope = runtime.scope("masquerade");
        this.families = List.of(new Mappings(runtime::map, true, System::nanoTime), new Mappings(runtime::map, false, System::nanoTime));
        MapHandle map = runtime.map("masq_config");
        Struct key = new Struct(map.key());
        Struct value = config.struct(map.value());
        if (map.lookup(key).filter(value::equals).isEmpty()) map.put(key, value);
        this.due = System.nanoTime();
        runtime.ready();
        scope.every("nat-gc", TICK, this::tick);
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindNode(LocalNode n) {
        node = n;
    }

    void unbindNode(LocalNode n) {
        if (node == n) node = null;
    }

    private Object tick() {
        Map<Integer, Long> now = new HashMap<>();
        for (Mappings family : families) family.probes().forEach((collisions, n) -> now.merge(collisions, n, Long::sum));
        probes = now;
        long failures = now.getOrDefault(NO_PORT, 0L) + now.getOrDefault(MAP_FULL, 0L);
        boolean draining = runtime.draining();
        if (failures > failuresBefore || draining || System.nanoTime() - due >= 0) {
            List<Mappings.Result> results = families.stream().map(Mappings::collect).toList();
            last = new Mappings.Result(results.stream().mapToInt(Mappings.Result::live).sum(), results.stream().mapToInt(Mappings.Result::collected).sum());
            due = System.nanoTime() + COLLECT_EVERY;
        }
        failuresBefore = failures;
        if (draining && last.live() == 0) runtime.drained();
        return null;
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        LocalNode n = node;
        String devices = n == null ? "[]" : n.netdevs().stream().map(LocalNode.Device::name).collect(Collectors.joining(", ", "[", "]"));
        String cidr = cidr(n, true);
        String cidr6 = config.ipv6() ? cidr(n, false) : "";
        Mappings.Result r = last;
        Map<Integer, Long> p = probes;
        long noPort = p.getOrDefault(NO_PORT, 0L);
        long full = p.getOrDefault(MAP_FULL, 0L);
        List<String> details = new ArrayList<>();
        if (runtime.draining()) details.add("  draining: " + (r == null ? "?" : r.live()) + " mappings left, no new ones are made");
        if (noPort + full > 0) details.add("  refused: " + noPort + " connections found no port in " + config.portMin() + "-" + config.portMax() + ", " + full + " no room in the map");
        if (verbose && r != null) details.add("  ports " + config.portMin() + "-" + config.portMax() + ", " + r.live() + " mappings, to nodes: " + config.nodes().name().toLowerCase(java.util.Locale.ROOT));
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("mode", "BPF");
        data.put("devices", n == null ? List.of() : n.netdevs().stream().map(LocalNode.Device::name).toList());
        data.put("cidr", cidr);
        data.put("cidr6", cidr6);
        data.put("ipv4", true);
        data.put("ipv6", !cidr6.isEmpty());
        data.put("draining", runtime.draining());
        if (r != null) data.put("mappings", r.live());
        data.put("refusedNoPort", noPort);
        data.put("refusedMapFull", full);
        return List.of(new StatusRow(StatusRow.Order.MASQUERADING, "Masquerading",
                List.of("BPF", devices, cidr + " " + cidr6 + " [IPv4: Enabled, IPv6: " + (cidr6.isEmpty() ? "Disabled" : "Enabled") + "]"), details, true, data));
    }

    private static String cidr(LocalNode n, boolean v4) {
        return n == null ? "" : n.podCidrs().stream().filter(p -> p.address().isV4() == v4).map(Object::toString).findFirst().orElse("");
    }
}
