package io.patchbay.api.datapath;

/** Where the pipeline is entered; numbers are those of {@code enum pb_hook} in bpf/include/patchbay/abi.h. */
public enum Hook {
    POD_EGRESS(0, "pod-egress", false), POD_INGRESS(1, "pod-ingress", false), OVERLAY_INGRESS(2, "overlay-ingress", false),
    NETDEV_INGRESS(3, "netdev-ingress", false), NETDEV_EGRESS(4, "netdev-egress", false), HOST_EGRESS(5, "host-egress", false),
    CONNECT4(8, "connect4", true), SENDMSG4(9, "sendmsg4", true), RECVMSG4(10, "recvmsg4", true), GETPEERNAME4(11, "getpeername4", true),
    CONNECT6(12, "connect6", true), SENDMSG6(13, "sendmsg6", true), RECVMSG6(14, "recvmsg6", true), GETPEERNAME6(15, "getpeername6", true);

    private final int number;
    private final String text;
    private final boolean socket;

    Hook(int number, String text, boolean socket) {
        this.number = number;
        this.text = text;
        this.socket = socket;
    }

    /** Index in every map of the core. */
    public int number() {
        return number;
    }

    /** Name in descriptors, ledgers and commands. */
    public String text() {
        return text;
    }

    /** Whether this is a socket call of a cgroup and not a packet hook; such a hook has one program and no chain. */
    public boolean isSocket() {
        return socket;
    }

    /** By {@link #text()}. @throws IllegalArgumentException naming the known hooks */
    public static Hook ofText(String text) {
        StringBuilder known = new StringBuilder();
        for (Hook h : values()) {
            if (h.text.equals(text)) {
                return h;
            }
            known.append(known.length() == 0 ? "" : ", ").append(h.text);
        }
        throw new IllegalArgumentException("there is no hook '" + text + "'; known: " + known);
    }
}
