package io.patchbay.netlink;

import io.patchbay.api.net.IpAddress;
import io.patchbay.netlink.internal.Attributes;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Rt;

import java.nio.ByteBuffer;
import java.util.Objects;

/**
 * An address on a device.
 *
 * @param index   of the device
 * @param address the host's own address
 * @param length  prefix length in the family's own count
 * @param scope   where it is valid
 */
public record IfAddress(int index, IpAddress address, int length, Scope scope) {

    static final int FIXED = 8;

    public IfAddress {
        Objects.requireNonNull(address);
        Objects.requireNonNull(scope);
    }

    /** An address of global scope. */
    public static IfAddress of(int index, IpAddress address, int length) {
        return new IfAddress(index, address, length, Scope.UNIVERSE);
    }

    static IfAddress of(Reply r) {
        ByteBuffer f = r.fixed();
        Attributes a = r.attributes(FIXED);
        IpAddress local = a.ip(Rt.IFA_LOCAL);
        return new IfAddress(f.getInt(4), local != null ? local : a.ip(Rt.IFA_ADDRESS), f.get(1) & 0xff,
                Scope.ofNumber(f.get(3) & 0xff));
    }

    @Override
    public String toString() {
        return address + "/" + length + " on link " + index;
    }
}
