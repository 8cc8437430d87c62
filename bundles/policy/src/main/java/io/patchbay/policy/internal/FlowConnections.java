package io.patchbay.policy.internal;

import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.FlowSource;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The connections behind the flows in the node's ring, as policy is asked about them: the sender, the destination after service translation.
 * Answers belong to the connection that they answer, and errors about one to it; both are left out.
 */
final class FlowConnections {
    /** enum pb_ct_state. */
    private static final int ESTABLISHED = 2;
    private static final int DENIED = 133;
    private static final int DENIED_BY_RULE = 181;

    private final Map<IpAddress, LabelSet> owners = new HashMap<>();
    /** The newest flow of each connection, the newest connection first. */
    private final Map<Connection, Flow> newest = new LinkedHashMap<>();
    private int flows;
    private int strangers;

    FlowConnections(Cluster cluster) {
        cluster.pods().forEach(p -> p.addresses().forEach(a -> owners.put(a, p.labels())));
    }

    /** Reads what the ring holds. */
    FlowConnections read(FlowSource source) {
        for (Iterator<FlowEvent> all = source.backwards(source.next()); all.hasNext();) {
            if (all.next() instanceof Flow f) add(f);
        }
        return this;
    }

    private void add(Flow f) {
        flows++;
        if (!isForward(f)) return;
        if (isStranger(f.source()) || isStranger(f.destination())) {
            strangers++;
            return;
        }
        boolean icmp = f.packet().protocol() == 1 || f.packet().protocol() == 58;
        newest.putIfAbsent(new Connection(f.source().address(), f.destination().address(), f.packet().protocol(), icmp ? 0 : f.destination().port(),
                icmp ? f.packet().icmpType() : 0, icmp ? f.packet().icmpCode() : 0), f);
    }

    private static boolean isForward(Flow f) {
        if (f.source().address() == null || f.destination().address() == null) return false;
        return switch (f.type()) {
            case POLICY_VERDICT -> true;
            case DROP -> f.dropReason() == DENIED || f.dropReason() == DENIED_BY_RULE;
            case TRACE -> f.origin().conntrack() > 0 && f.origin().conntrack() <= ESTABLISHED;
            case SOCKET -> false; // the service's address; the packet's own flow has the backend's
        };
    }

    /** A pod at that time whose address is another's now, or nobody's: the cluster as it is can't judge it. */
    private boolean isStranger(Flow.Peer p) {
        return !p.pod().isEmpty() && !p.labels().equals(owners.get(p.address()));
    }

    Map<Connection, Flow> newest() {
        return newest;
    }

    /** Flows read, of all kinds. */
    int flows() {
        return flows;
    }

    /** Flows that were left out because a pod of theirs has gone or changed. */
    int strangers() {
        return strangers;
    }
}
