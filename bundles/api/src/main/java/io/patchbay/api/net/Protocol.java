package io.patchbay.api.net;

import java.util.Locale;

/** Transport protocols that Kubernetes and the datapath name; numbers from IANA's protocol registry. */
public enum Protocol {
    ICMP(1), TCP(6), UDP(17), ICMPV6(58), SCTP(132);

    private final int number;

    Protocol(int number) {
        this.number = number;
    }

    /** IANA number. */
    public int number() {
        return number;
    }

    /** By IANA number; null when it is none of these. */
    public static Protocol ofNumber(int n) {
        for (Protocol p : values()) {
            if (p.number == n) {
                return p;
            }
        }
        return null;
    }

    /** By name, in any case. @throws IllegalArgumentException for another name */
    public static Protocol ofName(String name) {
        return valueOf(name.toUpperCase(Locale.ROOT));
    }

    /** The name of a number; the number itself where it has no name here. */
    public static String text(int number) {
        Protocol p = ofNumber(number);
        return p == null ? Integer.toString(number) : p == ICMPV6 ? "ICMPv6" : p == ICMP ? "ICMPv4" : p.name();
    }
}
