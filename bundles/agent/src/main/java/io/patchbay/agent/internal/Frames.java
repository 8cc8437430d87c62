package io.patchbay.agent.internal;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;

/** Frames of docs/agent-protocol.md: u32 length, u8 type, payload. Writing is thread-safe, reading is for one thread. */
final class Frames {
    static final int MAX_PAYLOAD = 1 << 20;

    private final DataInputStream in;
    private final OutputStream out;

    Frames(InputStream in, OutputStream out) {
        // a request is many small frames, and each is read in pieces
        this.in = new DataInputStream(new BufferedInputStream(in));
        this.out = out;
    }

    record Frame(char type, byte[] payload) {
    }

    /** The next frame; null when the other side has closed between frames. */
    Frame read() throws IOException {
        int first = in.read();
        if (first < 0) {
            return null;
        }
        long length = (long) first << 24 | in.readUnsignedByte() << 16 | in.readUnsignedShort();
        if (length > MAX_PAYLOAD) {
            throw new IOException("a frame of " + length + " bytes; at most " + MAX_PAYLOAD + " are allowed");
        }
        char type = (char) in.readUnsignedByte();
        byte[] payload = new byte[(int) length];
        try {
            in.readFully(payload);
        } catch (EOFException e) {
            throw new IOException("the connection ended within a frame", e);
        }
        return new Frame(type, payload);
    }

    void write(char type, byte[] payload, int offset, int length) throws IOException {
        int at = offset;
        int left = length;
        do {
            int n = Math.min(left, MAX_PAYLOAD);
            byte[] frame = ByteBuffer.allocate(5 + n).putInt(n).put((byte) type).put(payload, at, n).array();
            synchronized (out) {
                out.write(frame);
            }
            at += n;
            left -= n;
        } while (left > 0);
    }

    void write(char type, byte... payload) throws IOException {
        write(type, payload, 0, payload.length);
    }
}
