package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.net.IpAddress;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What the policy stage costs a packet: the sender's hook with a peer at random for each packet, less the same hook and peers without the stage. All
 * tables meet the same 10 000 addresses, so that the rest of the hook is as cold beside each; those of the small table have 10 identities between them.
 * Rounds are interleaved; a second run of a case shows the noise. Run as a main class, as root.
 */
final class StageBench {
    private static final IpAddress POD = IpAddress.parse("10.0.0.10");
    private static final int UDP = 17;
    private static final int PEERS = 10_000;
    private static final int FEW_IDENTITIES = 0x0a010000;
    private static final int MANY_IDENTITIES = 0x0a020000;
    private static final int ROUNDS = 21;
    private static final int PACKETS = 30_000;

    private StageBench() {
    }

    /**
     * @param table policy class; 0: the stage is left out
     * @param first address of the first peer
     */
    private record Case(String name, int table, int first, int peers) {
    }

    public static void main(String[] args) {
        System.out.println("each packet asks (the first of a connection, and all after a change):");
        try (Programs programs = new Programs(false)) {
            measure(programs, List.of(new Case("10 peers, without", 0, FEW_IDENTITIES, 10), new Case("10 peers, 10 entries", 1, FEW_IDENTITIES, 10)));
            measure(programs, cases());
        }
        System.out.println("packets of connections that passed before:");
        try (Programs programs = new Programs(true)) {
            measure(programs, cases());
        }
    }

    private static List<Case> cases() {
        return List.of(new Case("without", 0, MANY_IDENTITIES, PEERS), new Case("10 entries", 1, FEW_IDENTITIES, PEERS),
                new Case("10 entries again", 1, FEW_IDENTITIES, PEERS), new Case("10 000 entries", 2, MANY_IDENTITIES, PEERS),
                new Case("10 000 entries again", 2, MANY_IDENTITIES, PEERS),
                new Case("10 000 entries, ranges of five shapes", 3, MANY_IDENTITIES, PEERS));
    }

    private static void measure(Programs programs, List<Case> cases) {
        KernelTables tables = programs.tables(false);
        tables.install(Map.of(1, map(10, false), 2, map(PEERS, false), 3, map(PEERS, true)), List.of());
        for (int i = 0; i < PEERS; i++) {
            programs.address(IpAddress.ofV4(FEW_IDENTITIES + i), 1000 + i % 10, 0);
            programs.address(IpAddress.ofV4(MANY_IDENTITIES + i), 1000 + i, 0);
        }
        byte[] packet = Programs.packet(POD, IpAddress.ofV4(FEW_IDENTITIES), UDP, 8192);
        double[][] ns = new double[cases.size()][ROUNDS];
        for (int round = -2; round < ROUNDS; round++) {
            for (int i = 0; i < cases.size(); i++) {
                Case c = cases.get(i);
                programs.endpoint(POD, 300, Math.max(1, c.table), 0);
                List<Runnable> back = new ArrayList<>(List.of(programs.randomPeers(c.first, c.peers)));
                if (c.table == 0) back.add(programs.withoutPolicy());
                // all entries made, all verdicts remembered, caches as the case leaves them
                programs.time(Programs.POD_EGRESS, packet, 4 * PACKETS);
                int[] before = programs.codes(Programs.POD_EGRESS);
                int time = programs.time(Programs.POD_EGRESS, packet, PACKETS);
                if (programs.codes(Programs.POD_EGRESS)[Programs.PASSED] - before[Programs.PASSED] != PACKETS) throw new IllegalStateException(c + ": not all passed");
                back.forEach(Runnable::run);
                if (round >= 0) ns[i][round] = time;
            }
        }
        for (double[] row : ns) Arrays.sort(row);
        double base = ns[0][ROUNDS / 2];
        for (int i = 0; i < cases.size(); i++) {
            double median = ns[i][ROUNDS / 2];
            System.out.printf("  %-40s hook %5.0f ns (%.0f-%.0f), policy stage %4.0f ns%n", cases.get(i).name, median, ns[i][1], ns[i][ROUNDS - 2], median - base);
        }
    }

    private static PolicyMap map(int peers, boolean ranges) {
        PolicyMap map = new PolicyMap();
        map.table(Direction.EGRESS).enforced(true);
        for (int i = 0; i < peers; i++) {
            int bits = ranges ? 12 + i % 5 : 16;
            map.table(Direction.EGRESS).put(1000 + i, UDP, bits, 8192 & ~(0xffff >>> bits), false, 7);
        }
        return map;
    }
}
