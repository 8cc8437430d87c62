package io.patchbay.bpf;

/** Which entries an update may touch, in the kernel's numbering. */
public enum UpdateMode {
    /** Add or replace. */
    ANY,
    /** Add only. */
    NOEXIST,
    /** Replace only. */
    EXIST
}
