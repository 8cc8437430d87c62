/** Policy, for those who explain what it decided. */
@Version("1.0.0")
package io.patchbay.api.policy;

import org.osgi.annotation.versioning.Version;
