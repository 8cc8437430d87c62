package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.datapath.Verdict;
import io.patchbay.api.net.IpAddress;
import java.util.Locale;

/** An event as a line of {@code monitor}, in the form that Cilium's users know. Pure. */
final class MonitorLine {
    static final int DROP = 1;
    static final int TRACE = 4;
    static final int VERDICT = 5;
    static final int SOCK = 7;
    private static final int INGRESS = 2;
    private static final String[] CT = {"new", "new", "established", "reply", "related"};
    private static final String[] MATCH = {"none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only"};
    private static final String[] ACTION = {"none", "allow", "deny", "audit"};

    private MonitorLine() {
    }

    static String of(Struct e, String device) {
        int type = (int) e.get("type");
        int code = (int) e.get("code");
        String flow = String.format("flow %#x", hash(e));
        String identities = e.get("src_identity") + "->" + e.get("dst_identity");
        return switch (type) {
            case DROP -> String.format("xx drop (%s) %s to endpoint %d, ifindex %d, stage %d, identity %s: %s", Verdict.text(code), flow, e.get("endpoint"),
                    e.get("ifindex"), e.get("stage"), identities, summary(e));
            case TRACE -> String.format("%s %s , identity %s state %s ifindex %s orig-ip %s: %s", point(code, e), flow, identities,
                    at(CT, (int) e.get("ct_state")), device, e.isZero("svc_addr") ? "0.0.0.0" : e.address("svc_addr"), summary(e));
            case VERDICT -> String.format("Policy verdict log: %s local EP ID %d, remote ID %d, proto %d, %s, action %s, auth: disabled, match %s, %s", flow,
                    e.get("endpoint"), (e.get("flags") & INGRESS) != 0 ? e.get("src_identity") : e.get("dst_identity"), e.get("proto"),
                    (e.get("flags") & INGRESS) != 0 ? "ingress" : "egress", at(ACTION, code), at(MATCH, (int) e.get("policy_match")), summary(e));
            case SOCK -> String.format("[translated] %s -> %s", e.isZero("svc_addr") ? "-" : place(e.address("svc_addr"), e.port("svc_port")),
                    place(e.address("daddr"), e.port("dport")));
            default -> "event of unknown type " + type;
        };
    }

    static String typeName(int type) {
        return switch (type) {
            case DROP -> "drop";
            case TRACE -> "trace";
            case VERDICT -> "policy-verdict";
            case SOCK -> "trace-sock";
            default -> Integer.toString(type);
        };
    }

    private static String point(int code, Struct e) {
        return switch (code) {
            case 1 -> "-> endpoint " + e.get("endpoint");
            case 2, 7 -> "-> stack";
            case 3 -> "-> overlay";
            case 4 -> "-> network";
            case 5 -> "-> host";
            case 6 -> "-> proxy";
            default -> "-> " + Verdict.text(code);
        };
    }

    /** The same for both directions of a connection. */
    private static int hash(Struct e) {
        int a = e.address("saddr").hashCode() * 31 + e.port("sport");
        int b = e.address("daddr").hashCode() * 31 + e.port("dport");
        return a + b ^ (int) e.get("proto");
    }

    private static String at(String[] names, int i) {
        return i >= 0 && i < names.length ? names[i] : Integer.toString(i);
    }

    private static String place(IpAddress a, int port) {
        return (a.isV4() ? a.toString() : "[" + a + "]") + ":" + port;
    }

    private static String summary(Struct e) {
        int proto = (int) e.get("proto");
        IpAddress s = e.address("saddr");
        IpAddress d = e.address("daddr");
        return switch (proto) {
            case 6 -> place(s, e.port("sport")) + " -> " + place(d, e.port("dport")) + " tcp " + tcpFlags((int) e.get("tcp_flags"));
            case 17 -> place(s, e.port("sport")) + " -> " + place(d, e.port("dport")) + " udp";
            case 132 -> place(s, e.port("sport")) + " -> " + place(d, e.port("dport")) + " sctp";
            case 1, 58 -> s + " -> " + d + " " + (proto == 1 ? "icmp" : "icmpv6") + " " + icmp(proto, (int) e.get("icmp_type"), (int) e.get("icmp_code"));
            default -> s + " -> " + d + " " + proto;
        };
    }

    private static String icmp(int proto, int type, int code) {
        int request = proto == 1 ? 8 : 128;
        int reply = proto == 1 ? 0 : 129;
        return type == request ? "EchoRequest" : type == reply ? "EchoReply" : "type " + type + " code " + code;
    }

    private static String tcpFlags(int f) {
        String[] names = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
        StringBuilder b = new StringBuilder();
        for (int i : new int[] {1, 4, 0, 2, 3, 5, 6, 7}) {
            if ((f & 1 << i) != 0) {
                b.append(b.length() == 0 ? "" : ", ").append(names[i]);
            }
        }
        return b.length() == 0 ? "none" : b.toString().toUpperCase(Locale.ROOT);
    }
}
