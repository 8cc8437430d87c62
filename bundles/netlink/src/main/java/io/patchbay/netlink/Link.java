package io.patchbay.netlink;

import io.patchbay.netlink.internal.Attributes;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Rt;

import java.nio.ByteBuffer;

/**
 * A network device as the kernel described it.
 *
 * @param index     unique in its namespace
 * @param name      at most 15 bytes
 * @param kind      {@code veth}, {@code vxlan}, {@code bridge}, …; empty for what has none (loopback, hardware)
 * @param mac       null where the device has none of 6 bytes
 * @param mtu       bytes
 * @param flags     IFF_* of linux/if.h
 * @param master    index of the bridge or bond it belongs to, 0 for none
 * @param peerIndex IFLA_LINK: for a veth the peer's index in the peer's namespace; 0 for none
 * @param peerNsId  this namespace's number for the peer's namespace, -1 when the peer is in the same one
 * @param operState IF_OPER_* of linux/if.h: 6 is up, 2 down, 0 unknown (dummy and the like)
 */
public record Link(int index, String name, String kind, MacAddress mac, int mtu, int flags, int master, int peerIndex,
                   int peerNsId, int operState) {

    static final int FIXED = 16;

    static Link of(Reply r) {
        ByteBuffer f = r.fixed();
        Attributes a = r.attributes(FIXED);
        byte[] mac = a.bytes(Rt.IFLA_ADDRESS);
        String kind = a.nested(Rt.IFLA_LINKINFO).text(Rt.IFLA_INFO_KIND);
        return new Link(f.getInt(4), a.text(Rt.IFLA_IFNAME), kind == null ? "" : kind,
                mac == null || mac.length != 6 ? null : MacAddress.ofBytes(mac), a.u32(Rt.IFLA_MTU, 0), f.getInt(8),
                a.u32(Rt.IFLA_MASTER, 0), a.u32(Rt.IFLA_LINK, 0), a.u32(Rt.IFLA_LINK_NETNSID, -1), a.u8(Rt.IFLA_OPERSTATE, 0));
    }

    /** Whether it was set up (IFF_UP); says nothing of the carrier. */
    public boolean isUp() {
        return (flags & Rt.IFF_UP) != 0;
    }

    /** Whether neighbours are not resolved on it. */
    public boolean isNoArp() {
        return (flags & Rt.IFF_NOARP) != 0;
    }
}
