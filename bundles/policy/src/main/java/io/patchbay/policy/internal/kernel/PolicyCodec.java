package io.patchbay.policy.internal.kernel;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.Struct;
import io.patchbay.policy.internal.kernel.KernelTables.Dir;
import io.patchbay.policy.internal.kernel.KernelTables.Side;
import io.patchbay.policy.internal.table.PolicyEntry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Entries and directory as the kernel lays them out; offsets come from the maps' types. Thread-safe. */
public final class PolicyCodec {
    /** PB_POLICY_SCTP. */
    static final int SCTP = 1;
    private static final int EGRESS = 0x80;
    private static final int BITS = 0x1f;

    private final Layout key;
    private final Layout value;
    private final Layout dir;
    private final int table;
    private final int peer;
    private final int port;
    private final int proto;
    private final int bits;
    private final int cookie;
    private final int deny;

    public PolicyCodec(Layout key, Layout value, Layout dir) {
        this.key = key;
        this.value = value;
        this.dir = dir;
        this.table = offset(key, "table_id", 4);
        this.peer = offset(key, "peer", 4);
        this.port = offset(key, "port", 2);
        this.proto = offset(key, "proto", 1);
        this.bits = offset(key, "bits", 1);
        this.cookie = offset(value, "cookie", 4);
        this.deny = offset(value, "deny", 4);
    }

    private static int offset(Layout layout, String field, int size) {
        Layout.Field f = layout.field(field);
        if (f.size() != size) throw new IllegalArgumentException(layout.typeName() + "." + field + " has " + f.size() + " bytes, not " + size);
        return f.offset();
    }

    Struct key(int tableId, PolicyEntry e) {
        byte[] b = new byte[key.size()];
        ByteBuffer.wrap(b).order(ByteOrder.nativeOrder()).putInt(table, tableId).putInt(peer, e.peer()).putShort(port, (short) e.port())
                .put(proto, (byte) e.protocol()).put(bits, (byte) (e.portBits() | (e.direction() == Direction.EGRESS ? EGRESS : 0)));
        return new Struct(key, b);
    }

    Struct value(PolicyEntry e) {
        byte[] b = new byte[value.size()];
        ByteBuffer.wrap(b).order(ByteOrder.nativeOrder()).putInt(cookie, e.cookie()).putInt(deny, e.deny() ? 1 : 0);
        return new Struct(value, b);
    }

    /** An entry as the kernel has it. */
    public PolicyEntry entry(Struct k, Struct v) {
        ByteBuffer b = ByteBuffer.wrap(k.bytes()).order(ByteOrder.nativeOrder());
        ByteBuffer w = ByteBuffer.wrap(v.bytes()).order(ByteOrder.nativeOrder());
        int shape = b.get(bits) & 0xff;
        return new PolicyEntry((shape & EGRESS) != 0 ? Direction.EGRESS : Direction.INGRESS, b.getInt(peer), b.get(proto) & 0xff,
                b.getShort(port) & 0xffff, shape & BITS, w.getInt(deny) != 0, w.getInt(cookie));
    }

    /** Table of a key. */
    public int table(Struct k) {
        return ByteBuffer.wrap(k.bytes()).order(ByteOrder.nativeOrder()).getInt(table);
    }

    int peer(Struct k) {
        return ByteBuffer.wrap(k.bytes()).order(ByteOrder.nativeOrder()).getInt(peer);
    }

    /** A key that is about another peer. */
    Struct withPeer(Struct k, int other) {
        byte[] b = k.bytes().clone();
        ByteBuffer.wrap(b).order(ByteOrder.nativeOrder()).putInt(peer, other);
        return new Struct(key, b);
    }

    int cookie(Struct v) {
        return ByteBuffer.wrap(v.bytes()).order(ByteOrder.nativeOrder()).getInt(cookie);
    }

    Struct dir(Dir d) {
        Struct s = new Struct(dir).set("table_id", d.table()).set("flags", d.flags());
        put(s, "ingress.", d.ingress());
        put(s, "egress.", d.egress());
        return s;
    }

    private static void put(Struct s, String at, Side side) {
        s.set(at + "closed", side.closed() ? 1 : 0).set(at + "identity_shapes", side.identityShapes()).set(at + "class_shapes", side.classShapes())
                .set(at + "any_shapes", side.anyShapes());
    }

    /** A directory entry as the kernel has it. */
    public Dir dir(Struct s) {
        return new Dir((int) s.get("table_id"), (int) s.get("flags"), side(s, "ingress."), side(s, "egress."));
    }

    private static Side side(Struct s, String at) {
        return new Side(s.get(at + "closed") != 0, (int) s.get(at + "identity_shapes"), (int) s.get(at + "class_shapes"), (int) s.get(at + "any_shapes"));
    }
}
