package io.patchbay.ipam.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.math.BigInteger;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * The addresses of one pod CIDR that pods may have: without the first (network), the second (router) and the last (IPv4: broadcast), in
 * both families. Of a prefix shorter than /66 the first 2^62 addresses are used.
 *
 * @param first offset from the prefix' address
 * @param size  how many
 */
record PodRange(Prefix prefix, long first, long size) {
    /** Sums of a few sizes stay within a long. */
    private static final int MOST_BITS = 62;

    static PodRange of(Prefix prefix) {
        int hostBits = 128 - prefix.mappedLength();
        return new PodRange(prefix, 2, Math.max(0, (1L << Math.min(hostBits, MOST_BITS)) - 3));
    }

    /** With the router: what "allocated from" counts. Of a large prefix, all its addresses but the first and the last. */
    BigInteger usableWithRouter() {
        return BigInteger.ONE.shiftLeft(128 - prefix.mappedLength()).subtract(BigInteger.TWO).max(BigInteger.ONE);
    }

    IpAddress router() {
        return prefix.isSingle() ? prefix.address() : prefix.address().plus(1);
    }

    boolean contains(IpAddress a) {
        long offset = a.low() - prefix.address().low();
        return a.high() == prefix.address().high() && prefix.contains(a) && offset >= first && offset < first + size;
    }

    /** The first free one after {@code last}, going round; {@code last} may be null. Looks at one more than there are taken ones, at most. */
    Optional<IpAddress> next(IpAddress last, Predicate<IpAddress> taken) {
        long start = last != null && contains(last) ? last.low() - prefix.address().low() - first + 1 : 0;
        for (long i = 0; i < size; i++) {
            IpAddress a = prefix.address().plus(first + (start + i) % size);
            if (!taken.test(a)) return Optional.of(a);
        }
        return Optional.empty();
    }
}
