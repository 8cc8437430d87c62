/**
 * A cluster kept in a folder of plain Kubernetes YAML: reading it, the small controllers that make pods and endpoint slices of it, and the files
 * that hold what the cluster itself decides. No OSGi in here: the lab's daemons use it on a class path.
 * Not exported from the bundle: a feature that exports a package can be wired to its own earlier version after an update.
 */
@Version("1.0.0")
package io.patchbay.cluster.manifests;

import org.osgi.annotation.versioning.Version;
