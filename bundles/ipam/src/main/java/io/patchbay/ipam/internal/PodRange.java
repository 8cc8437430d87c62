package io.patchbay.ipam.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * The addresses of one pod CIDR that pods may have: without network, router (the first usable one) and, for IPv4, broadcast. IPv6
 * prefixes count for at most 65536 addresses.
 *
 * @param first offset from the prefix' address
 * @param size  how many
 */
record PodRange(Prefix prefix, long first, int size) {
    private static final int MOST = 1 << 16;

    static PodRange of(Prefix prefix) {
        int hostBits = 128 - prefix.mappedLength();
        long all = hostBits >= 17 ? 1L << Math.min(hostBits, 32) : 1L << hostBits;
        long usable = prefix.address().isV4() ? all - 3 : Math.min(all - 2, MOST);
        return new PodRange(prefix, 2, (int) Math.max(0, Math.min(usable, Integer.MAX_VALUE)));
    }

    /** With the router: what "allocated from" counts. */
    int usableWithRouter() {
        return size == 0 ? 1 : size + 1;
    }

    IpAddress router() {
        return prefix.isSingle() ? prefix.address() : prefix.address().plus(1);
    }

    boolean contains(IpAddress a) {
        return prefix.contains(a) && a.low() - prefix.address().low() >= first && a.low() - prefix.address().low() < first + size;
    }

    /** The first free one after {@code last}, going round; {@code last} may be null. */
    Optional<IpAddress> next(IpAddress last, Predicate<IpAddress> taken) {
        long start = last != null && contains(last) ? last.low() - prefix.address().low() - first + 1 : 0;
        for (int i = 0; i < size; i++) {
            IpAddress a = prefix.address().plus(first + (start + i) % size);
            if (!taken.test(a)) return Optional.of(a);
        }
        return Optional.empty();
    }
}
