package io.patchbay.vxlan.internal;

import io.patchbay.api.cluster.Node;
import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.reconcile.Codec;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What tunnel_nodes holds of a node: where its pods have their addresses from. */
record TunnelNode(List<Prefix> cidrs) {
    /** MAX_CIDRS of vxlan.c; Kubernetes gives a node one of each family. */
    private static final int MAX = 4;

    TunnelNode {
        cidrs = List.copyOf(cidrs.size() > MAX ? cidrs.subList(0, MAX) : cidrs);
    }

    /** Every address of every node but the own one. */
    static Map<IpAddress, TunnelNode> of(Collection<Node> nodes, String own) {
        Map<IpAddress, TunnelNode> all = new HashMap<>();
        for (Node node : nodes) {
            if (node.name().equals(own)) continue;
            for (IpAddress address : node.internalIps()) all.put(address, new TunnelNode(node.podCidrs()));
        }
        return all;
    }

    static final Codec<IpAddress> KEY = new Codec<>() {
        @Override
        public void encode(IpAddress value, Struct into) {
            into.set("", value);
        }

        @Override
        public IpAddress decode(Struct from) {
            return from.address("");
        }
    };

    static final Codec<TunnelNode> VALUE = new Codec<>() {
        @Override
        public void encode(TunnelNode value, Struct into) {
            into.set("cidrs", value.cidrs.size());
            int element = element(into.layout());
            int base = into.layout().field("cidr").offset();
            for (int i = 0; i < value.cidrs.size(); i++) {
                Prefix p = value.cidrs.get(i);
                java.nio.ByteBuffer b = java.nio.ByteBuffer.wrap(into.bytes()).order(java.nio.ByteOrder.nativeOrder());
                // struct pb_ipcache_prefix, part of the datapath's ABI: length, then address
                b.putInt(base + i * element, p.mappedLength());
                System.arraycopy(p.address().toBytes(), 0, into.bytes(), base + i * element + 4, IpAddress.BYTES);
            }
        }

        @Override
        public TunnelNode decode(Struct from) {
            int element = element(from.layout());
            int base = from.layout().field("cidr").offset();
            java.nio.ByteBuffer b = java.nio.ByteBuffer.wrap(from.bytes()).order(java.nio.ByteOrder.nativeOrder());
            List<Prefix> cidrs = new ArrayList<>();
            for (int i = 0; i < Math.min(MAX, from.get("cidrs")); i++) {
                byte[] address = new byte[IpAddress.BYTES];
                b.get(base + i * element + 4, address);
                IpAddress a = IpAddress.ofBytes(address);
                int length = b.getInt(base + i * element);
                cidrs.add(new Prefix(a, a.isV4() ? Math.max(0, length - 96) : length));
            }
            return new TunnelNode(cidrs);
        }

        private int element(Layout layout) {
            return layout.field("cidr").size() / MAX;
        }
    };
}
