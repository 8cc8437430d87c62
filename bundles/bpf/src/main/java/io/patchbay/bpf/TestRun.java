package io.patchbay.bpf;

/** What a test run gave: the verdict, the packet and its context afterwards, the mean duration of a run. */
public record TestRun(int verdict, byte[] packet, SkbContext context, int durationNs) { }
