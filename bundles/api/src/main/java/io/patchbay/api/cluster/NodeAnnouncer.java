package io.patchbay.api.cluster;

import java.io.IOException;
import java.util.Map;
import org.osgi.annotation.versioning.ConsumerType;

/** Publishes facts about the own node to the others; provided by the source of the cluster's objects. Thread-safe; may block on I/O. */
@ConsumerType
public interface NodeAnnouncer {
    /**
     * Makes these annotations part of the own {@link Node} row, as every node sees it, replacing those of the same names.
     *
     * @throws IOException if it could not be published; try again later
     */
    void announce(Map<String, String> annotations) throws IOException;
}
