package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.policy.PolicyDecoders;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.model.PolicyOptions;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every list of a policy, once empty and once absent, by the evaluator's answers to every connection of the vectors. The class of CVE-2025-64715: an empty list that became "anybody". */
class EmptyIsNotAbsentTest {
    private static final ClusterDecoder DECODER = new ClusterDecoder(PolicyDecoders.all());
    private static final String CNP = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: a}, spec: {endpointSelector: {matchLabels: {app: web}}, %s}}";
    private static final String CCNP = "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p}, spec: {endpointSelector: {matchLabels: {app: web}}, %s}}";
    private static final String NP = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, %s}}";

    /** as: it means the same as the other one; refused: with that word. */
    @ParameterizedTest(name = "{0} {1}: {2} {3}")
    @CsvSource({
        "CNP, 'ingress: [{fromEndpoints: []}]', as, 'ingress: [{fromEntities: [none]}]'",
        "CNP, 'ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: \"8080\"}]}]}]', as, 'ingress: [{fromEntities: [none]}]'",
        "CNP, 'ingress: [{fromCIDR: []}]', as, 'ingress: [{fromEntities: [none]}]'",
        "CNP, 'ingress: [{fromCIDRSet: []}]', as, 'ingress: [{fromEntities: [none]}]'",
        "CNP, 'ingress: [{fromEntities: []}]', as, 'ingress: [{fromEntities: [none]}]'",
        "CNP, 'ingress: [{fromNodes: [], toPorts: [{ports: [{port: \"8080\"}]}]}]', as, 'ingress: [{fromEntities: [none]}]'",
        "CNP, 'egress: [{toEndpoints: []}]', as, 'egress: [{toEntities: [none]}]'",
        "CNP, 'egress: [{toCIDR: [], toPorts: [{ports: [{port: \"80\"}]}]}]', as, 'egress: [{toEntities: [none]}]'",
        "CNP, 'egress: [{toCIDRSet: []}]', as, 'egress: [{toEntities: [none]}]'",
        "CNP, 'egress: [{toServices: [], toPorts: [{ports: [{port: \"80\"}]}]}]', as, 'egress: [{toEntities: [none]}]'",
        "CNP, 'ingress: [{fromGroups: []}]', refused, fromGroups",
        "CNP, 'egress: [{toGroups: []}]', refused, toGroups",
        "CNP, 'egress: [{toGroups: [], toPorts: [{ports: [{port: \"80\"}]}]}]', refused, toGroups",
        "CNP, 'egress: [{toFQDNs: []}]', refused, toFQDNs",
        "CNP, 'ingress: [{fromRequires: []}]', refused, fromRequires",
        "CNP, 'ingress: [{toPorts: [{ports: []}]}]', refused, must not be empty",
        "CNP, 'ingress: [{icmps: [{fields: []}]}]', refused, must not be empty",
        "CNP, 'ingress: [{fromEndpoints: [{}], toPorts: []}]', as, 'ingress: [{fromEndpoints: [{}]}]'",
        "CNP, 'ingress: [{fromEndpoints: [{}], icmps: []}]', as, 'ingress: [{fromEndpoints: [{}]}]'",
        "CNP, 'ingress: [{toPorts: []}]', as, 'ingress: [{}]'",
        "CNP, 'ingress: []', refused, must have an element",
        "CNP, 'ingress: [], egress: [], ingressDeny: []', refused, must have an element",
        "CNP, 'ingressDeny: [{fromEndpoints: []}]', as, 'ingressDeny: [{fromEntities: [none]}]'",
        "CNP, 'ingressDeny: [{fromCIDR: []}], ingress: [{fromEntities: [all]}]', as, 'ingress: [{fromEntities: [all]}]'",
        "CNP, 'ingress: [{}], egress: []', as, 'ingress: [{}]'",
        "CNP, 'ingress: [{fromCIDRSet: [{cidr: 1.0.0.0/8, except: []}]}]', as, 'ingress: [{fromCIDRSet: [{cidr: 1.0.0.0/8}]}]'",
        "CNP, 'ingress: [{fromEndpoints: [{matchExpressions: []}]}]', as, 'ingress: [{fromEndpoints: [{}]}]'",
        "CNP, 'ingress: [{fromEndpoints: [{matchExpressions: [{key: app, operator: In, values: []}]}]}]', refused, at least one value",
        "CNP, 'ingress: [{}], labels: []', as, 'ingress: [{}]'",
        "CCNP, 'ingress: [{fromEndpoints: []}]', as, 'ingress: [{fromEntities: [none]}]'",
        "CCNP, 'egress: [{toNodes: []}]', as, 'egress: [{toEntities: [none]}]'",
        "NP, 'ingress: [{from: []}]', as, 'ingress: [{}]'",
        "NP, 'ingress: [{from: [], ports: [{port: 8080}]}]', as, 'ingress: [{ports: [{port: 8080}]}]'",
        "NP, 'ingress: [{from: [{podSelector: {}}], ports: []}]', as, 'ingress: [{from: [{podSelector: {}}]}]'",
        "NP, 'egress: [{to: []}]', as, 'egress: [{}]'",
        "NP, 'ingress: []', as, 'policyTypes: [Ingress]'",
        "NP, 'ingress: [{}], policyTypes: []', as, 'ingress: [{}]'",
        "NP, 'egress: [], policyTypes: [Egress]', as, 'policyTypes: [Egress]'",
        "NP, 'ingress: [{from: [{ipBlock: {cidr: 1.0.0.0/8, except: []}}]}]', as, 'ingress: [{from: [{ipBlock: {cidr: 1.0.0.0/8}}]}]'",
        "NP, 'ingress: [{from: [{}]}]', refused, a peer needs",
        "NP, 'ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: []}]}}]}]', refused, at least one value",
    })
    void means(String kind, String with, String how, String other) throws Exception {
        Problems problems = new Problems();
        List<Boolean> meaning = meaning(kind, with, problems);
        if (how.equals("refused")) {
            assertTrue(problems.list().toString().contains(other), problems.list().toString());
            return;
        }
        assertTrue(problems.isEmpty(), problems.list().toString());
        assertEquals(meaning(kind, other, problems), meaning);
        assertTrue(problems.isEmpty(), problems.list().toString());
    }

    private static List<Boolean> meaning(String kind, String spec, Problems problems) throws Exception {
        String text = String.format(kind.equals("NP") ? NP : kind.equals("CNP") ? CNP : CCNP, spec);
        List<Decoded> decoded = DECODER.decode("f", text.getBytes(StandardCharsets.UTF_8), problems);
        if (!problems.isEmpty()) return List.of();
        Evaluator evaluator = new Evaluator(PolicyOptions.DEFAULTS, decoded.stream().map(d -> (PolicyObject) d.row()).toList(), List.of(), VectorTest.world());
        return VectorTest.connections().stream().map(c -> evaluator.evaluate(c).reason() == 0).toList();
    }
}
