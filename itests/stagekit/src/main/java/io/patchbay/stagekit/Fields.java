package io.patchbay.stagekit;

import io.patchbay.bpf.btf.StructLayout;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;

/** The bytes of a C struct with its members by name. */
public record Fields(StructLayout layout, ByteBuffer bytes) {
    public Fields set(String field, long value) {
        StructLayout.Field f = layout.field(field);
        switch (f.size()) {
            case 1 -> bytes.put(f.offset(), (byte) value);
            case 2 -> bytes.putShort(f.offset(), (short) value);
            case 4 -> bytes.putInt(f.offset(), (int) value);
            case 8 -> bytes.putLong(f.offset(), value);
            default -> throw new IllegalArgumentException(field + " is no number");
        }
        return this;
    }

    public long get(String field) {
        StructLayout.Field f = layout.field(field);
        return switch (f.size()) {
            case 1 -> bytes.get(f.offset()) & 0xffL;
            case 2 -> bytes.getShort(f.offset()) & 0xffffL;
            case 4 -> bytes.getInt(f.offset()) & 0xffffffffL;
            case 8 -> bytes.getLong(f.offset());
            default -> throw new IllegalArgumentException(field + " is no number");
        };
    }

    public Fields set(String field, byte[] value) {
        bytes.put(layout.field(field).offset(), value);
        return this;
    }

    /** The member's bytes as they are. */
    public byte[] of(String field) {
        StructLayout.Field f = layout.field(field);
        byte[] value = new byte[f.size()];
        bytes.get(f.offset(), value);
        return value;
    }

    /** A port in network order. */
    public Fields port(String field, int port) {
        return set(field, new byte[] {(byte) (port >> 8), (byte) port});
    }

    public int port(String field) {
        int o = layout.field(field).offset();
        return (bytes.get(o) & 0xff) << 8 | bytes.get(o + 1) & 0xff;
    }

    /** An address: 4 bytes, or 16 in which IPv4 is mapped, as the member is wide. "" for a struct that is an address. */
    public Fields address(String field, String text) {
        int offset = field.isEmpty() ? 0 : layout.field(field).offset();
        int size = field.isEmpty() ? layout.size() : layout.field(field).size();
        byte[] a = parse(text);
        if (size == 16) a = mapped(a);
        bytes.put(offset, a);
        return this;
    }

    public String address(String field) {
        int offset = field.isEmpty() ? 0 : layout.field(field).offset();
        byte[] a = new byte[field.isEmpty() ? layout.size() : layout.field(field).size()];
        bytes.get(offset, a);
        try {
            return InetAddress.getByAddress(a).getHostAddress();
        } catch (UnknownHostException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The 4 or 16 bytes of an address. */
    public static byte[] parse(String text) {
        try {
            return InetAddress.getByName(text).getAddress();
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException(text, e);
        }
    }

    /** 16 bytes. */
    public static byte[] mapped(byte[] a) {
        if (a.length == 16) return a;
        byte[] m = new byte[16];
        m[10] = (byte) 0xff;
        m[11] = (byte) 0xff;
        System.arraycopy(a, 0, m, 12, 4);
        return m;
    }
}
