package io.patchbay.netlink;

import io.patchbay.api.net.IpAddress;
import io.patchbay.netlink.internal.Attributes;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Rt;

import java.nio.ByteBuffer;

/**
 * An entry of the neighbour table.
 *
 * @param linkIndex device
 * @param address   the neighbour's IP address
 * @param mac       null while it is not known
 * @param state     NUD_* of linux/neighbour.h
 */
public record Neighbour(int linkIndex, IpAddress address, MacAddress mac, int state) {

    static final int FIXED = 12;

    static Neighbour of(Reply r) {
        ByteBuffer f = r.fixed();
        Attributes a = r.attributes(FIXED);
        byte[] mac = a.bytes(Rt.NDA_LLADDR);
        return new Neighbour(f.getInt(4), a.ip(Rt.NDA_DST), mac == null || mac.length != 6 ? null : MacAddress.ofBytes(mac),
                f.getShort(8) & 0xffff);
    }

    public boolean isPermanent() {
        return (state & Rt.NUD_PERMANENT) != 0;
    }
}
