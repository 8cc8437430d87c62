package io.patchbay.servicelb.internal;

import io.patchbay.api.node.Launch;
import java.net.InetAddress;
import java.net.UnknownHostException;
import org.osgi.framework.BundleContext;

/** This node's name in the cluster. */
final class NodeName {
    private NodeName() {
    }

    /** As the launcher was told, else the host's name. */
    static String of(BundleContext context) {
        String given = context.getProperty(Launch.NODE_NAME);
        if (given != null && !given.isBlank()) return given;
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            throw new IllegalStateException("this node has no name: start the agent with one", e);
        }
    }
}
