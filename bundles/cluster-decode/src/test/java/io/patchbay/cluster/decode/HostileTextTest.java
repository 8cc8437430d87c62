package io.patchbay.cluster.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Texts made to exhaust whoever reads them, and bytes that are no text: refused by name, with what they would cost not spent. The time limit is for a hang. */
@Timeout(120)
class HostileTextTest {
    private static final String POLICY = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: n}, spec: {podSelector: {}}}";

    static Stream<Arguments> texts() {
        StringBuilder lists = new StringBuilder("---\nx0: &x0 " + POLICY + "\n");
        for (int i = 1; i <= 7; i++) lists.append("x").append(i).append(": &x").append(i).append(" {apiVersion: v1, kind: List, items: [").append(aliases("x" + (i - 1), 10)).append("]}\n");
        StringBuilder laughs = new StringBuilder("a0: &a0 [lol, lol]\n");
        for (int i = 1; i <= 60; i++) laughs.append("a").append(i).append(": &a").append(i).append(" [").append(aliases("a" + (i - 1), 10)).append("]\n");
        String cube = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: n}\nspecs:\n"
                + "- &r\n  endpointSelector: {}\n  ingress:\n  - &e\n    fromEndpoints:\n    - &p {matchLabels: {a: b}}\n    - " + "*p\n    - ".repeat(300) + "*p\n  - " + "*e\n  - ".repeat(300)
                + "*e\n- " + "*r\n- ".repeat(300) + "*r\n";
        return Stream.of(
                Arguments.of("lists of lists", lists.toString(), "aliases make"),
                Arguments.of("a billion laughs", laughs.toString(), "aliases make"),
                Arguments.of("rules times elements times peers", cube, "aliases make"),
                Arguments.of("more aliases than any manifest", "a: &a [x]\nb: [" + aliases("a", 2000) + "]\n", "more than 1000 aliases"),
                Arguments.of("brackets", "a: " + "[".repeat(200_000), "nested"),
                Arguments.of("closed brackets", "a: " + "[".repeat(300) + "]".repeat(300), "nested deeper than 100"),
                Arguments.of("braces", "{a: ".repeat(50_000), "nested"),
                Arguments.of("indentation", Stream.iterate(0, i -> i + 1).limit(300).map(i -> " ".repeat(i) + "a:\n").reduce("", String::concat), "nested deeper than 100"),
                Arguments.of("deep in what is ignored", POLICY.replace("spec:", "status: " + "[".repeat(150) + "]".repeat(150) + ", spec:"), "nested deeper than 100"),
                Arguments.of("a key of keys", "? ".repeat(2000) + "a", "not valid YAML"),
                Arguments.of("a tag", "a: !!java.lang.Runtime {}", "are not supported"),
                Arguments.of("JSON, deep", "{\"a\":".repeat(300) + "1" + "}".repeat(300), "nested deeper than 100"),
                Arguments.of("JSON, a key twice among many", "{" + Stream.iterate(0, i -> i + 1).limit(200_000).map(i -> "\"k" + i + "\":1,").reduce(new StringBuilder(), StringBuilder::append, StringBuilder::append)
                        + "\"k7\":1}", "given twice"),
                Arguments.of("a null character", "a: \"b\u0000c\"", "special characters"),
                Arguments.of("an escape that is cut off", "a: \"\\x", "names no character"),
                Arguments.of("an escape beyond all numbers", "a: \"\\UFFFFFFFF\"", "names no character"),
                Arguments.of("an escape beyond Unicode", "a: \"\\U00110000\"", "unknown escape"),
                Arguments.of("a directive", "%YAML 3.0\n---\na: b\n", "not valid YAML"));
    }

    private static String aliases(String name, int n) {
        return ("*" + name + ", ").repeat(n);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("texts")
    void isRefused(String what, String text, String why) {
        Problems problems = new Problems();
        ClusterDecoder.standard().decode("f", text.getBytes(StandardCharsets.UTF_8), problems);
        assertFalse(problems.isEmpty(), what);
        String all = problems.list().toString();
        assertTrue(all.contains(why), () -> all.substring(0, Math.min(600, all.length())));
        assertTrue(all.length() < 200_000, "and the message is no bomb itself");
        assertTrue(problems.list().stream().allMatch(p -> p.file().equals("f") && p.document() == 1), all);
    }

    @Test
    void bytesThatAreNoUtf8AreRefused() {
        for (int[] bad : new int[][] {{0xff}, {0xc0, 0xaf}, {0xed, 0xa0, 0x80}, {0xf8, 0x88, 0x80, 0x80, 0x80}, {0xc3}, {0xf5, 0x80, 0x80, 0x80}}) {
            ByteArrayOutputStream b = new ByteArrayOutputStream();
            b.writeBytes("a: \"".getBytes(StandardCharsets.UTF_8));
            for (int x : bad) b.write(x);
            b.write('"');
            Problems problems = new Problems();
            assertEquals(List.of(), ClusterDecoder.standard().decode("f", b.toByteArray(), problems));
            assertEquals("file f: not UTF-8 text", problems.list().get(0).toString());
        }
        Problems problems = new Problems();
        ClusterDecoder.standard().decode("f", POLICY.getBytes(StandardCharsets.UTF_16), problems);
        assertFalse(problems.isEmpty(), "UTF-16");
    }

    @Test
    void whatIsLargeButHonestIsRead() throws Exception {
        String labels = POLICY.replace("podSelector: {}", "podSelector: {matchLabels: {a: b}}").replace("namespace: n", "namespace: n, annotations: {x: \"" + "y".repeat(5_000_000) + "\"}");
        assertEquals(1, ClusterDecoder.standard().decode("f", labels.getBytes(StandardCharsets.UTF_8)).size());
        String many = (POLICY + "\n---\n").repeat(5000);
        assertEquals(5000, ClusterDecoder.standard().decode("f", many.getBytes(StandardCharsets.UTF_8)).size());
        String shared = "apiVersion: v1\nkind: List\nitems:\n- &a " + POLICY + "\n- *a\n- *a\n";
        assertEquals(3, ClusterDecoder.standard().decode("f", shared.getBytes(StandardCharsets.UTF_8)).size());
    }

    @Test
    void aPortThatReadersReadDifferentlyIsRefused() {
        for (String port : List.of("0100", "00", "010")) {
            Problems problems = new Problems();
            String text = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: n}, spec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: \""
                    + port + "\"}]}]}]}}";
            ClusterDecoder.standard().decode("f", text.getBytes(StandardCharsets.UTF_8), problems);
            assertTrue(problems.list().toString().contains(port + " is octal to Cilium"), problems.list().toString());
        }
    }
}
