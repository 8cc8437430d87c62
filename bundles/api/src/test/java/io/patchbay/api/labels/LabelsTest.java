package io.patchbay.api.labels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.labels.LabelSelector.Operator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LabelsTest {
    @Test
    void canonicalIsSortedAndReadable() {
        LabelSet set = LabelSet.parse("k8s:b=2", "reserved:host", "k8s:a=1", "k8s:b=2");
        assertEquals("k8s:a=1;k8s:b=2;reserved:host=;", set.canonical());
        assertEquals(set, LabelSet.parseCanonical(set.canonical()));
        assertEquals("k8s:a=1,k8s:b=2,reserved:host", set.toString());
        assertThrows(IllegalArgumentException.class, () -> LabelSet.parse("k8s:a=1", "k8s:a=2"));
    }

    @Test
    void podLabels() {
        LabelSet set = IdentityLabels.ofPod("a", "default",
                Map.of("app", "web", "pod-template-hash", "x", "app.kubernetes.io/name", "n", "io.kubernetes.pod.namespace", "forged",
                        "statefulset.kubernetes.io/pod-name", "p", "topology.kubernetes.io/zone", "z"),
                Map.of("kubernetes.io/metadata.name", "a", "team", "x"), "default", LabelFilter.defaults());
        assertEquals("k8s:app=web,k8s:app.kubernetes.io/name=n,k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=a,"
                + "k8s:io.cilium.k8s.namespace.labels.team=x,k8s:io.cilium.k8s.policy.cluster=default,"
                + "k8s:io.cilium.k8s.policy.serviceaccount=default,k8s:io.kubernetes.pod.namespace=a", set.toString());
        assertEquals("a", set.namespace().orElseThrow());
    }

    @Test
    void filterWithUserRules() {
        LabelFilter whitelist = LabelFilter.of(List.of("app"));
        assertTrue(whitelist.counts(Label.k8s("app", "web")));
        assertFalse(whitelist.counts(Label.k8s("tier", "x")));
        assertTrue(whitelist.counts(Label.k8s("io.kubernetes.pod.namespace", "a")));
        LabelFilter exclude = LabelFilter.of(List.of("!k8s:tier"));
        assertTrue(exclude.counts(Label.k8s("app", "web")));
        assertFalse(exclude.counts(Label.k8s("tier", "x")));
        assertTrue(exclude.counts(new Label("container", "tier", "x")));
    }

    @Test
    void selectors() {
        LabelSet set = LabelSet.parse("k8s:app=web", "reserved:host");
        assertTrue(LabelSelector.EVERYTHING.matches(set));
        assertTrue(LabelSelector.of(Map.of("app", "web")).matches(set));
        assertTrue(LabelSelector.of(Map.of("any:app", "web")).matches(set));
        assertFalse(LabelSelector.of(Map.of("reserved:app", "web")).matches(set));
        assertTrue(LabelSelector.of(Map.of("reserved:host", "")).matches(set));
        assertTrue(selector("tier", Operator.NOT_IN, "x").matches(set));
        assertFalse(selector("app", Operator.NOT_IN, "web").matches(set));
        assertTrue(selector("app", Operator.EXISTS).matches(set));
        assertTrue(selector("tier", Operator.DOES_NOT_EXIST).matches(set));
    }

    @Test
    void prefixLabels() {
        assertEquals("cidr:10.0.0.0/8,reserved:world", IdentityLabels.ofPrefix("10.0.0.0/8", false).toString());
        assertEquals("cidr:2001-db8--0/32,reserved:world-ipv6", IdentityLabels.ofPrefix("2001:db8::/32", true).toString());
        assertEquals("cidr:0--0/0,reserved:world-ipv6", IdentityLabels.ofPrefix("::/0", true).toString());
    }

    private static LabelSelector selector(String key, Operator operator, String... values) {
        return new LabelSelector(List.of(LabelSelector.requirement(key, operator, Set.of(values))));
    }
}
