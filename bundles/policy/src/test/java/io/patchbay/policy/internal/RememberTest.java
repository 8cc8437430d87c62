package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.bpf.Rcu;
import io.patchbay.policy.internal.compile.TableDelta;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.table.PolicyEntry;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Verdicts that conntrack remembers: whatever changes what the tables would say ends them. Through the real programs, conntrack's included. */
@Tag("root")
class RememberTest {
    private static final IpAddress POD = IpAddress.parse("10.0.0.10");
    private static final IpAddress PEER = IpAddress.parse("10.0.1.20");
    private static final int PEER_ID = 4711;
    private static final int UDP = 17;
    private static final int CLASS = 5;
    private static Programs programs;
    private KernelTables tables;

    @BeforeAll
    static void load() {
        programs = new Programs(true);
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @BeforeEach
    void fresh() {
        programs.forgetConnections();
        tables = programs.noTables();
        programs.address(PEER, PEER_ID, 0);
        programs.endpoint(POD, 300, CLASS, 0);
    }

    private static PolicyMap open(int... ports) {
        PolicyMap map = new PolicyMap();
        for (Direction d : Direction.values()) {
            map.table(d).enforced(true);
            for (int port : ports) map.table(d).put(PEER_ID, UDP, 16, port, false, 7);
        }
        return map;
    }

    private static int ask(Direction d, int port) {
        return d == Direction.EGRESS ? programs.run(Programs.POD_EGRESS, Programs.packet(POD, PEER, UDP, port))
                : programs.run(Programs.POD_INGRESS, Programs.packet(PEER, POD, UDP, port));
    }

    /** Takes the entries away behind the back of everybody: only what is remembered passes from then on. */
    private static void emptyTables() {
        MapHandle m = programs.map("policy");
        m.deleteAll(m.entries().keySet());
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void whatPassedPassesUntilSomethingChanges(Direction d) {
        tables.install(Map.of(CLASS, open(80, 81)), List.of());
        assertEquals(Programs.PASSED, ask(d, 80));
        emptyTables();
        assertEquals(Programs.PASSED, ask(d, 80), "remembered");
        assertEquals(133, ask(d, 81), "of a new connection nothing is remembered");
        PolicyEntry other = new PolicyEntry(d, 5000, UDP, 80, 16, false, 11);
        tables.add(new TableDelta(Map.of(CLASS, List.of(other)), Map.of()));
        assertEquals(133, ask(d, 80), "a peer came");
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void eachKindOfChangeEndsIt(Direction d) {
        Map<String, Runnable> changes = Map.of(
                "a switch of other classes", () -> tables.install(Map.of(6, open(80)), List.of()),
                "a peer that goes", () -> tables.remove(new TableDelta(Map.of(), Map.of(CLASS, List.of(new PolicyEntry(d, 5000, UDP, 80, 16, false, 11))))),
                "a class that comes", () -> tables.addClass(7, open(80)),
                "a class that goes", () -> tables.removeClass(8),
                "an agent that starts", () -> tables = programs.tables(false));
        changes.forEach((name, change) -> {
            fresh();
            tables.install(Map.of(CLASS, open(80)), List.of());
            assertEquals(Programs.PASSED, ask(d, 80), name);
            emptyTables();
            assertEquals(Programs.PASSED, ask(d, 80), name);
            change.run();
            assertEquals(133, ask(d, 80), name);
        });
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void itHoldsBetweenTheSameIdentitiesAndForTheSameClass(Direction d) {
        tables.install(Map.of(CLASS, open(80), 6, open()), List.of());
        assertEquals(Programs.PASSED, ask(d, 80));
        programs.address(PEER, 4712, 0);
        assertEquals(133, ask(d, 80), "the peer has become somebody else");
        programs.address(PEER, PEER_ID, 0);
        assertEquals(Programs.PASSED, ask(d, 80));
        programs.endpoint(POD, 300, 6, 0);
        assertEquals(133, ask(d, 80), "the pod has another policy");
        programs.endpoint(POD, 300, 0, 0);
        assertEquals(203, ask(d, 80), "the pod has none");
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void aPeersClassIsAskedEachTime(Direction d) {
        int first = (3 << 24) + 1;
        PolicyMap map = open();
        map.table(d).put(first, UDP, 16, 80, false, 7);
        tables.install(Map.of(CLASS, map), List.of());
        programs.address(PEER, PEER_ID, first);
        assertEquals(Programs.PASSED, ask(d, 80));
        programs.address(PEER, PEER_ID, first + 1);
        assertEquals(133, ask(d, 80));
    }

    @Test
    void typesOfIcmpThatShareAConnectionAreAskedEach() {
        PolicyMap map = new PolicyMap();
        map.table(Direction.EGRESS).enforced(true);
        map.table(Direction.EGRESS).put(PEER_ID, 1, 16, 8, false, 7);
        tables.install(Map.of(CLASS, map), List.of());
        for (int i = 0; i < 2; i++) assertEquals(Programs.PASSED, programs.run(Programs.POD_EGRESS, Programs.packet(POD, PEER, 1, 8 << 8)));
        assertEquals(133, programs.run(Programs.POD_EGRESS, Programs.packet(POD, PEER, 1, 13 << 8)), "a timestamp request without an identifier");
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void auditLeavesNothingBehind(Direction d) {
        tables.install(Map.of(CLASS, open()), List.of());
        programs.endpoint(POD, 300, CLASS, 4 | 8);
        for (int i = 0; i < 2; i++) assertEquals(Programs.PASSED, ask(d, 80));
        programs.endpoint(POD, 300, CLASS, 0);
        assertEquals(133, ask(d, 80));
    }

    /** A store that was interrupted, or an agent that knows nothing of revisions and writes the copy alone. */
    @ParameterizedTest
    @EnumSource(Direction.class)
    void withoutASealNothingIsRemembered(Direction d) {
        tables.install(Map.of(CLASS, open(80)), List.of());
        assertEquals(Programs.PASSED, ask(d, 80));
        MapHandle select = programs.map("policy_select");
        long copy = select.lookup(new Struct(select.key()).set("", 0)).orElseThrow().get("") & 1;
        select.put(new Struct(select.key()).set("", 0), new Struct(select.value()).set("", copy));
        assertEquals(Programs.PASSED, ask(d, 80));
        emptyTables();
        assertEquals(133, ask(d, 80));
    }

    @Test
    void packetsAndSwitchesAtTheSameTime() throws Exception {
        ExecutorService pool = Executors.newSingleThreadExecutor();
        byte[][] packets = {Programs.packet(POD, PEER, UDP, 80), Programs.packet(POD, PEER, UDP, 81)};
        int switches = 0;
        for (long end = System.nanoTime() + 1_000_000_000L; System.nanoTime() < end; switches++) {
            int port = 80 + switches % 2;
            Future<?> traffic = pool.submit(() -> {
                for (int i = 0; i < 40; i++) programs.time(Programs.POD_EGRESS, packets[i % 2], 1);
            });
            List<Integer> old = tables.install(Map.of(CLASS, open(port)), List.of());
            // packets that were under way have judged, and remembered, by now
            Rcu.grace();
            tables.discard(old);
            traffic.get();
            assertEquals(Programs.PASSED, ask(Direction.EGRESS, port), "after switch " + switches);
            assertEquals(133, ask(Direction.EGRESS, 161 - port), "after switch " + switches);
        }
        pool.shutdown();
    }
}
