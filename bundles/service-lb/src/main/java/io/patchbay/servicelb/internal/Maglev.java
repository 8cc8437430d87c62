package io.patchbay.servicelb.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Maglev's tables (Eisenbud et al., NSDI 2016, 3.4): each backend has a permutation of the table that follows from its name alone, and they
 * take turns to claim a place. The result depends on the names and not on the order in which a node saw them, so that all nodes agree.
 */
final class Maglev {
    private static final int[] SIZES = {251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071};
    /** Places for each backend that keep shares within a percent of each other. */
    private static final int PLACES = 100;
    /** First word of Cilium's default seed. */
    private static final int SEED = 0x24b7ef82;

    private Maglev() {
    }

    /** The smallest listed prime with 100 places for each backend; the largest for more than that. */
    static int size(int backends) {
        for (int size : SIZES) {
            if (size >= PLACES * backends) return size;
        }
        return SIZES[SIZES.length - 1];
    }

    /**
     * @param names of the backends, each once, at least one
     * @param size  a prime above their number
     * @return for each place the index of its backend in {@code names}
     */
    static int[] table(List<String> names, int size) {
        int n = names.size();
        Integer[] order = new Integer[n];
        for (int i = 0; i < n; i++) order[i] = i;
        Arrays.sort(order, Comparator.comparing(names::get));
        int[] at = new int[n];
        int[] skip = new int[n];
        for (int i = 0; i < n; i++) {
            long[] h = murmur(names.get(order[i]).getBytes(StandardCharsets.UTF_8));
            at[i] = (int) Long.remainderUnsigned(h[0], size);
            skip[i] = (int) Long.remainderUnsigned(h[1], size - 1) + 1;
        }
        int[] table = new int[size];
        Arrays.fill(table, -1);
        for (int filled = 0, i = 0; filled < size; filled++, i = i + 1 == n ? 0 : i + 1) {
            int place = at[i];
            int step = skip[i];
            while (table[place] >= 0) {
                place += step;
                if (place >= size) place -= size;
            }
            table[place] = order[i];
            at[i] = place;
        }
        return table;
    }

    /** MurmurHash3 x64 128 (Appleby, public domain). */
    static long[] murmur(byte[] data) {
        final long c1 = 0x87c37b91114253d5L;
        final long c2 = 0x4cf5ad432745937fL;
        ByteBuffer b = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        long h1 = SEED;
        long h2 = SEED;
        while (b.remaining() >= 16) {
            h1 ^= Long.rotateLeft(b.getLong() * c1, 31) * c2;
            h1 = (Long.rotateLeft(h1, 27) + h2) * 5 + 0x52dce729;
            h2 ^= Long.rotateLeft(b.getLong() * c2, 33) * c1;
            h2 = (Long.rotateLeft(h2, 31) + h1) * 5 + 0x38495ab5;
        }
        long k1 = 0;
        long k2 = 0;
        for (int i = 0; b.hasRemaining(); i++) {
            long octet = b.get() & 0xffL;
            if (i < 8) k1 |= octet << 8 * i;
            else k2 |= octet << 8 * (i - 8);
        }
        h2 ^= Long.rotateLeft(k2 * c2, 33) * c1;
        h1 ^= Long.rotateLeft(k1 * c1, 31) * c2;
        h1 ^= data.length;
        h2 ^= data.length;
        h1 += h2;
        h2 += h1;
        h1 = mix(h1);
        h2 = mix(h2);
        h1 += h2;
        h2 += h1;
        return new long[] {h1, h2};
    }

    private static long mix(long k) {
        k = (k ^ k >>> 33) * 0xff51afd7ed558ccdL;
        k = (k ^ k >>> 33) * 0xc4ceb9fe1a85ec53L;
        return k ^ k >>> 33;
    }
}
