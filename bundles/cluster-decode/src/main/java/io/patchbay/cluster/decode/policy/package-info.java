/** The policy kinds, strictly: what isn't known or isn't built is refused by name, never skipped. */
@Version("1.0.0")
package io.patchbay.cluster.decode.policy;

import org.osgi.annotation.versioning.Version;
