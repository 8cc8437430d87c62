package io.patchbay.hubble.internal;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.Flow.Direction;
import io.patchbay.api.flow.Flow.Frontend;
import io.patchbay.api.flow.Flow.Origin;
import io.patchbay.api.flow.Flow.Packet;
import io.patchbay.api.flow.Flow.Peer;
import io.patchbay.api.flow.Flow.Type;
import io.patchbay.api.flow.Flow.Verdict;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.LostFlows;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.policy.PolicyRules;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import java.util.function.IntFunction;
import java.util.function.ToIntFunction;

/** From an event's numbers to a flow with names. The rules are Hubble's, where it has one. Thread-safe. */
final class FlowResolver {
    /** {@code enum pb_policy_action}. */
    private static final int DENY = 2;
    private static final int AUDIT = 3;
    /** {@code enum pb_ct_state}. */
    private static final int CT_NONE = 0;
    private static final int CT_REPLY = 3;
    private static final int POLICY_DENIED = 133;
    private static final int POLICY_DENIED_BY_RULE = 181;

    private final Names names;
    private final ToIntFunction<IpAddress> identityOf;
    private final IntFunction<Optional<PolicyRules.Rule>> rules;
    private final long run;

    /**
     * @param identityOf for events that were written before the identity was looked up; 0: not known
     * @param rules      by the cookie of an event
     * @param run        what makes uuids of this activation differ from others'
     */
    FlowResolver(Names names, ToIntFunction<IpAddress> identityOf, IntFunction<Optional<PolicyRules.Rule>> rules, long run) {
        this.names = names;
        this.identityOf = identityOf;
        this.rules = rules;
        this.run = run;
    }

    FlowEvent resolve(RawFlow f) {
        Instant time = Instant.ofEpochSecond(Math.floorDiv(f.wall, 1_000_000_000L), Math.floorMod(f.wall, 1_000_000_000L));
        if (f.lost > 0) {
            return new LostFlows(f.sequence, time, f.lostAt, f.lost);
        }
        Type type = Type.ofNumber(f.type);
        boolean ingress = (f.flags & EventDecoder.INGRESS) != 0;
        Optional<Boolean> reply = switch (type) {
            case TRACE -> f.conntrack == CT_NONE ? Optional.empty() : Optional.of(f.conntrack == CT_REPLY);
            case POLICY_VERDICT, SOCKET -> Optional.of(false);
            case DROP -> Optional.empty();
        };
        boolean isReply = reply.orElse(false);
        Optional<Frontend> frontend = f.servicePort == 0 && f.serviceHigh == 0 && f.serviceLow == 0 ? Optional.empty()
                : Optional.of(new Frontend(new IpAddress(f.serviceHigh, f.serviceLow), f.servicePort));
        int local = ingress || f.hook == Hook.POD_EGRESS.number() || f.endpoint == Endpoint.HOST || f.hook >= Hook.CONNECT4.number() ? f.endpoint : 0;
        IpAddress sent = address(f.sourceHigh, f.sourceLow);
        IpAddress sender = masquerading(f, sent, local);
        Peer source = peer(f, sender != null ? sender : sent, f.sourcePort, f.sourceIdentity, ingress ? 0 : local, isReply ? frontend : Optional.empty());
        Peer destination = peer(f, address(f.destinationHigh, f.destinationLow), f.destinationPort, f.destinationIdentity, ingress ? local : 0,
                isReply ? Optional.empty() : frontend);
        return new Flow(f.sequence, time, uuid(f.sequence), type, f.code, verdict(type, f), dropReason(type, f), source, destination,
                new Packet(f.protocol, f.tcpFlags, f.icmpType, f.icmpCode, f.length), reply, direction(type, f, ingress, isReply), frontend,
                sender == null ? Optional.empty() : Optional.of(sent), rule(type, f),
                new Origin(f.hook, f.stage, f.epoch, f.ifindex, f.conntrack, (f.flags & EventDecoder.TUNNEL) != 0,
                        (f.flags & EventDecoder.MASQUERADED) != 0, f.policyMatch, f.policyCookie));
    }

    /** Null: all zero, the packet was not parsed. */
    private static IpAddress address(long high, long low) {
        return high == 0 && low == 0 ? null : new IpAddress(high, low);
    }

