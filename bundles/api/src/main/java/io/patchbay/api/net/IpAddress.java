package io.patchbay.api.net;

/**
 * An IP address of either family as 128 bits; IPv4 is mapped (::ffff:a.b.c.d), as in the datapath's keys. A mapped address read as text is the
 * IPv4 address. Never touches DNS.
 *
 * @param high the first 64 bits
 * @param low  the last 64 bits
 */
public record IpAddress(long high, long low) implements Comparable<IpAddress> {
    private static final long MAPPED = 0xffffL << 32;

    public static IpAddress ofV4(int address) {
        return new IpAddress(0, MAPPED | (address & 0xffffffffL));
    }

    /** @throws IllegalArgumentException unless it has 4 or 16 bytes */
    public static IpAddress ofBytes(byte[] bytes) {
        if (bytes.length == 4) return new IpAddress(0, MAPPED | word(bytes, 0, 4));
        if (bytes.length == 16) return new IpAddress(word(bytes, 0, 8), word(bytes, 8, 8));
        throw new IllegalArgumentException("an address of " + bytes.length + " bytes");
    }

    private static long word(byte[] bytes, int from, int count) {
        long word = 0;
        for (int i = from; i < from + count; i++) word = word << 8 | bytes[i] & 0xff;
        return word;
    }

    /** @throws IllegalArgumentException if it is no address: dotted decimal without leading zeros, or RFC 4291 text without a zone */
    public static IpAddress parse(String text) {
        if (text.indexOf(':') < 0) {
            return ofV4((int) v4(text, text));
        }
        int[] groups = new int[8];
        int count = 0;
        int gap = -1;
        int at = 0;
        if (text.startsWith("::")) {
            gap = 0;
            at = 2;
        } else if (text.startsWith(":")) {
            throw bad(text);
        }
        while (at < text.length()) {
            int colon = text.indexOf(':', at);
            String part = colon < 0 ? text.substring(at) : text.substring(at, colon);
            if (part.indexOf('.') >= 0) {
                if (colon >= 0 || count > 6) throw bad(text);
                long v4 = v4(part, text);
                groups[count++] = (int) (v4 >>> 16);
                groups[count++] = (int) (v4 & 0xffff);
                at = text.length();
                break;
            }
            if (part.isEmpty() || part.length() > 4 || count == 8) throw bad(text);
            int group = 0;
            for (int i = 0; i < part.length(); i++) {
                char c = part.charAt(i);
                int digit = c < 128 ? Character.digit(c, 16) : -1;
                if (digit < 0) throw bad(text);
                group = group << 4 | digit;
            }
            groups[count++] = group;
            if (colon < 0) break;
            at = colon + 1;
            if (at < text.length() && text.charAt(at) == ':') {
                if (gap >= 0) throw bad(text);
                gap = count;
                at++;
            } else if (at == text.length()) {
                throw bad(text);
            }
        }
        if (gap < 0 ? count != 8 : count > 7) throw bad(text);
        int[] all = new int[8];
        int head = gap < 0 ? 8 : gap;
        System.arraycopy(groups, 0, all, 0, head);
        if (gap >= 0) System.arraycopy(groups, gap, all, 8 - (count - gap), count - gap);
        long high = 0;
        long low = 0;
        for (int i = 0; i < 4; i++) high = high << 16 | all[i];
        for (int i = 4; i < 8; i++) low = low << 16 | all[i];
        return new IpAddress(high, low);
    }

    private static long v4(String part, String whole) {
        long address = 0;
        int at = 0;
        for (int i = 0; i < 4; i++) {
            int end = i == 3 ? part.length() : part.indexOf('.', at);
            if (end < 0 || end == at || end - at > 3 || end - at > 1 && part.charAt(at) == '0') throw bad(whole);
            int octet = 0;
            for (int k = at; k < end; k++) {
                char c = part.charAt(k);
                if (c < '0' || c > '9') throw bad(whole);
                octet = octet * 10 + c - '0';
            }
            if (octet > 255) throw bad(whole);
            address = address << 8 | octet;
            at = end + 1;
        }
        return address;
    }

    private static IllegalArgumentException bad(String text) {
        return new IllegalArgumentException("\"" + text + "\" is not an IP address");
    }

    public boolean isV4() {
        return high == 0 && low >>> 32 == 0xffff;
    }

    /** 4 bytes for IPv4, 16 for IPv6, in network order. */
    public byte[] bytes() {
        byte[] all = bytes128();
        return isV4() ? java.util.Arrays.copyOfRange(all, 12, 16) : all;
    }

    /** Always 16 bytes, IPv4 mapped: the datapath's form. */
    public byte[] bytes128() {
        byte[] all = new byte[16];
        for (int i = 0; i < 8; i++) {
            all[i] = (byte) (high >>> 56 - 8 * i);
            all[8 + i] = (byte) (low >>> 56 - 8 * i);
        }
        return all;
    }

    @Override
    public int compareTo(IpAddress o) {
        int c = Long.compareUnsigned(high, o.high);
        return c != 0 ? c : Long.compareUnsigned(low, o.low);
    }

    /** Dotted decimal, or RFC 5952's canonical form. */
    @Override
    public String toString() {
        if (isV4()) return (low >> 24 & 255) + "." + (low >> 16 & 255) + "." + (low >> 8 & 255) + "." + (low & 255);
        int[] groups = new int[8];
        for (int i = 0; i < 4; i++) {
            groups[i] = (int) (high >>> 48 - 16 * i) & 0xffff;
            groups[4 + i] = (int) (low >>> 48 - 16 * i) & 0xffff;
        }
        int gap = -1;
        int gapLength = 1;
        for (int i = 0; i < 8; i++) {
            int n = 0;
            while (i + n < 8 && groups[i + n] == 0) n++;
            if (n > gapLength) {
                gap = i;
                gapLength = n;
            }
        }
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 8; i++) {
            if (i == gap) {
                text.append("::");
                i += gapLength - 1;
                continue;
            }
            if (text.length() > 0 && text.charAt(text.length() - 1) != ':') text.append(':');
            text.append(Integer.toHexString(groups[i]));
        }
        return text.toString();
    }
}
