/** The cluster as Patchbay knows it: immutable rows, tables with change streams, and what a source of them provides. */
@Version("1.1.0")
package io.patchbay.api.cluster;

import org.osgi.annotation.versioning.Version;
