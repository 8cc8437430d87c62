package io.patchbay.bpf;

/** A program in an object file: its function's name, the ELF section, the number of its instructions as compiled. */
public record ProgramSpec(String name, String section, int instructions) { }
