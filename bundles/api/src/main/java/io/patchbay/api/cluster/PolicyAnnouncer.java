package io.patchbay.api.cluster;

import io.patchbay.api.cluster.policy.PolicyObject;
import java.io.IOException;
import java.util.Map;
import org.osgi.annotation.versioning.ConsumerType;

/** Makes known with the policies themselves what the own node can't enforce; provided by the source of the cluster's objects. Thread-safe; may block on I/O. */
@ConsumerType
public interface PolicyAnnouncer {
    /**
     * Replaces what this node has said before.
     *
     * @param notInForce why, by policy; empty: everything is in force
     * @throws IOException if it could not be published; try again later
     */
    void announcePolicies(Map<PolicyObject.Key, String> notInForce) throws IOException;
}
