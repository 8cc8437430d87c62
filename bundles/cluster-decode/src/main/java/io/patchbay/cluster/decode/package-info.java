/**
 * The one strict decoder: YAML or JSON text to trees with positions, and trees to cluster rows. What it doesn't know it refuses, naming file,
 * document, line, column and field; absent, null and empty are three different things.
 */
@Export
@Version("1.1.0")
package io.patchbay.cluster.decode;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
