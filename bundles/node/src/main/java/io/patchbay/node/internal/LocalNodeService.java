package io.patchbay.node.internal;

import io.patchbay.api.node.LocalNode;
import java.util.Dictionary;
import java.util.Hashtable;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceRegistration;

/**
 * The node as a service. Whoever refers to it begins or ends within these calls, whatever that takes: so no lock is held meanwhile, or who closes this would
 * wait for them all. Published on one thread, closed on any.
 */
final class LocalNodeService implements AutoCloseable {
    private final BundleContext context;
    private int generation;
    /** Guarded by this. */
    private ServiceRegistration<LocalNode> registration;
    private boolean closed;

    LocalNodeService(BundleContext context) {
        this.context = context;
    }

    /** The new one is there, ranked higher, before the old one goes: nobody is without. */
    void publish(LocalNode node) {
        Dictionary<String, Object> properties = new Hashtable<>();
        properties.put(Constants.SERVICE_RANKING, ++generation);
        ServiceRegistration<LocalNode> fresh = context.registerService(LocalNode.class, node, properties);
        ServiceRegistration<LocalNode> unused;
        synchronized (this) {
            unused = closed ? fresh : registration;
            if (!closed) registration = fresh;
        }
        if (unused != null) unused.unregister();
    }

    @Override
    public void close() {
        ServiceRegistration<LocalNode> last;
        synchronized (this) {
            closed = true;
            last = registration;
            registration = null;
        }
        if (last != null) last.unregister();
    }
}
