package io.patchbay.api.datapath;

import org.osgi.annotation.versioning.ProviderType;

/** Waiting for packets that are on their way through the pipeline; a service of the datapath. Thread-safe. */
@ProviderType
public interface Grace {
    /**
     * Returns when every pass of a packet hook that began before the call has ended, so that what it could see may be taken away.
     * Takes some milliseconds (an RCU grace period): never on the way of CNI ADD, nor before something is enforced.
     */
    void await();
}
