package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.feature.FeatureDescriptor.Migration;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.datapath.testkit.Lab;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Crafted packets through the preamble of a real generation: a stage drops UDP port 9, the one behind routes nothing. */
@Tag("root")
class ParseTest {
    private static final int PORT_9 = 181;
    private static final int OTHER = 150;
    private static final int INVALID_HEADER = 135;
    private static final int UNKNOWN_PROTOCOL = 137;
    private static final int SHOT = 2;
    private static Lab lab;
    private static BpfProgram preamble;
    private static BpfMap out;

    @BeforeAll
    static void up() {
        lab = new Lab("dpp");
        lab.node().pipeline().prepare(Generation.spec(Generation.marked(), Generation.forwarder(Migration.COPY))).commit();
        preamble = BpfProgram.fromPin(lab.pins().resolve("core").resolve("pb_pod_egress"));
        out = BpfMap.fromPin(lab.pins().resolve("maps").resolve("pb_out"));
    }

    @AfterAll
    static void down() {
        preamble.close();
        out.close();
        lab.close();
    }

    private static byte[] hex(String... parts) {
        return HexFormat.of().parseHex(String.join("", parts).replace(" ", ""));
    }

    private static final String ETH4 = "020000000002 020000000001 0800";
    private static final String ETH6 = "020000000002 020000000001 86dd";
    private static final String V6 = "20010db8000000000000000000000001 20010db8000000000000000000000002";

    private static String ip4(int ihl, int id, int frag, int proto) {
        return String.format("%02x000040%04x%04x40%02x0000 0a630001 0a630063", 0x40 | ihl, id, frag, proto) + "01010101".repeat(ihl - 5);
    }

    private static String ip6(int next) {
        return String.format("600000000040%02x40", next) + V6;
    }

    private static String udp(int port) {
        return String.format("1234%04x00100000", port) + "00".repeat(16);
    }

    /** The one code that was counted for a packet. */
    private static int code(byte[] packet) {
        int base = (Hook.POD_EGRESS.number() * Counters.SLOTS + 1) * 256;
        long[] before = new long[256];
        for (int i = 0; i < 256; i++) {
            before[i] = Generation.sum(out, base + i);
        }
        assertEquals(SHOT, preamble.testRun(packet).verdict());
        List<Integer> counted = new ArrayList<>();
        for (int i = 0; i < 256; i++) {
            if (Generation.sum(out, base + i) != before[i]) {
                counted.add(i);
            }
        }
        assertEquals(1, counted.size(), counted.toString());
        return counted.get(0);
    }

    @Test
    void ports() {
        assertEquals(PORT_9, code(hex(ETH4, ip4(5, 1, 0, 17), udp(9))));
        assertEquals(OTHER, code(hex(ETH4, ip4(5, 1, 0, 17), udp(10))));
        assertEquals(PORT_9, code(hex(ETH6, ip6(17), udp(9))));
    }

    /** A receiver cuts there before it looks: what is behind could say anything, a segment's flags for one. */
    @Test
    void whatIsBehindTheStatedEndIsNotRead() {
        String tcp = "12340009 00000000 00000000 50100000 00000000";
        assertEquals(OTHER, code(hex(ETH4, "45000028 00010000 4006 0000 0a630001 0a630063", tcp)));
        assertEquals(INVALID_HEADER, code(hex(ETH4, "4500001c 00010000 4006 0000 0a630001 0a630063", tcp)));
        assertEquals(INVALID_HEADER, code(hex(ETH4, "4500001c 00072000 4006 0000 0a630001 0a630063", tcp)), "a first fragment whose flags are in the next");
        assertEquals(INVALID_HEADER, code(hex(ETH4, "45000016 00010000 4011 0000 0a630001 0a630063", udp(9))));
        assertEquals(INVALID_HEADER, code(hex(ETH6, "60000000 0008 06 40" + V6, tcp)));
        assertEquals(OTHER, code(hex(ETH6, "60000000 0014 06 40" + V6, tcp)));
    }

    @Test
    void eachFamilyHasItsOwnIcmp() {
        assertEquals(UNKNOWN_PROTOCOL, code(hex(ETH4, ip4(5, 1, 0, 58), "8000000000000000".repeat(6))));
        assertEquals(UNKNOWN_PROTOCOL, code(hex(ETH6, ip6(1), "0800000000000000".repeat(8))));
        assertEquals(OTHER, code(hex(ETH4, ip4(5, 1, 0, 1), "0800000000000000".repeat(6))));
    }

    @Test
    void optionsOfIpv4() {
        assertEquals(PORT_9, code(hex(ETH4, ip4(15, 1, 0, 17), udp(9))));
        assertEquals(134, code(hex(ETH4, "44", ip4(5, 1, 0, 17).substring(2), udp(9))), "a header of 16 bytes is none");
    }

    @Test
    void extensionHeadersOfIpv6() {
        String hop = "3c00000000000000";
        String destination = "1100000000000000";
        assertEquals(PORT_9, code(hex(ETH6, ip6(0), hop, destination, udp(9))));
        assertEquals(PORT_9, code(hex(ETH6, ip6(51), "1102000000000000" + "0000000000000000", udp(9))), "authentication header, its length in words of 4");
        assertEquals(156, code(hex(ETH6, ip6(60), "3c00000000000000".repeat(7), udp(9))), "a chain without end");
        assertEquals(134, code(hex(ETH6, "6000000000401140", "00000000000000000000ffff0a630001", "20010db8000000000000000000000002", udp(9))),
                "a mapped IPv4 address is never on the wire");
    }

    @Test
    void fragments() {
        assertEquals(175, code(hex(ETH4, ip4(5, 77, 0x0003, 17), "00".repeat(24))), "a later fragment without its first");
        assertEquals(PORT_9, code(hex(ETH4, ip4(5, 78, 0x2000, 17), udp(9))));
        assertEquals(PORT_9, code(hex(ETH4, ip4(5, 78, 0x0003, 17), "00".repeat(24))), "ports of the first fragment");
        assertEquals(OTHER, code(hex(ETH4, ip4(5, 79, 0x2000, 17), udp(10))));
        assertEquals(OTHER, code(hex(ETH4, ip4(5, 79, 0x0003, 17), "00".repeat(24))));
        assertEquals(PORT_9, code(hex(ETH6, ip6(44), "1100000100000051", udp(9))));
        assertEquals(PORT_9, code(hex(ETH6, ip6(44), "1100001000000051", "00".repeat(24))));
        assertEquals(175, code(hex(ETH6, ip6(44), "1100001000000052", "00".repeat(24))));
    }

    @Test
    void truncated() {
        byte[] whole = hex(ETH4, ip4(5, 1, 0, 17), udp(9));
        assertEquals(135, code(java.util.Arrays.copyOf(whole, 36)), "2 bytes of UDP");
        assertEquals(135, code(hex(ETH4, ip4(5, 1, 0, 6), "12340009")), "4 bytes of TCP");
    }

    @Test
    void whatIsNotIp() {
        assertEquals(139, code(hex("020000000002 020000000001 0806", "00".repeat(28))));
        assertEquals(UNKNOWN_PROTOCOL, code(hex(ETH4, ip4(5, 1, 0, 50), "00".repeat(24))), "ESP");
    }
}
