package io.patchbay.hubble.internal;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.Flow.Peer;
import io.patchbay.api.flow.Flow.Type;
import io.patchbay.api.net.Protocol;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;

/** The words of the hubble CLI (v1.19, cmd/observe and pkg/printer; ICMP names are gopacket's) for one flow. */
final class FlowText {
    private static final DateTimeFormatter MONTH = DateTimeFormatter.ofPattern("MMM", Locale.ROOT).withZone(ZoneOffset.UTC);
    private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss.SSS", Locale.ROOT).withZone(ZoneOffset.UTC);
    private static final String[] TCP_FLAGS = {"SYN", "ACK", "RST", "FIN", "PSH", "URG", "ECE", "CWR"};
    private static final int[] TCP_BITS = {0x02, 0x10, 0x04, 0x01, 0x08, 0x20, 0x40, 0x80};
    private static final String[] MATCH = {"none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only"};
    private static final Map<Integer, String> RESERVED = Map.ofEntries(Map.entry(0, "unknown"), Map.entry(1, "host"), Map.entry(2, "world"),
            Map.entry(3, "unmanaged"), Map.entry(4, "health"), Map.entry(5, "init"), Map.entry(6, "remote-node"), Map.entry(7, "kube-apiserver"),
            Map.entry(8, "ingress"), Map.entry(9, "world-ipv4"), Map.entry(10, "world-ipv6"));

    /**
     * Observation points: ours ({@code enum pb_code}), Cilium's number, name on the command line, name in JSON. A number from 1000 is one
     * that Cilium has not.
     */
    enum Point {
        TO_ENDPOINT(1, 0, "to-endpoint", "TO_ENDPOINT"), TO_STACK(2, 3, "to-stack", "TO_STACK"), TO_OVERLAY(3, 4, "to-overlay", "TO_OVERLAY"),
        TO_NETWORK(4, 11, "to-network", "TO_NETWORK"), TO_HOST(5, 2, "to-host", "TO_HOST"), TO_PROXY(6, 1, "to-proxy", "TO_PROXY"),
        ANSWERED(9, 1009, "answered", "");

        final int code;
        final int subType;
        final String text;
        final String proto;

        Point(int code, int subType, String text, String proto) {
            this.code = code;
            this.subType = subType;
            this.text = text;
            this.proto = proto;
        }

        /** Null when the code is none. What is left to the kernel goes to its stack, or out when it was on its way out. */
        static Point of(Flow flow) {
            boolean left = flow.code() == 7 || flow.code() == TO_STACK.code;
            int code = !left ? flow.code() : flow.origin().hook() == Hook.NETDEV_EGRESS.number() ? TO_NETWORK.code : TO_STACK.code;
            for (Point p : values()) if (p.code == code) return p;
            return null;
        }
    }

    private FlowText() {
    }

    /** UTC, {@code Dec 26 04:26:31.448}; a day below 10 has a space before it. */
    static String time(Instant t) {
        int day = t.atOffset(ZoneOffset.UTC).getDayOfMonth();
        return MONTH.format(t) + (day < 10 ? "  " : " ") + day + " " + CLOCK.format(t);
    }

    /** {@code ns/pod:port}; @param names false: addresses, as with --numeric */
    static String host(Peer p, boolean names) {
        if (p.address() == null) return "unknown";
        String host = p.address().toString();
        boolean named = false;
        if (names && !p.pod().isEmpty()) {
            // The service's namespace is the more telling one for an address that stands for both; for a pod they are the same.
            String namespace = p.service().isPresent() ? p.service().get().namespace() : p.namespace();
            host = namespace.isEmpty() ? p.pod() : namespace + "/" + p.pod();
            named = true;
        } else if (names && p.service().isPresent()) {
            host = p.service().get().toString();
            named = true;
        }
        if (p.port() == 0) return host;
        return (!named && !p.address().isV4() ? "[" + host + "]" : host) + ":" + p.port();
    }

