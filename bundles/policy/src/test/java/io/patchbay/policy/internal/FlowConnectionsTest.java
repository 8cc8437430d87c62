package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.FlowCursor;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.FlowSource;
import io.patchbay.api.flow.LostFlows;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** Which connections policy diff makes of a ring of flows. */
class FlowConnectionsTest {
    private static final IpAddress WEB = IpAddress.parse("10.0.0.10");
    private static final IpAddress CLI = IpAddress.parse("10.0.1.20");
    private static final IpAddress OUTSIDE = IpAddress.parse("1.1.1.1");
    private static final LabelSet WEB_LABELS = LabelSet.parse("k8s:app=web");
    private static final LabelSet CLI_LABELS = LabelSet.parse("k8s:app=cli");
    private static final Cluster CLUSTER = new Cluster(List.of(new Cluster.Pod("a/web", WEB_LABELS, List.of(WEB), "n1", Map.of()),
            new Cluster.Pod("a/cli", CLI_LABELS, List.of(CLI), "n1", Map.of())), List.of(), List.of(), Set.of(), false);

    private final List<FlowEvent> ring = new ArrayList<>();

    private static Flow.Peer peer(IpAddress address, int port) {
        boolean web = address.equals(WEB);
        boolean pod = web || address.equals(CLI);
        return new Flow.Peer(address, port, 0, 0, web ? WEB_LABELS : pod ? CLI_LABELS : LabelSet.empty(), pod ? "a" : "", web ? "web" : pod ? "cli" : "",
                Optional.empty(), Optional.empty());
    }

    private void flow(Flow.Type type, int conntrack, int dropReason, Flow.Peer from, Flow.Peer to, int protocol, int icmp) {
        ring.add(new Flow(ring.size(), Instant.EPOCH.plusSeconds(ring.size()), new UUID(0, ring.size()), type, 0, Flow.Verdict.FORWARDED, dropReason, from, to,
                new Flow.Packet(protocol, 0, icmp, 0, 60), Optional.empty(), Flow.Direction.EGRESS, Optional.empty(), Optional.empty(), Optional.empty(),
                new Flow.Origin(0, 0, 1, 0, conntrack, false, false, 0, 0)));
    }

    /** Only what the command asks for. */
    private final class Ring implements FlowSource {
        @Override
        public String nodeName() {
            return "n1";
        }

        @Override
        public long next() {
            return ring.size();
        }

        @Override
        public Iterator<FlowEvent> backwards(long sequence) {
            List<FlowEvent> all = new ArrayList<>(ring.subList(0, (int) sequence));
            java.util.Collections.reverse(all);
            return all.iterator();
        }

        @Override
        public FlowCursor follow(long sequence) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Stats stats() {
            throw new UnsupportedOperationException();
        }
    }

    @Test
    void eachConnectionOnceInItsOwnDirection() {
        flow(Flow.Type.POLICY_VERDICT, 1, 0, peer(CLI, 40000), peer(WEB, 8080), 6, 0);
        flow(Flow.Type.TRACE, 1, 0, peer(CLI, 40000), peer(WEB, 8080), 6, 0);
        flow(Flow.Type.TRACE, 3, 0, peer(WEB, 8080), peer(CLI, 40000), 6, 0);
        flow(Flow.Type.TRACE, 4, 0, peer(OUTSIDE, 0), peer(CLI, 0), 1, 3);
        flow(Flow.Type.SOCKET, 0, 0, peer(CLI, 0), peer(IpAddress.parse("10.96.0.1"), 80), 6, 0);
        flow(Flow.Type.TRACE, 2, 0, peer(CLI, 40001), peer(WEB, 8080), 6, 0);
        ring.add(new LostFlows(ring.size(), Instant.EPOCH, LostFlows.Source.PERF_EVENT_RING_BUFFER, 3));
        flow(Flow.Type.DROP, 0, 133, peer(CLI, 0), peer(OUTSIDE, 0), 1, 8);
        flow(Flow.Type.DROP, 0, 167, peer(CLI, 5), peer(OUTSIDE, 6), 6, 0);
        FlowConnections seen = new FlowConnections(CLUSTER).read(new Ring());
        assertEquals(Set.of(Connection.port(CLI, WEB, 6, 8080), Connection.icmp(CLI, OUTSIDE, 8, 0)), seen.newest().keySet());
        assertEquals(5, seen.newest().get(Connection.port(CLI, WEB, 6, 8080)).sequence(), "the newest of its flows");
        assertEquals(8, seen.flows());
        assertEquals(0, seen.strangers());
    }

    @Test
    void aPodThatIsAnotherNowIsLeftOut() {
        Flow.Peer gone = new Flow.Peer(IpAddress.parse("10.0.0.99"), 1, 0, 0, WEB_LABELS, "a", "old", Optional.empty(), Optional.empty());
        Flow.Peer relabelled = new Flow.Peer(WEB, 8080, 0, 0, CLI_LABELS, "a", "web", Optional.empty(), Optional.empty());
        flow(Flow.Type.TRACE, 1, 0, peer(CLI, 1), gone, 6, 0);
        flow(Flow.Type.TRACE, 1, 0, peer(CLI, 1), relabelled, 6, 0);
        FlowConnections seen = new FlowConnections(CLUSTER).read(new Ring());
        assertEquals(Set.of(), seen.newest().keySet());
        assertEquals(2, seen.strangers());
    }
}
