package io.patchbay.netlink;

import io.patchbay.netlink.internal.Channel;
import io.patchbay.netlink.internal.Libc;
import io.patchbay.netlink.internal.Request;
import io.patchbay.netlink.internal.Rt;

import java.util.List;

/** Addresses of devices. Every method throws {@link NetlinkException} when the kernel refuses. */
public final class Addresses {

    private final Channel channel;

    Addresses(Channel channel) {
        this.channel = channel;
    }

    /** All addresses of the namespace, both families. */
    public List<IfAddress> list() {
        return channel.dump("list", "addresses", new Request(Rt.RTM_GETADDR, 0).address(0, 0, 0, 0)).stream()
                .filter(r -> r.type() == Rt.RTM_NEWADDR).map(IfAddress::of).toList();
    }

    /** The addresses of one device, both families. */
    public List<IfAddress> list(int index) {
        return list().stream().filter(a -> a.index() == index).toList();
    }

    /** EEXIST when it is there. IPv6 is usable at once: duplicate address detection is left out. */
    public void add(IfAddress a) {
        channel.change("add", a.toString(), request(Rt.RTM_NEWADDR, Rt.NLM_F_CREATE | Rt.NLM_F_EXCL, a));
    }

    /** As {@link #add}, content when it is there. */
    public void replace(IfAddress a) {
        channel.change("set", a.toString(), request(Rt.RTM_NEWADDR, Rt.NLM_F_CREATE | Rt.NLM_F_REPLACE, a));
    }

    /** EADDRNOTAVAIL when it is not there. */
    public void delete(IfAddress a) {
        channel.change("delete", a.toString(), request(Rt.RTM_DELADDR, 0, a));
    }

    private static Request request(int type, int flags, IfAddress a) {
        boolean v4 = a.address().isV4();
        Request r = new Request(type, flags).address(v4 ? Libc.AF_INET : Libc.AF_INET6, a.length(), a.scope().number(), a.index())
                .ip(Rt.IFA_LOCAL, a.address()).ip(Rt.IFA_ADDRESS, a.address());
        return v4 ? r : r.u32(Rt.IFA_FLAGS, Rt.IFA_F_NODAD);
    }
}