    /** {@code (ID:1234)} or {@code (world)}. */
    static String identity(int identity) {
        String reserved = RESERVED.get(identity);
        return reserved != null ? "(" + reserved + ")" : "(ID:" + Integer.toUnsignedString(identity) + ")";
    }

    /** Number of a reserved identity by name; -1 when there is none. */
    static int reserved(String name) {
        return RESERVED.entrySet().stream().filter(e -> e.getValue().equals(name)).map(Map.Entry::getKey).findFirst().orElse(-1);
    }

    static String match(int policyMatch) {
        return policyMatch >= 0 && policyMatch < MATCH.length ? MATCH[policyMatch] : Integer.toString(policyMatch);
    }

    /** The TYPE column. */
    static String type(Flow f) {
        return switch (f.type()) {
            case TRACE -> point(f);
            case DROP -> drop(f);
            case POLICY_VERDICT -> "policy-verdict:" + match(f.origin().policyMatch()) + " "
                    + (f.direction() == Flow.Direction.UNKNOWN ? "TRAFFIC_DIRECTION_UNKNOWN" : f.direction().name());
            case SOCKET -> "post-xlate-fwd";
        };
    }

    /** The TYPE column as Cilium 1.9 printed it: a policy verdict is the match alone, or why it was refused. */
    static String shortType(Flow f) {
        if (f.type() != Type.POLICY_VERDICT) return type(f);
        return f.verdict() == Flow.Verdict.DROPPED ? drop(f) : match(f.origin().policyMatch());
    }

    /** The VERDICT column; 1.9 has the bare names. */
    static String verdict(Flow f) {
        if (f.type() != Type.POLICY_VERDICT) return f.verdict().name();
        return switch (f.verdict()) {
            case DROPPED -> "DENIED";
            case AUDIT -> "AUDITED";
            default -> "ALLOWED";
        };
    }

    /** Whether the flow's rule refused, or would have refused it, rather than let it pass. */
    static boolean denies(Flow f) {
        return f.verdict() == Flow.Verdict.DROPPED || f.verdict() == Flow.Verdict.AUDIT;
    }

    /** What {@code --print-policy-names} adds to the verdict. */
    static String policies(Flow f) {
        return f.rule().map(r -> " BY " + r.name() + (r.kind().isEmpty() ? "" : " (" + r.kind() + ")")).orElse("");
    }

    private static String point(Flow f) {
        Point p = Point.of(f);
        return p == null ? Integer.toString(f.code()) : p.text;
    }

    private static String drop(Flow f) {
        return io.patchbay.api.datapath.Verdict.text(f.dropReason());
    }

    /** The SUMMARY column. */
    static String summary(Flow f) {
        Flow.Packet p = f.packet();
        Protocol protocol = Protocol.ofNumber(p.protocol());
        if (f.source().address() == null) return "Ethernet";
        if (protocol == null) return f.source().address().isV4() ? "IPv4" : "IPv6";
        return switch (protocol) {
            case TCP -> f.type() == Type.SOCKET ? "TCP" : tcpFlags(p.tcpFlags());
            case UDP -> "UDP";
            case SCTP -> "SCTP";
            case ICMP -> "ICMPv4 " + IcmpNames.v4(p.icmpType(), p.icmpCode());
            case ICMPV6 -> "ICMPv6 " + IcmpNames.v6(p.icmpType(), p.icmpCode());
        };
    }

    private static String tcpFlags(int flags) {
        StringBuilder s = new StringBuilder("TCP Flags: ");
        boolean first = true;
        for (int i = 0; i < TCP_BITS.length; i++) {
            if ((flags & TCP_BITS[i]) == 0) continue;
            if (!first) s.append(", ");
            s.append(TCP_FLAGS[i]);
            first = false;
        }
        return s.toString();
    }

    /** Bit of a TCP flag by name; 0 when there is none. */
    static int tcpFlag(String name) {
        for (int i = 0; i < TCP_FLAGS.length; i++) if (TCP_FLAGS[i].equalsIgnoreCase(name)) return TCP_BITS[i];
        return 0;
    }

    static String[] tcpFlagNames() {
        return TCP_FLAGS.clone();
    }
}
