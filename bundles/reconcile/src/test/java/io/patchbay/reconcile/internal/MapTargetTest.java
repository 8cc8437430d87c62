package io.patchbay.reconcile.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.reconcile.Codec;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class MapTargetTest {
    private final MemoryMap map = new MemoryMap(100);
    private final MapTarget<Integer, Integer> target = new MapTarget<>(map, new IntCodec(), new IntCodec());

    @Test
    void writesInOneBatch() {
        assertEquals(Map.of(), target.apply(Map.of(1, 10, 2, 20), Set.of()));
        assertEquals(Map.of(1, 10, 2, 20), target.actual());
        assertEquals(0, map.single);
    }

    @Test
    void fullMapTakesWhatFitsAndNamesTheRest() {
        Map<Integer, Integer> puts = IntStream.range(0, 1000).boxed().collect(Collectors.toMap(i -> i, i -> i, (a, b) -> a, LinkedHashMap::new));
        Map<Integer, String> failed = target.apply(puts, Set.of());
        assertEquals(900, failed.size());
        assertEquals(100, map.count());
        assertTrue(failed.get(999).contains("map test is full (100 entries)"), failed.get(999));
        assertTrue(map.single < 130, "gave up after a few refusals: " + map.single);
    }

    @Test
    void deletionsMakeRoomForWhatDidNotFit() {
        target.apply(IntStream.range(0, 100).boxed().collect(Collectors.toMap(i -> i, i -> i)), Set.of());
        assertEquals(Map.of(), target.apply(Map.of(500, 1), Set.of(0)));
        assertEquals(100, map.count());
        assertEquals(1, target.actual().get(500));
    }

    @Test
    void unreadableValueIsThereWithoutAValue() {
        target.apply(Map.of(7, -1), Set.of());
        Map<Integer, Integer> found = target.actual();
        assertTrue(found.containsKey(7));
        assertNull(found.get(7));
    }

    private static final class IntCodec implements Codec<Integer> {
        @Override
        public void encode(Integer value, Struct into) {
            into.set("", value);
        }

        @Override
        public Integer decode(Struct from) {
            int v = (int) from.get("");
            if (v < 0) {
                throw new IllegalArgumentException("negative");
            }
            return v;
        }
    }

    private record U32() implements Layout, Layout.Field {
        @Override
        public String typeName() {
            return "__u32";
        }

        @Override
        public int size() {
            return 4;
        }

        @Override
        public Field field(String path) {
            return this;
        }

        @Override
        public boolean has(String path) {
            return path.isEmpty();
        }

        @Override
        public List<Field> fields() {
            return List.of(this);
        }

        @Override
        public String path() {
            return "";
        }

        @Override
        public int offset() {
            return 0;
        }
    }

    /** A hash map in memory with the kernel's habits: a batch stops at the first refusal. */
    private static final class MemoryMap implements MapHandle {
        final Map<Struct, Struct> entries = new LinkedHashMap<>();
        final int max;
        int single;

        MemoryMap(int max) {
            this.max = max;
        }

        @Override
        public String name() {
            return "test";
        }

        @Override
        public String type() {
            return "hash";
        }

        @Override
        public int maxEntries() {
            return max;
        }

        @Override
        public int id() {
            return 1;
        }

        @Override
        public Layout key() {
            return new U32();
        }

        @Override
        public Layout value() {
            return new U32();
        }

        @Override
        public boolean perCpu() {
            return false;
        }

        @Override
        public Optional<Struct> lookup(Struct key) {
            return Optional.ofNullable(entries.get(key));
        }

        @Override
        public List<Struct> lookupAll(Struct key) {
            return lookup(key).stream().toList();
        }

        @Override
        public void put(Struct key, Struct value) {
            single++;
            insert(key, value);
        }

        private void insert(Struct key, Struct value) {
            if (!entries.containsKey(key) && entries.size() == max) {
                throw new MapFullException("test is full");
            }
            entries.put(key, value);
        }

        @Override
        public boolean putIfAbsent(Struct key, Struct value) {
            return entries.putIfAbsent(key, value) == null;
        }

        @Override
        public boolean delete(Struct key) {
            return entries.remove(key) != null;
        }

        @Override
        public void putAll(Map<Struct, Struct> all) {
            all.forEach(this::insert);
        }

        @Override
        public void deleteAll(Collection<Struct> keys) {
            keys.forEach(entries::remove);
        }

        @Override
        public Map<Struct, Struct> entries() {
            return new LinkedHashMap<>(entries);
        }

        @Override
        public int count() {
            return entries.size();
        }
    }
}
