package io.patchbay.policy.internal.kernel;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.Struct;
import io.patchbay.policy.internal.kernel.KernelTables.Dir;
import io.patchbay.policy.internal.kernel.KernelTables.Side;
import io.patchbay.policy.internal.kernel.PeerSets.Column;
import io.patchbay.policy.internal.kernel.PeerSets.PeerSet;
import io.patchbay.policy.internal.table.PolicyEntry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Entries and directory as the kernel lays them out; offsets come from the maps' types. Thread-safe. */
final class PolicyCodec {
    /** PB_POLICY_SCTP. */
    static final int SCTP = 1;
    /** PB_POLICY_SET. */
    private static final int SET = -1;
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
    private final int alone;
    private final int set;

    PolicyCodec(Layout key, Layout value, Layout dir) {
        this.key = key;
        this.value = value;
        this.dir = dir;
        this.table = offset(key, "table_id", 4);
        this.peer = offset(key, "peer", 4);
        this.port = offset(key, "port", 2);
        this.proto = offset(key, "proto", 1);
        this.bits = offset(key, "bits", 1);
        this.cookie = offset(value, "cookie", 4);
        this.deny = offset(value, "deny", 1);
        this.alone = offset(value, "alone", 1);
        this.set = offset(value, "set", 2);
    }

    private static int offset(Layout layout, String field, int size) {
        Layout.Field f = layout.field(field);
        if (f.size() != size) throw new IllegalArgumentException(layout.typeName() + "." + field + " has " + f.size() + " bytes, not " + size);
        return f.offset();
    }

    private static ByteBuffer view(Struct s) {
        return ByteBuffer.wrap(s.bytes()).order(ByteOrder.nativeOrder());
    }

    Struct key(int tableId, PolicyEntry e) {
        return key(tableId, e.peer(), Column.of(e));
    }

    /** Of the set of a column. */
    Struct key(int tableId, Column c) {
        return key(tableId, SET, c);
    }

    private Struct key(int tableId, int number, Column c) {
        Struct s = new Struct(key);
        view(s).putInt(table, tableId).putInt(peer, number).putShort(port, (short) c.port()).put(proto, (byte) c.protocol())
                .put(bits, (byte) (c.portBits() | (c.direction() == Direction.EGRESS ? EGRESS : 0)));
        return s;
    }

    Struct value(PolicyEntry e) {
        Struct s = new Struct(value);
        view(s).putInt(cookie, e.cookie()).put(deny, (byte) (e.deny() ? 1 : 0));
        return s;
    }

    Struct value(PeerSet p) {
        Struct s = new Struct(value);
        view(s).putInt(cookie, p.cookie()).put(deny, (byte) (p.deny() ? 1 : 0)).put(alone, (byte) (p.alone() ? 1 : 0)).putShort(set, (short) p.index());
        return s;
    }

    boolean isSet(Struct k) {
        return peer(k) == SET;
    }

    Column column(Struct k) {
        ByteBuffer b = view(k);
        int shape = b.get(bits) & 0xff;
        return new Column((shape & EGRESS) != 0 ? Direction.EGRESS : Direction.INGRESS, b.get(proto) & 0xff, b.getShort(port) & 0xffff, shape & BITS);
    }

    /** The set of a set's entry, with what it holds in the kernel. */
    PeerSet set(Struct v, PeerSets sets) {
        ByteBuffer b = view(v);
        return sets.adopt(b.getShort(set) & 0xffff, b.get(deny) != 0, b.getInt(cookie), b.get(alone) != 0);
    }

    /** An entry as the kernel has it; not a set's. */
    PolicyEntry entry(Struct k, Struct v) {
        Column c = column(k);
        return new PolicyEntry(c.direction(), peer(k), c.protocol(), c.port(), c.portBits(), view(v).get(deny) != 0, cookie(v));
    }

    int table(Struct k) {
        return view(k).getInt(table);
    }

    int peer(Struct k) {
        return view(k).getInt(peer);
    }

    /** A key that is about another peer. */
    Struct withPeer(Struct k, int other) {
        return key(table(k), other, column(k));
    }

    int cookie(Struct v) {
        return view(v).getInt(cookie);
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
    Dir dir(Struct s) {
        return new Dir((int) s.get("table_id"), (int) s.get("flags"), side(s, "ingress."), side(s, "egress."));
    }

    private static Side side(Struct s, String at) {
        return new Side(s.get(at + "closed") != 0, (int) s.get(at + "identity_shapes"), (int) s.get(at + "class_shapes"), (int) s.get(at + "any_shapes"));
    }
}
