package io.patchbay.policy.internal;

import io.patchbay.api.net.IpAddress;
import java.util.Arrays;

/**
 * What the kernel that receives a frame would make of it: the lengths that the headers state count, not what else is in the frame. Written from the
 * RFCs (791, 8200, 9293, 768, 792, 4443, 4302) and lenient where in doubt, so that a packet counts as a connection whenever some receiver could take it for one.
 * Checksums are not looked at: the datapath must not need them.
 *
 * @param kind     what it is; the other members as far as the kind has them
 * @param protocol of the transport
 * @param port     destination port, or the ICMP type
 * @param flags    of TCP; -1 when the first fragment ends before them
 * @param id       of the datagram, for fragments
 * @param next     protocol that the fragment's header names
 * @param code     ICMP code
 * @param quoted   the packet that an ICMP error is about, or null
 */
record SeenPacket(Kind kind, IpAddress from, IpAddress to, int protocol, int sport, int port, int flags, boolean fragment, long id, int next, int code,
                  SeenPacket quoted) {
    enum Kind {
        /** No receiver takes it. */
        INVALID,
        /** Begins or continues a connection, alone or as a datagram's first fragment. */
        WHOLE,
        /** A later fragment. */
        LATER,
        /** A transport that no policy knows. */
        OTHER
    }

    static final int TCP = 6;
    static final int UDP = 17;
    static final int SCTP = 132;
    static final int ICMP = 1;
    static final int ICMPV6 = 58;
    private static final SeenPacket NOTHING = new SeenPacket(Kind.INVALID, null, null, 0, 0, 0, 0, false, 0, 0, 0, null);

    static SeenPacket of(byte[] frame) {
        return of(frame, false);
    }

    /** The same as if its end might be missing, so that it counts even if no receiver takes it. */
    static SeenPacket cut(byte[] frame) {
        return of(frame, true);
    }

    private static SeenPacket of(byte[] frame, boolean cut) {
        if (frame.length < 14) return NOTHING;
        int type = u16(frame, 12);
        byte[] packet = Arrays.copyOfRange(frame, 14, frame.length);
        return type == 0x0800 ? v4(packet, cut) : type == 0x86dd ? v6(packet, cut) : NOTHING;
    }

    /** @param cut whether the end may be missing, as in what an ICMP error quotes */
    private static SeenPacket v4(byte[] p, boolean cut) {
        if (p.length < 20 || p[0] >> 4 != 4) return NOTHING;
        int header = (p[0] & 15) * 4;
        int total = u16(p, 2);
        if (header < 20 || total < header || !cut && total > p.length || p.length < header) return NOTHING;
        byte[] payload = Arrays.copyOfRange(p, header, Math.max(header, Math.min(total, p.length)));
        IpAddress from = IpAddress.ofV4(u16(p, 12) << 16 | u16(p, 14));
        IpAddress to = IpAddress.ofV4(u16(p, 16) << 16 | u16(p, 18));
        int offset = u16(p, 6);
        boolean fragment = (offset & 0x3fff) != 0;
        if ((offset & 0x1fff) != 0) return later(from, to, u16(p, 4), p[9] & 0xff);
        return transport(from, to, p[9] & 0xff, payload, Arrays.copyOfRange(p, header, p.length), fragment, u16(p, 4), p[9] & 0xff, cut);
    }

    private static SeenPacket v6(byte[] p, boolean cut) {
        if (p.length < 40 || (p[0] & 0xff) >> 4 != 6) return NOTHING;
        int length = u16(p, 4);
        if (!cut && length > p.length - 40) return NOTHING;
        IpAddress from = IpAddress.ofBytes(Arrays.copyOfRange(p, 8, 24));
        IpAddress to = IpAddress.ofBytes(Arrays.copyOfRange(p, 24, 40));
        int next = p[6] & 0xff;
        // zero with a jumbo option: all there is
        byte[] rest = Arrays.copyOfRange(p, 40, length == 0 ? p.length : Math.min(p.length, 40 + length));
        boolean fragment = false;
        long id = 0;
        int named = 0;
        int at = 0;
        while (next == 0 || next == 43 || next == 44 || next == 51 || next == 60) {
            if (rest.length < at + 8) return NOTHING;
            int h = next;
            next = rest[at] & 0xff;
            int size = h == 44 ? 8 : h == 51 ? ((rest[at + 1] & 0xff) + 2) * 4 : ((rest[at + 1] & 0xff) + 1) * 8;
            if (h == 44) {
                fragment = true;
                id = u16(rest, at + 4) * 65536L + u16(rest, at + 6);
                named = next;
                if ((u16(rest, at + 2) & 0xfff8) != 0) return later(from, to, id, next);
            }
            at += size;
            if (at > rest.length) return NOTHING;
        }
        return transport(from, to, next, Arrays.copyOfRange(rest, at, rest.length), Arrays.copyOfRange(p, 40 + at, p.length), fragment, id, named, cut);
    }

    private static SeenPacket later(IpAddress from, IpAddress to, long id, int next) {
        return new SeenPacket(Kind.LATER, from, to, 0, 0, 0, 0, true, id, next, 0, null);
    }

    /** @param all as t, and what is behind the stated end: the datapath looks there for what an error quotes, which makes no connection */
    private static SeenPacket transport(IpAddress from, IpAddress to, int protocol, byte[] t, byte[] all, boolean fragment, long id, int named, boolean cut) {
        boolean ports = protocol == TCP || protocol == UDP || protocol == SCTP;
        boolean icmp = protocol == (from.isV4() ? ICMP : ICMPV6);
        if (!ports && !icmp) return new SeenPacket(Kind.OTHER, from, to, protocol, 0, 0, 0, fragment, id, named, 0, null);
        // the rest of a first fragment's header may be in the next one
        int whole = protocol == TCP ? 20 : protocol == SCTP ? 12 : 8;
        if (t.length < (fragment || cut ? ports ? 4 : 1 : whole)) return NOTHING;
        if (icmp) {
            int type = t[0] & 0xff;
            boolean error = from.isV4() ? type == 3 || type == 11 || type == 12 : type < 128;
            byte[] about = error && all.length > 8 ? Arrays.copyOfRange(all, 8, all.length) : new byte[0];
            boolean echo = from.isV4() ? type == 8 || type == 0 : type == 128 || type == 129;
            return new SeenPacket(Kind.WHOLE, from, to, protocol, echo && t.length >= 6 ? u16(t, 4) : 0, type, 0, fragment, id, named,
                    t.length > 1 ? t[1] & 0xff : 0, cut || !error ? null : from.isV4() ? v4(about, true) : v6(about, true));
        }
        return new SeenPacket(Kind.WHOLE, from, to, protocol, u16(t, 0), u16(t, 2), protocol != TCP ? 0 : t.length < 14 ? -1 : t[13] & 0xff, fragment, id,
                named, 0, null);
    }

    private static int u16(byte[] b, int at) {
        return (b[at] & 0xff) << 8 | b[at + 1] & 0xff;
    }
}
