package io.patchbay.masquerade.internal;

import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.Struct;
import java.util.Locale;
import java.util.Map;

/**
 * What the datapath is told.
 *
 * @param nodes whether packets to other nodes of the cluster are masqueraded; AUTO: where there is an overlay, because there a pod's
 *              address is not at home on the nodes' network
 * @param ipv6  whether IPv6 is masqueraded at all
 */
record MasqueradeConfig(int portMin, int portMax, Nodes nodes, boolean ipv6) {
    enum Nodes { AUTO, ALWAYS, NEVER }

    /** enum masq_flags. */
    private static final int MASQ_NODES = 1;
    private static final int MASQ_NODES_NEVER = 2;
    private static final int MASQ_NO_IPV6 = 4;
    /** Below this NodePorts and the ephemeral ports of the node begin. */
    private static final int LOWEST = 1024;

    static MasqueradeConfig of(Map<String, String> config) {
        String ports = config.getOrDefault("ports", "61000-65535").trim();
        if (!ports.matches("\\d{1,5}-\\d{1,5}")) throw new IllegalArgumentException("masquerade ports '" + ports + "' is no range: write 61000-65535");
        int min = Integer.parseInt(ports.substring(0, ports.indexOf('-')));
        int max = Integer.parseInt(ports.substring(ports.indexOf('-') + 1));
        if (min < LOWEST || max > 65535 || min > max) {
            throw new IllegalArgumentException("masquerade ports " + ports + " is not a range within " + LOWEST + " and 65535");
        }
        String nodes = config.getOrDefault("nodes", "auto").trim().toUpperCase(Locale.ROOT);
        String ipv6 = config.getOrDefault("ipv6", "true").trim();
        if (!ipv6.equals("true") && !ipv6.equals("false")) throw new IllegalArgumentException("masquerade ipv6 '" + ipv6 + "' is neither true nor false");
        for (Nodes n : Nodes.values()) {
            if (n.name().equals(nodes)) return new MasqueradeConfig(min, max, n, ipv6.equals("true"));
        }
        throw new IllegalArgumentException("masquerade nodes '" + nodes.toLowerCase(Locale.ROOT) + "' is not one of auto, always, never");
    }

    Struct struct(Layout layout) {
        int flags = (nodes == Nodes.ALWAYS ? MASQ_NODES : nodes == Nodes.NEVER ? MASQ_NODES_NEVER : 0) | (ipv6 ? 0 : MASQ_NO_IPV6);
        return new Struct(layout).set("flags", flags).set("port_min", portMin).set("port_max", portMax);
    }
}
