package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.net.IpAddress;
import io.patchbay.bpf.Rcu;
import io.patchbay.policy.internal.compile.TableDelta;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.table.PolicyEntry;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What the tables in the kernel do while they are changed: through the real programs. */
@Tag("root")
class FlipTest {
    private static final IpAddress POD = IpAddress.parse("10.0.0.10");
    private static final IpAddress PEER = IpAddress.parse("10.0.1.20");
    private static final int PEER_ID = 4711;
    private static final int TCP = 6;
    private static final int NOT_READY = 203;
    private static Programs programs;
    private KernelTables tables;

    @BeforeAll
    static void load() {
        programs = new Programs();
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @BeforeEach
    void fresh() {
        tables = programs.noTables();
        programs.address(PEER, PEER_ID, 0);
    }

    private static KernelTables open() {
        return programs.tables(false);
    }

    private static int send(int port) {
        return programs.run(Programs.POD_EGRESS, Programs.packet(POD, PEER, TCP, port));
    }

    /** Egress and ingress closed; each port open in one direction. */
    private static PolicyMap map(int egressPort, int ingressPort, int more) {
        PolicyMap map = new PolicyMap();
        for (Direction d : Direction.values()) {
            map.table(d).enforced(true);
            map.table(d).put(PEER_ID, TCP, 16, d == Direction.EGRESS ? egressPort : ingressPort, false, 7);
            for (int i = 0; i < more; i++) map.table(d).put(100_000 + i, TCP, 16, 1000, false, 8);
        }
        return map;
    }

    private static int port(Direction d, int port) {
        return d == Direction.EGRESS ? programs.run(Programs.POD_EGRESS, Programs.packet(POD, PEER, TCP, port))
                : programs.run(Programs.POD_INGRESS, Programs.packet(PEER, POD, TCP, port));
    }

    @Test
    void nothingPassesBeforeATableIsThere() {
        programs.endpoint(POD, 300, 0, 0);
        assertEquals(NOT_READY, send(80), "no class");
        programs.endpoint(POD, 300, 5, 0);
        assertEquals(NOT_READY, send(80), "a class that nobody wrote");
        programs.endpoint(POD, 300, 1 << 20, 0);
        assertEquals(NOT_READY, send(80), "a class beyond the directory");
        tables.addClass(5, map(80, 81, 0));
        programs.endpoint(POD, 300, 5, 0);
        assertEquals(Programs.PASSED, send(80));
        assertEquals(133, send(81));
        assertEquals(133, port(Direction.INGRESS, 80));
        assertEquals(Programs.PASSED, port(Direction.INGRESS, 81));
    }

    @Test
    void auditLetsPassWhatPolicyDenies() {
        PolicyMap map = map(80, 81, 0);
        map.table(Direction.EGRESS).put(PEER_ID, TCP, 16, 82, true, 9);
        tables.addClass(5, map);
        programs.endpoint(POD, 300, 5, 8);
        assertEquals(Programs.PASSED, send(83), "no rule");
        assertEquals(Programs.PASSED, send(82), "a deny");
        assertEquals(133, port(Direction.INGRESS, 83), "the other direction is not audited");
        programs.endpoint(POD, 300, 5, 4);
        assertEquals(181, send(82));
        assertEquals(Programs.PASSED, port(Direction.INGRESS, 83));
    }

    @Test
    void anOutsiderWithAPodsAddressHasNotItsPeerClass() {
        int peerClass = (3 << 24) + 1;
        PolicyMap map = new PolicyMap();
        for (Direction d : Direction.values()) {
            map.table(d).enforced(true);
            map.table(d).put(peerClass, 0, 0, 0, false, 7);
        }
        tables.addClass(5, map);
        programs.endpoint(POD, 300, 5, 0);
        programs.address(PEER, PEER_ID, peerClass);
        assertEquals(Programs.PASSED, send(80));
        assertEquals(Programs.PASSED, port(Direction.INGRESS, 80));
        // identity says "world" of what carries a pod's address and comes from outside: here the packet brings that identity
        int[] before = programs.codes(Programs.POD_INGRESS);
        programs.ingressAs(Programs.packet(PEER, POD, TCP, 80), 2);
        assertEquals(before[133] + 1, programs.codes(Programs.POD_INGRESS)[133]);
    }

    @Test
    void peersComeAndGoInPlace() {
        tables.addClass(5, map(80, 81, 0));
        programs.endpoint(POD, 300, 5, 0);
        IpAddress other = IpAddress.parse("10.0.1.21");
        PolicyEntry range = new PolicyEntry(Direction.EGRESS, 5000, TCP, 8192, 3, false, 11);
        PolicyEntry deny = new PolicyEntry(Direction.EGRESS, 5000, TCP, 8200, 16, true, 12);
        tables.add(new TableDelta(Map.of(5, List.of(deny, range)), Map.of()));
        programs.address(other, 5000, 0);
        byte[] open = Programs.packet(POD, other, TCP, 9000);
        assertEquals(Programs.PASSED, programs.run(Programs.POD_EGRESS, open), "a shape that did not occur before");
        assertEquals(181, programs.run(Programs.POD_EGRESS, Programs.packet(POD, other, TCP, 8200)));
        assertEquals(133, programs.run(Programs.POD_EGRESS, Programs.packet(POD, other, TCP, 16384)));
        tables.remove(new TableDelta(Map.of(), Map.of(5, List.of(deny, range))));
        assertEquals(133, programs.run(Programs.POD_EGRESS, open));
        assertEquals(2, tables.used());
    }

    @Test
    void aRestartedAgentAdopts() {
        tables.install(Map.of(5, map(80, 81, 10), 6, map(90, 91, 0)), List.of());
        programs.endpoint(POD, 300, 5, 0);
        KernelTables second = open();
        assertEquals(tables.inForce(), second.inForce());
        assertEquals(tables.used(), second.used());
        assertEquals(8, second.lastCookie());
        assertEquals(Programs.PASSED, send(80), "adopting changes nothing");
        List<Integer> retired = new ArrayList<>(second.install(Map.of(5, map(82, 81, 0)), List.of(6)));
        assertEquals(133, send(80));
        assertEquals(Programs.PASSED, send(82));
        second.discard(retired);
        second.discard(second.leftovers());
        assertEquals(2, second.used());
        assertEquals(2, programs.map("policy").count(), "and nothing of the first is left");
        assertEquals(Set.of(5), second.inForce().keySet());
    }

    @Test
    void whatDoesNotFitChangesNothing() {
        tables.install(Map.of(5, map(80, 81, 0)), List.of());
        programs.endpoint(POD, 300, 5, 0);
        int capacity = tables.capacity();
        PolicyMap large = map(82, 83, capacity / 2);
        assertThrows(MapFullException.class, () -> tables.install(Map.of(5, large), List.of()));
        assertThrows(MapFullException.class, () -> tables.addClass(6, large));
        assertEquals(Programs.PASSED, send(80));
        assertEquals(133, send(82));
        assertEquals(2, tables.used());
        assertEquals(2, programs.map("policy").count());
    }

    /**
     * Old: egress open to port 80, ingress to 81. New: the reverse. A reader that saw half of a change would find a port open in both directions, or in
     * none; and all classes change together.
     */
    @Test
    void aChangeIsSeenWholeOrNotAtAll() throws Exception {
        Map<Integer, PolicyMap> even = Map.of(5, map(80, 81, 300), 6, map(80, 81, 300));
        Map<Integer, PolicyMap> odd = Map.of(5, map(81, 80, 300), 6, map(81, 80, 300));
        tables.install(even, List.of());
        programs.endpoint(POD, 300, 5, 0);
        AtomicBoolean stop = new AtomicBoolean();
        byte[] out = Programs.packet(POD, PEER, TCP, 80);
        ExecutorService pool = Executors.newSingleThreadExecutor();
        int[] before = programs.codes(Programs.POD_EGRESS);
        Future<Long> reader = pool.submit((Callable<Long>) () -> {
            long packets = 0;
            while (!stop.get()) {
                programs.time(Programs.POD_EGRESS, out, 2000);
                packets += 2000;
            }
            return packets;
        });
        int flips = 0;
        List<Integer> retired = List.of();
        long end = System.nanoTime() + 2_000_000_000L;
        while (System.nanoTime() < end) {
            List<Integer> old = tables.install(flips++ % 2 == 0 ? odd : even, List.of());
            Rcu.grace();
            tables.discard(old);
            retired = old;
            // between two flips each answer is exact
            int open = flips % 2 == 0 ? 80 : 81;
            assertEquals(Programs.PASSED, port(Direction.INGRESS, 161 - open), "ingress after flip " + flips);
            assertEquals(133, port(Direction.INGRESS, open), "ingress after flip " + flips);
        }
        stop.set(true);
        long packets = reader.get();
        pool.shutdown();
        int[] after = programs.codes(Programs.POD_EGRESS);
        long passed = after[Programs.PASSED] - before[Programs.PASSED];
        long denied = after[133] - before[133];
        assertEquals(packets, passed + denied, "every packet found one of the two whole policies");
        assertTrue(passed > 0 && denied > 0, passed + " passed, " + denied + " denied");
        assertTrue(!retired.isEmpty());
        System.out.println("FlipTest: " + flips + " flips of 1204 entries under " + packets + " packets");
    }

    /**
     * A packet between two pods of the node asks twice in one pass: first as the sender's, then as the receiver's. Either policy denies it in one of the
     * two directions, so a pass that asked one policy first and the other afterwards would be the only one to let it through.
     */
    @Test
    void bothQuestionsOfAPassGoToTheSamePolicy() throws Exception {
        PolicyMap egressOpen = map(80, 1, 0);
        PolicyMap ingressOpen = map(1, 1, 0);
        ingressOpen.table(Direction.INGRESS).put(300, TCP, 16, 80, false, 7);
        PolicyMap bothOpen = map(80, 1, 0);
        bothOpen.table(Direction.INGRESS).put(300, TCP, 16, 80, false, 7);
        programs.endpoint(POD, 300, 5, 0);
        byte[] packet = Programs.packet(POD, PEER, TCP, 80);
        Runnable apart = programs.askTwice();
        try {
            tables.install(Map.of(5, bothOpen), List.of());
            assertEquals(Programs.PASSED, programs.run(Programs.POD_EGRESS, packet));
            tables.install(Map.of(5, egressOpen), List.of());
            assertEquals(133, programs.run(Programs.POD_EGRESS, packet));
            int[] before = programs.codes(Programs.POD_EGRESS);
            AtomicBoolean stop = new AtomicBoolean();
            ExecutorService pool = Executors.newSingleThreadExecutor();
            Future<?> reader = pool.submit(() -> {
                while (!stop.get()) programs.time(Programs.POD_EGRESS, packet, 200);
            });
            long end = System.nanoTime() + 2_000_000_000L;
            for (int i = 0; System.nanoTime() < end; i++) {
                List<Integer> old = tables.install(Map.of(5, i % 2 == 0 ? ingressOpen : egressOpen), List.of());
                Rcu.grace();
                tables.discard(old);
            }
            stop.set(true);
            reader.get();
            pool.shutdown();
            int[] after = programs.codes(Programs.POD_EGRESS);
            assertEquals(before[Programs.PASSED], after[Programs.PASSED]);
            assertTrue(after[133] > before[133] + 1000);
        } finally {
            apart.run();
        }
    }
}
