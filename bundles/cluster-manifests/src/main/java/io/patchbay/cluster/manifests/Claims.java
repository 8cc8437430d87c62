package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.net.IpAddress;
import java.util.HashMap;
import java.util.Map;

/** Which service has which address and node port, by its manifest or by its record. Not thread-safe. */
final class Claims {
    private record Claim(ObjectKey owner, int count) {
    }

    private final Map<Object, Claim> owners = new HashMap<>();
    /** Ports by number, health checks' included: what may not be given to anybody else. */
    private final Map<Integer, Integer> numbers = new HashMap<>();

    boolean isTaken(IpAddress ip) {
        return owners.containsKey(ip);
    }

    boolean isTaken(int port) {
        return numbers.containsKey(port);
    }

    static String port(int number, Object protocol) {
        return number + "/" + protocol;
    }

    /** @return who else has it; null: it is this service's now */
    private ObjectKey claim(Object what, ObjectKey who) {
        Claim now = owners.get(what);
        if (now != null && !now.owner.equals(who)) return now.owner;
        owners.put(what, new Claim(who, now == null ? 1 : now.count + 1));
        return null;
    }

    private void unclaim(Object what, ObjectKey who) {
        Claim now = owners.get(what);
        if (now == null || !now.owner.equals(who)) return;
        if (now.count == 1) owners.remove(what);
        else owners.put(what, new Claim(who, now.count - 1));
    }

    /** Where to say that something belongs to somebody else. */
    interface Conflict {
        void with(String path, String what, ObjectKey owner);
    }

    void add(Service service, ServiceRecord record, Conflict conflict) {
        each(service, record, (what, path, shown) -> {
            ObjectKey other = claim(what, service.key());
            if (other != null) conflict.with(path, shown, other);
        });
        numbers(service, record, 1);
    }

    /** Takes back what the same service and record added; what they did not get is left alone. */
    void remove(Service service, ServiceRecord record) {
        each(service, record, (what, path, shown) -> unclaim(what, service.key()));
        numbers(service, record, -1);
    }

    private interface Visit {
        void claim(Object what, String path, String shown);
    }

    private static void each(Service service, ServiceRecord record, Visit visit) {
        if (record != null) {
            record.clusterIps().forEach(ip -> visit.claim(ip, "spec.clusterIP", ip.toString()));
            record.nodePorts().forEach((port, number) -> visit.claim(port(number, port.substring(port.indexOf('/') + 1)), "spec.ports", "nodePort " + number));
        }
        for (IpAddress ip : service.clusterIps()) visit.claim(ip, "spec.clusterIP", ip.toString());
        for (Service.Port port : service.ports()) {
            if (port.nodePort() != 0) visit.claim(port(port.nodePort(), port.protocol()), "spec.ports", "nodePort " + port.nodePort());
        }
    }

    private void numbers(Service service, ServiceRecord record, int by) {
        if (record != null) {
            record.nodePorts().values().forEach(n -> number(n, by));
            number(record.healthCheckNodePort(), by);
        }
        service.ports().forEach(p -> number(p.nodePort(), by));
        number(service.healthCheckNodePort(), by);
    }

    private void number(int port, int by) {
        if (port != 0) numbers.merge(port, by, (a, b) -> a + b == 0 ? null : a + b);
    }
}
