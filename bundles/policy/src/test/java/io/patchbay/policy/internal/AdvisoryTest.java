package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.LabelFilter;
import io.patchbay.api.net.IpAddress;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.policy.PolicyDecoders;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.model.PolicyOptions;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Classes of past advisories of others (docs/features/policy.md has the table) that no other test is about. By the evaluator and by the compiled tables. */
class AdvisoryTest {
    private static final ClusterDecoder DECODER = new ClusterDecoder(PolicyDecoders.all());
    private static final IpAddress A_WEB = IpAddress.parse("10.0.0.10");
    private static final IpAddress B_WEB = IpAddress.parse("10.0.1.20");
    private static final IpAddress A_CLI = IpAddress.parse("10.0.1.12");
    private static final IpAddress FORGER = IpAddress.parse("10.0.1.66");
    /** Every label that only the agent gives, claimed by a pod of namespace b. */
    private static final Map<String, String> FORGED = Map.of("app", "web", "io.kubernetes.pod.namespace", "a", "io.cilium.k8s.namespace.labels.team", "x",
            "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", "a", "io.cilium.k8s.policy.cluster", "other", "io.cilium.k8s.policy.serviceaccount", "admin",
            "reserved", "host", "host", "");

    private static Cluster cluster() {
        Cluster world = VectorTest.world();
        Map<String, String> namespace = new HashMap<>(Map.of("team", "y", "kubernetes.io/metadata.name", "b"));
        List<Cluster.Pod> pods = new ArrayList<>(world.pods());
        pods.add(new Cluster.Pod("b/forger", IdentityLabels.ofPod("b", "default", FORGED, namespace, "default", LabelFilter.defaults()), List.of(FORGER), "n2", Map.of()));
        return new Cluster(pods, world.nodes(), world.services(), Set.of(), false);
    }

    private static void verdict(int expected, String document, IpAddress from, IpAddress to) throws Exception {
        List<PolicyObject> policies = DECODER.decode("f", document.getBytes(StandardCharsets.UTF_8)).stream().map(d -> (PolicyObject) d.row()).toList();
        Connection c = Connection.port(from, to, 6, 8080);
        assertEquals(expected, new Evaluator(PolicyOptions.DEFAULTS, policies, List.of(), cluster()).evaluate(c).reason(), "evaluator: " + document);
        assertEquals(expected, new CompiledCluster(PolicyOptions.DEFAULTS, policies, List.of(), cluster()).verdict(c), "compiled: " + document);
    }

    private static String cnp(String namespace, String spec) {
        return "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: " + namespace + "}, spec: " + spec + "}";
    }

    /** A pod's own labels lend it no namespace, no label of a namespace, no service account, no cluster and no reserved name. */
    @ParameterizedTest
    @ValueSource(strings = {
        "fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': a}}]",
        "fromEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: a}}]",
        "fromEndpoints: [{}]",
        "fromEndpoints: [{matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: NotIn, values: [b, kube-system]}]}]",
        "fromEndpoints: [{matchLabels: {'k8s:io.cilium.k8s.namespace.labels.team': x, 'k8s:io.kubernetes.pod.namespace': b}}]",
        "fromEndpoints: [{matchLabels: {'k8s:io.cilium.k8s.policy.serviceaccount': admin, 'k8s:io.kubernetes.pod.namespace': b}}]",
        "fromEndpoints: [{matchLabels: {'k8s:io.cilium.k8s.policy.cluster': other, 'k8s:io.kubernetes.pod.namespace': b}}]",
        "fromEndpoints: [{matchLabels: {'reserved:host': '', 'k8s:io.kubernetes.pod.namespace': b}}]",
        "fromEndpoints: [{matchLabels: {'reserved:host': ''}}]",
        "fromEntities: [host]", "fromEntities: [remote-node]", "fromEntities: [world]"})
    void aPodsLabelsForgeNothing(String peers) throws Exception {
        verdict(133, cnp("a", "{endpointSelector: {matchLabels: {app: web}}, ingress: [{" + peers + "}]}"), FORGER, A_WEB);
    }

    @ParameterizedTest
    @ValueSource(strings = {"namespaceSelector: {matchLabels: {team: x}}", "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}", "podSelector: {}",
        "podSelector: {matchLabels: {app: web}}"})
    void norInNetworkPolicies(String peer) throws Exception {
        verdict(133, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a}, spec: {podSelector: {}, ingress: [{from: [{" + peer + "}]}]}}", FORGER, A_WEB);
    }

    /** A namespaced policy selects pods of its namespace and no others, whatever its selector says: those of another stay open. */
    @ParameterizedTest
    @ValueSource(strings = {
        "{matchLabels: {'k8s:io.kubernetes.pod.namespace': b}}",
        "{matchLabels: {io.kubernetes.pod.namespace: b}}",
        "{matchLabels: {'any:io.kubernetes.pod.namespace': b}}",
        "{matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: In, values: [a, b]}]}",
        "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [a]}]}",
        "{matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: Exists}]}",
        "{matchExpressions: [{key: 'k8s:io.cilium.k8s.namespace.labels.team', operator: In, values: [y]}]}",
        "{}"})
    void aNamespacedPolicyStaysInItsNamespace(String selector) throws Exception {
        verdict(0, cnp("a", "{endpointSelector: " + selector + ", ingress: [{}]}"), A_CLI, B_WEB);
        verdict(0, cnp("a", "{endpointSelector: " + selector + ", ingressDeny: [{fromEntities: [all]}]}"), A_CLI, B_WEB);
    }
}
