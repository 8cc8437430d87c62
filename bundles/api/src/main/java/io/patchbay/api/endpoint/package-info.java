/** The pods of this node. */
@Version("1.1.0")
package io.patchbay.api.endpoint;

import org.osgi.annotation.versioning.Version;
