package io.patchbay.policy.internal;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.shell.UsageException;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntFunction;
import java.util.stream.Stream;

/**
 * What a user names as the ends of a connection, made into addresses of a cluster: pods by {@code namespace/name}, addresses, and label sets or
 * identities, for which a pod is invented if there is none.
 */
final class Ends {
    /** RFC 5737: no real host has it. */
    private static final IpAddress INVENTED = IpAddress.parse("192.0.2.1");
    private final List<Cluster.Pod> pods;
    private final Cluster cluster;
    private final IntFunction<Optional<LabelSet>> identities;
    private final List<String> notes = new ArrayList<>();
    private int invented;

    Ends(Cluster cluster, IntFunction<Optional<LabelSet>> identities) {
        this.cluster = cluster;
        this.pods = new ArrayList<>(cluster.pods());
        this.identities = identities;
    }

    /** Names that {@link #address} knows: of pods and nodes. */
    static List<String> names(Cluster cluster) {
        return Stream.concat(cluster.pods().stream().map(Cluster.Pod::name), cluster.nodes().stream().map(Cluster.Node::name)).sorted().toList();
    }

    /** With the invented pods. */
    Cluster cluster() {
        return new Cluster(pods, cluster.nodes(), cluster.services(), cluster.apiServers(), cluster.dualStack());
    }

    /** What was assumed. */
    List<String> notes() {
        return notes;
    }

    /** @param v4 which of several addresses; null: the first */
    IpAddress address(String text, Boolean v4) throws UsageException {
        if (text.matches("[0-9]+")) {
            int number = Integer.parseInt(text);
            return ofLabels(identities.apply(number).orElseThrow(() -> new UsageException("identity " + text + " is not known; see identity list")), v4);
        }
        try {
            return IpAddress.parse(text);
        } catch (IllegalArgumentException notAnAddress) {
            if (text.indexOf('=') >= 0 || text.startsWith("reserved:")) return ofLabels(LabelSet.parse(text.split(",")), v4);
        }
        for (Cluster.Pod pod : pods) if (pod.name().equals(text)) return pick(pod.addresses(), v4, text);
        for (Cluster.Node node : cluster.nodes()) if (node.name().equals(text)) return pick(node.addresses(), v4, text);
        throw new UsageException("'" + text + "' is no pod (namespace/name), node, address, identity or label list (k8s:app=web,...)");
    }

    private static IpAddress pick(List<IpAddress> addresses, Boolean v4, String of) throws UsageException {
        for (IpAddress a : addresses) if (v4 == null || a.isV4() == v4) return a;
        throw new UsageException(of + " has no " + (v4 == null ? "" : v4 ? "IPv4 " : "IPv6 ") + "address");
    }

    private IpAddress ofLabels(LabelSet labels, Boolean v4) throws UsageException {
        if (labels.isReserved("world") || labels.isReserved("world-ipv4") || labels.isReserved("world-ipv6")) {
            throw new UsageException("name an address outside the cluster instead of " + labels);
        }
        if (labels.isReserved("host") || labels.isReserved("remote-node") || labels.isReserved("kube-apiserver")) {
            throw new UsageException("name a node, or its address, instead of " + labels);
        }
        for (Cluster.Pod pod : pods) if (pod.labels().equals(labels)) return pick(pod.addresses(), v4, pod.name());
        IpAddress address = INVENTED.plus(invented++);
        notes.add("no pod has the labels " + labels + ": assuming one with address " + address + " and no named ports");
        pods.add(new Cluster.Pod("labels " + labels, labels, List.of(address), "", Map.of()));
        return address;
    }

    /** {@code 80/TCP}, {@code 80}, {@code icmp/8}, {@code icmp/3/4}. */
    static Connection connection(IpAddress from, IpAddress to, String port) throws UsageException {
        String[] parts = port.toUpperCase(Locale.ROOT).split("/");
        try {
            if (parts[0].startsWith("ICMP")) {
                return Connection.icmp(from, to, parts.length > 1 ? Integer.parseInt(parts[1]) : from.isV4() ? 8 : 128,
                        parts.length > 2 ? Integer.parseInt(parts[2]) : 0);
            }
            int number = Integer.parseInt(parts[0]);
            int protocol = parts.length == 1 ? Protocol.TCP.number() : parts[1].matches("[0-9]+") ? Integer.parseInt(parts[1])
                    : Protocol.ofName(parts[1]).number();
            if (number < 0 || number > 65535 || parts.length > 2) throw new IllegalArgumentException(port);
            return Connection.port(from, to, protocol, number);
        } catch (IllegalArgumentException e) {
            throw new UsageException("'" + port + "' is no port; write 80/TCP, 53/UDP or icmp/8");
        }
    }
}
