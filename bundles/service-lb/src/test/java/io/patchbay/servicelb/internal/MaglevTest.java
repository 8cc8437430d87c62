package io.patchbay.servicelb.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MaglevTest {
    private static List<String> names(int n) {
        return IntStream.range(0, n).mapToObj(i -> "10.0." + i / 200 + "." + (i % 200 + 1) + ":8080/TCP").toList();
    }

    /** Names by place: what nodes compare. */
    private static String[] byName(List<String> names, int size) {
        return Arrays.stream(Maglev.table(names, size)).mapToObj(names::get).toArray(String[]::new);
    }

    @ParameterizedTest
    @CsvSource({"1, 251", "2, 251", "3, 509", "10, 1021", "100, 16381", "1000, 131071", "5000, 131071"})
    void theSmallestListedPrimeWithAHundredPlacesForEach(int backends, int size) {
        assertEquals(size, Maglev.size(backends));
    }

    @Test
    void allNodesAgreeWhateverTheOrderTheySawBackendsIn() {
        List<String> names = new ArrayList<>(names(37));
        String[] expected = byName(names, 4093);
        for (int seed = 0; seed < 5; seed++) {
            Collections.shuffle(names, new Random(seed));
            assertArrayEquals(expected, byName(names, 4093));
        }
    }

    @Test
    void sharesAreEqualToTheTurn() {
        int[] count = new int[100];
        for (int i : Maglev.table(names(100), 16381)) count[i]++;
        assertTrue(Arrays.stream(count).max().orElseThrow() - Arrays.stream(count).min().orElseThrow() <= 1);
    }

    /** Whichever of a hundred goes: how many places of the others change hands, in 1/10000. */
    @ParameterizedTest
    @CsvSource({"65521, 100", "16381, 200"})
    void fewFlowsOfOthersMoveWhenOneOfAHundredGoes(int size, int allowed) {
        List<String> names = names(100);
        String[] before = byName(names, size);
        double worst = 0;
        for (int gone = 0; gone < 100; gone++) {
            List<String> left = new ArrayList<>(names);
            left.remove(gone);
            String[] after = byName(left, size);
            int others = 0;
            int moved = 0;
            for (int i = 0; i < size; i++) {
                if (before[i].equals(names.get(gone))) continue;
                others++;
                if (!before[i].equals(after[i])) moved++;
            }
            worst = Math.max(worst, 10_000.0 * moved / others);
        }
        assertTrue(worst <= allowed, "moved " + worst / 100 + " %");
    }

    /** Reference values of the hash with seed 0 are public; with ours the test is that length and tail are counted. */
    @Test
    void namesThatDifferInOneOctetDiffer() {
        List<Long> seen = new ArrayList<>();
        for (String s : List.of("", "a", "b", "0123456789abcdef", "0123456789abcdefg", "0123456789abcdeg", "0123456789abcdef01234567")) {
            seen.add(Maglev.murmur(s.getBytes(StandardCharsets.UTF_8))[0]);
        }
        assertEquals(seen.size(), seen.stream().distinct().count());
    }
}
