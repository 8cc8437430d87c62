/** Identity numbers and the ipcache. */
@Version("1.2.0")
package io.patchbay.api.identity;

import org.osgi.annotation.versioning.Version;
