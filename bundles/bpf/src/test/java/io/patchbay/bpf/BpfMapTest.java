package io.patchbay.bpf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.bpf.btf.Btf;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("root")
class BpfMapTest {
    private static final ObjectSpec BASIC = Compiled.spec("basic");

    private static ByteBuffer longValue(long value) {
        return ByteBuffer.allocate(8).order(ByteOrder.nativeOrder()).putLong(0, value);
    }

    @Test
    void singleEntries() {
        try (BpfMap map = BpfMap.create(MapSpec.of("pbt_hash", MapType.HASH, 4, 8, 2))) {
            ByteBuffer key = BpfMap.intKey(5);
            assertFalse(map.replace(key, longValue(1)));
            assertTrue(map.insert(key, longValue(1)));
            assertFalse(map.insert(key, longValue(2)));
            assertEquals(1, map.lookup(key).orElseThrow().getLong(0));
            assertTrue(map.replace(key, longValue(3)));
            assertEquals(3, map.lookup(key).orElseThrow().getLong(0));
            map.update(BpfMap.intKey(6), longValue(6));
            BpfException full = assertThrows(BpfException.class, () -> map.update(BpfMap.intKey(7), longValue(7)));
            assertEquals("E2BIG", full.errnoName());
            assertTrue(full.getMessage().contains("pbt_hash") && full.getMessage().contains("full"), full.getMessage());
            assertEquals(2, map.count());
            assertTrue(map.delete(key));
            assertFalse(map.delete(key));
            assertEquals(Optional.empty(), map.lookup(key));
            assertEquals(6, map.nextKey(Optional.empty()).orElseThrow().getInt(0));
            assertThrows(IllegalArgumentException.class, () -> map.update(longValue(1).limit(3), longValue(1)));
        }
    }

    @Test
    void batchesOnEveryKindThatTheDatapathUses() {
        for (MapType type : new MapType[] {MapType.HASH, MapType.LRU_HASH, MapType.LPM_TRIE, MapType.PERCPU_HASH}) {
            MapSpec spec = MapSpec.of("pbt_batch", type, 8, 8, 20_000);
            try (BpfMap map = BpfMap.create(type == MapType.LPM_TRIE ? spec.withFlags(MapSpec.NO_PREALLOC) : spec)) {
                int count = 10_000;
                ByteBuffer keys = BpfMap.buffer(count * 8);
                ByteBuffer values = BpfMap.buffer(count * map.valueBytes());
                for (int i = 0; i < count; i++) {
                    keys.putInt(8 * i, 32).putInt(8 * i + 4, i);
                    for (int at = 0; at < map.valueBytes(); at += 8) {
                        values.putLong(i * map.valueBytes() + at, 3L * i + at);
                    }
                }
                map.updateBatch(keys, values, count);
                Map<Integer, Long> seen = new HashMap<>();
                map.forEach((key, value) -> seen.put(key.getInt(4), value.getLong(map.valueBytes() - 8)));
                assertEquals(count, seen.size(), type.name());
                assertEquals(3L * 77 + map.valueBytes() - 8, seen.get(77), type.name());
                keys.putInt(8 * 500 + 4, 1_000_000);
                assertEquals(count - 1, map.deleteBatch(keys, count), type + ": a key that is absent is passed over");
                assertEquals(1, map.count(), type.name());
            }
        }
    }

    @Test
    void walkGoesOnWithLargerBuffersWhereABucketIsFull() {
        try (BpfMap map = BpfMap.create(MapSpec.of("pbt_walk", MapType.HASH, 4, 4, 1000)); BpfMap.Cursor cursor = map.cursor()) {
            for (int i = 0; i < 1000; i++) {
                map.update(BpfMap.intKey(i), BpfMap.intKey(-i));
            }
            ByteBuffer keys = BpfMap.buffer(4 * 64);
            ByteBuffer values = BpfMap.buffer(4 * 64);
            int max = 1;
            java.util.Set<Integer> seen = new java.util.HashSet<>();
            boolean enlarged = false;
            while (!cursor.ended()) {
                try {
                    int count = cursor.read(keys, values, max);
                    for (int i = 0; i < count; i++) {
                        assertEquals(-keys.getInt(4 * i), values.getInt(4 * i));
                        seen.add(keys.getInt(4 * i));
                    }
                } catch (BpfException e) {
                    assertEquals("ENOSPC", e.errnoName());
                    enlarged = true;
                    max = 64;
                }
            }
            assertTrue(enlarged);
            assertEquals(1000, seen.size());
        }
    }

    @Test
    void batchThatOverflowsSaysHowFarItCame() {
        try (BpfMap map = BpfMap.create(MapSpec.of("pbt_small", MapType.HASH, 4, 4, 10))) {
            ByteBuffer keys = BpfMap.buffer(80);
            for (int i = 0; i < 20; i++) {
                keys.putInt(4 * i, i);
            }
            BpfMap.BatchException stop = assertThrows(BpfMap.BatchException.class, () -> map.updateBatch(keys, BpfMap.buffer(80), 20));
            assertEquals(10, stop.processed());
            assertEquals(10, map.count());
        }
    }

