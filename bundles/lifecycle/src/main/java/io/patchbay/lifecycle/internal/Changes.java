package io.patchbay.lifecycle.internal;

import java.io.IOException;
import java.util.concurrent.Callable;

/** The queue of changes: one at a time. */
interface Changes {
    /** Runs it after those before, and waits for it. */
    <T> T run(Callable<T> change) throws ChangeRefused, IOException;

    /** Lets a draining feature leave once it is empty, or at its deadline. */
    void watchDrain(String feature);
}
