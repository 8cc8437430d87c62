package io.patchbay.tables.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PersistentMapTest {
    /** A key whose hash has few values, so that buckets are met. */
    private record Key(int value, int hashes) {
        @Override
        public int hashCode() {
            return value % hashes;
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 50", "7, 200", "1000000, 2000", "3, 5"})
    void behavesAsAHashMapAndOldVersionsStay(int hashes, int keys) {
        Random random = new Random(42);
        PersistentMap<Key, Integer> map = PersistentMap.empty();
        Map<Key, Integer> model = new HashMap<>();
        List<PersistentMap<Key, Integer>> versions = new ArrayList<>();
        List<Map<Key, Integer>> models = new ArrayList<>();
        for (int i = 0; i < 20_000; i++) {
            Key key = new Key(random.nextInt(keys), hashes);
            if (random.nextInt(5) < (i / 4000 % 2 == 0 ? 3 : 1)) {
                map = map.with(key, i);
                model.put(key, i);
            } else {
                PersistentMap<Key, Integer> without = map.without(key);
                if (!model.containsKey(key)) assertSame(map, without);
                map = without;
                model.remove(key);
            }
            assertEquals(model.get(key), map.get(key));
            if (i % 1000 == 0) {
                versions.add(map);
                models.add(new HashMap<>(model));
            }
        }
        for (int i = 0; i < versions.size(); i++) assertEquals(models.get(i), new HashMap<>(versions.get(i)));
        for (Key key : model.keySet()) map = map.without(key);
        assertEquals(0, map.size());
        assertSame(PersistentMap.empty(), map);
        assertNull(map.get(new Key(0, hashes)));
    }
}
