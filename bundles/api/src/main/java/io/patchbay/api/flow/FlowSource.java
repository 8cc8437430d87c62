package io.patchbay.api.flow;

import java.time.Duration;
import java.util.Iterator;
import org.osgi.annotation.versioning.ProviderType;

/** The node's flow ring: the last N events, and what comes. Provided by hubble. Thread-safe; no reader waits for another. */
@ProviderType
public interface FlowSource {
    String nodeName();

    /** The sequence that the next entry will have. */
    long next();

    /** What the ring holds before {@code sequence}, the newest first. Names are resolved as it is iterated; ends where the writer has overtaken it. */
    Iterator<FlowEvent> backwards(long sequence);

    /** Reads on from {@code sequence}; what is not held any more is reported as lost. To be closed. */
    FlowCursor follow(long sequence);

    Stats stats();

    /**
     * @param current    entries held
     * @param seen       flows since the feature was activated
     * @param perSecond  flows over the last minute, or over what the ring holds of it
     * @param kernelLost events that found the kernel's ring full, since the node's maps were made
     * @param readersLost entries that readers missed because they were too slow
     */
    record Stats(int current, int max, long seen, double perSecond, Duration uptime, long kernelLost, long readersLost) {
    }
}
