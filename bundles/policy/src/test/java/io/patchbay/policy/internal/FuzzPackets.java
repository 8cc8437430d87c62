package io.patchbay.policy.internal;

import io.patchbay.api.net.IpAddress;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Frames at random: most begin as something sensible between the addresses of the test, and then something is done to them. Frames that belong together (fragments) come as one list. */
final class FuzzPackets {
    private final Random random;
    private final byte[] ethernet;
    private final List<List<IpAddress>> sources;
    private final List<List<IpAddress>> destinations;
    private int serial;

    /** @param sources addresses, IPv4 and IPv6 apart; the first of each are taken most */
    FuzzPackets(Random random, byte[] destinationMac, byte[] sourceMac, List<List<IpAddress>> sources, List<List<IpAddress>> destinations) {
        this.random = random;
        this.sources = sources;
        this.destinations = destinations;
        ethernet = Arrays.copyOf(destinationMac, 12);
        System.arraycopy(sourceMac, 0, ethernet, 6, 6);
    }

    private boolean chance(int percent) {
        return random.nextInt(100) < percent;
    }

    private int any(int... of) {
        return of[random.nextInt(of.length)];
    }

    private IpAddress address(List<IpAddress> of) {
        return of.get(chance(60) ? 0 : random.nextInt(of.size()));
    }

    private byte[] bytes(int n) {
        byte[] b = new byte[n];
        random.nextBytes(b);
        return b;
    }

    List<byte[]> next() {
        boolean v4 = chance(50);
        IpAddress from = address(sources.get(v4 ? 0 : 1));
        IpAddress to = address(destinations.get(v4 ? 0 : 1));
        int protocol = chance(5) ? random.nextInt(256) : any(6, 6, 17, 17, 132, v4 ? 1 : 58, v4 ? 58 : 1);
        byte[] transport = transport(from, to, protocol);
        List<byte[]> packets = new ArrayList<>();
        if (chance(30)) pieces(v4, from, to, protocol, transport, packets);
        else packets.add(v4 ? v4(from, to, protocol, transport, random.nextInt(65536), 0) : v6(from, to, chance(30) ? chain(protocol) : new Chain(protocol, new byte[0]), transport));
        List<byte[]> frames = new ArrayList<>();
        for (byte[] p : packets) {
            ByteArrayOutputStream frame = new ByteArrayOutputStream();
            frame.writeBytes(ethernet);
            int type = v4 ? 0x0800 : 0x86dd;
            if (chance(1)) type = any(0x0800, 0x86dd, 0x8100, 0x0806, random.nextInt(65536));
            frame.write(type >> 8);
            frame.write(type);
            frame.writeBytes(p);
            frames.add(spoil(frame.toByteArray()));
        }
        if (frames.size() > 1 && chance(20)) frames.add(frames.get(random.nextInt(frames.size())));
        if (frames.size() > 1 && chance(20)) java.util.Collections.shuffle(frames, random);
        return frames;
    }

    private byte[] transport(IpAddress from, IpAddress to, int protocol) {
        byte[] t = bytes(any(8, 20, 20, 28, 33, 64, 100, random.nextInt(120)));
        if (protocol == 6 || protocol == 17 || protocol == 132) {
            if (t.length < 8) return t;
            // few client ports, so that answers and second packets of a connection occur
            put16(t, 0, chance(80) ? 40000 + random.nextInt(40) : any(80, 53, 8080));
            put16(t, 2, chance(80) ? any(80, 53, 443, 8080, 22) : 40000 + random.nextInt(40));
            if (protocol == 17) put16(t, 4, chance(90) ? t.length : random.nextInt(65536));
            if (protocol == 6 && t.length >= 20) {
                t[12] = (byte) (chance(90) ? 0x50 : random.nextInt(256));
                t[13] = (byte) (chance(80) ? any(2, 2, 16, 18, 17, 4, 24) : random.nextInt(256));
            }
        } else if ((protocol == 1 || protocol == 58) && t.length >= 8) {
            boolean six = protocol == 58;
            t[0] = (byte) (chance(85) ? six ? any(128, 128, 129, 1, 2, 3, 4, 135, 136) : any(8, 8, 0, 3, 11, 12, 13, 5) : random.nextInt(256));
            t[1] = (byte) (chance(80) ? any(0, 1, 3, 4) : random.nextInt(256));
            put16(t, 4, random.nextInt(20));
            int type = t[0] & 0xff;
            if ((six ? type < 128 : type == 3 || type == 11 || type == 12) && chance(80)) {
                int quoted = any(6, 17, protocol);
                boolean v4 = from.isV4();
                byte[] about = transport(to, from, quoted == protocol ? 17 : quoted);
                if (chance(30)) about = Arrays.copyOf(about, Math.min(8, about.length));
                byte[] ip = v4 ? v4(to, from, quoted, about, 7, 0) : v6(to, from, new Chain(quoted, new byte[0]), about);
                if (chance(20)) ip = Arrays.copyOf(ip, random.nextInt(ip.length));
                byte[] all = Arrays.copyOf(t, 8 + ip.length);
                System.arraycopy(ip, 0, all, 8, ip.length);
                t = all;
            }
        }
        return t;
    }

