/** Commands of the shell and of the patchbay client. */
@Version("1.2.0")
package io.patchbay.api.shell;

import org.osgi.annotation.versioning.Version;