    /** The pod's address where the event has the node's that the packet left with; null when it has not. */
    private IpAddress masquerading(RawFlow f, IpAddress sent, int endpoint) {
        if ((f.flags & EventDecoder.MASQUERADED) == 0 || endpoint == 0 || sent == null) {
            return null;
        }
        Names.Local pod = names.endpoint(endpoint, f.ts);
        return pod == null ? null : pod.addresses().stream().filter(a -> a.isV4() == sent.isV4() && !a.equals(sent)).findFirst().orElse(null);
    }

    private Peer peer(RawFlow f, IpAddress address, int rawPort, int rawIdentity, int endpointId, Optional<Frontend> frontend) {
        boolean ports = f.protocol == Protocol.TCP.number() || f.protocol == Protocol.UDP.number() || f.protocol == Protocol.SCTP.number();
        // Of an ICMP echo, the event has the identifier there.
        int port = ports ? rawPort : 0;
        Names.Local local = address == null ? null : names.local(address, f.ts);
        Names.Owner owner = address == null ? null : names.owner(address, f.ts);
        int identity = rawIdentity != 0 || address == null ? rawIdentity : local != null ? local.identity() : identityOf.applyAsInt(address);
        LabelSet labels = names.labels(identity, f.ts);
        if (labels == null) {
            labels = local != null && local.identity() == identity ? local.labels() : LabelSet.empty();
        }
        String namespace = local != null ? local.namespace() : owner != null ? owner.pod().namespace() : labels.namespace().orElse("");
        String pod = local != null ? local.pod() : owner != null ? owner.pod().name() : "";
        boolean samePod = owner != null && owner.pod().name().equals(pod) && owner.pod().namespace().equals(namespace);
        ObjectKey service = null;
        if (address != null && ports) {
            service = names.service(address, port, f.protocol, f.ts);
            if (service == null && frontend.isPresent()) {
                service = names.service(frontend.get().address(), frontend.get().port(), f.protocol, f.ts);
            }
        }
        return new Peer(address, port, endpointId != 0 ? endpointId : local == null ? 0 : local.id(), identity, labels, namespace, pod,
                samePod ? Optional.of(owner.workload()) : Optional.empty(), Optional.ofNullable(service));
    }

    private static Verdict verdict(Type type, RawFlow f) {
        return switch (type) {
            case DROP -> Verdict.DROPPED;
            case TRACE -> Verdict.FORWARDED;
            case SOCKET -> Verdict.TRANSLATED;
            case POLICY_VERDICT -> f.code == DENY ? Verdict.DROPPED : f.code == AUDIT ? Verdict.AUDIT : Verdict.FORWARDED;
        };
    }

    /** A verdict doesn't carry the reason: it was a rule that denied if one matched, else that none allowed. */
    private static int dropReason(Type type, RawFlow f) {
        return switch (type) {
            case DROP -> f.code;
            case POLICY_VERDICT -> f.code != DENY ? 0 : f.policyMatch != 0 ? POLICY_DENIED_BY_RULE : POLICY_DENIED;
            default -> 0;
        };
    }

    /** Other drops may carry the cookie of a rule that had let the packet pass. */
    private Optional<PolicyRules.Rule> rule(Type type, RawFlow f) {
        boolean decided = type == Type.POLICY_VERDICT || type == Type.DROP && (f.code == POLICY_DENIED || f.code == POLICY_DENIED_BY_RULE);
        return decided && f.policyCookie != 0 ? rules.apply((int) f.policyCookie) : Optional.empty();
    }

    /** Of the connection, seen from the pod that the pass is about: what it receives as an answer belongs to a connection that goes out. */
    private static Direction direction(Type type, RawFlow f, boolean ingress, boolean reply) {
        if (!ingress && f.hook != Hook.POD_EGRESS.number() && f.hook < Hook.CONNECT4.number() && f.endpoint != Endpoint.HOST) {
            return Direction.UNKNOWN;
        }
        boolean known = type != Type.TRACE || f.conntrack != CT_NONE;
        return !known ? Direction.UNKNOWN : ingress == reply ? Direction.EGRESS : Direction.INGRESS;
    }

    /** Version 4 in form; made from the sequence, so that a flow has the same one each time it is read. */
    private UUID uuid(long sequence) {
        long high = mix(run ^ sequence);
        long low = mix(high ^ run);
        return new UUID(high & ~0xf000L | 0x4000L, low & 0x3fffffffffffffffL | 0x8000000000000000L);
    }

    private static long mix(long z) {
        z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
        return z ^ z >>> 31;
    }
}
