package io.patchbay.cni.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints.Attachment;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CniCallTest {
    private static CniCall parse(String config, String... environment) throws CniException {
        Map<String, String> env = new HashMap<>(Map.of("CNI_COMMAND", "ADD", "CNI_CONTAINERID", "c1", "CNI_IFNAME", "eth0", "CNI_NETNS", "/run/netns/x",
                "CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=p"));
        for (int i = 0; i < environment.length; i += 2) env.put(environment[i], environment[i + 1]);
        return CniCall.parse(env, config.getBytes(StandardCharsets.UTF_8));
    }

    private static int code(String config, String... environment) {
        return assertThrows(CniException.class, () -> parse(config, environment)).code();
    }

    private static final String V1 = "{\"cniVersion\":\"1.0.0\",\"name\":\"n\"}";

    @Test
    void refusesWithTheNumbersOfTheSpecification() throws Exception {
        assertEquals(1, code("{\"cniVersion\":\"2.0.0\"}"));
        assertEquals(1, code(V1, "CNI_COMMAND", "STATUS"), "STATUS is of 1.1");
        assertEquals(1, code("{\"cniVersion\":\"0.3.1\"}", "CNI_COMMAND", "CHECK"));
        assertEquals(4, code(V1, "CNI_COMMAND", "PLUG"));
        assertEquals(4, code(V1, "CNI_CONTAINERID", ""));
        assertEquals(4, code(V1, "CNI_CONTAINERID", "../x"));
        assertEquals(4, code(V1, "CNI_IFNAME", "much-too-long-name"));
        assertEquals(4, code(V1, "CNI_IFNAME", "a/b"));
        assertEquals(4, code(V1, "CNI_NETNS", ""));
        assertEquals(4, code(V1, "CNI_ARGS", "=x"));
        assertEquals(6, code("{"));
        assertEquals(6, code("[]"));
        assertEquals(7, code("{}"));
        assertEquals("p", parse(V1).required("K8S_POD_NAME"));
        assertEquals(4, assertThrows(CniException.class, () -> parse(V1).required("K8S_POD_NAMESPACE")).code());
        assertEquals("", parse(V1, "CNI_COMMAND", "DEL", "CNI_NETNS", "").netns(), "DEL may come without");
    }

    @Test
    void versionNeedsNoInput() throws Exception {
        assertEquals("1.1.0", parse("", "CNI_COMMAND", "VERSION").version());
        assertTrue(CniJson.versions("0.4.0").startsWith("{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.3.0\""));
    }

    @Test
    void readsAttachmentsAndPreviousResults() throws Exception {
        String gc = "{\"cniVersion\":\"1.1.0\",\"cni.dev/valid-attachments\":[{\"containerID\":\"a\",\"ifname\":\"eth0\"}]}";
        assertEquals(Set.of(new Attachment("a", "eth0")), parse(gc, "CNI_COMMAND", "GC").validAttachments());
        assertThrows(CniException.class, () -> parse("{\"cniVersion\":\"1.1.0\"}", "CNI_COMMAND", "GC").validAttachments());
        CniCall check = parse("{\"cniVersion\":\"1.0.0\",\"prevResult\":{\"ips\":[{\"address\":\"10.0.0.5/32\"}]}}", "CNI_COMMAND", "CHECK");
        assertTrue(check.hasPreviousResult());
        assertEquals(List.of(), check.problems(Set.of(IpAddress.parse("10.0.0.5"))));
        assertFalse(check.problems(Set.of(IpAddress.parse("10.0.0.6"))).isEmpty());
    }

    @Test
    void answersInTheFormOfTheVersion() throws Exception {
        Endpoint e = new Endpoint(1, "c1", "d", "p", "", List.of(IpAddress.parse("10.0.0.5")), 7, "lxc000000000000", new byte[] {2, 0, 0, 0, 0, 1},
                new byte[] {2, 0, 0, 0, 0, 2}, "/run/netns/x", 1000, LabelSet.empty(), Map.of(), Map.of(), 0, 0, Endpoint.State.READY);
        List<IpAddress> routers = List.of(IpAddress.parse("10.0.0.1"));
        String old = CniJson.added(parse("{\"cniVersion\":\"0.3.1\",\"dns\":{\"nameservers\":[\"10.96.0.10\"]}}"), e, routers, 1500, 1450);
        assertEquals("{\"cniVersion\":\"0.3.1\",\"interfaces\":[{\"name\":\"lxc000000000000\",\"mac\":\"02:00:00:00:00:02\"},"
                + "{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:01\",\"sandbox\":\"/run/netns/x\"}],\"ips\":[{\"version\":\"4\",\"address\":\"10.0.0.5/32\","
                + "\"interface\":1,\"gateway\":\"10.0.0.1\"}],\"routes\":[{\"dst\":\"10.0.0.1/32\"},{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.0.0.1\"}],"
                + "\"dns\":{\"nameservers\":[\"10.96.0.10\"]}}", old);
        String now = CniJson.added(parse("{\"cniVersion\":\"1.1.0\"}"), e, routers, 1500, 1450);
        assertTrue(now.contains("\"gw\":\"10.0.0.1\",\"mtu\":1450") && !now.contains("\"version\":"), now);
    }
}
