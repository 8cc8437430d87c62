package io.patchbay.api.cluster;

import org.osgi.annotation.versioning.ProviderType;

/** A listener's place in a table's change stream. */
@ProviderType
public interface Subscription extends AutoCloseable {
    /** No call starts after this; one under way on another thread may still finish. */
    @Override
    void close();
}
