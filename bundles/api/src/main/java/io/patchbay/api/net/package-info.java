/** Addresses, prefixes and protocols. */
@Version("1.0.0")
package io.patchbay.api.net;

import org.osgi.annotation.versioning.Version;
