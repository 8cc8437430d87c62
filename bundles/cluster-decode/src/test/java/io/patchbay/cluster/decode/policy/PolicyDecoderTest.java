package io.patchbay.cluster.decode.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.IcmpMatch;
import io.patchbay.api.cluster.policy.Peer;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.cluster.policy.PolicyRule;
import io.patchbay.api.cluster.policy.PortMatch;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.Problem;
import io.patchbay.cluster.decode.Problems;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PolicyDecoderTest {
    private static final ClusterDecoder DECODER = new ClusterDecoder(PolicyDecoders.all());
    private static final String CNP = """
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: p, namespace: a}
            spec:
              endpointSelector: {matchLabels: {app: web}}
            """;
    private static final String NP = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: p, namespace: a}
            spec:
              podSelector: {}
            """;

    private static Object row(String text) throws DecodeException {
        List<Decoded> list = DECODER.decode("f.yaml", text.getBytes(StandardCharsets.UTF_8));
        assertEquals(1, list.size());
        return list.get(0).row();
    }

    private static PolicyRule rule(String text) throws DecodeException {
        return ((PolicyObject) row(text)).rules().get(0);
    }

    /** The text must be refused for exactly one problem, at this line and path, with this word in its message. */
    private static void refused(String text, int line, String path, String word) {
        Problems problems = new Problems();
        DECODER.decode("f.yaml", text.getBytes(StandardCharsets.UTF_8), problems);
        assertEquals(1, problems.size(), () -> problems.list().toString());
        Problem p = problems.list().get(0);
        assertEquals("f.yaml", p.file());
        assertEquals(1, p.document());
        assertEquals(line, p.line(), p::toString);
        assertEquals(path, p.path(), p::toString);
        assertTrue(p.message().contains(word), p::toString);
    }

    @Test
    void absentIsNotEmpty() throws DecodeException {
        PolicyRule rule = rule(CNP + "  ingress:\n  - {}\n  - fromEndpoints: []\n  - fromEndpoints: [{}]\n  egress: []\n");
        assertEquals(Optional.empty(), rule.ingress().get().get(0).peers());
        assertEquals(Optional.of(List.of()), rule.ingress().get().get(1).peers());
        assertEquals(1, rule.ingress().get().get(2).peers().get().size());
        assertEquals(Optional.of(List.of()), rule.egress());
        assertEquals(Optional.empty(), rule.ingressDeny());
    }

    @Test
    void everythingOfCilium() throws DecodeException {
        PolicyRule rule = rule(CNP + """
                  description: all of it
                  labels: [{key: team, value: x, source: k8s}]
                  log: {value: hello}
                  enableDefaultDeny: {ingress: false}
                  ingress:
                  - fromCIDRSet:
                    - {cidr: 10.1.2.3/8, except: [10.2.0.0/16]}
                    - {cidrGroupRef: g, except: [1.0.0.0/8]}
                    - {cidrGroupSelector: {matchLabels: {kind: x}}}
                    toPorts:
                    - ports: [{port: "80", endPort: 90, protocol: TCP}, {port: HTTP}]
                    - ports: [{port: "0", protocol: UDP}]
                      rules: {http: []}
                  - fromNodes: [{matchLabels: {zone: y}}]
                    icmps: [{fields: [{type: EchoRequest}, {family: IPv6, type: 128}]}]
                  egress:
                  - toServices:
                    - k8sService: {serviceName: s, namespace: b}
                    - k8sServiceSelector: {selector: {matchLabels: {app: db}}}
                  egressDeny:
                  - toEntities: [world, kube-apiserver]
                """);
        assertEquals(Map.of(Direction.INGRESS, false), rule.defaultDeny());
        assertEquals("hello", rule.log());
        assertEquals("[k8s:team=x]", rule.labels().toString());
        Peer.Cidr cidr = (Peer.Cidr) rule.ingress().get().get(0).peers().get().get(0);
        assertEquals("10.0.0.0/8", cidr.cidr().toString());
        assertEquals(List.of(PortMatch.range(PortMatch.Protocol.TCP, 80, 90), PortMatch.named(PortMatch.Protocol.ANY, "http"),
                PortMatch.all(PortMatch.Protocol.UDP)), rule.ingress().get().get(0).ports().get());
        assertEquals(List.of(new IcmpMatch(false, 8), new IcmpMatch(true, 128)), rule.ingress().get().get(1).icmps().get());
        assertEquals(new Peer.Service("b", "s"), rule.egress().get().get(0).peers().get().get(0));
        assertEquals(2, rule.egressDeny().get().get(0).peers().get().size());
    }

    @Test
    void positionsAndGroups() throws DecodeException {
        PolicyObject policy = (PolicyObject) row(CNP + "  ingress: [{}]\n");
        assertEquals("f.yaml, document 1, line 1", policy.position().toString());
        CidrGroup group = (CidrGroup) row("""
                apiVersion: cilium.io/v2alpha1
                kind: CiliumCIDRGroup
                metadata: {name: g, labels: {kind: x}}
                spec: {externalCIDRs: [1.1.1.0/24, "2001:db8::/32"]}
                """);
        assertEquals("[1.1.1.0/24, 2001:db8::/32]", group.cidrs().toString());
        assertEquals("k8s:kind=x", group.labels().toString());
    }

    @Test
    void unknownIsRefusedWithItsPlace() {
        refused(CNP + "  ingres: []\n  egress: [{}]\n", 6, "spec.ingres", "did you mean ingress");
        refused(CNP + "  ingress:\n  - fromEndpoint: []\n", 7, "spec.ingress[0].fromEndpoint", "unknown field");
        refused(CNP + "  ingress:\n  - fromEndpoints: [{matchlabels: {a: b}}]\n", 7, "spec.ingress[0].fromEndpoints[0].matchlabels", "unknown field");
        refused(CNP + "  ingress:\n  - fromEntities: [all, wrold]\n", 7, "spec.ingress[0].fromEntities[1]", "did you mean world");
        refused(CNP + "  ingress:\n  - fromEndpoints: [{matchLabels: {k8: b, k9s:app: c}}]\n".replace("k8: b, ", ""), 7,
                "spec.ingress[0].fromEndpoints[0].matchLabels[k9s:app]", "not a label source");
        refused(NP + "  podSelektor: {}\n", 6, "spec.podSelektor", "did you mean podSelector");
        refused(NP + "  policyTypes: [ingress]\n", 6, "spec.policyTypes[0]", "Ingress");
        refused(NP + "  ingress: [{ports: [{protocol: tcp}]}]\n", 6, "spec.ingress[0].ports[0].protocol", "TCP");
    }

    @Test
    void whatIsNotBuiltIsRefusedByName() throws DecodeException {
        refused("apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: x}\nspec: {tier: Admin, priority: 1}\n", 2, "kind",
                "no tiers");
        refused(CNP + "  egress: [{toFQDNs: []}]\n", 6, "spec.egress[0].toFQDNs", "toFQDNs");
        refused(CNP + "  egress: [{toGroups: []}]\n", 6, "spec.egress[0].toGroups", "toGroups");
        refused(CNP + "  ingress: [{fromRequires: []}]\n", 6, "spec.ingress[0].fromRequires", "removed");
        refused(CNP + "  ingress: [{authentication: {mode: required}}]\n", 6, "spec.ingress[0].authentication.mode", "authentication is not supported");
        refused(CNP + "  ingress: [{authentication: {mode: never}}]\n", 6, "spec.ingress[0].authentication.mode", "not one of disabled, required");
        refused(CNP + "  ingress: [{authentication: {}}]\n", 6, "spec.ingress[0].authentication.mode", "required");
        refused(CNP + "  ingressDeny: [{authentication: {mode: disabled}}]\n", 6, "spec.ingressDeny[0].authentication", "unknown field");
        assertEquals(rule(CNP + "  ingress: [{}]\n"), rule(CNP + "  ingress: [{authentication: {mode: disabled}}]\n"), "which is how it is");
        String ports = "  egress:\n  - toPorts:\n    - ports: [{port: \"80\"}]\n";
        refused(CNP + ports + "      listener: {}\n", 9, "spec.egress[0].toPorts[0].listener", "listener");
        refused(CNP + ports + "      serverNames: [a]\n", 9, "spec.egress[0].toPorts[0].serverNames", "serverNames");
        refused(CNP + ports + "      terminatingTLS: {}\n", 9, "spec.egress[0].toPorts[0].terminatingTLS", "terminatingTLS");
        refused(CNP + ports + "      rules: {http: [{}]}\n", 9, "spec.egress[0].toPorts[0].rules.http", "http");
        refused(CNP + ports + "      rules: {kafka: []}\n", 9, "spec.egress[0].toPorts[0].rules.kafka", "kafka");
    }

    @Test
    void nullAndEmptyThatWouldWiden() {
        refused(CNP + "  ingress:\n  - fromEndpoints:\n    toPorts: [{ports: [{port: \"80\"}]}]\n", 7, "spec.ingress[0].fromEndpoints", "null");
        refused(CNP + "  ingress:\n  - toPorts: [{ports: []}]\n", 7, "spec.ingress[0].toPorts[0].ports", "must not be empty");
        refused(CNP + "  ingress:\n  - toPorts: [{}]\n", 7, "spec.ingress[0].toPorts[0].ports", "required");
        refused(CNP + "  ingress:\n  - icmps: [{fields: []}]\n", 7, "spec.ingress[0].icmps[0].fields", "must not be empty");
        refused(NP + "  ingress:\n  - from:\n", 7, "spec.ingress[0].from", "null");
    }

    @Test
    void valuesOutOfRange() {
        refused(CNP + "  ingress: [{toPorts: [{ports: [{port: 80}]}]}]\n", 6, "spec.ingress[0].toPorts[0].ports[0].port", "quotes");
        refused(CNP + "  ingress: [{toPorts: [{ports: [{port: \"70000\"}]}]}]\n", 6, "spec.ingress[0].toPorts[0].ports[0].port", "out of range");
        refused(CNP + "  ingress: [{toPorts: [{ports: [{port: \"0\", endPort: 9}]}]}]\n", 6, "spec.ingress[0].toPorts[0].ports[0].endPort", "port 0");
        refused(CNP + "  ingress: [{fromCIDR: [10.0.0.1]}]\n", 6, "spec.ingress[0].fromCIDR[0]", "/length");
        refused(CNP + "  ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}]\n", 6, "spec.ingress[0].fromCIDRSet[0].except[0]",
                "does not lie within");
        refused(NP + "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]\n", 6, "spec.ingress[0].from[0].ipBlock.except[0]",
                "smaller");
        refused(NP + "  ingress: [{ports: [{port: 0}]}]\n", 6, "spec.ingress[0].ports[0].port", "out of range");
    }

    /** Damaged texts are refused or accepted, never a crash. */
    @Test
    void damagedTextsDoNotCrash() {
        String whole = CNP + "  ingress:\n  - fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]\n    toPorts: [{ports: [{port: \"80\", endPort: 90}]}]\n"
                + "  - icmps: [{fields: [{type: Echo}]}]\n  egressDeny:\n  - toEntities: [world]\n  - toServices: [{k8sService: {serviceName: s}}]\n"
                + "---\n" + NP + "  ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [b]}]}}], ports: [{port: http}]}]\n";
        String alphabet = "{}[]:,-\"' \n#&*!|>%@0aZ~\t\u00e9\u0000";
        Random random = new Random(42);
        for (int i = 0; i < 20_000; i++) {
            StringBuilder text = new StringBuilder(whole);
            for (int n = 1 + random.nextInt(4); n > 0; n--) {
                int at = random.nextInt(text.length());
                switch (random.nextInt(3)) {
                    case 0 -> text.deleteCharAt(at);
                    case 1 -> text.insert(at, alphabet.charAt(random.nextInt(alphabet.length())));
                    default -> text.delete(at, Math.min(text.length(), at + random.nextInt(12)));
                }
            }
            DECODER.decode("fuzz", text.toString().getBytes(StandardCharsets.UTF_8), new Problems());
        }
    }
}
