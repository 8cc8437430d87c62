/** Policy objects as rows: what the document says, field by field, with absent and empty kept apart and nothing decided yet. */
@Version("1.0.0")
package io.patchbay.api.cluster.policy;

import org.osgi.annotation.versioning.Version;
