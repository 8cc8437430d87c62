package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.net.IpAddress;
import io.patchbay.policy.internal.compile.TableDelta;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.kernel.TableReader;
import io.patchbay.policy.internal.table.PolicyEntry;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Sets of peers: what many identities may or may not do, in one entry. Through the real programs. */
@Tag("root")
class PeerSetTest {
    private static final IpAddress POD = IpAddress.parse("10.0.0.10");
    private static final int TCP = 6;
    private static final int CLASS = 5;
    private static final int FIRST = 1000;
    private static final int MANY = 200;
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
        programs.endpoint(POD, 300, CLASS, 0);
    }

    private static IpAddress address(int identity) {
        return IpAddress.ofV4(0x0a010000 + identity);
    }

    private static int send(int identity, int port) {
        programs.address(address(identity), identity, 0);
        return programs.run(Programs.POD_EGRESS, Programs.packet(POD, address(identity), TCP, port));
    }

    private static void put(PolicyMap map, int first, int count, int portBits, int port, boolean deny, int cookie) {
        map.table(Direction.EGRESS).enforced(true);
        for (int i = 0; i < count; i++) map.table(Direction.EGRESS).put(first + i, TCP, portBits, port, deny, cookie);
    }

    private static PolicyMap many(int port) {
        PolicyMap map = new PolicyMap();
        put(map, FIRST, MANY, 16, port, false, 7);
        return map;
    }

    private static PolicyEntry entry(int identity, int port, boolean deny, int cookie) {
        return new PolicyEntry(Direction.EGRESS, identity, TCP, port, 16, deny, cookie);
    }

    private void add(PolicyEntry... entries) {
        tables.add(new TableDelta(Map.of(CLASS, List.of(entries)), Map.of()));
    }

    private void remove(PolicyEntry... entries) {
        tables.remove(new TableDelta(Map.of(), Map.of(CLASS, List.of(entries))));
    }

    @Test
    void manyPeersAreOneEntry() {
        tables.install(Map.of(CLASS, many(80)), List.of());
        assertEquals(1, programs.map("policy").count());
        assertEquals(1, tables.used());
        assertEquals(1, tables.usedSets());
        for (int id : new int[] {FIRST, FIRST + 63, FIRST + 64, FIRST + MANY - 1}) {
            assertEquals(Programs.PASSED, send(id, 80), "" + id);
            assertEquals(133, send(id, 81), "" + id);
        }
        for (int id : new int[] {FIRST - 1, FIRST + MANY, 2, FIRST + 65536, (1 << 24) + FIRST}) assertEquals(133, send(id, 80), "" + id);
    }

    @Test
    void denyRangesAndTheRest() {
        PolicyMap map = new PolicyMap();
        put(map, FIRST, MANY, 0, 0, false, 7);
        put(map, FIRST, MANY / 2, 12, 8192, true, 8);
        put(map, FIRST + MANY, 3, 12, 8192, false, 9);
        put(map, (1 << 24) + 1, 1, 16, 80, false, 10);
        map.table(Direction.EGRESS).put(FIRST + MANY, 0, 0, 0, true, 11);
        tables.install(Map.of(CLASS, map), List.of());
        assertEquals(2, tables.usedSets());
        assertEquals(2 + 3 + 1 + 1, tables.used());
        assertEquals(Programs.PASSED, send(FIRST, 80));
        assertEquals(181, send(FIRST, 8193));
        assertEquals(Programs.PASSED, send(FIRST, 8208), "behind the range");
        assertEquals(Programs.PASSED, send(FIRST + MANY / 2, 8193));
        assertEquals(181, send(FIRST + MANY, 8193), "an entry of its own denies all");
        assertEquals(Programs.PASSED, send(FIRST + MANY + 1, 8193), "an entry of its own beside the set");
        assertEquals(133, send(FIRST + MANY + 1, 80));
        assertEquals(Programs.PASSED, send((1 << 24) + 1, 80), "a prefix");
        assertEquals(133, send((1 << 24) + 1, 8193));
    }

    @Test
    void peersComeAndGo() {
        tables.install(Map.of(CLASS, many(80)), List.of());
        PolicyEntry like = entry(400, 80, false, 7);
        PolicyEntry other = entry(401, 80, true, 8);
        PolicyEntry prefix = entry((1 << 24) + 1, 80, false, 7);
        add(like);
        assertEquals(1, tables.used(), "a bit");
        assertEquals(Programs.PASSED, send(400, 80));
        add(other, prefix);
        assertEquals(3, tables.used(), "entries of their own");
        assertEquals(181, send(401, 80), "beside a set that was alone");
        assertEquals(Programs.PASSED, send((1 << 24) + 1, 80));
        assertEquals(Programs.PASSED, send(FIRST, 80));
        add(entry(FIRST + 2, 80, true, 8));
        assertEquals(181, send(FIRST + 2, 80), "a deny in place of what the set allowed");
        remove(like, other, prefix, entry(FIRST, 80, false, 7), entry(FIRST + 2, 80, true, 8));
        assertEquals(1, tables.used());
        for (int id : new int[] {400, 401, (1 << 24) + 1, FIRST, FIRST + 2}) assertEquals(133, send(id, 80), "" + id);
        assertEquals(Programs.PASSED, send(FIRST + 1, 80));
        assertEquals(1, programs.map("policy").count());
    }

    @Test
    void aSetIsGivenBackWithItsTable() {
        List<Integer> retired = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            retired.addAll(tables.install(Map.of(CLASS, many(80 + i)), List.of()));
            assertEquals(i + 1, tables.usedSets(), "those before may still be read");
        }
        tables.discard(retired);
        assertEquals(1, tables.usedSets());
        assertEquals(1, tables.used());
        assertEquals(1, programs.map("policy").count());
        assertEquals(Programs.PASSED, send(FIRST, 82));
        // what was given back holds another table's peers now, and only those
        PolicyMap map = new PolicyMap();
        put(map, FIRST + MANY, MANY, 16, 82, false, 7);
        tables.discard(tables.install(Map.of(CLASS, map), List.of()));
        assertEquals(133, send(FIRST, 82));
        assertEquals(Programs.PASSED, send(FIRST + MANY, 82));
    }

    @Test
    void aRestartedAgentAdoptsSets() {
        tables.install(Map.of(CLASS, many(80), 6, many(81)), List.of());
        KernelTables second = programs.tables(false);
        assertEquals(2, second.used());
        assertEquals(2, second.usedSets());
        assertEquals(7, second.lastCookie());
        second.add(new TableDelta(Map.of(CLASS, List.of(entry(400, 80, false, 7), entry(401, 80, false, 8))), Map.of()));
        assertEquals(Programs.PASSED, send(400, 80), "into a set that was found");
        assertEquals(Programs.PASSED, send(401, 80), "beside one");
        List<Integer> retired = second.install(Map.of(CLASS, many(82)), List.of(6));
        assertEquals(3, second.usedSets());
        second.discard(retired);
        assertEquals(1, second.usedSets());
        assertEquals(133, send(400, 80));
        assertEquals(Programs.PASSED, send(FIRST, 82));
        second.discard(second.leftovers());
    }

    @Test
    void whenSetsRunOutEntriesDo() {
        int capacity = tables.setCapacity();
        PolicyMap large = new PolicyMap();
        for (int i = 0; i < capacity - 1; i++) put(large, FIRST, 64, 16, 1 + i, false, 7);
        tables.install(Map.of(6, large), List.of());
        assertEquals(capacity - 1, tables.usedSets());
        PolicyMap map = many(80);
        put(map, FIRST, MANY - 1, 16, 81, false, 7);
        List<Integer> retired = tables.install(Map.of(CLASS, map), List.of());
        assertEquals(capacity, tables.usedSets(), "the larger one got the last");
        assertEquals(capacity + MANY - 1, tables.used());
        for (int port : new int[] {80, 81}) assertEquals(Programs.PASSED, send(FIRST, port));
        assertEquals(Programs.PASSED, send(FIRST + MANY - 1, 80));
        assertEquals(133, send(FIRST + MANY - 1, 81));
        tables.discard(retired);
        tables.discard(tables.install(Map.of(), List.of(6)));
        assertEquals(1, tables.usedSets());
    }

    @Test
    void whatDoesNotFitTakesNoSet() {
        tables.install(Map.of(CLASS, many(80)), List.of());
        PolicyMap large = many(80);
        put(large, 1 << 24, tables.capacity(), 16, 80, false, 7);
        assertThrows(MapFullException.class, () -> tables.install(Map.of(CLASS, large), List.of()));
        assertEquals(1, tables.usedSets());
        assertEquals(1, tables.used());
        assertEquals(Programs.PASSED, send(FIRST, 80));
    }

    /** {@code bpf policy get} has a line for each peer. */
    @Test
    void aReaderSeesEachPeer() {
        PolicyMap map = many(80);
        put(map, 400, 1, 16, 80, true, 8);
        tables.install(Map.of(CLASS, map), List.of());
        TableReader reader = new TableReader(programs.map("policy"), programs.map("policy_sets"), programs.map("policy_dirs"), programs.map("policy_select"));
        int table = reader.dir(CLASS).orElseThrow().table();
        assertEquals(tables.inForce().get(CLASS).table(), table);
        Comparator<PolicyEntry> byPeer = Comparator.comparingInt(PolicyEntry::peer);
        assertEquals(map.entries().stream().sorted(byPeer).toList(), reader.tables().get(table).stream().sorted(byPeer).toList());
        assertTrue(reader.dir(6).isEmpty());
    }

    /** Packets ask while tables with sets are exchanged, and see one or the other as a whole. */
    @Test
    void aChangeIsSeenWhole() throws Exception {
        Map<Integer, PolicyMap> even = new HashMap<>(Map.of(CLASS, many(80)));
        PolicyMap without = new PolicyMap();
        put(without, FIRST + MANY, MANY, 16, 80, false, 7);
        tables.install(even, List.of());
        programs.address(address(FIRST), FIRST, 0);
        Thread changes = new Thread(() -> {
            for (int i = 0; i < 40; i++) {
                List<Integer> retired = tables.install(Map.of(CLASS, i % 2 == 0 ? many(80) : many(80)), List.of());
                List<Integer> others = tables.install(Map.of(6, without), List.of());
                io.patchbay.bpf.Rcu.grace();
                tables.discard(retired);
                tables.discard(others);
            }
        });
        int[] before = programs.codes(Programs.POD_EGRESS);
        changes.start();
        int sent = 0;
        byte[] packet = Programs.packet(POD, address(FIRST), TCP, 80);
        while (changes.isAlive()) {
            programs.time(Programs.POD_EGRESS, packet, 1000);
            sent += 1000;
        }
        changes.join();
        assertEquals(sent, programs.codes(Programs.POD_EGRESS)[Programs.PASSED] - before[Programs.PASSED]);
    }
}
