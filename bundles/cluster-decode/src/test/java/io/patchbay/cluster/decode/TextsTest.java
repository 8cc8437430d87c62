package io.patchbay.cluster.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TextsTest {
    @Test
    void whatIsWrittenReadsBackTheSame() {
        Map<String, Object> value = new LinkedHashMap<>();
        for (String tricky : List.of("", "yes", "true", "null", "~", "8080", "1e3", "0x1f", "a: b", "# no", "line\nbreak", "tab\there", "\"quoted\"",
                "back\\slash", "\u00e9\u20ac", "\u0001", "- dash", "*", "&x", "2026-01-01", "<<", " lead", "trail ", "|", "@", "\u2028")) {
            value.put("k" + value.size(), tricky);
            value.put(tricky, "as key");
        }
        value.put("n", Arrays.asList(1L, -5L, 1.5, true, null, List.of(), Map.of()));
        for (String text : List.of(Texts.json(value), Texts.yaml(value))) {
            Problems problems = new Problems();
            List<Tree> trees = Trees.read("f", text, problems);
            assertEquals(List.of(), problems.list());
            assertEquals(value, trees.get(0).value(), text);
        }
    }

    @Test
    void whatKubernetesWouldReadAsABooleanIsQuoted() {
        for (String word : List.of("yes", "No", "on", "OFF")) {
            Problems problems = new Problems();
            Trees.read("f", Texts.yaml(Map.of("k", word)), problems).get(0).stringMap();
            assertEquals(List.of(), problems.list());
        }
    }
}
