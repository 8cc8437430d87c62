package io.patchbay.api.datapath;

/**
 * One program at one hook, from a feature's descriptor.
 *
 * @param object  path of the object in the jar, {@code bpf/conntrack.o}
 * @param program C function name; for packet hooks a {@code PB_STAGE}
 * @param order   position in the hook's chain; socket hooks: 0. The numbers in use are in docs/datapath.md
 */
public record Stage(String object, String program, Hook hook, int order) {
}
