package io.patchbay.endpoint.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.reconcile.Codec;
import java.util.HexFormat;

/** A value of the map endpoints: struct pb_endpoint. MACs in hexadecimal, so that records compare by value. */
record MapEntry(int ifindex, int id, String mac, String hostMac, int identity, int policyId, int flags) {
    /** enum pb_ep_flags. */
    static final int HOST = 1;
    static final int NOT_READY = 16;
    private static final String NO_MAC = "000000000000";

    static MapEntry of(Endpoint e) {
        return new MapEntry(e.ifindex(), e.id(), HexFormat.of().formatHex(e.mac()), HexFormat.of().formatHex(e.hostMac()), e.identity(),
                e.policyId(), e.flags());
    }

    /** An address of the node itself. */
    static MapEntry host(Endpoint node) {
        return new MapEntry(node.ifindex(), node.id(), NO_MAC, NO_MAC, node.identity(), node.policyId(), node.flags() | HOST);
    }

    boolean isHost() {
        return (flags & HOST) != 0;
    }

    static final Codec<IpAddress> KEY = new Codec<>() {
        @Override
        public void encode(IpAddress a, Struct into) {
            into.set("", a);
        }

        @Override
        public IpAddress decode(Struct from) {
            return from.address("");
        }
    };

    static final Codec<MapEntry> VALUE = new Codec<>() {
        @Override
        public void encode(MapEntry e, Struct into) {
            into.set("ifindex", e.ifindex).set("id", e.id).set("mac", HexFormat.of().parseHex(e.mac)).set("host_mac", HexFormat.of().parseHex(e.hostMac))
                    .set("identity", e.identity).set("policy_id", e.policyId).set("flags", e.flags);
        }

        @Override
        public MapEntry decode(Struct from) {
            return new MapEntry((int) from.get("ifindex"), (int) from.get("id"), HexFormat.of().formatHex(from.get("mac", 6)),
                    HexFormat.of().formatHex(from.get("host_mac", 6)), (int) from.get("identity"), (int) from.get("policy_id"),
                    (int) from.get("flags"));
        }
    };
}
