/** Access to the kernel's BPF: a specification is read from an object file, loaded into owned programs and maps, and attached by links. */
@Version("0.2.0")
package io.patchbay.bpf;

import org.osgi.annotation.versioning.Version;
