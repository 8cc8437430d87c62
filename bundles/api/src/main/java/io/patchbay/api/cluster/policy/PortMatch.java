package io.patchbay.api.cluster.policy;

/**
 * Ports of a protocol.
 *
 * @param protocol what was written or the kind's default (TCP in NetworkPolicy, ANY in the others)
 * @param name     the named port in lower case; empty for numbers
 * @param first    first port; 0 with {@code last} 65535 for all ports of the protocol (port "0", or none in a NetworkPolicy); unused with a name
 * @param last     last port, included
 */
public record PortMatch(Protocol protocol, String name, int first, int last) {
    /** ANY is TCP, UDP and SCTP, never ICMP. */
    public enum Protocol {
        TCP(6), UDP(17), SCTP(132), ANY(0);

        private final int number;

        Protocol(int number) {
            this.number = number;
        }

        /** The IP protocol number; 0 for ANY. */
        public int number() {
            return number;
        }
    }

    public PortMatch {
        if (name.isEmpty() && (first < 0 || last < first || last > 65535)) throw new IllegalArgumentException("ports " + first + " to " + last);
    }

    public static PortMatch all(Protocol protocol) {
        return new PortMatch(protocol, "", 0, 65535);
    }

    public static PortMatch number(Protocol protocol, int port) {
        return new PortMatch(protocol, "", port, port);
    }

    public static PortMatch range(Protocol protocol, int first, int last) {
        return new PortMatch(protocol, "", first, last);
    }

    public static PortMatch named(Protocol protocol, String name) {
        return new PortMatch(protocol, name, 0, 0);
    }

    public boolean isNamed() {
        return !name.isEmpty();
    }

    @Override
    public String toString() {
        return (isNamed() ? name : first == 0 && last == 65535 ? "0" : first == last ? "" + first : first + "-" + last) + "/" + protocol;
    }
}
