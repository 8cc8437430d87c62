/** The consumer of a BPF ring buffer, over mapped memory. */
@Version("0.1.0")
package io.patchbay.bpf.ring;

import org.osgi.annotation.versioning.Version;
