package io.patchbay.netlink.internal;

import io.patchbay.api.net.IpAddress;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** One netlink message being built: header, fixed part, attributes. Host byte order unless a name says otherwise. */
public final class Request {

    private ByteBuffer b = ByteBuffer.allocate(256).order(ByteOrder.nativeOrder());
    private final int type;
    private final int flags;

    public Request(int type, int flags) {
        this.type = type;
        this.flags = flags | Rt.NLM_F_REQUEST;
        b.position(16);
    }

    /** struct ifinfomsg. */
    public Request link(int family, int index, int ifFlags, int change) {
        room(16);
        b.put((byte) family).put((byte) 0).putShort((short) 0).putInt(index).putInt(ifFlags).putInt(change);
        return this;
    }

    /** struct ifaddrmsg. */
    public Request address(int family, int length, int scope, int index) {
        room(8);
        b.put((byte) family).put((byte) length).put((byte) 0).put((byte) scope).putInt(index);
        return this;
    }

    /** struct rtmsg; the table goes into an attribute. */
    public Request route(int family, int length, int protocol, int scope, int kind, int routeFlags) {
        room(12);
        b.put((byte) family).put((byte) length).put((byte) 0).put((byte) 0).put((byte) 0).put((byte) protocol)
                .put((byte) scope).put((byte) kind).putInt(routeFlags);
        return this;
    }

    /** struct ndmsg. */
    public Request neighbour(int family, int index, int state) {
        room(12);
        b.put((byte) family).put((byte) 0).putShort((short) 0).putInt(index).putShort((short) state).put((byte) 0).put((byte) 0);
        return this;
    }

    /** struct tcmsg. */
    public Request traffic(int index, int handle, int parent) {
        room(20);
        b.put((byte) 0).put((byte) 0).putShort((short) 0).putInt(index).putInt(handle).putInt(parent).putInt(0);
        return this;
    }

    /** struct inet_diag_req_v2. @param id struct inet_diag_sockid, 48 bytes */
    public Request sockets(int family, int protocol, int states, byte[] id) {
        room(8 + id.length);
        b.put((byte) family).put((byte) protocol).put((byte) 0).put((byte) 0).putInt(states).put(id);
        return this;
    }

    public Request bytes(int attribute, byte... value) {
        room(4 + value.length + 3);
        b.putShort((short) (4 + value.length)).putShort((short) attribute).put(value);
        align();
        return this;
    }

    public Request u8(int attribute, int value) {
        return bytes(attribute, (byte) value);
    }

    public Request u16be(int attribute, int value) {
        return bytes(attribute, (byte) (value >> 8), (byte) value);
    }

    public Request u32(int attribute, int value) {
        room(8);
        b.putShort((short) 8).putShort((short) attribute).putInt(value);
        return this;
    }

    public Request u64(int attribute, long value) {
        room(12);
        b.putShort((short) 12).putShort((short) attribute).putLong(value);
        return this;
    }

    public Request text(int attribute, String value) {
        byte[] s = value.getBytes(StandardCharsets.UTF_8);
        return bytes(attribute, Arrays.copyOf(s, s.length + 1));
    }

    /** 4 or 16 bytes, by the address's family. */
    public Request ip(int attribute, IpAddress a) {
        byte[] all = a.toBytes();
        return bytes(attribute, a.isV4() ? Arrays.copyOfRange(all, 12, 16) : all);
    }

    /** Opens a nested attribute; the result is for {@link #end}. */
    public int begin(int attribute) {
        room(4);
        int at = b.position();
        b.putShort((short) 0).putShort((short) attribute);
        return at;
    }

    public Request end(int begun) {
        b.putShort(begun, (short) (b.position() - begun));
        return this;
    }

    byte[] finish(int sequence, int moreFlags) {
        int length = b.position();
        b.putInt(0, length).putShort(4, (short) type).putShort(6, (short) (flags | moreFlags)).putInt(8, sequence).putInt(12, 0);
        return Arrays.copyOf(b.array(), length);
    }

    private void align() {
        while ((b.position() & 3) != 0) {
            b.put((byte) 0);
        }
    }

    private void room(int n) {
        if (b.remaining() < n) {
            ByteBuffer larger = ByteBuffer.allocate((b.capacity() + n) * 2).order(ByteOrder.nativeOrder());
            b.flip();
            larger.put(b);
            b = larger;
        }
    }
}
