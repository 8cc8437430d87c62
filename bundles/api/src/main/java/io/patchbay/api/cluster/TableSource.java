package io.patchbay.api.cluster;

import java.util.Set;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Feeds tables; register one as a service. Its rows stay when it goes away (an update of its bundle must not empty a table), and a source that
 * comes back under the same name takes them over. A row belongs to the source that put it there; while that one runs, another
 * source's attempt at the same key is refused.
 */
@ConsumerType
public interface TableSource {
    /** Stable over restarts; rows are owned by it. */
    String name();

    /** The tables it will declare {@linkplain TableTransaction#synced synced}. */
    Set<TableId<?, ?>> tables();

    /** Begins feeding, without blocking: the sink may be used from any thread from now on. */
    void start(TableSink sink);

    /** Ends feeding; the sink refuses further use. */
    void stop();
}
