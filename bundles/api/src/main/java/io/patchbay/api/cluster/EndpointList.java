package io.patchbay.api.cluster;

import io.patchbay.api.cluster.EndpointSlice.Endpoint;
import io.patchbay.api.net.IpAddress;
import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.RandomAccess;
import java.util.Set;
import java.util.function.Function;

/**
 * Endpoints by columns, each made when it is asked for: a large cluster has hundreds of thousands of them, which differ in their address and seldom in
 * anything else. Immutable.
 */
final class EndpointList extends AbstractList<Endpoint> implements RandomAccess {
    /** Ready, serving and terminating, as one column. */
    private record Conditions(boolean ready, boolean serving, boolean terminating) {
        private static final Conditions READY = new Conditions(true, true, false);

        static Conditions of(Endpoint e) {
            Conditions c = new Conditions(e.ready(), e.serving(), e.terminating());
            return c.equals(READY) ? READY : c;
        }
    }

    private final int size;
    /** The 32 bits of each when all are IPv4, else {@code null}. */
    private final int[] v4;
    /** Both halves of each, or {@code null}. */
    private final long[] addresses;
    // Each the one value that all have, or an array of them.
    private final Object conditions;
    private final Object nodes;
    private final Object zones;
    private final Object forZones;
    private final Object pods;

    private EndpointList(List<Endpoint> from) {
        size = from.size();
        boolean allV4 = from.stream().allMatch(e -> e.addresses().get(0).isV4());
        v4 = allV4 ? new int[size] : null;
        addresses = allV4 ? null : new long[2 * size];
        for (int i = 0; i < size; i++) {
            IpAddress a = from.get(i).addresses().get(0);
            if (allV4) {
                v4[i] = a.v4Bits();
            } else {
                addresses[2 * i] = a.high();
                addresses[2 * i + 1] = a.low();
            }
        }
        conditions = column(from, Conditions::of);
        nodes = column(from, Endpoint::nodeName);
        zones = column(from, Endpoint::zone);
        forZones = column(from, Endpoint::forZones);
        pods = column(from, Endpoint::pod);
    }

    /** The same endpoints; those with several addresses, or none, as an ordinary list. */
    static List<Endpoint> of(List<Endpoint> endpoints) {
        if (endpoints instanceof EndpointList) return endpoints;
        for (Endpoint e : endpoints) if (e.addresses().size() != 1) return List.copyOf(endpoints);
        return endpoints.isEmpty() ? List.of() : new EndpointList(endpoints);
    }

    private static Object column(List<Endpoint> from, Function<Endpoint, Object> what) {
        Object first = what.apply(from.get(0));
        for (Endpoint e : from) if (!what.apply(e).equals(first)) return from.stream().map(what).toArray();
        return first;
    }

    @SuppressWarnings("unchecked")
    private static <T> T at(Object column, int i) {
        return (T) (column instanceof Object[] all ? all[i] : column);
    }

    @Override
    public Endpoint get(int i) {
        IpAddress address = v4 != null ? IpAddress.ofV4(v4[i]) : new IpAddress(addresses[2 * i], addresses[2 * i + 1]);
        Conditions c = at(conditions, i);
        return new Endpoint(List.of(address), c.ready, c.serving, c.terminating, at(nodes, i), at(zones, i), EndpointList.<Set<String>>at(forZones, i),
                EndpointList.<Optional<ObjectKey>>at(pods, i));
    }

    @Override
    public int size() {
        return size;
    }

    private static boolean same(Object a, Object b) {
        return a instanceof Object[] x && b instanceof Object[] y ? Arrays.equals(x, y) : a.equals(b);
    }

    @Override
    public boolean equals(Object o) {
        if (!(o instanceof EndpointList l)) return super.equals(o);
        return size == l.size && Arrays.equals(v4, l.v4) && Arrays.equals(addresses, l.addresses) && same(conditions, l.conditions) && same(nodes, l.nodes)
                && same(zones, l.zones) && same(forZones, l.forZones) && same(pods, l.pods);
    }

    @Override
    public int hashCode() {
        return super.hashCode();
    }
}
