package io.patchbay.api.status;

import java.time.Instant;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/** Everything that works in the background under a name: reconcilers, timers, watches. The row "Controller Status" counts them. */
@ProviderType
public interface Controllers {
    /** Registers; closing the result removes it. */
    Controller register(String name);

    List<State> list();

    /** Reports of one controller. Thread-safe. */
    interface Controller extends AutoCloseable {
        void succeeded();

        void failed(Throwable reason);

        @Override
        void close();
    }

    /** @param failures consecutive */
    record State(String name, Instant lastSuccess, Instant lastError, int failures, String message) {
        public boolean healthy() {
            return failures == 0;
        }
    }
}
