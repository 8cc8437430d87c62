package io.patchbay.hubble.internal;

import static io.patchbay.hubble.internal.Events.drop;
import static io.patchbay.hubble.internal.Events.trace;
import static io.patchbay.hubble.internal.Events.verdict;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.LostFlows;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.policy.PolicyRules;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What users see, letter by letter: the table of Cilium 1.9, the hubble CLI's compact and dict, the exporter's JSON. */
class FormatsTest {
    private static final String DNS = "10.0.0.5";
    private static final String DENIED = "10.0.0.7";
    private static final String ECHO = "10.0.1.9";
    private static final String EXTERNAL = "10.0.0.8";
    private static final FlowPrinter.Look PLAIN = new FlowPrinter.Look(true, null, false);

    private final Names names = new Names(() -> 0, () -> 0);
    private final FlowResolver resolver = new FlowResolver(names, a -> 0, FormatsTest::rule, 1);
    private final EventDecoder decoder = new EventDecoder(Events.layout());
    private final List<FlowEvent> flows = new ArrayList<>();

    FormatsTest() {
        names.endpoints().put(Events.endpoint(5, "kube-system", "coredns-57658b797f-sn6z5", DNS, 300, "k8s:k8s-app=kube-dns"));
        names.endpoints().put(Events.endpoint(7, "default", "pod-to-a-denied-cnp-75cb89dfd-gmcgj", DENIED, 700, "k8s:name=pod-to-a-denied-cnp"));
        names.endpoints().put(Events.endpoint(8, "default", "pod-to-external-1111-d5c7bb4c4-28g4x", EXTERNAL, 800, "k8s:name=pod-to-external-1111"));
        names.pods().onChanges(null, List.of(Events.pod("default", "echo-a-dc9bcfd8f-m75dn", ECHO, Map.of("pod-template-hash", "dc9bcfd8f"))));
        names.identities(Events.identity(900, "k8s:name=echo-a", "k8s:io.kubernetes.pod.namespace=default", "k8s:io.cilium.k8s.policy.cluster=default"));
    }

    private void at(String time, Struct event) {
        Instant t = Instant.parse(time);
        event.set("ts", 1000);
        flows.add(resolver.resolve(decoder.decode(event.bytes(), flows.size(), t.getEpochSecond() * 1_000_000_000L + t.getNano() - 1000)));
    }

    private String print(FlowPrinter printer) {
        StringBuilder text = new StringBuilder();
        flows.forEach(f -> printer.print(f, text));
        printer.end(text);
        return text.toString();
    }

