package io.patchbay.netlink.internal;

import io.patchbay.api.net.IpAddress;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** The attributes of a received message, by type; the last one of a type counts, as in the kernel's own parser. */
public final class Attributes {

    private static final int TYPE_MASK = 0x3fff;

    private final Map<Integer, byte[]> values = new HashMap<>();

    /** Reads a sequence of attributes; a length that does not fit ends it. */
    public static Attributes read(byte[] data, int from, int to) {
        Attributes a = new Attributes();
        ByteBuffer b = ByteBuffer.wrap(data).order(ByteOrder.nativeOrder());
        int at = from;
        while (at + 4 <= to) {
            int length = b.getShort(at) & 0xffff;
            if (length < 4 || at + length > to) {
                break;
            }
            byte[] v = new byte[length - 4];
            System.arraycopy(data, at + 4, v, 0, v.length);
            a.values.put(b.getShort(at + 2) & TYPE_MASK, v);
            at += length + 3 & ~3;
        }
        return a;
    }

    public boolean has(int type) {
        return values.containsKey(type);
    }

    /** The value's bytes, or null. */
    public byte[] bytes(int type) {
        return values.get(type);
    }

    /** The value in host byte order, or null. */
    public ByteBuffer buffer(int type) {
        byte[] v = values.get(type);
        return v == null ? null : ByteBuffer.wrap(v).order(ByteOrder.nativeOrder());
    }

    public int u8(int type, int otherwise) {
        byte[] v = values.get(type);
        return v == null || v.length < 1 ? otherwise : v[0] & 0xff;
    }

    public int u32(int type, int otherwise) {
        ByteBuffer v = buffer(type);
        return v == null || v.remaining() < 4 ? otherwise : v.getInt(0);
    }

    public long u64(int type, long otherwise) {
        ByteBuffer v = buffer(type);
        return v == null || v.remaining() < 8 ? otherwise : v.getLong(0);
    }

    /** Text up to its NUL; null when absent. */
    public String text(int type) {
        byte[] v = values.get(type);
        if (v == null) {
            return null;
        }
        int n = 0;
        while (n < v.length && v[n] != 0) {
            n++;
        }
        return new String(v, 0, n, StandardCharsets.UTF_8);
    }

    /** An address of 4 or 16 bytes; null when absent or of another length. */
    public IpAddress ip(int type) {
        byte[] v = values.get(type);
        if (v == null) {
            return null;
        }
        if (v.length == 4) {
            return IpAddress.ofV4(ByteBuffer.wrap(v).getInt());
        }
        return v.length == IpAddress.BYTES ? IpAddress.ofBytes(v) : null;
    }

    /** The attributes within one; empty when absent. */
    public Attributes nested(int type) {
        byte[] v = values.get(type);
        return v == null ? new Attributes() : read(v, 0, v.length);
    }
}
