package io.patchbay.api.flow;

import java.time.Duration;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * A reader's place in the flow ring. It never holds up the writer: a reader that is slower than the traffic gets a {@link LostFlows}
 * in place of what was overwritten. To be used by one thread; {@link #close} by any.
 */
@ProviderType
public interface FlowCursor extends AutoCloseable {
    /**
     * The next entry, waiting for it if need be; empty when there was none in time, or the cursor is closed.
     *
     * @throws InterruptedException when the waiting thread is interrupted
     */
    Optional<FlowEvent> next(Duration wait) throws InterruptedException;

    /** Entries that were overwritten before this reader came to them. */
    long lost();

    /** Whether {@link #next} will give nothing any more. */
    boolean closed();

    /** Wakes a waiting reader. */
    @Override
    void close();
}
