package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.net.IpAddress;
import io.patchbay.bpf.Rcu;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * What the policy stage costs a packet: the sender's hook with random peers, with tables of 10 and of 10 000 entries, less the same hook and
 * peers without the stage. Rounds are interleaved; a second run of the small table shows the noise. Run as a main class, as root.
 */
final class StageBench {
    private static final IpAddress POD = IpAddress.parse("10.0.0.10");
    private static final int ROUNDS = 15;
    private static final int PACKETS = 4000;
    /** Runs of each packet: few, so that each peer's entry is as cold as traffic would find it. */
    private static final int REPEAT = 4;

    private StageBench() {
    }

    public static void main(String[] args) {
        try (Programs programs = new Programs()) {
            KernelTables tables = new KernelTables(programs.map("policy"), programs.map("policy_dirs"), programs.map("policy_select"), Rcu::grace, false);
            tables.install(Map.of(1, map(10, false), 2, map(10_000, false), 3, map(10_000, true)), List.of());
            byte[][] few = packets(programs, 10);
            byte[][] many = packets(programs, 10_000);
            Case[] cases = {new Case("10 peers, without the stage", 0, few), new Case("10 entries", 1, few), new Case("10 entries again", 1, few),
                    new Case("10 000 peers, without the stage", 0, many), new Case("10 000 entries", 2, many),
                    new Case("10 000 entries, ranges of five shapes", 3, many)};
            double[][] ns = new double[cases.length][ROUNDS];
            for (int round = -3; round < ROUNDS; round++) {
                for (int i = 0; i < cases.length; i++) {
                    programs.endpoint(POD, 300, Math.max(1, cases[i].policyId), 0);
                    Runnable back = cases[i].policyId == 0 ? programs.withoutPolicy() : () -> { };
                    double mean = run(programs, cases[i].packets, round);
                    back.run();
                    if (round >= 0) ns[i][round] = mean;
                }
            }
            for (double[] row : ns) Arrays.sort(row);
            double base = 0;
            for (int i = 0; i < cases.length; i++) {
                double median = ns[i][ROUNDS / 2];
                if (cases[i].policyId == 0) base = median;
                System.out.printf("%-40s hook %5.0f ns (%.0f-%.0f), policy stage %4.0f ns%n", cases[i].name, median, ns[i][1], ns[i][ROUNDS - 2], median - base);
            }
        }
    }

    /** @param policyId 0: the stage is left out */
    private record Case(String name, int policyId, byte[][] packets) {
    }

    private static double run(Programs programs, byte[][] packets, int round) {
        Random random = new Random(round);
        long sum = 0;
        for (int i = 0; i < PACKETS; i++) sum += programs.time(Programs.POD_EGRESS, packets[random.nextInt(packets.length)], REPEAT);
        return (double) sum / PACKETS;
    }

    private static PolicyMap map(int peers, boolean ranges) {
        PolicyMap map = new PolicyMap();
        map.table(Direction.EGRESS).enforced(true);
        for (int i = 0; i < peers; i++) {
            int bits = ranges ? 12 + i % 5 : 16;
            map.table(Direction.EGRESS).put(1000 + i, 6, bits, 8192 & ~(0xffff >>> bits), false, 7);
        }
        return map;
    }

    private static byte[][] packets(Programs programs, int peers) {
        byte[][] packets = new byte[peers][];
        for (int i = 0; i < peers; i++) {
            IpAddress a = IpAddress.ofV4(0x0a010000 + i);
            programs.address(a, 1000 + i, 0);
            packets[i] = Programs.packet(POD, a, 6, 8192);
        }
        return packets;
    }
}
