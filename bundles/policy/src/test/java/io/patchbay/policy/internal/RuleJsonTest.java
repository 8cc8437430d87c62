package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.policy.PolicyDecoders;
import jakarta.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code policy get} prints of a rule: whoever reads it as Cilium's form must understand what is enforced. */
class RuleJsonTest {
    private static final String CNP = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: a}\nspec: {endpointSelector: {}, %s}\n";
    private static final String NP = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: a}\nspec: {podSelector: {}, %s}\n";

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource({
        "CNP, 'ingress: [{}]', 'ingress', '[{}]'",
        "CNP, 'ingress: [{fromEndpoints: []}]', 'ingress', '[{\"fromEndpoints\":[]}]'",
        "CNP, 'ingress: [{fromCIDR: []}]', 'ingress', '[{\"fromEndpoints\":[]}]'",
        "CNP, 'ingress: [{fromEndpoints: [{}], toPorts: []}]', 'ingress', '[{\"fromEndpoints\":[{}]}]'",
        "CNP, 'egressDeny: [{toCIDR: [10.0.0.0/8], toPorts: [{ports: [{port: \"80\", endPort: 90}]}]}]', 'egressDeny', "
            + "'[{\"toCIDRSet\":[{\"cidr\":\"10.0.0.0/8\"}],\"toPorts\":[{\"ports\":[{\"port\":\"80\",\"endPort\":90,\"protocol\":\"ANY\"}]}]}]'",
        "CNP, 'ingress: [{icmps: [{fields: [{type: EchoRequest}]}]}]', 'ingress', '[{\"icmps\":[{\"fields\":[{\"family\":\"IPv4\",\"type\":8}]}]}]'",
        "NP, 'ingress: [{}]', 'ingress', '[{\"fromEntities\":[\"all\"]}]'",
        "NP, 'egress: [{to: []}]', 'egress', '[{\"toEntities\":[\"all\"]}]'",
        "NP, 'ingress: [{from: [], ports: [{port: 80}]}]', 'ingress', '[{\"fromEntities\":[\"all\"],\"toPorts\":[{\"ports\":[{\"port\":\"80\",\"protocol\":\"TCP\"}]}]}]'",
        "NP, 'policyTypes: [Egress, Ingress]', 'policyTypes', '[\"Ingress\",\"Egress\"]'",
    })
    void asItIsEnforced(String kind, String spec, String field, String expected) throws Exception {
        String document = (kind.equals("NP") ? NP : CNP).formatted(spec);
        List<PolicyObject> policies = new ClusterDecoder(PolicyDecoders.all()).decode("f", document.getBytes(StandardCharsets.UTF_8)).stream()
                .map(d -> (PolicyObject) d.row()).toList();
        JsonObject rule = RuleJson.of(policies).getJsonObject(0);
        assertEquals(expected, rule.get(field).toString());
    }
}
