/** Calls of container runtimes. */
@Version("1.0.0")
package io.patchbay.api.cni;

import org.osgi.annotation.versioning.Version;
