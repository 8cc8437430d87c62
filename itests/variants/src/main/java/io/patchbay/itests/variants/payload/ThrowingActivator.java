package io.patchbay.itests.variants.payload;

import org.osgi.framework.BundleActivator;
import org.osgi.framework.BundleContext;

/** Put into jars as their activator: a version whose code can't start. */
public final class ThrowingActivator implements BundleActivator {
    /** Found again in the message that the user gets. */
    public static final String REASON = "this version was made to fail at start";

    @Override
    public void start(BundleContext context) {
        throw new IllegalStateException(REASON);
    }

    @Override
    public void stop(BundleContext context) {
        // It was never started.
    }
}
