package io.patchbay.netlink;

import java.util.Objects;

/**
 * One end of a veth pair to be made.
 *
 * @param name      at most 15 bytes
 * @param mac       null: the kernel chooses at random
 * @param mtu       bytes; 0: the kernel's default (1500)
 * @param namespace where it is made; null: where the socket is
 */
public record VethEnd(String name, MacAddress mac, int mtu, NetNs namespace) {

    public VethEnd {
        Objects.requireNonNull(name);
    }

    public static VethEnd named(String name) {
        return new VethEnd(name, null, 0, null);
    }

    public VethEnd mac(MacAddress m) {
        return new VethEnd(name, m, mtu, namespace);
    }

    public VethEnd mtu(int m) {
        return new VethEnd(name, mac, m, namespace);
    }

    public VethEnd in(NetNs ns) {
        return new VethEnd(name, mac, mtu, ns);
    }
}
