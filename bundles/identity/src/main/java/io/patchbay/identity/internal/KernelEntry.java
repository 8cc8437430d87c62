package io.patchbay.identity.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.reconcile.Codec;

/**
 * A value of the ipcache as the kernel has it: struct pb_ipcache_value.
 *
 * @param tunnel null: not behind a tunnel
 */
record KernelEntry(int identity, int flags, IpAddress tunnel, int peerClass) {
    /** enum pb_ipcache_flags. */
    static final int TUNNEL = 1;
    static final int NODE = 2;
    static final int LOCAL = 4;

    static final Codec<KernelEntry> VALUE = new Codec<>() {
        @Override
        public void encode(KernelEntry e, Struct into) {
            into.set("identity", e.identity).set("flags", e.flags).set("peer_class", e.peerClass);
            if (e.tunnel != null) into.set("tunnel", e.tunnel);
        }

        @Override
        public KernelEntry decode(Struct from) {
            return new KernelEntry((int) from.get("identity"), (int) from.get("flags"), from.isZero("tunnel") ? null : from.address("tunnel"),
                    (int) from.get("peer_class"));
        }
    };

    static final Codec<IpAddress> ADDRESS = new Codec<>() {
        @Override
        public void encode(IpAddress a, Struct into) {
            into.set("", a);
        }

        @Override
        public IpAddress decode(Struct from) {
            return from.address("");
        }
    };

    /** struct pb_ipcache_prefix: the length counts in the mapped form. */
    static final Codec<Prefix> PREFIX = new Codec<>() {
        @Override
        public void encode(Prefix p, Struct into) {
            into.set("prefixlen", p.mappedLength()).set("addr", p.address());
        }

        @Override
        public Prefix decode(Struct from) {
            IpAddress address = from.address("addr");
            int length = (int) from.get("prefixlen");
            return new Prefix(address, address.isV4() ? length - 96 : length);
        }
    };
}
