/** Commands of the shell and of the patchbay client. */
@Version("1.1.0")
package io.patchbay.api.shell;

import org.osgi.annotation.versioning.Version;
