package io.patchbay.bpf;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * The part of a packet's struct __sk_buff that a test run takes and gives back.
 *
 * @param cb the five words of scratch space
 * @param ifindex 0 for the loopback
 * @param tstampNs delivery time
 */
public record SkbContext(int mark, int priority, int ingressIfindex, int ifindex, List<Integer> cb, long tstampNs, int wireLength, int gsoSegments,
                         int gsoSize) {
    /** Nothing set. */
    public static final SkbContext EMPTY = new SkbContext(0, 0, 0, 0, List.of(0, 0, 0, 0, 0), 0, 0, 0, 0);

    /** Size of struct __sk_buff, and offsets in it (linux/bpf.h; part of the kernel's ABI). */
    static final int SIZE = 192;
    private static final int MARK = 8;
    private static final int PRIORITY = 32;
    private static final int INGRESS_IFINDEX = 36;
    private static final int IFINDEX = 40;
    private static final int CB = 48;
    private static final int TSTAMP = 152;
    private static final int WIRE_LENGTH = 160;
    private static final int GSO_SEGMENTS = 164;
    private static final int GSO_SIZE = 176;

    public SkbContext {
        cb = List.copyOf(cb);
        if (cb.size() != 5) {
            throw new IllegalArgumentException("cb has 5 words, not " + cb.size());
        }
    }

    public SkbContext withMark(int newMark) {
        return new SkbContext(newMark, priority, ingressIfindex, ifindex, cb, tstampNs, wireLength, gsoSegments, gsoSize);
    }

    public SkbContext withIfindex(int newIfindex) {
        return new SkbContext(mark, priority, ingressIfindex, newIfindex, cb, tstampNs, wireLength, gsoSegments, gsoSize);
    }

    /** The device that the packet came in by. */
    public SkbContext withIngressIfindex(int newIfindex) {
        return new SkbContext(mark, priority, newIfindex, ifindex, cb, tstampNs, wireLength, gsoSegments, gsoSize);
    }

    public SkbContext withCb(List<Integer> newCb) {
        return new SkbContext(mark, priority, ingressIfindex, ifindex, newCb, tstampNs, wireLength, gsoSegments, gsoSize);
    }

    public SkbContext withGso(int segments, int size) {
        return new SkbContext(mark, priority, ingressIfindex, ifindex, cb, tstampNs, wireLength, segments, size);
    }

    void write(ByteBuffer to) {
        to.putInt(MARK, mark).putInt(PRIORITY, priority).putInt(INGRESS_IFINDEX, ingressIfindex).putInt(IFINDEX, ifindex);
        for (int i = 0; i < 5; i++) {
            to.putInt(CB + 4 * i, cb.get(i));
        }
        to.putLong(TSTAMP, tstampNs).putInt(WIRE_LENGTH, wireLength).putInt(GSO_SEGMENTS, gsoSegments).putInt(GSO_SIZE, gsoSize);
    }

    static SkbContext read(ByteBuffer from) {
        return new SkbContext(from.getInt(MARK), from.getInt(PRIORITY), from.getInt(INGRESS_IFINDEX), from.getInt(IFINDEX),
                List.of(from.getInt(CB), from.getInt(CB + 4), from.getInt(CB + 8), from.getInt(CB + 12), from.getInt(CB + 16)), from.getLong(TSTAMP),
                from.getInt(WIRE_LENGTH), from.getInt(GSO_SEGMENTS), from.getInt(GSO_SIZE));
    }
}