    @Test
    void mapsWithoutBatchesFallBackToSingleOperations() {
        try (BpfMap map = BpfMap.create(MapSpec.of("pbt_progs", MapType.PROG_ARRAY, 4, 4, 4)); BpfObject object = BpfObject.load(BASIC, LoadOptions.NONE)) {
            ByteBuffer keys = BpfMap.buffer(8).putInt(0, 1).putInt(4, 3);
            ByteBuffer values = BpfMap.buffer(8).putInt(0, object.program("first").fd()).putInt(4, object.program("second").fd());
            map.updateBatch(keys, values, 2);
            Map<Integer, Integer> slots = new HashMap<>();
            map.forEach((key, value) -> slots.put(key.getInt(0), value.getInt(0)));
            assertEquals(Map.of(1, object.program("first").id(), 3, object.program("second").id()), slots);
            assertEquals(2, map.deleteBatch(keys, 2));
        }
    }

    @Test
    void perCpuValuesHaveASlotForEveryPossibleCpu() {
        try (BpfObject object = BpfObject.load(BASIC, LoadOptions.NONE)) {
            BpfMap counters = object.map("counters");
            assertEquals(8 * BpfMap.possibleCpus(), counters.valueBytes());
            object.program("first").testRun(new byte[64], SkbContext.EMPTY, 1000);
            ByteBuffer value = counters.lookup(0);
            long sum = 0;
            for (int cpu = 0; cpu < BpfMap.possibleCpus(); cpu++) {
                sum += value.getLong(cpu * counters.slotSize());
            }
            assertEquals(1000, sum);
        }
    }

    @Test
    void mappedArraysAreSharedWithPrograms() {
        try (BpfObject object = BpfObject.load(BASIC, LoadOptions.NONE); MappedArray shared = object.map("shared").map()) {
            assertEquals(8, shared.stride());
            shared.putInt(shared.stride(), 100);
            object.program("emit").testRun(new byte[64]);
            assertEquals(101, shared.getInt(shared.stride()));
            assertEquals(101, object.map("shared").lookup(1).getInt(0));
        }
    }

    @Test
    void kernelKeepsTheTypesOfACreatedMap() {
        MapSpec spec = BASIC.map("flows");
        try (BpfMap map = BpfMap.create(spec.withMaxEntries(10)); BpfMap copy = map.duplicate()) {
            Btf btf = map.btf().orElseThrow();
            assertEquals(48, btf.layout("flow_value").size());
            assertEquals("struct flow_key", btf.describe(map.info().keyType()));
            assertTrue(spec.difference(copy.spec()).isEmpty());
            assertEquals(map.id(), copy.id());
        }
    }

    @Test
    void givenMapWithAnotherLayoutIsRefusedWithBothLayouts() {
        try (BpfMap map = BpfMap.create(Compiled.spec("layout").map("state"))) {
            BpfException refusal = assertThrows(BpfException.class,
                    () -> BpfObject.load(Compiled.object("layout", "SWAPPED"), LoadOptions.builder().map("state", map).build()));
            assertTrue(refusal.getMessage().contains("map state") && refusal.getMessage().contains("expires"), refusal.getMessage());
            BpfObject.load(Compiled.object("layout"), LoadOptions.builder().map("state", map).build()).close();
        }
    }

    @Test
    void frozenMapRefusesWrites() {
        try (BpfMap map = BpfMap.create(MapSpec.of("pbt_frozen", MapType.ARRAY, 4, 4, 1))) {
            map.update(BpfMap.intKey(0), BpfMap.intKey(7));
            map.freeze();
            assertEquals(7, map.lookup(0).getInt(0));
            assertEquals("EPERM", assertThrows(BpfException.class, () -> map.update(BpfMap.intKey(0), BpfMap.intKey(8))).errnoName());
        }
    }

    @Test
    void mapsInMaps() {
        MapSpec inner = MapSpec.of("pbt_inner", MapType.HASH, 4, 4, 8);
        MapSpec outer = new MapSpec("pbt_outer", MapType.ARRAY_OF_MAPS, 4, 4, 4, 0, 0, Optional.empty(), 0, 0, Optional.of(inner));
        try (BpfMap map = BpfMap.create(outer); BpfMap content = BpfMap.create(inner)) {
            map.setMap(2, content);
            assertEquals(content.id(), map.lookup(2).getInt(0));
        }
    }

    @Test
    void creationErrorsNameTheMap() {
        BpfException refusal = assertThrows(BpfException.class, () -> BpfMap.create(MapSpec.of("pbt_wrong", MapType.LPM_TRIE, 8, 4, 1)));
        assertTrue(refusal.getMessage().contains("pbt_wrong") && refusal.getMessage().contains("EINVAL"), refusal.getMessage());
    }
}
