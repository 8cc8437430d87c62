package io.patchbay.api.net;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;

/**
 * An IPv4 or IPv6 address as 128 bits in network byte order; IPv4 is mapped (RFC 4291 section 2.5.5.2), which is also
 * how every map of the datapath holds it ({@code struct pb_addr}). Immutable.
 *
 * @param high bits 127 to 64
 * @param low  bits 63 to 0; for IPv4 {@code 0x0000ffff} followed by the address
 */
public record IpAddress(long high, long low) implements Comparable<IpAddress> {

    /** Number of bytes of {@link #toBytes()}. */
    public static final int BYTES = 16;

    /** The 16 bytes of {@code struct pb_addr}. */
    public static IpAddress ofBytes(byte[] b) {
        if (b.length != BYTES) {
            throw new IllegalArgumentException("an address has 16 bytes, not " + b.length);
        }
        return new IpAddress(longAt(b, 0), longAt(b, 8));
    }

    /** An IPv4 address from its 32 bits, most significant first: 10.0.0.1 is {@code 0x0a000001}. */
    public static IpAddress ofV4(int bits) {
        return new IpAddress(0, 0x0000ffff00000000L | (bits & 0xffffffffL));
    }

    /**
     * Parses dotted-decimal IPv4 or RFC 4291 text; never resolves names.
     *
     * @throws IllegalArgumentException when the text is no address
     */
    public static IpAddress parse(String text) {
        int v4 = parseV4(text);
        if (v4 != 0 || "0.0.0.0".equals(text)) {
            return ofV4(v4);
        }
        if (text.indexOf(':') < 0 || !text.matches("[0-9a-fA-F:.]+")) {
            throw new IllegalArgumentException("'" + text + "' is not an IP address");
        }
        try {
            byte[] b = InetAddress.getByName(text).getAddress();
            if (b.length == 4) {
                return ofV4((b[0] & 0xff) << 24 | (b[1] & 0xff) << 16 | (b[2] & 0xff) << 8 | b[3] & 0xff);
            }
            return ofBytes(b);
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException("'" + text + "' is not an IP address", e);
        }
    }

    private static int parseV4(String text) {
        String[] parts = text.split("\\.", -1);
        if (parts.length != 4) {
            return 0;
        }
        int bits = 0;
        for (String p : parts) {
            if (p.isEmpty() || p.length() > 3 || !p.chars().allMatch(c -> c >= '0' && c <= '9')
                    || p.length() > 1 && p.charAt(0) == '0') {
                return 0;
            }
            int n = Integer.parseInt(p);
            if (n > 255) {
                return 0;
            }
            bits = bits << 8 | n;
        }
        return bits;
    }

    private static long longAt(byte[] b, int at) {
        long v = 0;
        for (int i = 0; i < 8; i++) {
            v = v << 8 | b[at + i] & 0xff;
        }
        return v;
    }

    /** Whether this is an IPv4 address. */
    public boolean isV4() {
        return high == 0 && low >>> 32 == 0xffffL;
    }

    /** The 32 bits of an IPv4 address. */
    public int v4Bits() {
        if (!isV4()) {
            throw new IllegalStateException(this + " is not an IPv4 address");
        }
        return (int) low;
    }

    /** 16 bytes in network order, as in {@code struct pb_addr}. */
    public byte[] toBytes() {
        byte[] b = new byte[BYTES];
        for (int i = 0; i < 8; i++) {
            b[i] = (byte) (high >>> 56 - 8 * i);
            b[8 + i] = (byte) (low >>> 56 - 8 * i);
        }
        return b;
    }

    /** The address {@code n} further on; wraps within 64 bits. */
    public IpAddress plus(long n) {
        return new IpAddress(high, low + n);
    }

    /** For java.net. */
    public InetAddress toInetAddress() {
        byte[] b = toBytes();
        try {
            return InetAddress.getByAddress(isV4() ? Arrays.copyOfRange(b, 12, 16) : b);
        } catch (UnknownHostException e) {
            throw new IllegalStateException(e);
        }
    }

    // By hand: addresses are hashed and compared by the hundred thousand before a record's own methods are compiled.
    @Override
    public final int hashCode() {
        return Long.hashCode(high) * 31 + Long.hashCode(low);
    }

    @Override
    public final boolean equals(Object o) {
        return this == o || o instanceof IpAddress a && low == a.low && high == a.high;
    }

    @Override
    public int compareTo(IpAddress o) {
        int c = Long.compareUnsigned(high, o.high);
        return c != 0 ? c : Long.compareUnsigned(low, o.low);
    }

    /** Dotted decimal, or RFC 5952 text. */
    @Override
    public String toString() {
        if (isV4()) {
            int b = (int) low;
            return (b >>> 24) + "." + (b >>> 16 & 0xff) + "." + (b >>> 8 & 0xff) + "." + (b & 0xff);
        }
        int[] g = new int[8];
        for (int i = 0; i < 4; i++) {
            g[i] = (int) (high >>> 48 - 16 * i) & 0xffff;
            g[4 + i] = (int) (low >>> 48 - 16 * i) & 0xffff;
        }
        int best = -1;
        int length = 1;
        for (int i = 0; i < 8; i++) {
            int j = i;
            while (j < 8 && g[j] == 0) {
                j++;
            }
            if (j - i > length) {
                best = i;
                length = j - i;
            }
        }
        StringBuilder s = new StringBuilder();
        for (int i = 0; i < 8; i++) {
            if (i == best) {
                s.append("::");
                i += length - 1;
                continue;
            }
            if (s.length() > 0 && s.charAt(s.length() - 1) != ':') {
                s.append(':');
            }
            s.append(Integer.toHexString(g[i]));
        }
        return s.toString();
    }
}
