package io.patchbay.bpf;

import java.util.List;

/**
 * What the kernel says of a program. The name is cut at 15 characters; the tag is a hash of the instructions; {@code verifiedInstructions} is
 * how many the verifier walked. Run time and count are 0 unless kernel.bpf_stats_enabled is set.
 */
public record ProgramInfo(int id, String name, ProgramType type, String tag, int btfId, List<Integer> mapIds, int verifiedInstructions, long runTimeNs,
                          long runCount) { }