    /** Fragments: whole, tiny, overlapping, with gaps, without a first. */
    private void pieces(boolean v4, IpAddress from, IpAddress to, int protocol, byte[] transport, List<byte[]> out) {
        int id = chance(80) ? 1000 + serial++ : random.nextInt(20);
        int at = chance(15) ? 8 : 0;
        while (at < transport.length && out.size() < 5) {
            int size = Math.min(transport.length - at, chance(30) ? 8 : chance(30) ? 24 : 8 * (1 + random.nextInt(6)));
            byte[] piece = Arrays.copyOfRange(transport, at, at + size);
            boolean more = chance(95) ? at + size < transport.length : chance(50);
            int where = chance(95) ? at : random.nextInt(65536) & ~7;
            // what is behind the stated end is not the packet's
            byte[] behind = chance(15) ? bytes(random.nextInt(24)) : new byte[0];
            if (v4) {
                byte[] p = v4(from, to, protocol, piece, id, where / 8 & 0x1fff | (more ? 0x2000 : 0));
                out.add(join(p, behind));
            } else {
                Chain inner = chance(15) ? chain(protocol) : new Chain(protocol, new byte[0]);
                byte[] h = {(byte) inner.first, 0, 0, 0, 0, 0, 0, 0};
                put16(h, 2, where & 0xfff8 | (more ? 1 : 0));
                put16(h, 6, id);
                Chain outer = new Chain(44, join(h, inner.headers));
                if (chance(15)) outer = in(chain(44), outer);
                out.add(join(v6(from, to, outer, piece), behind));
            }
            at += chance(90) ? size : Math.max(8, size - 8) & ~7;
        }
    }

    /** Extension headers: the number of the first, and their bytes. */
    private record Chain(int first, byte[] headers) {
    }

    private static Chain in(Chain outer, Chain inner) {
        return new Chain(outer.first, join(outer.headers, inner.headers));
    }

    /** Up to nine headers in front of a protocol, sometimes with a length that is a lie. */
    private Chain chain(int protocol) {
        int n = chance(70) ? 1 + random.nextInt(3) : random.nextInt(10);
        Chain chain = new Chain(protocol, new byte[0]);
        for (int i = 0; i < n; i++) {
            int type = chance(3) ? any(50, 59, 135, 139, 140, 253) : any(0, 43, 60, 60, 51, 44);
            int units = chance(80) ? random.nextInt(2) : random.nextInt(5);
            byte[] h = new byte[type == 44 ? 8 : type == 51 ? (units + 2) * 4 : (units + 1) * 8];
            if (chance(50)) random.nextBytes(h);
            h[0] = (byte) chain.first;
            h[1] = (byte) (type == 44 ? 0 : chance(95) ? units : random.nextInt(256));
            if (type == 44) {
                put16(h, 2, chance(70) ? any(0, 1) : random.nextInt(65536));
                put16(h, 6, random.nextInt(20));
            }
            chain = new Chain(type, join(h, chain.headers));
        }
        return chain;
    }

    private byte[] v4(IpAddress from, IpAddress to, int protocol, byte[] payload, int id, int fragment) {
        int options = chance(15) ? 4 * (1 + random.nextInt(10)) : 0;
        byte[] p = new byte[20 + options + payload.length];
        p[0] = (byte) (0x45 + options / 4);
        put16(p, 2, p.length);
        put16(p, 4, id);
        put16(p, 6, fragment);
        p[8] = 64;
        p[9] = (byte) protocol;
        System.arraycopy(four(from), 0, p, 12, 4);
        System.arraycopy(four(to), 0, p, 16, 4);
        for (int i = 0; i < options; i++) p[20 + i] = (byte) (chance(60) ? 1 : random.nextInt(256));
        System.arraycopy(payload, 0, p, 20 + options, payload.length);
        put16(p, 10, chance(95) ? sum(p, 20 + options) : random.nextInt(65536));
        return p;
    }

    private static byte[] four(IpAddress a) {
        return Arrays.copyOfRange(a.toBytes(), 12, 16);
    }

    private byte[] v6(IpAddress from, IpAddress to, Chain chain, byte[] payload) {
        byte[] p = new byte[40 + chain.headers.length + payload.length];
        p[0] = 0x60;
        put16(p, 4, p.length - 40);
        p[6] = (byte) chain.first;
        p[7] = 64;
        System.arraycopy(from.toBytes(), 0, p, 8, 16);
        System.arraycopy(to.toBytes(), 0, p, 24, 16);
        System.arraycopy(chain.headers, 0, p, 40, chain.headers.length);
        System.arraycopy(payload, 0, p, 40 + chain.headers.length, payload.length);
        return p;
    }

    /** Half stay as they are. The rest: cut, longer, lies about lengths, bits turned over. */
    private byte[] spoil(byte[] f) {
        if (chance(50)) return f;
        byte[] g = f.clone();
        switch (random.nextInt(8)) {
            case 0 -> g = Arrays.copyOf(g, 14 + random.nextInt(Math.max(1, g.length - 14)));
            case 1 -> g = join(g, bytes(1 + random.nextInt(40)));
            case 2 -> g[14] = (byte) (g[14] & 0xf0 | random.nextInt(16));
            case 3 -> put16(g, 16, chance(50) ? random.nextInt(80) : random.nextInt(65536));
            case 4 -> put16(g, 18, chance(50) ? random.nextInt(80) : random.nextInt(65536));
            case 5 -> put16(g, 20, random.nextInt(65536));
            default -> {
                for (int n = 1 + random.nextInt(4); n > 0; n--) {
                    int at = 14 + random.nextInt(Math.min(g.length - 14, 100));
                    g[at] ^= (byte) (1 << random.nextInt(8));
                }
            }
        }
        return g;
    }

    private static byte[] join(byte[] a, byte[] b) {
        byte[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    private static void put16(byte[] b, int at, int v) {
        if (at + 1 >= b.length) return;
        b[at] = (byte) (v >> 8);
        b[at + 1] = (byte) v;
    }

    private static int sum(byte[] b, int length) {
        int sum = 0;
        for (int i = 0; i < length; i += 2) sum += (b[i] & 0xff) << 8 | b[i + 1] & 0xff;
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        return ~sum & 0xffff;
    }
}
