/** Rows of the status command. */
@Version("1.0.0")
package io.patchbay.api.status;

import org.osgi.annotation.versioning.Version;
