package io.patchbay.node.internal;

import io.patchbay.api.net.Prefix;
import io.patchbay.api.reconcile.Target;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.Route;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.IntSupplier;

/** Routes through pb_host: all of them are ours, whoever made them; others are never touched. */
final class RouteTarget implements Target<Prefix, NodePlan.PodRoute> {
    private final NetlinkSocket netlink;
    private final IntSupplier host;

    /** @param host ifindex of pb_host, 0 while there is none */
    RouteTarget(NetlinkSocket netlink, IntSupplier host) {
        this.netlink = netlink;
        this.host = host;
    }

    @Override
    public Map<Prefix, NodePlan.PodRoute> actual() {
        Map<Prefix, NodePlan.PodRoute> actual = new HashMap<>();
        for (Route route : ours()) actual.put(route.destination(), new NodePlan.PodRoute(route.linkIndex(), route.source(), route.mtu()));
        return actual;
    }

    private Iterable<Route> ours() {
        int ifindex = host.getAsInt();
        // protocol 2: the kernel's own, such as the link-local prefix
        return netlink.routes().list().stream().filter(r -> ifindex != 0 && r.linkIndex() == ifindex && r.protocol() != 2).toList();
    }

    @Override
    public Map<Prefix, String> apply(Map<Prefix, NodePlan.PodRoute> puts, Set<Prefix> deletes) {
        Map<Prefix, String> failed = new HashMap<>();
        puts.forEach((prefix, route) -> attempt(failed, prefix, () -> netlink.routes()
                .replace(Route.to(prefix, route.ifindex()).source(route.source()).mtu(route.mtu()))));
        if (!deletes.isEmpty()) {
            for (Route route : ours()) {
                if (deletes.contains(route.destination())) attempt(failed, route.destination(), () -> netlink.routes().delete(route));
            }
        }
        return failed;
    }

    private static void attempt(Map<Prefix, String> failed, Prefix prefix, Runnable work) {
        try {
            work.run();
        } catch (NetlinkException e) {
            if (!e.isNotFound()) failed.put(prefix, e.getMessage());
        }
    }
}
