/** The node that this agent runs on. */
@Version("1.0.0")
package io.patchbay.api.node;

import org.osgi.annotation.versioning.Version;
