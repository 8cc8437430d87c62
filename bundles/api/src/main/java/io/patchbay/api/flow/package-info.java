/** What the node saw: flows, with names. */
@Version("2.0.0")
package io.patchbay.api.flow;

import org.osgi.annotation.versioning.Version;
