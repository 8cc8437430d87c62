package io.patchbay.api.net;

/**
 * A CIDR prefix. Immutable; the address is always masked.
 *
 * @param address the first address
 * @param length  prefix length in the family's own count: 0 to 32 for IPv4, 0 to 128 for IPv6
 */
public record Prefix(IpAddress address, int length) implements Comparable<Prefix> {

    public Prefix {
        int max = address.isV4() ? 32 : 128;
        if (length < 0 || length > max) {
            throw new IllegalArgumentException("prefix length " + length + " of " + address + " is not within 0 and " + max);
        }
        address = mask(address, address.isV4() ? length + 96 : length);
    }

    /**
     * Parses {@code 10.0.0.0/24}, {@code fd00::/64}; a bare address is a prefix of full length.
     *
     * @throws IllegalArgumentException when the text is no prefix
     */
    public static Prefix parse(String text) {
        int slash = text.indexOf('/');
        if (slash < 0) {
            return of(IpAddress.parse(text));
        }
        String digits = text.substring(slash + 1);
        if (!digits.matches("\\d{1,3}")) {
            throw new IllegalArgumentException("'" + text + "' is not a prefix: what follows the slash is no number");
        }
        return new Prefix(IpAddress.parse(text.substring(0, slash)), Integer.parseInt(digits));
    }

    /** The prefix that holds this address alone. */
    public static Prefix of(IpAddress a) {
        return new Prefix(a, a.isV4() ? 32 : 128);
    }

    private static IpAddress mask(IpAddress a, int bits) {
        long high = bits >= 64 ? a.high() : bits == 0 ? 0 : a.high() & -1L << 64 - bits;
        long low = bits >= 128 ? a.low() : bits <= 64 ? 0 : a.low() & -1L << 128 - bits;
        return new IpAddress(high, low);
    }

    /** The length in the 128-bit form of {@code struct pb_addr}: an IPv4 /24 is 120. */
    public int mappedLength() {
        return address.isV4() ? length + 96 : length;
    }

    /** Whether {@code a} is of this family and within. */
    public boolean contains(IpAddress a) {
        return a.isV4() == address.isV4() && mask(a, mappedLength()).equals(address);
    }

    /** Whether every address of {@code p} is within this prefix. */
    public boolean contains(Prefix p) {
        return p.length >= length && contains(p.address);
    }

    /** Whether this prefix is a single address. */
    public boolean isSingle() {
        return mappedLength() == 128;
    }

    @Override
    public int compareTo(Prefix o) {
        int c = address.compareTo(o.address);
        return c != 0 ? c : Integer.compare(length, o.length);
    }

    @Override
    public String toString() {
        return address + "/" + length;
    }
}
