package io.patchbay.cluster.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class TreeTest {
    static Stream<Arguments> refusals() {
        return Stream.of(
                refusal("a: 1\na: 2\n", t -> { }, "file f, document 1, line 2, column 1: a: given twice"),
                refusal("a: {b: [ {c: 1, c: 2} ]}", t -> { }, "file f, document 1, line 1, column 17: a.b[0].c: given twice"),
                refusal("---\nok: 1\n---\nspec:\n  podSelektor: {}\n", t -> {
                    Fields f = t.fields();
                    f.optional("ok");
                    f.optional("spec").ifPresent(s -> {
                        Fields spec = s.fields();
                        spec.optional("podSelector");
                        spec.end();
                    });
                    f.end();
                }, "file f, document 2, line 5, column 3: spec.podSelektor: unknown field; did you mean podSelector?"),
                refusal("xyzzy: 1", t -> t.fields().end(), "file f, document 1, line 1, column 1: xyzzy: unknown field"),
                refusal("a: {}", t -> t.fields().required("a").fields().required("b").string(), "file f, document 1, line 1, column 4: a.b: is required"),
                refusal("a:", t -> t.fields().required("a").string(), "file f, document 1, line 1, column 3: a: is required and must not be null"),
                refusal("a: 8080", t -> t.fields().required("a").string(), "a: must be a string, not the number 8080; put it in quotes"),
                refusal("a: yes", t -> t.fields().required("a").string(), "a: Kubernetes reads an unquoted yes as a boolean; put it in quotes"),
                refusal("a: true", t -> t.fields().required("a").string(), "a: must be a string, not the boolean true; put it in quotes"),
                refusal("a: '80'", t -> t.fields().required("a").integer(1, 65535), "a: must be a whole number, not the string \"80\""),
                refusal("a: 80.5", t -> t.fields().required("a").integer(1, 65535), "a: must be a whole number, not the number 80.5"),
                refusal("a: 65536", t -> t.fields().required("a").integer(1, 65535), "a: 65536 is out of range 1 to 65535"),
                refusal("a: 99999999999999999999", t -> t.fields().required("a").integer(1, 65535), "a: out of range 1 to 65535"),
                refusal("a: tcp", t -> t.fields().required("a").oneOf("TCP", "UDP", "SCTP"), "a: \"tcp\" is not one of TCP, UDP, SCTP; did you mean TCP?"),
                refusal("a: {}", t -> t.fields().required("a").list(), "a: must be a list, not an object"),
                refusal("a: []", t -> t.fields().required("a").fields().end(), "a: must be an object, not a list"),
                refusal("a: null", t -> t.fields().any("a").orElseThrow().list(), "a: must be a list, not null"),
                refusal("- 1", t -> t.fields().end(), "must be an object, not a list"),
                refusal("a: &x [*x]", t -> { }, "a[0]: an alias that contains itself"),
                refusal("a: !!python/none 1", t -> { }, "are not supported", true),
                refusal("? [a]\n: 1\n", t -> { }, "not valid YAML: Non scalar key", true),
                refusal("a: {b: 1, c: 2}", t -> t.fields().required("a").fields().oneOf(true, "b", "c"), "a: only one of b, c may be given, not b and c"),
                refusal("a: {}", t -> t.fields().required("a").fields().oneOf(true, "b", "c"), "a: one of b, c is required"),
                refusal("a: [1\nb: 2", t -> { }, "document 1, line 2, column 2: not valid YAML", true),
                refusal("ok: 1\n---\n\t- a", t -> t.fields().optional("ok"), "document 2, line 3, column 1: not valid YAML", true));
    }

    private static Arguments refusal(String text, Consumer<Tree> reading, String expected) {
        return refusal(text, reading, expected, false);
    }

    private static Arguments refusal(String text, Consumer<Tree> reading, String expected, boolean part) {
        return Arguments.of(text, reading, expected, part);
    }

    @ParameterizedTest
    @MethodSource("refusals")
    void refusesWithPlaceAndField(String text, Consumer<Tree> reading, String expected, boolean part) {
        Problems problems = new Problems();
        Trees.read("f", text, problems).forEach(reading);
        assertEquals(1, problems.size(), () -> problems.list().toString());
        String message = problems.list().get(0).toString();
        assertTrue(part ? message.contains(expected) : message.endsWith(expected), message);
        if (!part && expected.startsWith("file")) assertEquals(expected, message);
    }

    @Test
    void allProblemsAreCollected() {
        Problems problems = new Problems();
        Fields f = Trees.read("f", "a: 1\nb: x\nc: 1", problems).get(0).fields();
        f.required("a").string();
        f.required("b").integer(0, 1);
        f.end();
        assertEquals(3, problems.size());
    }

    @Test
    void absentNullEmptyAndValueAreTold() {
        Fields f = read("n:\ne1: {}\ne2: []\ne3: ''\nv: 0").fields();
        assertEquals(List.of(Fields.State.ABSENT, Fields.State.NULL, Fields.State.EMPTY, Fields.State.EMPTY, Fields.State.EMPTY, Fields.State.VALUE),
                Stream.of("absent", "n", "e1", "e2", "e3", "v").map(f::state).toList());
        assertTrue(f.any("n").isPresent());
        assertFalse(f.optional("n").isPresent());
        assertTrue(f.optional("e1").isPresent());
    }

    @Test
    void readsJsonWithTabsEscapesAndPositions() {
        Tree t = read("{\n\t\"a\": [\"x\\/y\\t\\u00e9\", true, null, -3]\n}");
        List<Tree> items = t.fields().required("a").list();
        assertEquals("x/y\t\u00e9", items.get(0).string());
        assertTrue(items.get(1).bool());
        assertTrue(items.get(2).isNull());
        assertEquals(-3, items.get(3).integer(-5, 5));
        assertEquals("a[3]", items.get(3).path());
        assertEquals(2, items.get(3).line());
    }

    @Test
    void emptyDocumentsCountButDoNotShow() {
        Problems problems = new Problems();
        List<Tree> trees = Trees.read("f", "# only a comment\n---\n---\na: 1\n", problems);
        assertEquals(List.of(2), trees.stream().map(Tree::document).toList());
        assertEquals(List.of(), Trees.read("f", "", problems));
        assertTrue(problems.isEmpty());
    }

    @Test
    void anchorsAreFollowed() {
        Tree t = read("a: &x {k: v}\nb: *x");
        assertEquals("v", t.fields().required("b").stringMap().get("k"));
    }

    @Test
    void notUtf8() {
        Problems problems = new Problems();
        assertEquals(List.of(), Trees.read("f", new byte[] {'a', ':', (byte) 0xff}, problems));
        assertEquals("file f: not UTF-8 text", problems.list().get(0).toString());
    }

    private static Tree read(String text) {
        Problems problems = new Problems();
        Tree tree = Trees.read("f", text, problems).get(0);
        assertTrue(problems.isEmpty(), () -> problems.list().toString());
        return tree;
    }
}
