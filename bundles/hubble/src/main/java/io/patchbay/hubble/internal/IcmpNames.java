package io.patchbay.hubble.internal;

import java.util.HashMap;
import java.util.Map;

/** Names of ICMP messages (RFC 792, RFC 4443 and IANA's registries) as gopacket spells them, which is what Hubble prints. */
final class IcmpNames {
    private record Type(String name, String... codes) {
    }

    private static final Map<Integer, Type> V4 = new HashMap<>();
    private static final Map<Integer, Type> V6 = new HashMap<>();

    static {
        V4.put(0, new Type("EchoReply"));
        V4.put(3, new Type("DestinationUnreachable", "Net", "Host", "Protocol", "Port", "FragmentationNeeded", "SourceRoutingFailed", "NetUnknown",
                "HostUnknown", "SourceIsolated", "NetAdminProhibited", "HostAdminProhibited", "NetTOS", "HostTOS", "CommAdminProhibited",
                "HostPrecedence", "PrecedenceCutoff"));
        V4.put(4, new Type("SourceQuench"));
        V4.put(5, new Type("Redirect", "Net", "Host", "TOS+Net", "TOS+Host"));
        V4.put(8, new Type("EchoRequest"));
        V4.put(9, new Type("RouterAdvertisement"));
        V4.put(10, new Type("RouterSolicitation"));
        V4.put(11, new Type("TimeExceeded", "TTLExceeded", "FragmentReassemblyTimeExceeded"));
        V4.put(12, new Type("ParameterProblem", "PointerIndicatesError", "MissingOption", "BadLength"));
        V4.put(13, new Type("TimestampRequest"));
        V4.put(14, new Type("TimestampReply"));
        V4.put(15, new Type("InfoRequest"));
        V4.put(16, new Type("InfoReply"));
        V4.put(17, new Type("AddressMaskRequest"));
        V4.put(18, new Type("AddressMaskReply"));

        V6.put(1, new Type("DestinationUnreachable", "NoRouteToDst", "AdminProhibited", "BeyondScopeOfSrc", "AddressUnreachable", "PortUnreachable",
                "SrcAddressFailedPolicy", "RejectRouteToDst"));
        V6.put(2, new Type("PacketTooBig"));
        V6.put(3, new Type("TimeExceeded", "HopLimitExceeded", "FragmentReassemblyTimeExceeded"));
        V6.put(4, new Type("ParameterProblem", "ErroneousHeader", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"));
        V6.put(128, new Type("EchoRequest"));
        V6.put(129, new Type("EchoReply"));
        V6.put(130, new Type("MLDv1MulticastListenerQueryMessage"));
        V6.put(131, new Type("MLDv1MulticastListenerReportMessage"));
        V6.put(132, new Type("MLDv1MulticastListenerDoneMessage"));
        V6.put(133, new Type("RouterSolicitation"));
        V6.put(134, new Type("RouterAdvertisement"));
        V6.put(135, new Type("NeighborSolicitation"));
        V6.put(136, new Type("NeighborAdvertisement"));
        V6.put(137, new Type("Redirect"));
        V6.put(143, new Type("MLDv2MulticastListenerReportMessageV2"));
    }

    private IcmpNames() {
    }

    static String v4(int type, int code) {
        return text(V4.get(type), type, code);
    }

    static String v6(int type, int code) {
        return text(V6.get(type), type, code);
    }

    private static String text(Type t, int type, int code) {
        if (t == null) return type + "(" + code + ")";
        if (t.codes().length == 0 && code == 0) return t.name();
        return code < t.codes().length ? t.name() + "(" + t.codes()[code] + ")" : t.name() + "(Code: " + code + ")";
    }
}
