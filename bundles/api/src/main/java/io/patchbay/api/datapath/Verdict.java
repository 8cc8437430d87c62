package io.patchbay.api.datapath;

import java.util.Map;

/** Texts of {@code enum pb_code}. Drop numbers and texts are Cilium's (pkg/monitor/api/drop.go). */
public final class Verdict {
    private static final Map<Integer, String> TEXTS = Map.ofEntries(
            Map.entry(1, "to-endpoint"), Map.entry(2, "to-stack"), Map.entry(3, "to-overlay"), Map.entry(4, "to-network"),
            Map.entry(5, "to-host"), Map.entry(6, "to-proxy"), Map.entry(7, "pass"), Map.entry(8, "socket"), Map.entry(9, "answered"),
            Map.entry(130, "Invalid source mac"), Map.entry(131, "Invalid destination mac"), Map.entry(132, "Invalid source ip"),
            Map.entry(133, "Policy denied"), Map.entry(134, "Invalid packet"), Map.entry(135, "CT: Truncated or invalid header"),
            Map.entry(136, "Fragmentation needed"), Map.entry(137, "CT: Unknown L4 protocol"), Map.entry(139, "Unsupported L3 protocol"),
            Map.entry(140, "Missed tail call"), Map.entry(141, "Error writing to packet"), Map.entry(142, "Unknown L4 protocol"),
            Map.entry(143, "Unknown ICMPv4 code"), Map.entry(144, "Unknown ICMPv4 type"), Map.entry(147, "Error retrieving tunnel key"),
            Map.entry(150, "Unknown L3 target address"), Map.entry(152, "No matching local container found"),
            Map.entry(153, "Error while correcting L3 checksum"), Map.entry(154, "Error while correcting L4 checksum"),
            Map.entry(155, "CT: Map insertion failed"), Map.entry(156, "Invalid IPv6 extension header"),
            Map.entry(157, "IP fragmentation not supported"), Map.entry(158, "Service backend not found"),
            Map.entry(159, "Unsupported protocol for service"), Map.entry(160, "No tunnel/encapsulation endpoint (datapath BUG!)"),
            Map.entry(162, "Reached EDT rate-limiting drop horizon"), Map.entry(163, "Unknown connection tracking state"),
            Map.entry(164, "Local host is unreachable"), Map.entry(165, "No configuration available to perform policy decision"),
            Map.entry(166, "Unsupported L2 protocol"), Map.entry(167, "No mapping for NAT masquerade"),
            Map.entry(168, "Unsupported protocol for NAT masquerade"), Map.entry(169, "FIB lookup failed"),
            Map.entry(170, "Encapsulation traffic is prohibited"), Map.entry(171, "Invalid identity"), Map.entry(172, "Unknown sender"),
            Map.entry(173, "NAT not needed"), Map.entry(174, "Is a ClusterIP"), Map.entry(175, "First logical datagram fragment not found"),
            Map.entry(177, "Denied by LB src range check"), Map.entry(178, "Socket lookup failed"),
            Map.entry(181, "Policy denied by denylist"), Map.entry(191, "No nat map found"),
            Map.entry(196, "TTL exceeded"), Map.entry(197, "No node ID found"), Map.entry(203, "Endpoint policy program not available"),
            Map.entry(250, "No generation accepted"), Map.entry(255, "Hole in the pipeline"));

    private Verdict() {
    }

    /** The text of a code; {@code code N} for one that has none. */
    public static String text(int code) {
        return TEXTS.getOrDefault(code, "code " + code);
    }

    /** Whether the packet was dropped. */
    public static boolean isDrop(int code) {
        return code >= 128;
    }
}