    @Test
    void tableIsTheSample() {
        at("2020-12-26T04:26:31.448Z", trace(Events.TO_ENDPOINT, Events.REPLY, DNS, 53, DENIED, 58279, Protocol.UDP));
        at("2020-12-26T04:26:31.448Z", verdict(Events.DENY, 0, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("tcp_flags", Events.SYN));
        at("2020-12-26T04:26:31.448Z", drop(133, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("tcp_flags", Events.SYN));
        at("2020-12-26T04:26:31.517Z", trace(Events.TO_ENDPOINT, Events.REPLY, "1.1.1.1", 80, EXTERNAL, 37796, Protocol.TCP)
                .set("tcp_flags", Events.ACK | 1));
        at("2020-12-26T04:26:31.518Z", trace(Events.TO_STACK, Events.ESTABLISHED, EXTERNAL, 37796, "1.1.1.1", 80, Protocol.TCP)
                .set("tcp_flags", Events.ACK));
        at("2020-12-26T04:26:31.970Z", verdict(Events.ALLOW, 2, DENIED, 52892, DNS, 53, Protocol.UDP));
        at("2020-12-26T04:26:33.462Z", trace(Events.TO_ENDPOINT, Events.ESTABLISHED, "192.168.122.1", 6443, DNS, 53758, Protocol.TCP)
                .set("tcp_flags", Events.ACK | 8));
        assertEquals("""
                TIMESTAMP             SOURCE                                               DESTINATION                                          TYPE            VERDICT     SUMMARY
                Dec 26 04:26:31.448   kube-system/coredns-57658b797f-sn6z5:53              default/pod-to-a-denied-cnp-75cb89dfd-gmcgj:58279    to-endpoint     FORWARDED   UDP
                Dec 26 04:26:31.448   default/pod-to-a-denied-cnp-75cb89dfd-gmcgj:49600    default/echo-a-dc9bcfd8f-m75dn:8080                  Policy denied   DROPPED     TCP Flags: SYN
                Dec 26 04:26:31.448   default/pod-to-a-denied-cnp-75cb89dfd-gmcgj:49600    default/echo-a-dc9bcfd8f-m75dn:8080                  Policy denied   DROPPED     TCP Flags: SYN
                Dec 26 04:26:31.517   1.1.1.1:80                                           default/pod-to-external-1111-d5c7bb4c4-28g4x:37796   to-endpoint     FORWARDED   TCP Flags: ACK, FIN
                Dec 26 04:26:31.518   default/pod-to-external-1111-d5c7bb4c4-28g4x:37796   1.1.1.1:80                                           to-stack        FORWARDED   TCP Flags: ACK
                Dec 26 04:26:31.970   default/pod-to-a-denied-cnp-75cb89dfd-gmcgj:52892    kube-system/coredns-57658b797f-sn6z5:53              L3-L4           FORWARDED   UDP
                Dec 26 04:26:33.462   192.168.122.1:6443                                   kube-system/coredns-57658b797f-sn6z5:53758           to-endpoint     FORWARDED   TCP Flags: ACK, PSH
                """, print(FlowPrinter.table(PLAIN)));
    }

    @Test
    void compact() {
        at("2020-12-06T04:26:31.448Z", trace(Events.TO_ENDPOINT, Events.NEW, DENIED, 58279, DNS, 53, Protocol.UDP)
                .set("src_identity", 700).set("dst_identity", 300));
        at("2020-12-26T04:26:31.448Z", trace(Events.TO_ENDPOINT, Events.REPLY, DNS, 53, DENIED, 58279, Protocol.UDP)
                .set("src_identity", 300).set("dst_identity", 700));
        at("2020-12-26T04:26:31.449Z", drop(133, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("tcp_flags", Events.SYN)
                .set("src_identity", 700).set("dst_identity", 900));
        at("2020-12-26T04:26:31.450Z", verdict(Events.DENY, 0, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("tcp_flags", Events.SYN)
                .set("src_identity", 700).set("dst_identity", 900));
        at("2020-12-26T04:26:31.451Z", verdict(Events.AUDIT, 1, DENIED, 4, ECHO, 8080, Protocol.TCP).set("tcp_flags", Events.SYN)
                .set("src_identity", 700).set("dst_identity", 900).set("flags", EventDecoder.INGRESS));
        at("2020-12-26T04:26:31.452Z", trace(Events.TO_NETWORK, Events.NEW, EXTERNAL, 77, "1.1.1.1", 0, Protocol.ICMP).set("icmp_type", 8)
                .set("src_identity", 800).set("dst_identity", 2));
        at("2020-12-26T04:26:31.453Z", trace(Events.TO_OVERLAY, Events.NEW, EXTERNAL, 5000, "fd00::9", 53, Protocol.UDP)
                .set("src_identity", 800).set("dst_identity", 16777217));
        flows.add(new LostFlows(9, Instant.parse("2020-12-26T04:26:31.454Z"), LostFlows.Source.HUBBLE_RING_BUFFER, 12));
        String deniedPod = "default/pod-to-a-denied-cnp-75cb89dfd-gmcgj";
        assertEquals("Dec  6 04:26:31.448: " + deniedPod + ":58279 (ID:700) -> kube-system/coredns-57658b797f-sn6z5:53 (ID:300) to-endpoint FORWARDED (UDP)\n"
                + "Dec 26 04:26:31.448: " + deniedPod + ":58279 (ID:700) <- kube-system/coredns-57658b797f-sn6z5:53 (ID:300) to-endpoint FORWARDED (UDP)\n"
                + "Dec 26 04:26:31.449: " + deniedPod + ":49600 (ID:700) <> default/echo-a-dc9bcfd8f-m75dn:8080 (ID:900) Policy denied DROPPED (TCP Flags: SYN)\n"
                + "Dec 26 04:26:31.450: " + deniedPod + ":49600 (ID:700) -> default/echo-a-dc9bcfd8f-m75dn:8080 (ID:900) policy-verdict:none EGRESS DENIED (TCP Flags: SYN)\n"
                + "Dec 26 04:26:31.451: " + deniedPod + ":4 (ID:700) -> default/echo-a-dc9bcfd8f-m75dn:8080 (ID:900) policy-verdict:L3-Only INGRESS AUDITED (TCP Flags: SYN)\n"
                + "Dec 26 04:26:31.452: default/pod-to-external-1111-d5c7bb4c4-28g4x (ID:800) -> 1.1.1.1 (world) to-network FORWARDED (ICMPv4 EchoRequest)\n"
                + "Dec 26 04:26:31.453: default/pod-to-external-1111-d5c7bb4c4-28g4x:5000 (ID:800) -> [fd00::9]:53 (ID:16777217) to-overlay FORWARDED (UDP)\n"
                + "Dec 26 04:26:31.454 EVENTS LOST: HUBBLE_RING_BUFFER 12\n", print(FlowPrinter.compact(PLAIN)));
    }

    private static Optional<PolicyRules.Rule> rule(int cookie) {
        return cookie != 7 ? Optional.empty() : Optional.of(new PolicyRules.Rule("CiliumNetworkPolicy", "default", "shut", "u-1",
                "CiliumNetworkPolicy default/shut rule 0 egressDeny[0]", "told"));
    }

    @Test
    void theRuleThatDecidedIsNamed() {
        at("2020-12-26T04:26:31.449Z", drop(181, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("policy_cookie", 7));
        at("2020-12-26T04:26:31.450Z", verdict(Events.DENY, 1, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("policy_cookie", 7));
        at("2020-12-26T04:26:31.451Z", verdict(Events.ALLOW, 1, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("policy_cookie", 7)
                .set("flags", EventDecoder.INGRESS));
        at("2020-12-26T04:26:31.452Z", drop(167, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("policy_cookie", 7));
        at("2020-12-26T04:26:31.453Z", verdict(Events.DENY, 0, DENIED, 49600, ECHO, 8080, Protocol.TCP));
        String[] lines = print(FlowPrinter.json("node1")).split("\n");
        String policy = "[{\"name\":\"shut\",\"namespace\":\"default\",\"labels\":[\"k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy\","
                + "\"k8s:io.cilium.k8s.policy.name=shut\",\"k8s:io.cilium.k8s.policy.namespace=default\",\"k8s:io.cilium.k8s.policy.uid=u-1\","
                + "\"patchbay:decided-by=CiliumNetworkPolicy default/shut rule 0 egressDeny[0]\"],"
                + "\"kind\":\"CiliumNetworkPolicy\"}],\"policy_log\":[\"told\"]";
        assertTrue(lines[0].contains("\"egress_denied_by\":" + policy), lines[0]);
        assertTrue(lines[1].contains("\"egress_denied_by\":" + policy), lines[1]);
        assertTrue(lines[2].contains("\"ingress_allowed_by\":" + policy), lines[2]);
        assertFalse(lines[3].contains("shut"), "a rule that let it pass is not why it was dropped: " + lines[3]);
        assertFalse(lines[4].contains("_by"), lines[4]);
        String[] named = print(FlowPrinter.compact(new FlowPrinter.Look(true, null, true))).split("\n");
        assertTrue(named[1].contains("EGRESS DENIED BY shut (CiliumNetworkPolicy) ("), named[1]);
    }

    @Test
    void nodeNameAndNumbers() {
        at("2020-12-26T04:26:31.448Z", trace(Events.TO_HOST, Events.NEW, DENIED, 58279, "10.0.0.1", 53, Protocol.UDP)
                .set("src_identity", 700).set("dst_identity", 1));
        assertEquals("Dec 26 04:26:31.448 [node1]: 10.0.0.7:58279 (ID:700) -> 10.0.0.1:53 (host) to-host FORWARDED (UDP)\n",
                print(FlowPrinter.compact(new FlowPrinter.Look(false, "node1", false))));
        assertEquals("""
                TIMESTAMP             NODE    SOURCE           DESTINATION   TYPE      VERDICT     SUMMARY
                Dec 26 04:26:31.448   node1   10.0.0.7:58279   10.0.0.1:53   to-host   FORWARDED   UDP
                """, print(FlowPrinter.table(new FlowPrinter.Look(false, "node1", false))));
    }

    @Test
    void dict() {
        at("2020-12-26T04:26:31.448Z", trace(Events.TO_ENDPOINT, Events.NEW, DENIED, 58279, DNS, 53, Protocol.UDP));
        at("2020-12-26T04:26:31.449Z", drop(133, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("tcp_flags", Events.SYN));
        assertEquals("""
                  TIMESTAMP: Dec 26 04:26:31.448
                     SOURCE: default/pod-to-a-denied-cnp-75cb89dfd-gmcgj:58279
                DESTINATION: kube-system/coredns-57658b797f-sn6z5:53
                       TYPE: to-endpoint
                    VERDICT: FORWARDED
                    SUMMARY: UDP
                ------------
                  TIMESTAMP: Dec 26 04:26:31.449
                     SOURCE: default/pod-to-a-denied-cnp-75cb89dfd-gmcgj:49600
                DESTINATION: default/echo-a-dc9bcfd8f-m75dn:8080
                       TYPE: Policy denied
                    VERDICT: DROPPED
                    SUMMARY: TCP Flags: SYN
                """, print(FlowPrinter.dict(PLAIN)));
    }

    @Test
    void jsonIsHubbles() {
        names.services().onChanges(null, List.of(Events.service("default", "echo-a", "10.96.0.20", 80, Protocol.TCP)));
        at("2020-12-26T04:26:31.448123Z", trace(Events.TO_OVERLAY, Events.NEW, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("tcp_flags", Events.SYN)
                .set("src_identity", 700).set("dst_identity", 900).set("endpoint", 7).set("ifindex", 12)
                .set("svc_addr", io.patchbay.api.net.IpAddress.parse("10.96.0.20")).setPort("svc_port", 80));
        at("2020-12-26T04:26:31.449Z", drop(133, DENIED, 49600, ECHO, 8080, Protocol.TCP).set("tcp_flags", Events.SYN));
        at("2020-12-26T04:26:31.450Z", trace(Events.TO_ENDPOINT, Events.REPLY, "1.1.1.1", 0, EXTERNAL, 0, Protocol.ICMP).set("src_identity", 2));
        at("2020-12-26T04:26:31.451Z", verdict(Events.ALLOW, 2, DENIED, 52892, DNS, 53, Protocol.UDP));
        flows.add(new LostFlows(9, Instant.parse("2020-12-26T04:26:31.454Z"), LostFlows.Source.PERF_EVENT_RING_BUFFER, 12));
        String[] lines = print(FlowPrinter.json("node1")).replaceAll("\"uuid\":\"[0-9a-f-]{14}4[0-9a-f]{3}-[89ab][0-9a-f-]{16}\"", "U").split("\n");
        assertEquals("{\"flow\":{\"time\":\"2020-12-26T04:26:31.448123Z\",U,\"verdict\":\"FORWARDED\","
                + "\"IP\":{\"source\":\"10.0.0.7\",\"destination\":\"10.0.1.9\",\"ipVersion\":\"IPv4\"},"
                + "\"l4\":{\"TCP\":{\"source_port\":49600,\"destination_port\":8080,\"flags\":{\"SYN\":true}}},"
                + "\"source\":{\"ID\":7,\"identity\":700,\"namespace\":\"default\",\"labels\":[\"k8s:name=pod-to-a-denied-cnp\"],"
                + "\"pod_name\":\"pod-to-a-denied-cnp-75cb89dfd-gmcgj\"},"
                + "\"destination\":{\"identity\":900,\"cluster_name\":\"default\",\"namespace\":\"default\",\"labels\":["
                + "\"k8s:io.cilium.k8s.policy.cluster=default\",\"k8s:io.kubernetes.pod.namespace=default\",\"k8s:name=echo-a\"],"
                + "\"pod_name\":\"echo-a-dc9bcfd8f-m75dn\",\"workloads\":[{\"name\":\"echo-a\",\"kind\":\"Deployment\"}]},"
                + "\"Type\":\"L3_L4\",\"node_name\":\"node1\",\"event_type\":{\"type\":4,\"sub_type\":4},"
                + "\"destination_service\":{\"name\":\"echo-a\",\"namespace\":\"default\"},\"traffic_direction\":\"EGRESS\","
                + "\"trace_observation_point\":\"TO_OVERLAY\",\"is_reply\":false,\"interface\":{\"index\":12},\"trace_reason\":\"NEW\","
                + "\"Summary\":\"TCP Flags: SYN\"},\"node_name\":\"node1\",\"time\":\"2020-12-26T04:26:31.448123Z\"}", lines[0]);
        assertEquals("{\"flow\":{\"time\":\"2020-12-26T04:26:31.449Z\",U,\"verdict\":\"DROPPED\",\"drop_reason\":133,"
                + "\"IP\":{\"source\":\"10.0.0.7\",\"destination\":\"10.0.1.9\",\"ipVersion\":\"IPv4\"},"
                + "\"l4\":{\"TCP\":{\"source_port\":49600,\"destination_port\":8080,\"flags\":{\"SYN\":true}}},"
                + "\"source\":{\"ID\":7,\"identity\":700,\"namespace\":\"default\",\"labels\":[\"k8s:name=pod-to-a-denied-cnp\"],"
                + "\"pod_name\":\"pod-to-a-denied-cnp-75cb89dfd-gmcgj\"},"
                + "\"destination\":{\"namespace\":\"default\",\"pod_name\":\"echo-a-dc9bcfd8f-m75dn\","
                + "\"workloads\":[{\"name\":\"echo-a\",\"kind\":\"Deployment\"}]},"
                + "\"Type\":\"L3_L4\",\"node_name\":\"node1\",\"event_type\":{\"type\":1,\"sub_type\":133},\"traffic_direction\":\"EGRESS\","
                + "\"drop_reason_desc\":\"POLICY_DENIED\",\"Summary\":\"TCP Flags: SYN\"},\"node_name\":\"node1\",\"time\":\"2020-12-26T04:26:31.449Z\"}",
                lines[1]);
        assertEquals("{\"flow\":{\"time\":\"2020-12-26T04:26:31.450Z\",U,\"verdict\":\"FORWARDED\","
                + "\"IP\":{\"source\":\"1.1.1.1\",\"destination\":\"10.0.0.8\",\"ipVersion\":\"IPv4\"},\"l4\":{\"ICMPv4\":{}},"
                + "\"source\":{\"identity\":2},\"destination\":{\"ID\":8,\"identity\":800,\"namespace\":\"default\","
                + "\"labels\":[\"k8s:name=pod-to-external-1111\"],\"pod_name\":\"pod-to-external-1111-d5c7bb4c4-28g4x\"},"
                + "\"Type\":\"L3_L4\",\"node_name\":\"node1\",\"event_type\":{\"type\":4},\"traffic_direction\":\"EGRESS\","
                + "\"trace_observation_point\":\"TO_ENDPOINT\",\"is_reply\":true,\"trace_reason\":\"REPLY\",\"Summary\":\"ICMPv4 EchoReply\"},"
                + "\"node_name\":\"node1\",\"time\":\"2020-12-26T04:26:31.450Z\"}", lines[2]);
        assertEquals(true, lines[3].contains("\"event_type\":{\"type\":5}") && lines[3].contains("\"policy_match_type\":2,\"is_reply\":false"), lines[3]);
        assertEquals("{\"lost_events\":{\"source\":\"PERF_EVENT_RING_BUFFER\",\"num_events_lost\":\"12\"},\"node_name\":\"node1\","
                + "\"time\":\"2020-12-26T04:26:31.454Z\"}", lines[4]);
    }

    @Test
    void serviceStandsForAnAddressWithoutPod() {
        names.services().onChanges(null, List.of(Events.service("default", "echo-a", "10.96.0.20", 80, Protocol.TCP)));
        at("2020-12-26T04:26:31.448Z", drop(158, DENIED, 49600, "10.96.0.20", 80, Protocol.TCP).set("tcp_flags", Events.SYN));
        assertEquals("Dec 26 04:26:31.448: default/pod-to-a-denied-cnp-75cb89dfd-gmcgj:49600 (ID:700) <> default/echo-a:80 (unknown) "
                + "Service backend not found DROPPED (TCP Flags: SYN)\n", print(FlowPrinter.compact(PLAIN)));
    }

    @Test
    void whoSentWhatLeftWithTheNodesAddress() {
        at("2020-12-26T04:26:31.448Z", trace(Events.TO_NETWORK, Events.NEW, "172.18.0.11", 64027, "1.1.1.1", 80, Protocol.TCP)
                .set("tcp_flags", Events.SYN).set("flags", EventDecoder.MASQUERADED).set("endpoint", 8).set("src_identity", 800).set("dst_identity", 2));
        assertEquals("Dec 26 04:26:31.448: default/pod-to-external-1111-d5c7bb4c4-28g4x:64027 (ID:800) -> 1.1.1.1:80 (world) to-network FORWARDED "
                + "(TCP Flags: SYN)\n", print(FlowPrinter.compact(PLAIN)));
        assertEquals(true, print(FlowPrinter.json("n")).contains("\"IP\":{\"source\":\"10.0.0.8\",\"destination\":\"1.1.1.1\",\"ipVersion\":\"IPv4\","
                + "\"source_xlated\":\"172.18.0.11\"}"));
    }

    @Test
    void whatCouldNotBeParsed() {
        at("2020-12-26T04:26:31.448Z", new Struct(Events.layout()).set("type", 1).set("code", 139));
        assertEquals("Dec 26 04:26:31.448: unknown (unknown) <> unknown (unknown) Unsupported L3 protocol DROPPED (Ethernet)\n",
                print(FlowPrinter.compact(PLAIN)));
    }

    @Test
    void icmpNames() {
        assertEquals("DestinationUnreachable(Port)", IcmpNames.v4(3, 3));
        assertEquals("DestinationUnreachable(Code: 99)", IcmpNames.v4(3, 99));
        assertEquals("200(1)", IcmpNames.v4(200, 1));
        assertEquals("PacketTooBig", IcmpNames.v6(2, 0));
        assertEquals("NeighborSolicitation", IcmpNames.v6(135, 0));
    }
}
