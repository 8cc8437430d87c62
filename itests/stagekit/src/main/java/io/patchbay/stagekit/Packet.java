package io.patchbay.stagekit;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/** Builds and reads frames; checksums are real, computed by code that owes nothing to the datapath. Built step by step, then {@link #frame}. */
public final class Packet {
    public static final int FIN = 1;
    public static final int SYN = 2;
    public static final int RST = 4;
    public static final int ACK = 16;
    public static final String MAC_A = "02:00:00:00:00:0a";
    public static final String MAC_B = "02:00:00:00:00:0b";

    private final byte[] source;
    private final byte[] destination;
    private int protocol;
    private byte[] payload = {};
    private int ttl = 64;
    private boolean df = true;

    private Packet(String source, String destination) {
        this.source = Fields.parse(source);
        this.destination = Fields.parse(destination);
    }

    public static Packet tcp(String source, int sport, String destination, int dport, int flags) {
        return tcp(source, sport, destination, dport, flags, 0);
    }

    public static Packet tcp(String source, int sport, String destination, int dport, int flags, int length) {
        Packet p = new Packet(source, destination);
        p.protocol = 6;
        p.payload = new byte[20 + length];
        put16(p.payload, 0, sport);
        put16(p.payload, 2, dport);
        p.payload[12] = 0x50;
        p.payload[13] = (byte) flags;
        fill(p.payload, 20);
        return p;
    }

    public static Packet udp(String source, int sport, String destination, int dport, int length) {
        Packet p = new Packet(source, destination);
        p.protocol = 17;
        p.payload = new byte[8 + length];
        put16(p.payload, 0, sport);
        put16(p.payload, 2, dport);
        put16(p.payload, 4, 8 + length);
        fill(p.payload, 8);
        return p;
    }

    /** An ICMP or ICMPv6 echo. */
    public static Packet echo(String source, String destination, int identifier, boolean request) {
        Packet p = new Packet(source, destination);
        boolean v4 = p.source.length == 4;
        p.protocol = v4 ? 1 : 58;
        p.payload = new byte[16];
        p.payload[0] = (byte) (v4 ? request ? 8 : 0 : request ? 128 : 129);
        put16(p.payload, 4, identifier);
        fill(p.payload, 8);
        return p;
    }

    /** An ICMP or ICMPv6 message of any type. @param body what follows the checksum */
    public static Packet icmp(String source, String destination, int type, int code, byte[] body) {
        Packet p = new Packet(source, destination);
        p.protocol = p.source.length == 4 ? 1 : 58;
        p.payload = new byte[4 + body.length];
        p.payload[0] = (byte) type;
        p.payload[1] = (byte) code;
        System.arraycopy(body, 0, p.payload, 4, body.length);
        return p;
    }

    /** Destination unreachable (port) about {@code about}, a frame. */
    public static Packet unreachable(String source, String destination, byte[] about) {
        Packet p = new Packet(source, destination);
        boolean v4 = p.source.length == 4;
        p.protocol = v4 ? 1 : 58;
        byte[] quoted = Arrays.copyOfRange(about, 14, Math.min(about.length, 14 + (v4 ? 28 : 48)));
        p.payload = new byte[8 + quoted.length];
        p.payload[0] = (byte) (v4 ? 3 : 1);
        p.payload[1] = (byte) (v4 ? 3 : 4);
        System.arraycopy(quoted, 0, p.payload, 8, quoted.length);
        return p;
    }

    private static void fill(byte[] b, int from) {
        for (int i = from; i < b.length; i++) b[i] = (byte) (i * 7);
    }

    public Packet ttl(int t) {
        ttl = t;
        return this;
    }

    /** May be fragmented. */
    public Packet mayFragment() {
        df = false;
        return this;
    }

    /** The frame, from {@link #MAC_A} to {@link #MAC_B}, with its checksums. */
    public byte[] frame() {
        boolean v4 = source.length == 4;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(mac(MAC_B));
        out.writeBytes(mac(MAC_A));
        byte[] ip = new byte[v4 ? 20 : 40];
        if (v4) {
            ip[0] = 0x45;
            put16(ip, 2, 20 + payload.length);
            put16(ip, 4, 0x1234);
            ip[6] = (byte) (df ? 0x40 : 0);
            ip[8] = (byte) ttl;
            ip[9] = (byte) protocol;
            System.arraycopy(source, 0, ip, 12, 4);
            System.arraycopy(destination, 0, ip, 16, 4);
            put16(ip, 10, sum(ip, 0, 20, 0));
        } else {
            ip[0] = 0x60;
            put16(ip, 4, payload.length);
            ip[6] = (byte) protocol;
            ip[7] = (byte) ttl;
            System.arraycopy(source, 0, ip, 8, 16);
            System.arraycopy(destination, 0, ip, 24, 16);
        }
        byte[] l4 = payload.clone();
        int at = checksumAt(protocol);
        int check = sum(l4, 0, l4.length, protocol == 1 ? 0 : pseudo(source, destination, protocol, l4.length));
        put16(l4, at, protocol == 17 && check == 0 ? 0xffff : check);
        out.write(v4 ? 0x08 : 0x86);
        out.write(v4 ? 0x00 : 0xdd);
        out.writeBytes(ip);
        out.writeBytes(l4);
        return out.toByteArray();
    }

