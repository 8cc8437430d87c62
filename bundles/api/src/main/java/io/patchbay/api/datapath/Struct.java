package io.patchbay.api.datapath;

import io.patchbay.api.net.IpAddress;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * The bytes of one map key or value with their {@link Layout}. Integers are in the machine's byte order, as the kernel
 * reads them; network-order members (C type {@code __be16}, {@code __be32}) take and give host values through
 * {@link #setPort} and {@link #port}. Equal when the bytes are equal. Not thread-safe while being filled.
 */
public final class Struct {
    // By hand: a map's hundred thousand entries are as many of these, and a buffer for each would be most of their room.
    private static final boolean LITTLE = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;

    private final Layout layout;
    private final byte[] bytes;

    /** All zero. */
    public Struct(Layout layout) {
        this(layout, new byte[layout.size()]);
    }

    /** Over these bytes, not copied. @throws IllegalArgumentException when their number is not the layout's */
    public Struct(Layout layout, byte[] bytes) {
        if (bytes.length != layout.size()) {
            throw new IllegalArgumentException(layout.typeName() + " has " + layout.size() + " bytes, not " + bytes.length);
        }
        this.layout = layout;
        this.bytes = bytes;
    }

    public Layout layout() {
        return layout;
    }

    /** The bytes themselves, not a copy. */
    public byte[] bytes() {
        return bytes;
    }

    /** Sets an integer member of 1, 2, 4 or 8 bytes. */
    public Struct set(String field, long value) {
        Layout.Field f = layout.field(field);
        switch (f.size()) {
            case 1, 2, 4, 8 -> {
                for (int i = 0; i < f.size(); i++) bytes[f.offset() + i] = (byte) (value >>> 8 * (LITTLE ? i : f.size() - 1 - i));
            }
            default -> throw new IllegalArgumentException(layout.typeName() + "." + field + " has " + f.size() + " bytes: no integer");
        }
        return this;
    }

    /** An integer member, zero-extended. */
    public long get(String field) {
        Layout.Field f = layout.field(field);
        return switch (f.size()) {
            case 1, 2, 4, 8 -> {
                long value = 0;
                for (int i = 0; i < f.size(); i++) value = value << 8 | bytes[f.offset() + (LITTLE ? f.size() - 1 - i : i)] & 0xff;
                yield value;
            }
            default -> throw new IllegalArgumentException(layout.typeName() + "." + field + " has " + f.size() + " bytes: no integer");
        };
    }

    /** Sets a port or other 16-bit member that is in network byte order. */
    public Struct setPort(String field, int port) {
        Layout.Field f = layout.field(field);
        bytes[f.offset()] = (byte) (port >>> 8);
        bytes[f.offset() + 1] = (byte) port;
        return this;
    }

    /** A 16-bit member that is in network byte order. */
    public int port(String field) {
        Layout.Field f = layout.field(field);
        return (bytes[f.offset()] & 0xff) << 8 | bytes[f.offset() + 1] & 0xff;
    }

    /** Sets a {@code struct pb_addr}; "" when the whole struct is one. */
    public Struct set(String field, IpAddress address) {
        return set(field, address.toBytes());
    }

    /** A {@code struct pb_addr}. */
    public IpAddress address(String field) {
        return IpAddress.ofBytes(get(field, IpAddress.BYTES));
    }

    /** Whether a {@code struct pb_addr} is all zero, which stands for "none". */
    public boolean isZero(String field) {
        Layout.Field f = layout.field(field);
        for (int i = 0; i < f.size(); i++) {
            if (bytes[f.offset() + i] != 0) {
                return false;
            }
        }
        return true;
    }

    /** Sets an array member; {@code value} may not be longer than the member. */
    public Struct set(String field, byte[] value) {
        Layout.Field f = layout.field(field);
        int room = field.isEmpty() ? layout.size() : f.size();
        if (value.length > room) {
            throw new IllegalArgumentException(layout.typeName() + "." + field + " has " + room + " bytes, not " + value.length);
        }
        System.arraycopy(value, 0, bytes, f.offset(), value.length);
        return this;
    }

    /** {@code length} bytes of a member. */
    public byte[] get(String field, int length) {
        int offset = layout.field(field).offset();
        return Arrays.copyOfRange(bytes, offset, offset + length);
    }

    /** A copy with bytes of its own. */
    public Struct copy() {
        return new Struct(layout, bytes.clone());
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof Struct s && Arrays.equals(bytes, s.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    @Override
    public String toString() {
        return layout.typeName() + ":" + HexFormat.of().formatHex(bytes);
    }
}
