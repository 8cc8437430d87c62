package io.patchbay.api.datapath;

import org.osgi.annotation.versioning.ProviderType;

/** The event ring of this node. The kernel writes to it only while somebody listens. */
@ProviderType
public interface EventSource {
    /**
     * Delivers every event from now on, in order, on the reader's one thread; a listener must return quickly.
     *
     * @return stops the delivery when closed
     */
    AutoCloseable subscribe(String who, Listener listener);

    /** Events that found the ring full, since the node's maps were made. */
    long lost();

    /** Events read since the agent started. */
    long seen();

    /** Size of the ring in bytes. */
    int ringBytes();

    @FunctionalInterface
    interface Listener {
        /** @param event layout {@code pb_event}; valid during the call only: copy what is kept */
        void event(Struct event);
    }
}
