package io.patchbay.netlink;

import io.patchbay.api.net.IpAddress;
import io.patchbay.netlink.internal.Channel;
import io.patchbay.netlink.internal.Libc;
import io.patchbay.netlink.internal.Request;
import io.patchbay.netlink.internal.Rt;

import java.util.List;

/** The neighbour table. Every method throws {@link NetlinkException} when the kernel refuses. */
public final class Neighbours {

    private final Channel channel;

    Neighbours(Channel channel) {
        this.channel = channel;
    }

    /** The entries of one device, both families. */
    public List<Neighbour> list(int linkIndex) {
        return channel.dump("list", "neighbours", new Request(Rt.RTM_GETNEIGH, 0).neighbour(0, 0, 0)).stream()
                .filter(r -> r.type() == Rt.RTM_NEWNEIGH).map(Neighbour::of)
                .filter(n -> n.linkIndex() == linkIndex && n.address() != null).toList();
    }

    /** Sets an entry that is never resolved nor aged; takes the place of whatever is there. */
    public void addPermanent(int linkIndex, IpAddress address, MacAddress mac) {
        channel.change("set", text(linkIndex, address), new Request(Rt.RTM_NEWNEIGH, Rt.NLM_F_CREATE | Rt.NLM_F_REPLACE)
                .neighbour(family(address), linkIndex, Rt.NUD_PERMANENT).ip(Rt.NDA_DST, address).bytes(Rt.NDA_LLADDR, mac.toBytes()));
    }

    /** ENOENT when there is none. */
    public void delete(int linkIndex, IpAddress address) {
        channel.change("delete", text(linkIndex, address),
                new Request(Rt.RTM_DELNEIGH, 0).neighbour(family(address), linkIndex, 0).ip(Rt.NDA_DST, address));
    }

    private static int family(IpAddress a) {
        return a.isV4() ? Libc.AF_INET : Libc.AF_INET6;
    }

    private static String text(int linkIndex, IpAddress address) {
        return "neighbour " + address + " on link " + linkIndex;
    }
}
