/** Figures that monitoring systems read. */
@Version("1.0.0")
package io.patchbay.api.metrics;

import org.osgi.annotation.versioning.Version;
