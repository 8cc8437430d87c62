package io.patchbay.endpoint.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.net.IpAddress;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.MacAddress;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The start: records, devices and the kernel's map are put together again; nothing of it is changed. */
final class Restore {
    private static final Logger LOG = LoggerFactory.getLogger(Restore.class);

    private final RecordStore store;
    private final PodDevices devices;
    private final MapHandle kernel;
    private final Ipcache ipcache;
    private final EndpointTable table;
    private final EndpointMaker maker;

    /** @param kernel the map endpoints */
    Restore(RecordStore store, PodDevices devices, MapHandle kernel, Ipcache ipcache, EndpointTable table, EndpointMaker maker) {
        this.store = store;
        this.devices = devices;
        this.kernel = kernel;
        this.ipcache = ipcache;
        this.table = table;
        this.maker = maker;
    }

    /** Fills the table. @return records whose device has gone */
    List<EndpointRecord> run() throws IOException {
        Map<String, Link> links = devices.all();
        Map<Integer, Link> byIndex = new HashMap<>();
        links.values().forEach(l -> byIndex.put(l.index(), l));
        Map<IpAddress, MapEntry> inKernel = new HashMap<>();
        kernel.entries().forEach((k, v) -> inKernel.put(MapEntry.KEY.decode(k), MapEntry.VALUE.decode(v)));
        inKernel.values().stream().filter(MapEntry::isHost).filter(e -> e.policyId() != 0 || e.flags() != MapEntry.HOST).findFirst()
                .ifPresent(e -> table.hostFound(e.policyId(), e.flags() & ~MapEntry.HOST));
        List<EndpointRecord> records = new ArrayList<>(store.load());
        records.addAll(recover(records, inKernel, byIndex));
        List<EndpointRecord> gone = new ArrayList<>();
        for (EndpointRecord r : records) {
            Link link = links.get(r.device());
            MapEntry entry = r.addresses().isEmpty() ? null : inKernel.get(r.addresses().get(0));
            table.insert(r, maker.endpoint(r, link == null ? 0 : link.index(), entry), entry != null && link != null && entry.ifindex() == link.index());
            if (link == null) gone.add(r);
            else devices.attach(link.index());
        }
        LOG.info("{} endpoints restored, {} of them have gone meanwhile", records.size() - gone.size(), gone.size());
        return gone;
    }

    /** Pods that the kernel has and no record: their record was lost, and they go on. */
    private List<EndpointRecord> recover(List<EndpointRecord> records, Map<IpAddress, MapEntry> inKernel, Map<Integer, Link> byIndex)
            throws IOException {
        Set<Integer> known = new HashSet<>();
        records.forEach(r -> known.add(r.id()));
        Map<Integer, List<IpAddress>> addresses = new HashMap<>();
        Map<Integer, MapEntry> lost = new HashMap<>();
        inKernel.forEach((a, e) -> {
            if (e.isHost() || known.contains(e.id()) || !byIndex.containsKey(e.ifindex())) return;
            addresses.computeIfAbsent(e.id(), x -> new ArrayList<>()).add(a);
            lost.put(e.id(), e);
        });
        List<EndpointRecord> result = new ArrayList<>();
        for (MapEntry e : lost.values()) {
            Link link = byIndex.get(e.ifindex());
            List<IpAddress> list = addresses.get(e.id()).stream().sorted().toList();
            Ipcache.Entry owner = ipcache.lookup(list.get(0)).orElse(null);
            String[] name = owner == null || !owner.owner().contains("/") ? new String[] {"", ""} : owner.owner().split("/", 2);
            LOG.warn("Endpoint {} ({}, {}) has no record: kept as the kernel has it", e.id(), link.name(), list);
            EndpointRecord r = new EndpointRecord(e.id(), "", "", "", 0, name[0], name[1], "", list, link.name(), mac(e.mac()), mac(e.hostMac()), 0);
            store.save(r);
            result.add(r);
        }
        return result;
    }

    private static String mac(String hex) {
        return MacAddress.ofBytes(HexFormat.of().parseHex(hex)).toString();
    }
}
