package io.patchbay.conntrack.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/**
 * One entry of ct4 or ct6, as {@code bpf ct list} shows it. Directions are the local pod's: tx is what it sends.
 *
 * @param out     the local pod began the connection
 * @param expires CLOCK_MONOTONIC in ns, as {@link System#nanoTime} on Linux
 * @param svcPort 0: the connection was not translated
 * @param ownPort the initiator's port, when another connection had its tuple and it was given the one of the tuple; 0: it is the tuple's
 */
record Connection(int protocol, boolean out, IpAddress local, int localPort, IpAddress remote, int remotePort, long expires, long txPackets,
        long txBytes, long rxPackets, long rxBytes, int txFlags, int rxFlags, long txReport, long rxReport, boolean txClosing, boolean rxClosing,
        boolean seenNonSyn, boolean replied, IpAddress svcAddress, int svcPort, long svcId, long identity, int natPort, int ownPort) {
    private static final long SECOND = 1_000_000_000L;

    static Connection of(Struct key, Struct value) {
        int svcPort = value.port("svc_port");
        return new Connection((int) key.get("proto"), value.get("out") != 0, address(key, "local"), key.port("lport"), address(key, "remote"),
                key.port("rport"), value.get("expires"), value.get("tx_packets"), value.get("tx_bytes"), value.get("rx_packets"), value.get("rx_bytes"),
                (int) value.get("tx_flags_seen"), (int) value.get("rx_flags_seen"), value.get("tx_report"), value.get("rx_report"),
                value.get("tx_closing") != 0, value.get("rx_closing") != 0, value.get("seen_non_syn") != 0, value.get("replied") != 0,
                svcPort == 0 ? null : value.address("svc_addr"), svcPort, value.get("svc_id"), value.get("peer_identity"), value.port("nat_port"), value.port("own_port"));
    }

    /** ct4 keeps 32-bit addresses in network order, ct6 whole ones. */
    static IpAddress address(Struct key, String field) {
        if (key.layout().field(field).size() != 4) return key.address(field);
        byte[] b = key.get(field, 4);
        return IpAddress.ofV4((b[0] & 0xff) << 24 | (b[1] & 0xff) << 16 | (b[2] & 0xff) << 8 | b[3] & 0xff);
    }

    boolean expired(long now) {
        return expires - now <= 0;
    }

    /** Bits as Cilium numbers them: RxClosing, TxClosing, SeenNonSyn. */
    private int flags() {
        return (rxClosing ? 1 : 0) | (txClosing ? 2 : 0) | (seenNonSyn ? 16 : 0);
    }

    private String flagNames() {
        StringJoiner names = new StringJoiner(" ", "[ ", " ]").setEmptyValue("[ ]");
        if (rxClosing) names.add("RxClosing");
        if (txClosing) names.add("TxClosing");
        if (seenNonSyn) names.add("SeenNonSyn");
        return names.toString();
    }

    private static String end(IpAddress address, int port) {
        return (address.isV4() ? address : "[" + address + "]") + ":" + port;
    }

    /** From who began it to the other. */
    String tuple() {
        String l = end(local, localPort);
        String r = end(remote, remotePort);
        return Protocol.text(protocol) + (out ? " OUT " + l + " -> " + r : " IN " + r + " -> " + l);
    }

    /** One line; with {@code now} also how long it still lives. */
    String line(long now, boolean remaining) {
        List<String> words = new ArrayList<>(List.of(tuple(), "expires=" + expires / SECOND));
        if (remaining) words.add("(remaining: " + Math.max(0, (expires - now) / SECOND) + " sec(s))");
        words.add("Packets=" + (txPackets + rxPackets));
        words.add("Bytes=" + (txBytes + rxBytes));
        words.add(String.format("RxFlagsSeen=0x%02x LastRxReport=%d TxFlagsSeen=0x%02x LastTxReport=%d Flags=0x%04x %s", rxFlags, rxReport / SECOND,
                txFlags, txReport / SECOND, flags(), flagNames()));
        words.add("RevNAT=" + svcId);
        words.add("SourceSecurityID=" + identity);
        words.add("BackendID=0");
        words.add("NatPort=" + natPort);
        if (ownPort != 0) words.add("OwnPort=" + ownPort);
        if (svcAddress != null) words.add("Service=" + end(svcAddress, svcPort));
        return String.join(" ", words);
    }
}
