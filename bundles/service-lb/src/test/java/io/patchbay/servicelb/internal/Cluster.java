package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cluster.TableSink;
import io.patchbay.api.cluster.TableSource;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import io.patchbay.tables.internal.TestTables;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Tables with services and slices, fed by hand. */
final class Cluster implements TableSource, AutoCloseable {
    private final TestTables tables = new TestTables();
    private TableSink sink;

    Cluster() {
        tables.add(this);
    }

    ClusterTables cluster() {
        return tables.tables();
    }

    @Override
    public Set<TableId<?, ?>> tables() {
        return Set.of(TableId.SERVICES, TableId.ENDPOINT_SLICES, TableId.NODES, TableId.PODS);
    }

    static Service service(int n) {
        return Service.builder("default", "s" + n).clusterIps(List.of(IpAddress.ofV4(0x0a600000 + n)))
                .ports(List.of(new Service.Port("", 80, 8080, "", Protocol.TCP, 0, ""))).build();
    }

    /** A slice of one service with backends 10.x.y.z for each of the numbers. */
    static EndpointSlice slice(int service, int... backends) {
        List<EndpointSlice.Endpoint> endpoints = new ArrayList<>();
        for (int b : backends) {
            endpoints.add(new EndpointSlice.Endpoint(List.of(IpAddress.ofV4(0x0a000000 + b)), true, true, false, "", "", Set.of(), Optional.empty()));
        }
        return new EndpointSlice("default", "s" + service + "-1", "s" + service, EndpointSlice.AddressType.IPV4, Map.of(),
                List.of(new EndpointSlice.Port("", 8080, Protocol.TCP, "")), endpoints);
    }

    void put(List<Service> services, List<EndpointSlice> slices) {
        sink.commit(t -> {
            services.forEach(s -> t.upsert(TableId.SERVICES, s));
            slices.forEach(s -> t.upsert(TableId.ENDPOINT_SLICES, s));
        });
    }

    void put(Node node) {
        sink.commit(t -> t.upsert(TableId.NODES, node));
    }

    void put(Pod pod) {
        sink.commit(t -> t.upsert(TableId.PODS, pod));
    }

    void delete(Pod pod) {
        sink.commit(t -> t.delete(TableId.PODS, pod.key()));
    }

    void delete(Service service) {
        sink.commit(t -> t.delete(TableId.SERVICES, service.key()));
    }

    void synced() {
        sink.commit(t -> tables().forEach(t::synced));
    }

    void synced(TableId<?, ?> table) {
        sink.commit(t -> t.synced(table));
    }

    @Override
    public String name() {
        return "test";
    }

    @Override
    public void start(TableSink to) {
        sink = to;
    }

    @Override
    public void stop() {
        sink = null;
    }

    @Override
    public void close() {
        tables.close();
    }
}
