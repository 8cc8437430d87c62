package io.patchbay.api.net;

/**
 * An address prefix of either family.
 *
 * @param address with no bit set beyond the prefix
 * @param length  in bits of the family: 0-32 or 0-128; see {@link #length128()} for the datapath's
 */
public record IpPrefix(IpAddress address, int length) implements Comparable<IpPrefix> {
    public IpPrefix {
        if (length < 0 || length > (address.isV4() ? 32 : 128)) throw new IllegalArgumentException("prefix length " + length);
        if (!masked(address, address.isV4() ? length + 96 : length).equals(address)) {
            throw new IllegalArgumentException(address + "/" + length + " has bits set beyond the prefix");
        }
    }

    /** The prefix that an address is in. */
    public static IpPrefix of(IpAddress address, int length) {
        int max = address.isV4() ? 32 : 128;
        if (length < 0 || length > max) throw new IllegalArgumentException("prefix length " + length + " of " + address);
        return new IpPrefix(masked(address, address.isV4() ? length + 96 : length), length);
    }

    /** The address alone: /32 or /128. */
    public static IpPrefix host(IpAddress address) {
        return new IpPrefix(address, address.isV4() ? 32 : 128);
    }

    /**
     * Reads {@code address/length}; bits beyond the prefix are dropped, as Kubernetes and Cilium do.
     *
     * @throws IllegalArgumentException if it is no prefix
     */
    public static IpPrefix parse(String text) {
        int slash = text.indexOf('/');
        if (slash < 0) throw new IllegalArgumentException("\"" + text + "\" is not a prefix: no /length");
        IpAddress address = IpAddress.parse(text.substring(0, slash));
        String length = text.substring(slash + 1);
        if (!length.matches("0|[1-9][0-9]{0,2}") || Integer.parseInt(length) > (address.isV4() ? 32 : 128)) {
            throw new IllegalArgumentException("\"" + text + "\" has a prefix length out of range");
        }
        return of(address, Integer.parseInt(length));
    }

    public boolean isV4() {
        return address.isV4();
    }

    /** The length in bits of the 128-bit form: 96 more for IPv4. */
    public int length128() {
        return isV4() ? length + 96 : length;
    }

    /** Whether an address of the same family is inside; an address of the other family never is. */
    public boolean contains(IpAddress other) {
        return other.isV4() == isV4() && masked(other, length128()).equals(address);
    }

    /** Whether every address of the other prefix is inside; a prefix contains itself. */
    public boolean contains(IpPrefix other) {
        return other.length >= length && contains(other.address);
    }

    private static IpAddress masked(IpAddress address, int bits) {
        long high = bits <= 0 ? 0 : bits >= 64 ? address.high() : address.high() & -1L << 64 - bits;
        long low = bits <= 64 ? 0 : bits >= 128 ? address.low() : address.low() & -1L << 128 - bits;
        return new IpAddress(high, low);
    }

    @Override
    public int compareTo(IpPrefix o) {
        int c = address.compareTo(o.address);
        return c != 0 ? c : Integer.compare(length, o.length);
    }

    @Override
    public String toString() {
        return address + "/" + length;
    }
}
