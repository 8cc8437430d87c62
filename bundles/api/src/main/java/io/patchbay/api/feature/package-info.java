/** What a feature is: its descriptor, its state, its runtime. */
@Version("1.3.0")
package io.patchbay.api.feature;

import org.osgi.annotation.versioning.Version;
