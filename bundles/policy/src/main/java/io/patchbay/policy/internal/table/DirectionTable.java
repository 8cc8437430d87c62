package io.patchbay.policy.internal.table;

import io.patchbay.api.cluster.policy.Direction;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * The entries of one direction, as the kernel's hash has them: open addressing over packed keys. A key exists once; a deny replaces an allow and
 * is never replaced by one, so the order in which rules are added doesn't matter for verdicts. Not thread-safe.
 */
public final class DirectionTable {
    /** Key: peer 32 bits, protocol 8, portBits 5, port 16. Protocol, bits and port of "everything" are 0. */
    static long key(int peer, int protocol, int portBits, int port) {
        return (peer & 0xffffffffL) << 29 | (long) protocol << 21 | (long) portBits << 16 | port;
    }

    private static final long FREE = -1;
    private static final long GONE = -2;
    private static final int DENY = 1 << 31;

    private final Direction direction;
    private boolean enforced;
    private boolean deniesLabels;
    private long[] keys = new long[16];
    private int[] values = new int[16];
    private int size;
    private int used;

    public DirectionTable(Direction direction) {
        this.direction = direction;
        Arrays.fill(keys, FREE);
    }

    /** Whether what no entry matches is denied. */
    public boolean enforced() {
        return enforced;
    }

    public void enforced(boolean on) {
        enforced = on;
    }

    /** Whether a rule denies peers by their labels, whether or not anybody has them now. */
    public boolean deniesLabels() {
        return deniesLabels;
    }

    public void denyLabels() {
        deniesLabels = true;
    }

    public Direction direction() {
        return direction;
    }

    public int size() {
        return size;
    }

    /** @return whether the table changed in a way that matters to verdicts */
    public boolean put(int peer, int protocol, int portBits, int port, boolean deny, int cookie) {
        if (used * 4 >= keys.length * 3) rehash();
        long key = key(peer, protocol, portBits, port);
        int at = slot(key);
        int gone = -1;
        while (keys[at] != FREE) {
            if (keys[at] == key) {
                if (!deny || values[at] < 0) return false;
                values[at] = cookie | DENY;
                return true;
            }
            if (keys[at] == GONE && gone < 0) gone = at;
            at = at + 1 & keys.length - 1;
        }
        if (gone >= 0) at = gone;
        else used++;
        keys[at] = key;
        values[at] = deny ? cookie | DENY : cookie;
        size++;
        return true;
    }

    /** @return whether it was there */
    public boolean remove(int peer, int protocol, int portBits, int port) {
        int at = find(key(peer, protocol, portBits, port));
        if (at < 0) return false;
        keys[at] = GONE;
        size--;
        return true;
    }

    /** The entry with exactly this key, or null. */
    public PolicyEntry get(int peer, int protocol, int portBits, int port) {
        int at = find(key(peer, protocol, portBits, port));
        return at < 0 ? null : entry(at);
    }

    private int find(long key) {
        for (int at = slot(key); keys[at] != FREE; at = at + 1 & keys.length - 1) if (keys[at] == key) return at;
        return -1;
    }

    public void forEach(Consumer<PolicyEntry> consumer) {
        for (int at = 0; at < keys.length; at++) if (keys[at] >= 0) consumer.accept(entry(at));
    }

    private PolicyEntry entry(int at) {
        long k = keys[at];
        return new PolicyEntry(direction, (int) (k >>> 29), (int) (k >>> 21 & 255), (int) (k & 0xffff), (int) (k >>> 16 & 31), values[at] < 0,
                values[at] & ~DENY);
    }

    private int slot(long key) {
        long h = key * 0x9E3779B97F4A7C15L;
        return (int) (h >>> 32 ^ h >>> 52) & keys.length - 1;
    }

    private void rehash() {
        long[] oldKeys = keys;
        int[] oldValues = values;
        int capacity = Math.max(16, Integer.highestOneBit(Math.max(1, size) * 4));
        keys = new long[capacity];
        values = new int[capacity];
        Arrays.fill(keys, FREE);
        used = size;
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldKeys[i] < 0) continue;
            int at = slot(oldKeys[i]);
            while (keys[at] != FREE) at = at + 1 & capacity - 1;
            keys[at] = oldKeys[i];
            values[at] = oldValues[i];
        }
    }

    /** Bytes on the heap, roughly. */
    public long memory() {
        return 12L * keys.length + 48;
    }

    /**
     * The shapes that occur among the entries of some kind of peer, which is what the datapath probes: bit n (0-16) = entries with a protocol
     * and n bits of port, bit 17 = entries for every protocol.
     */
    public int shapes(PeerKind kind) {
        int shapes = 0;
        for (long k : keys) {
            if (k < 0) continue;
            if (PeerKind.of((int) (k >>> 29)) != kind) continue;
            shapes |= (k >>> 21 & 255) == 0 ? 1 << 17 : 1 << (k >>> 16 & 31);
        }
        return shapes;
    }

    /** The three probes of a packet: its peer's identity, its peer's class, anyone. */
    public enum PeerKind {
        IDENTITY, CLASS, ANY;

        /** What a number in an entry is. */
        public static PeerKind of(int peer) {
            return peer == 0 ? ANY : peer >>> 24 == PeerNumbers.CLASS_SCOPE ? CLASS : IDENTITY;
        }
    }

    /**
     * What the datapath does with a packet: probes every occurring shape for the identity, the class (0 = none) and anyone; any deny decides,
     * else any allow, else the direction's default.
     *
     * @param port destination port, or the ICMP type
     */
    public Decision decide(int identity, int peerClass, int protocol, int port) {
        PolicyEntry allow = null;
        int[] peers = {identity, peerClass, 0};
        PeerKind[] kinds = PeerKind.values();
        for (int i = 0; i < 3; i++) {
            if (i < 2 && peers[i] == 0) continue;
            int shapes = shapes(kinds[i]);
            for (int bits = 16; bits >= 0; bits--) {
                if ((shapes & 1 << bits) == 0) continue;
                PolicyEntry e = get(peers[i], protocol, bits, port & ~(0xffff >>> bits) & 0xffff);
                if (e != null && e.deny()) return new Decision(false, e);
                if (allow == null) allow = e;
            }
            if ((shapes & 1 << 17) == 0) continue;
            PolicyEntry e = get(peers[i], 0, 0, 0);
            if (e != null && e.deny()) return new Decision(false, e);
            if (allow == null) allow = e;
        }
        return new Decision(allow != null || !enforced, allow);
    }

    /**
     * A verdict and the entry that gave it.
     *
     * @param entry null if the default decided
     */
    public record Decision(boolean allowed, PolicyEntry entry) {
    }
}
