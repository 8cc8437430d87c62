package io.patchbay.lifecycle.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.feature.FeatureDescriptor;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DescriptorsTest {
    private static final String WHOLE = """
            {"name":"conntrack","version":"0.1.0","summary":"s","datapathAbi":"[1.0,2)",
             "stages":[{"object":"bpf/c.o","program":"ct_lookup","hook":"pod-egress","order":500}],
             "maps":[{"name":"ct4","object":"bpf/c.o","schema":"1.0","migration":"copy","maxEntries":1000}],
             "uses":[{"name":"endpoints","schema":"[1.0,2)"}],"kernel":["ringbuf"],"disable":"never",
             "requires":["endpoint"],"commands":["bpf ct list"],"onAddPath":true,"config":{"max":"1000","n":{"default":"1","type":"int","min":0}}}""";

    @Test
    void readsTheWhole() {
        Descriptors.Described d = parse(WHOLE);
        FeatureDescriptor f = d.descriptor();
        assertEquals("conntrack", f.name());
        assertEquals(Hook.POD_EGRESS, f.stages().get(0).hook());
        assertEquals(FeatureDescriptor.Migration.COPY, f.maps().get(0).migration());
        assertEquals(1000, f.maps().get(0).maxEntries());
        assertEquals(FeatureDescriptor.Disable.NEVER, f.disable());
        assertEquals("1000", d.config().get("max").standard());
        assertEquals("int 0..", d.config().get("n").form());
        assertTrue(f.onAddPath());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"hook\":\"pod-egress\" | \"hook\":\"pod-exit\" | stages[0].hook: there is no hook 'pod-exit'; known: pod-egress",
        "\"order\":500 | \"order\":100 | stages[0].order: 100 is not between 101 and 65534",
        "\"order\":500 | \"order\":\"500\" | stages[0].order must be a whole number",
        "\"order\":500 | \"oder\":500 | stages[0].oder is no field; known: object",
        "\"disable\":\"never\" | \"disable\":\"drain\" | disable: 'drain' is none of instant, drained, override, never",
        "\"summary\":\"s\", | '' | summary is missing",
        "\"max\":\"1000\" | \"max\":1000 | config.max must be a text in quotes, or an object",
        "\"default\":\"1\" | \"default\":\"-1\" | config.n.default: -1 is out of range (at least 0)",
        "\"default\":\"1\" | \"defualt\":\"1\" | config.n.defualt is no field; known: default, type",
        "\"type\":\"int\" | \"type\":\"bool\" | config.n.min is for type int only",
        "\"type\":\"int\",\"min\":0 | \"type\":\"choice\" | config.n.values is for type choice",
        "\"type\":\"int\",\"min\":0 | \"type\":\"int\",\"pattern\":\"a\" | config.n.pattern is for type text",
        "\"type\":\"int\",\"min\":0 | \"pattern\":\"(\" | config.n.pattern: Unclosed group",
        "\"type\":\"int\",\"min\":0 | \"pattern\":\"[a-z]+\" | config.n.default: '1' does not have the form [a-z]+",
        "\"schema\":\"1.0\" | \"schema\":\"one\" | one",
        "\"name\":\"conntrack\" | \"name\":\"../x\" | name: '../x' may consist of",
        "\"kernel\":[\"ringbuf\"] | \"kernel\":\"ringbuf\" | kernel must be a list",
        "\"onAddPath\":true | \"onAddPath\":\"yes\" | onAddPath must be true or false",
        "\"config\":{ | \"config\":[ | line"})
    void refusesNamingThePlace(String old, String changed, String message) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> parse(WHOLE.replace(old, changed)));
        assertTrue(e.getMessage().startsWith("x.jar: " + Descriptors.ENTRY), e.getMessage());
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    private static Descriptors.Described parse(String json) {
        return Descriptors.parse(json.getBytes(StandardCharsets.UTF_8), "x.jar");
    }
}
