/** Desired state against the kernel's. */
@Version("1.0.0")
package io.patchbay.api.reconcile;

import org.osgi.annotation.versioning.Version;
