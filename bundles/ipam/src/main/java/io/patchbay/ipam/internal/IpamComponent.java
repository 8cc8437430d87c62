package io.patchbay.ipam.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.ipam.AddressPool;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/** Publishes the address pool of this node, from the pod CIDRs of {@link LocalNode}. */
@Component(service = {AddressPool.class, StatusSource.class}, immediate = true)
public final class IpamComponent implements AddressPool, StatusSource {
    /** enum pb_ep_flags: PB_EP_HOST. */
    private static final int EP_HOST = 1;

    private final FeatureRuntime runtime;
    private final Scope scope;
    private final MapHandle endpoints;
    private final MapHandle ipcache;
    private final Allocations allocations;

    @Activate
    public IpamComponent(@Reference(target = "(patchbay.feature=ipam)") FeatureRuntime runtime) throws IOException {
        this.runtime = runtime;
        this.endpoints = runtime.map("endpoints");
        this.ipcache = runtime.map("ipcache");
        this.scope = runtime.scope("ipam");
        this.allocations = scope.closing(new Allocations(runtime.stateDirectory().resolve("allocations"), InstantSource.system(),
                runtime.duration("quarantine"), this::inUse));
        allocations.load(podAddresses());
    }

    @Activate
    void activate() {
        scope.every("ipam-quarantine", Duration.ofSeconds(5), () -> {
            allocations.reap();
            return null;
        });
        runtime.ready();
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    @Reference(cardinality = ReferenceCardinality.MANDATORY, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindNode(LocalNode node) {
        allocations.ranges(node.podCidrs());
    }

    void unbindNode(LocalNode node) {
        // its successor is bound already; addresses stay valid without one
    }

    private List<IpAddress> podAddresses() {
        List<IpAddress> pods = new ArrayList<>();
        endpoints.entries().forEach((key, value) -> {
            if ((value.get("flags") & EP_HOST) == 0) pods.add(key.address(""));
        });
        return pods;
    }

    private boolean inUse(IpAddress a) {
        return endpoints.lookup(new Struct(endpoints.key()).set("", a)).isPresent() || ipcache.lookup(new Struct(ipcache.key()).set("", a)).isPresent();
    }

    @Override
    public List<IpAddress> allocate(String owner) throws ExhaustedException {
        return allocations.allocate(owner);
    }

    @Override
    public void release(String owner) {
        allocations.release(owner);
    }

    @Override
    public Map<String, List<IpAddress>> allocations() {
        return allocations.owners();
    }

    @Override
    public List<Usage> usage() {
        return allocations.ranges().stream().map(r -> new Usage(r.prefix(), (int) allocations.used(r), (int) Math.min(r.size(), Integer.MAX_VALUE))).toList();
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        StringBuilder text = new StringBuilder();
        Map<String, Object> data = new LinkedHashMap<>();
        List<Map<String, Object>> pools = new ArrayList<>();
        for (PodRange range : allocations.ranges()) {
            boolean v4 = range.prefix().address().isV4();
            long used = allocations.used(range) + 1; // the router has one
            // as Cilium has it: the comma of IPv4 is there also when nothing follows
            if (!v4 && text.length() > 0 && !text.toString().endsWith(", ")) text.append(", ");
            text.append(v4 ? "IPv4: " : "IPv6: ").append(used).append('/').append(range.usableWithRouter()).append(" allocated from ")
                    .append(range.prefix()).append(v4 ? ", " : "");
            pools.add(Map.of("cidr", range.prefix().toString(), "allocated", used, "size", range.usableWithRouter()));
        }
        data.put("pools", pools);
        List<String> details = new ArrayList<>();
        String notice = allocations.notice();
        if (!notice.isEmpty()) {
            details.add("  " + notice);
            data.put("notice", notice);
        }
        if (verbose) details.addAll(addresses());
        // What was recovered is told, and no fault that goes on: a node that waits for health would never come back.
        return List.of(new StatusRow(StatusRow.Order.IPAM, "IPAM", List.of(text.toString()), details, true, data));
    }

    private List<String> addresses() {
        Map<IpAddress, String> all = new TreeMap<>();
        allocations.ranges().forEach(r -> all.put(r.router(), "router"));
        allocations.owners().forEach((owner, addresses) -> {
            int colon = owner.startsWith(Allocations.RECOVERED) ? -1 : owner.lastIndexOf(':');
            addresses.forEach(a -> all.put(a, colon > 0 ? owner.substring(0, colon) : owner));
        });
        allocations.resting().forEach((a, until) -> all.put(a, "resting"));
        List<String> lines = new ArrayList<>(List.of("Allocated addresses:"));
        all.forEach((a, who) -> lines.add("  " + a + " (" + who + ")"));
        return lines;
    }
}
