package io.patchbay.netlink;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.netlink.internal.Attributes;
import io.patchbay.netlink.internal.Libc;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Rt;

import java.nio.ByteBuffer;
import java.util.Objects;

/**
 * A route with one next hop.
 *
 * @param destination what it leads to; {@code 0.0.0.0/0} and {@code ::/0} are the defaults
 * @param gateway     next hop, null for none
 * @param linkIndex   device, 0 for none (blackhole and the like)
 * @param source      preferred source address, null for none
 * @param table       254 is main, 255 local
 * @param scope       IPv4 only; the kernel keeps {@link Scope#UNIVERSE} for IPv6
 * @param kind        RTN_* of linux/rtnetlink.h: {@link #UNICAST}, {@link #LOCAL}, {@link #BLACKHOLE}, {@link #UNREACHABLE}
 * @param protocol    RTPROT_*: who made it; 2 is the kernel itself
 * @param priority    metric, lowest wins; 0 for none given (the kernel makes it 1024 for IPv6)
 * @param mtu         route MTU in bytes, 0 for the device's
 * @param onlink      the gateway is on the device's network although no address says so
 */
public record Route(Prefix destination, IpAddress gateway, int linkIndex, IpAddress source, int table, Scope scope, int kind,
                    int protocol, int priority, int mtu, boolean onlink) {

    public static final int UNICAST = 1;
    public static final int LOCAL = 2;
    public static final int BLACKHOLE = 6;
    public static final int UNREACHABLE = 7;
    public static final int MAIN = 254;
    /** RTPROT_STATIC, which routing daemons leave alone. */
    public static final int STATIC = 4;

    static final int FIXED = 12;

    public Route {
        Objects.requireNonNull(destination);
        Objects.requireNonNull(scope);
    }

    /** A unicast route of the main table; its scope is {@link Scope#LINK} until {@link #via} gives it a gateway. */
    public static Route to(Prefix destination, int linkIndex) {
        Scope s = destination.address().isV4() ? Scope.LINK : Scope.UNIVERSE;
        return new Route(destination, null, linkIndex, null, MAIN, s, UNICAST, STATIC, 0, 0, false);
    }

    /** A route of a kind that uses no device: {@link #BLACKHOLE}, {@link #UNREACHABLE}. */
    public static Route without(Prefix destination, int kind) {
        return new Route(destination, null, 0, null, MAIN, Scope.UNIVERSE, kind, STATIC, 0, 0, false);
    }

    static boolean isRoute(Reply r) {
        ByteBuffer f = r.fixed();
        int family = f.get(0);
        return r.type() == Rt.RTM_NEWROUTE && (family == Libc.AF_INET || family == Libc.AF_INET6) && (f.getInt(8) & Rt.RTM_F_CLONED) == 0;
    }

    static Route of(Reply r) {
        ByteBuffer f = r.fixed();
        Attributes a = r.attributes(FIXED);
        IpAddress d = a.ip(Rt.RTA_DST);
        if (d == null) {
            d = f.get(0) == Libc.AF_INET ? IpAddress.ofV4(0) : new IpAddress(0, 0);
        }
        return new Route(new Prefix(d, f.get(1) & 0xff), a.ip(Rt.RTA_GATEWAY), a.u32(Rt.RTA_OIF, 0), a.ip(Rt.RTA_PREFSRC),
                a.u32(Rt.RTA_TABLE, f.get(4) & 0xff), Scope.ofNumber(f.get(6) & 0xff), f.get(7) & 0xff, f.get(5) & 0xff,
                a.u32(Rt.RTA_PRIORITY, 0), a.nested(Rt.RTA_METRICS).u32(Rt.RTAX_MTU, 0), (f.getInt(8) & Rt.RTNH_F_ONLINK) != 0);
    }

    /** Through a gateway; the scope becomes {@link Scope#UNIVERSE}. */
    public Route via(IpAddress gw) {
        return new Route(destination, gw, linkIndex, source, table, Scope.UNIVERSE, kind, protocol, priority, mtu, onlink);
    }

    public Route source(IpAddress a) {
        return new Route(destination, gateway, linkIndex, a, table, scope, kind, protocol, priority, mtu, onlink);
    }

    public Route table(int t) {
        return new Route(destination, gateway, linkIndex, source, t, scope, kind, protocol, priority, mtu, onlink);
    }

    public Route scope(Scope s) {
        return new Route(destination, gateway, linkIndex, source, table, s, kind, protocol, priority, mtu, onlink);
    }

    public Route protocol(int p) {
        return new Route(destination, gateway, linkIndex, source, table, scope, kind, p, priority, mtu, onlink);
    }

    public Route priority(int p) {
        return new Route(destination, gateway, linkIndex, source, table, scope, kind, protocol, p, mtu, onlink);
    }

    public Route mtu(int m) {
        return new Route(destination, gateway, linkIndex, source, table, scope, kind, protocol, priority, m, onlink);
    }

    /** See the component. */
    public Route asOnlink() {
        return new Route(destination, gateway, linkIndex, source, table, scope, kind, protocol, priority, mtu, true);
    }

    @Override
    public String toString() {
        return "route " + destination + (gateway == null ? "" : " via " + gateway) + (linkIndex == 0 ? "" : " on link " + linkIndex)
                + (table == MAIN ? "" : " in table " + table);
    }
}
