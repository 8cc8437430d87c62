package io.patchbay.api.cluster;

import java.util.function.Consumer;
import org.osgi.annotation.versioning.ProviderType;

/** Where a source puts its rows. Thread-safe. */
@ProviderType
public interface TableSink {
    /**
     * Runs the work under the tables' lock (let it only hand over what is ready) and publishes its effect at once, or not at all if it throws.
     *
     * @throws IllegalStateException if the source has been stopped, or a row belongs to another source
     */
    void commit(Consumer<TableTransaction> work);

    /**
     * The health of the source itself, as {@code status} shows it.
     *
     * @param problem what is wrong, in a line for the user; null when all is well
     */
    void health(String problem);
}
