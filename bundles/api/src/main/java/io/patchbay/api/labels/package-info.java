/** Labels as identities and policies know them: {@code source:key=value}. */
@Version("1.0.0")
package io.patchbay.api.labels;

import org.osgi.annotation.versioning.Version;
