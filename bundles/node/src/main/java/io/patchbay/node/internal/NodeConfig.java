package io.patchbay.node.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.reconcile.Codec;
import java.util.HexFormat;
import java.util.List;

/**
 * What the datapath must know of the node: struct pb_node_config. Addresses may be null.
 *
 * @param hostMac in hexadecimal, so that records compare by value
 */
record NodeConfig(IpAddress node4, IpAddress node6, IpAddress router4, IpAddress router6, Prefix podCidr4, Prefix podCidr6,
        int netIfindex, int hostIfindex, int tunnelIfindex, int netdevIfindex, String hostMac, String netMac) {

    static NodeConfig of(LocalNode node, int tunnelIfindex) {
        return new NodeConfig(first(node.addresses(), true), first(node.addresses(), false), first(node.routers(), true),
                first(node.routers(), false), cidr(node, true), cidr(node, false), node.net().ifindex(), node.host().ifindex(), tunnelIfindex, node.netdevs().isEmpty() ? 0 : node.netdevs().get(0).ifindex(),
                HexFormat.of().formatHex(node.host().mac()), HexFormat.of().formatHex(node.net().mac()));
    }

    private static Prefix cidr(LocalNode node, boolean v4) {
        return node.podCidrs().stream().filter(p -> p.address().isV4() == v4).findFirst().orElse(null);
    }

    private static IpAddress first(List<IpAddress> addresses, boolean v4) {
        return addresses.stream().filter(a -> a.isV4() == v4).findFirst().orElse(null);
    }

    /** The map has one entry, 0. */
    static final Codec<Integer> KEY = new Codec<>() {
        @Override
        public void encode(Integer value, Struct into) {
            into.set("", value);
        }

        @Override
        public Integer decode(Struct from) {
            return (int) from.get("");
        }
    };

    static final Codec<NodeConfig> VALUE = new Codec<>() {
        @Override
        public void encode(NodeConfig c, Struct into) {
            put(into, "node_ip4", c.node4);
            put(into, "node_ip6", c.node6);
            put(into, "router_ip4", c.router4);
            put(into, "router_ip6", c.router6);
            if (c.podCidr4 != null) {
                into.set("pod_cidr4", c.podCidr4.address());
                into.set("pod_cidr4_len", c.podCidr4.mappedLength());
            }
            if (c.podCidr6 != null) {
                into.set("pod_cidr6", c.podCidr6.address());
                into.set("pod_cidr6_len", c.podCidr6.mappedLength());
            }
            into.set("pb_net_ifindex", c.netIfindex);
            into.set("pb_host_ifindex", c.hostIfindex);
            into.set("tunnel_ifindex", c.tunnelIfindex);
            into.set("netdev_ifindex", c.netdevIfindex);
            into.set("pb_host_mac", HexFormat.of().parseHex(c.hostMac));
            into.set("pb_net_mac", HexFormat.of().parseHex(c.netMac));
        }

        private void put(Struct into, String field, IpAddress address) {
            if (address != null) into.set(field, address);
        }

        @Override
        public NodeConfig decode(Struct from) {
            int length = (int) from.get("pod_cidr4_len");
            int length6 = (int) from.get("pod_cidr6_len");
            return new NodeConfig(get(from, "node_ip4"), get(from, "node_ip6"), get(from, "router_ip4"), get(from, "router_ip6"),
                    length < 96 ? null : new Prefix(from.address("pod_cidr4"), length - 96),
                    length6 == 0 ? null : new Prefix(from.address("pod_cidr6"), length6), (int) from.get("pb_net_ifindex"), (int) from.get("pb_host_ifindex"), (int) from.get("tunnel_ifindex"), (int) from.get("netdev_ifindex"),
                    HexFormat.of().formatHex(from.get("pb_host_mac", 6)), HexFormat.of().formatHex(from.get("pb_net_mac", 6)));
        }

        private IpAddress get(Struct from, String field) {
            return from.isZero(field) ? null : from.address(field);
        }
    };
}
