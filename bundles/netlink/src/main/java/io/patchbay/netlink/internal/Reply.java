package io.patchbay.netlink.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * One received netlink message.
 *
 * @param type     of its header
 * @param flags    of its header
 * @param sequence of its header
 * @param payload  what follows the header
 */
public record Reply(int type, int flags, int sequence, byte[] payload) {

    /** The messages of one datagram; what does not fit its own length ends the list. */
    public static List<Reply> split(byte[] datagram) {
        List<Reply> all = new ArrayList<>();
        ByteBuffer b = ByteBuffer.wrap(datagram).order(ByteOrder.nativeOrder());
        int at = 0;
        while (at + 16 <= datagram.length) {
            int length = b.getInt(at);
            if (length < 16 || at + length > datagram.length) {
                break;
            }
            byte[] payload = new byte[length - 16];
            System.arraycopy(datagram, at + 16, payload, 0, payload.length);
            all.add(new Reply(b.getShort(at + 4) & 0xffff, b.getShort(at + 6) & 0xffff, b.getInt(at + 8), payload));
            at += length + 3 & ~3;
        }
        return all;
    }

    /** The fixed part, in host byte order. */
    public ByteBuffer fixed() {
        return ByteBuffer.wrap(payload).order(ByteOrder.nativeOrder());
    }

    /** The attributes behind a fixed part of this length. */
    public Attributes attributes(int fixedLength) {
        return Attributes.read(payload, fixedLength, payload.length);
    }
}
