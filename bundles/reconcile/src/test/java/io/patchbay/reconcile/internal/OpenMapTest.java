package io.patchbay.reconcile.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OpenMapTest {
    /** A key whose hash is chosen. */
    private record Key(int number, int stride) {
        @Override
        public int hashCode() {
            return number * stride;
        }
    }

    /** Against the map that everybody trusts, with hashes that lie side by side, collide, or are equal. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 16, 31, 1 << 20, -7, 0x9E3779B9})
    void isAMap(int stride) {
        Random random = new Random(stride);
        Map<Key, Integer> expected = new HashMap<>();
        OpenMap<Key, Integer> map = new OpenMap<>();
        for (int i = 0; i < 20_000; i++) {
            Key key = new Key(random.nextInt(stride == 0 ? 60 : 700), stride);
            switch (random.nextInt(6)) {
                case 0, 1, 2 -> assertEquals(expected.put(key, i), map.put(key, i));
                case 3 -> assertEquals(expected.putIfAbsent(key, i), map.putIfAbsent(key, i));
                case 4 -> assertEquals(expected.remove(key), map.remove(key));
                default -> {
                    assertEquals(expected.get(key), map.get(key));
                    assertEquals(expected.containsKey(key), map.containsKey(key));
                }
            }
            if (i % 1000 == 0) {
                assertEquals(expected, map);
                Map<Key, Integer> seen = new HashMap<>();
                map.forEach((k, v) -> assertNull(seen.put(k, v)));
                assertEquals(expected, seen);
            }
            if (i == 10_000) {
                expected.clear();
                map.clear();
            }
        }
        assertEquals(expected, map);
        assertEquals(map, expected);
    }
}
