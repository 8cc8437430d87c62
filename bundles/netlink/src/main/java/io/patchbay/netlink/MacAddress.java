package io.patchbay.netlink;

import java.util.HexFormat;

/**
 * An Ethernet address. Immutable.
 *
 * @param bits the 48 bits, first byte on the wire most significant
 */
public record MacAddress(long bits) {

    public MacAddress {
        if (bits >>> 48 != 0) {
            throw new IllegalArgumentException("an Ethernet address has 48 bits");
        }
    }

    /** Six bytes as on the wire. */
    public static MacAddress ofBytes(byte[] b) {
        if (b.length != 6) {
            throw new IllegalArgumentException("an Ethernet address has 6 bytes, not " + b.length);
        }
        long v = 0;
        for (byte x : b) {
            v = v << 8 | x & 0xff;
        }
        return new MacAddress(v);
    }

    /** Parses {@code 02:00:0a:00:00:01}. */
    public static MacAddress parse(String text) {
        if (!text.matches("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")) {
            throw new IllegalArgumentException("'" + text + "' is not an Ethernet address");
        }
        return ofBytes(HexFormat.ofDelimiter(":").parseHex(text));
    }

    /** Six bytes as on the wire. */
    public byte[] toBytes() {
        byte[] b = new byte[6];
        for (int i = 0; i < 6; i++) {
            b[i] = (byte) (bits >>> 40 - 8 * i);
        }
        return b;
    }

    @Override
    public String toString() {
        return HexFormat.ofDelimiter(":").formatHex(toBytes());
    }
}
