package io.patchbay.shell.internal;

import org.osgi.framework.Bundle;
import org.osgi.framework.FrameworkUtil;

/** The version of the distribution: that of this bundle. */
final class Version {
    private Version() {
    }

    static String text() {
        Bundle b = FrameworkUtil.getBundle(Version.class);
        return b == null ? "unknown" : b.getVersion().toString();
    }
}
