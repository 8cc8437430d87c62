package io.patchbay.netlink;

import java.util.Objects;

/**
 * A VXLAN device in collect-metadata mode ("external"): where to and with which VNI is said per packet by a BPF program,
 * and nothing is learned.
 *
 * @param name       at most 15 bytes
 * @param port       UDP port it listens on and sends to
 * @param mac        null: random
 * @param mtu        bytes; 0: the kernel's default
 * @param sourceLow  first UDP source port; 0 with sourceHigh 0: the kernel's range
 * @param sourceHigh last UDP source port
 */
public record VxlanSpec(String name, int port, MacAddress mac, int mtu, int sourceLow, int sourceHigh) {

    public VxlanSpec {
        Objects.requireNonNull(name);
    }

    public static VxlanSpec named(String name, int port) {
        return new VxlanSpec(name, port, null, 0, 0, 0);
    }

    public VxlanSpec mac(MacAddress m) {
        return new VxlanSpec(name, port, m, mtu, sourceLow, sourceHigh);
    }

    public VxlanSpec mtu(int m) {
        return new VxlanSpec(name, port, mac, m, sourceLow, sourceHigh);
    }

    public VxlanSpec sourcePorts(int low, int high) {
        return new VxlanSpec(name, port, mac, mtu, low, high);
    }
}