    /** A fragment of an IPv4 frame: the bytes behind the IP header from {@code from} (a multiple of 8) to {@code to}. */
    public static byte[] fragment(byte[] frame, int from, int to) {
        int header = 34;
        byte[] f = Arrays.copyOf(frame, header + to - from);
        System.arraycopy(frame, header + from, f, header, to - from);
        put16(f, 16, 20 + to - from);
        put16(f, 20, from / 8 | (header + to < frame.length ? 0x2000 : 0));
        put16(f, 24, 0);
        put16(f, 24, sum(f, 14, 20, 0));
        return f;
    }

    private static int checksumAt(int protocol) {
        return protocol == 6 ? 16 : protocol == 17 ? 6 : 2;
    }

    /** Empty when all checksums of a frame are right, else what is wrong. */
    public static String wrong(byte[] frame) {
        boolean v4 = frame[12] == 0x08;
        int l4 = v4 ? 34 : 54;
        if (v4 && sum(frame, 14, 20, 0) != 0) return "IPv4 header checksum";
        int protocol = frame[v4 ? 23 : 20] & 0xff;
        int length = (v4 ? get16(frame, 16) - 20 : get16(frame, 18));
        if (l4 + length != frame.length) return "length " + (l4 + length) + " of " + frame.length;
        byte[] s = Arrays.copyOfRange(frame, v4 ? 26 : 22, v4 ? 30 : 38);
        byte[] d = Arrays.copyOfRange(frame, v4 ? 30 : 38, v4 ? 34 : 54);
        if (sum(frame, l4, length, protocol == 1 ? 0 : pseudo(s, d, protocol, length)) != 0) return "checksum of protocol " + protocol;
        if (protocol == 1 && frame[l4] == 3 && sum(frame, l4 + 8, 20, 0) != 0) return "quoted IPv4 header checksum";
        return "";
    }

    private static int pseudo(byte[] s, byte[] d, int protocol, int length) {
        return raw(s, 0, s.length) + raw(d, 0, d.length) + protocol + length;
    }

    private static int raw(byte[] b, int from, int length) {
        int sum = 0;
        for (int i = 0; i < length; i += 2) sum += (b[from + i] & 0xff) << 8 | (i + 1 < length ? b[from + i + 1] & 0xff : 0);
        return sum;
    }

    private static int sum(byte[] b, int from, int length, int start) {
        int sum = start + raw(b, from, length);
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        return ~sum & 0xffff;
    }

    public static byte[] mac(String text) {
        byte[] m = new byte[6];
        String[] parts = text.split(":");
        for (int i = 0; i < 6; i++) m[i] = (byte) Integer.parseInt(parts[i], 16);
        return m;
    }

    private static void put16(byte[] b, int at, int v) {
        b[at] = (byte) (v >> 8);
        b[at + 1] = (byte) v;
    }

    public static int get16(byte[] b, int at) {
        return (b[at] & 0xff) << 8 | b[at + 1] & 0xff;
    }

    /** {@code 10.0.0.1:80 > 10.0.0.2:4000 ttl 64}; for ICMP echo the identifier stands for both ports; for errors no ports. */
    public static String describe(byte[] f) {
        boolean v4 = f[12] == 0x08;
        int l4 = v4 ? 34 : 54;
        int protocol = f[v4 ? 23 : 20] & 0xff;
        String s = text(Arrays.copyOfRange(f, v4 ? 26 : 22, v4 ? 30 : 38));
        String d = text(Arrays.copyOfRange(f, v4 ? 30 : 38, v4 ? 34 : 54));
        String ttl = " ttl " + (f[v4 ? 22 : 21] & 0xff);
        if (protocol == 6 || protocol == 17) return s + ":" + get16(f, l4) + " > " + d + ":" + get16(f, l4 + 2) + ttl;
        return s + " > " + d + " icmp " + (f[l4] & 0xff) + " id " + get16(f, l4 + 4) + ttl;
    }

    private static String text(byte[] a) {
        try {
            return java.net.InetAddress.getByAddress(a).getHostAddress();
        } catch (java.net.UnknownHostException e) {
            throw new IllegalStateException(e);
        }
    }
}
