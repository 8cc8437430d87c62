/** BTF, the type information of BPF objects and maps, parsed from bytes: struct layouts by field name and their comparison. */
@Version("0.1.0")
package io.patchbay.bpf.btf;

import org.osgi.annotation.versioning.Version;
