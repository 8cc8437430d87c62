/** Pod addresses. */
@Version("1.0.0")
package io.patchbay.api.ipam;

import org.osgi.annotation.versioning.Version;
