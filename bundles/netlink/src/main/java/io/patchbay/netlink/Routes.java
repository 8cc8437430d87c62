package io.patchbay.netlink;

import io.patchbay.netlink.internal.Channel;
import io.patchbay.netlink.internal.Libc;
import io.patchbay.netlink.internal.Request;
import io.patchbay.netlink.internal.Rt;

import java.util.List;

/** Routes. Every method throws {@link NetlinkException} when the kernel refuses. */
public final class Routes {

    private final Channel channel;

    Routes(Channel channel) {
        this.channel = channel;
    }

    /** The routes of the main table, both families; multipath routes appear without a device. */
    public List<Route> list() {
        return list(Route.MAIN);
    }

    /** The routes of one table, both families. */
    public List<Route> list(int table) {
        return channel.dump("list", "routes", new Request(Rt.RTM_GETROUTE, 0).route(0, 0, 0, 0, 0, 0)).stream()
                .filter(Route::isRoute).map(Route::of).filter(r -> r.table() == table).toList();
    }

    /** EEXIST when there is one to the same destination with the same priority. */
    public void add(Route r) {
        channel.change("add", r.toString(), request(Rt.RTM_NEWROUTE, Rt.NLM_F_CREATE | Rt.NLM_F_EXCL, r));
    }

    /** Takes the place of the one with the same destination, table and priority, in one step. */
    public void replace(Route r) {
        channel.change("set", r.toString(), request(Rt.RTM_NEWROUTE, Rt.NLM_F_CREATE | Rt.NLM_F_REPLACE, r));
    }

    /** ESRCH when there is none that agrees in all that is given. */
    public void delete(Route r) {
        channel.change("delete", r.toString(), request(Rt.RTM_DELROUTE, 0, r));
    }

    private static Request request(int type, int flags, Route route) {
        boolean v4 = route.destination().address().isV4();
        Request r = new Request(type, flags).route(v4 ? Libc.AF_INET : Libc.AF_INET6, route.destination().length(), route.protocol(),
                route.scope().number(), route.kind(), route.onlink() ? Rt.RTNH_F_ONLINK : 0);
        r.u32(Rt.RTA_TABLE, route.table());
        if (route.destination().length() > 0) {
            r.ip(Rt.RTA_DST, route.destination().address());
        }
        if (route.gateway() != null) {
            r.ip(Rt.RTA_GATEWAY, route.gateway());
        }
        if (route.linkIndex() != 0) {
            r.u32(Rt.RTA_OIF, route.linkIndex());
        }
        if (route.source() != null) {
            r.ip(Rt.RTA_PREFSRC, route.source());
        }
        if (route.priority() != 0) {
            r.u32(Rt.RTA_PRIORITY, route.priority());
        }
        if (route.mtu() != 0) {
            int metrics = r.begin(Rt.RTA_METRICS);
            r.u32(Rt.RTAX_MTU, route.mtu()).end(metrics);
        }
        return r;
    }
}
