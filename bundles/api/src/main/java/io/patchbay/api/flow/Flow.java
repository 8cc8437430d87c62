package io.patchbay.api.flow;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.policy.PolicyRules;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;

/**
 * One event of the datapath about one packet, with the names that held at that time. Immutable.
 *
 * @param uuid       the same each time that this flow is read
 * @param code       of struct pb_event: a drop reason, an observation point ({@code enum pb_code}) or a policy action
 * @param dropReason number of {@code enum pb_code}, 0 when nothing was dropped; {@link io.patchbay.api.datapath.Verdict#text}
 * @param reply      empty: not known, as for drops
 * @param direction  of the connection as the pod sees it that the event is about
 * @param service    the service's address before translation, when this pass translated it
 * @param translatedSource the node's address that the packet left with, when it was masqueraded; the source's port is the one with it, its
 *                   address the pod's
 * @param rule       of a policy verdict, or a drop for it: the rule that decided; empty when none did, or an earlier run of the agent gave its cookie
 */
public record Flow(long sequence, Instant time, UUID uuid, Type type, int code, Verdict verdict, int dropReason, Peer source, Peer destination,
                   Packet packet, Optional<Boolean> reply, Direction direction, Optional<Frontend> service,
                   Optional<IpAddress> translatedSource, Optional<PolicyRules.Rule> rule, Origin origin) implements FlowEvent {
    /** Kinds of events; the numbers are those of {@code enum pb_event_type} and of Cilium's monitor. */
    public enum Type {
        DROP(1), TRACE(4), POLICY_VERDICT(5), SOCKET(7);

        private final int number;

        Type(int number) {
            this.number = number;
        }

        public int number() {
            return number;
        }

        /** Null when there is none of that number. */
        public static Type ofNumber(int number) {
            return switch (number) {
                case 1 -> DROP;
                case 4 -> TRACE;
                case 5 -> POLICY_VERDICT;
                case 7 -> SOCKET;
                default -> null;
            };
        }
    }

    /** Names are Hubble's ({@code flow.Verdict}). */
    public enum Verdict { FORWARDED, DROPPED, AUDIT, TRANSLATED }

    public enum Direction { UNKNOWN, INGRESS, EGRESS }

    /**
     * One end.
     *
     * @param address    null: the packet could not be parsed
     * @param port       0 for protocols without
     * @param endpointId of a pod of this node, else 0
     * @param identity   0: not known
     * @param labels     of the identity
     * @param namespace  "" when it is no pod
     * @param pod        "" when it is no pod, or not known
     * @param service    whose address and port this end has, or had before translation
     */
    public record Peer(IpAddress address, int port, int endpointId, int identity, LabelSet labels, String namespace, String pod,
                       Optional<Workload> workload, Optional<ObjectKey> service) {
        public Peer {
            Objects.requireNonNull(labels);
            Objects.requireNonNull(namespace);
            Objects.requireNonNull(pod);
        }
    }

    /** What a pod belongs to. @param kind {@code Deployment}, {@code DaemonSet}, {@code StatefulSet}, {@code Job}, {@code Pod} */
    public record Workload(String name, String kind) {
    }

    /** @param protocol IANA number; @param tcpFlags byte 13 of the TCP header; @param length bytes, all segments */
    public record Packet(int protocol, int tcpFlags, int icmpType, int icmpCode, long length) {
    }

    /** A service's address. */
    public record Frontend(IpAddress address, int port) {
    }

    /**
     * Where in the datapath the event was written.
     *
     * @param hook         number of {@link io.patchbay.api.datapath.Hook} that was entered
     * @param stage        order number of the stage that decided
     * @param epoch        low byte of the generation's
     * @param conntrack    {@code enum pb_ct_state}
     * @param policyMatch  {@code enum pb_policy_match}
     * @param policyCookie of the rule that decided, 0: none
     */
    public record Origin(int hook, int stage, int epoch, int ifindex, int conntrack, boolean tunnel, boolean masqueraded, int policyMatch,
                         long policyCookie) {
    }
}
