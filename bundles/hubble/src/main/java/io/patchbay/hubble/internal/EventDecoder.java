package io.patchbay.hubble.internal;

import io.patchbay.api.datapath.Layout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Reads {@code struct pb_event}: the offsets are taken from its layout once, an event costs loads only. */
final class EventDecoder {
    /** Bits of pb_event.flags, bpf/include/patchbay/event.h. */
    static final int REPLY = 1;
    static final int INGRESS = 2;
    static final int TUNNEL = 4;
    static final int MASQUERADED = 8;

    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.nativeOrder());
    private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.nativeOrder());
    private static final VarHandle NET_LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle NET_SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.BIG_ENDIAN);

    private final Layout layout;
    private final int ts;
    private final int type;
    private final int code;
    private final int hook;
    private final int flags;
    private final int epoch;
    private final int srcIdentity;
    private final int dstIdentity;
    private final int saddr;
    private final int daddr;
    private final int sport;
    private final int dport;
    private final int proto;
    private final int tcpFlags;
    private final int icmpType;
    private final int icmpCode;
    private final int endpoint;
    private final int ctState;
    private final int policyMatch;
    private final int policyCookie;
    private final int ifindex;
    private final int len;
    private final int svcAddr;
    private final int svcPort;
    private final int stage;

    /** @throws IllegalArgumentException naming a member that the layout lacks or has in another width */
    EventDecoder(Layout layout) {
        this.layout = layout;
        ts = offset("ts", 8);
        type = offset("type", 1);
        code = offset("code", 1);
        hook = offset("hook", 1);
        flags = offset("flags", 1);
        epoch = offset("epoch", 4);
        srcIdentity = offset("src_identity", 4);
        dstIdentity = offset("dst_identity", 4);
        saddr = offset("saddr", 16);
        daddr = offset("daddr", 16);
        sport = offset("sport", 2);
        dport = offset("dport", 2);
        proto = offset("proto", 1);
        tcpFlags = offset("tcp_flags", 1);
        icmpType = offset("icmp_type", 1);
        icmpCode = offset("icmp_code", 1);
        endpoint = offset("endpoint", 2);
        ctState = offset("ct_state", 1);
        policyMatch = offset("policy_match", 1);
        policyCookie = offset("policy_cookie", 4);
        ifindex = offset("ifindex", 4);
        len = offset("len", 4);
        svcAddr = offset("svc_addr", 16);
        svcPort = offset("svc_port", 2);
        stage = offset("stage", 4);
    }

    private int offset(String member, int size) {
        Layout.Field f = layout.field(member);
        if (f.size() != size) {
            throw new IllegalArgumentException(layout.typeName() + "." + member + " has " + f.size() + " bytes, not " + size);
        }
        return f.offset();
    }

    Layout layout() {
        return layout;
    }

    /** @param offset from CLOCK_MONOTONIC to ns since 1970 */
    RawFlow decode(byte[] b, long sequence, long offset) {
        long at = (long) LONG.get(b, ts);
        RawFlow f = new RawFlow(sequence, at, at + offset);
        f.type = b[type] & 0xff;
        f.code = b[code] & 0xff;
        f.hook = b[hook] & 0xff;
        f.flags = b[flags] & 0xff;
        f.epoch = (int) INT.get(b, epoch);
        f.sourceIdentity = (int) INT.get(b, srcIdentity);
        f.destinationIdentity = (int) INT.get(b, dstIdentity);
        f.sourceHigh = (long) NET_LONG.get(b, saddr);
        f.sourceLow = (long) NET_LONG.get(b, saddr + 8);
        f.destinationHigh = (long) NET_LONG.get(b, daddr);
        f.destinationLow = (long) NET_LONG.get(b, daddr + 8);
        f.sourcePort = (short) NET_SHORT.get(b, sport) & 0xffff;
        f.destinationPort = (short) NET_SHORT.get(b, dport) & 0xffff;
        f.protocol = b[proto] & 0xff;
        f.tcpFlags = b[tcpFlags] & 0xff;
        f.icmpType = b[icmpType] & 0xff;
        f.icmpCode = b[icmpCode] & 0xff;
        f.endpoint = (short) SHORT.get(b, endpoint) & 0xffff;
        f.conntrack = b[ctState] & 0xff;
        f.policyMatch = b[policyMatch] & 0xff;
        f.policyCookie = (int) INT.get(b, policyCookie) & 0xffffffffL;
        f.ifindex = (int) INT.get(b, ifindex);
        f.length = (int) INT.get(b, len) & 0xffffffffL;
        f.serviceHigh = (long) NET_LONG.get(b, svcAddr);
        f.serviceLow = (long) NET_LONG.get(b, svcAddr + 8);
        f.servicePort = (short) NET_SHORT.get(b, svcPort) & 0xffff;
        f.stage = (int) INT.get(b, stage);
        return f;
    }
}
