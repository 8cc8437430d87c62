package io.patchbay.cluster.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.ConfigMap;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ClusterDecoderTest {
    private static final ClusterDecoder DECODER = ClusterDecoder.standard();

    private static List<Decoded> decode(String text) throws DecodeException {
        return DECODER.decode("f.yaml", text.getBytes(StandardCharsets.UTF_8));
    }

    @SuppressWarnings("unchecked")
    private static <T> T one(String text) throws DecodeException {
        List<Decoded> all = decode(text);
        assertEquals(1, all.size());
        return (T) all.get(0).row();
    }

    @Test
    void namespaceHasItsNameAsALabel() throws DecodeException {
        Namespace ns = one("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n");
        assertEquals(Map.of("team", "a", "kubernetes.io/metadata.name", "shop"), ns.labels());
    }

    @Test
    void node() throws DecodeException {
        Node node = one("""
                apiVersion: v1
                kind: Node
                metadata: {name: node1, labels: {topology.kubernetes.io/zone: z1}}
                spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, "fd00:1::/64"], taints: []}
                status:
                  addresses: [{type: Hostname, address: node1}, {type: InternalIP, address: 192.168.1.1}]
                  nodeInfo: {whatever: 1}
                """);
        assertEquals(List.of(Prefix.parse("10.1.0.0/24"), Prefix.parse("fd00:1::/64")), node.podCidrs());
        assertEquals(List.of(IpAddress.parse("192.168.1.1")), node.internalIps());
        assertEquals("z1", node.zone());
    }

    @Test
    void podWithStatusAsTheApiServerGivesIt() throws DecodeException {
        PodObject object = one("""
                {"apiVersion": "v1", "kind": "Pod",
                 "metadata": {"name": "web-1", "namespace": "a", "uid": "u-1", "labels": {"app": "web"}, "deletionTimestamp": "2026-01-01T00:00:00Z",
                   "ownerReferences": [{"x": 1}], "managedFields": []},
                 "spec": {"nodeName": "node1", "serviceAccountName": "sa", "tolerations": [{"operator": "Exists"}],
                   "volumes": [{"name": "v", "emptyDir": {}}],
                   "initContainers": [{"name": "once", "ports": [{"containerPort": 1}]},
                                      {"name": "side", "restartPolicy": "Always", "ports": [{"name": "metrics", "containerPort": 9090}]}],
                   "containers": [{"name": "c", "image": "web:1", "command": ["serve"], "args": ["--port", "80"],
                     "resources": {"limits": {"cpu": "1"}}, "livenessProbe": {"anything": true},
                     "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                     "readinessProbe": {"httpGet": {"port": "http", "path": "/ok"}, "periodSeconds": 1},
                     "ports": [{"name": "http", "containerPort": 80}, {"name": "dns", "containerPort": 53, "protocol": "UDP", "hostPort": 5353}]}]},
                 "status": {"phase": "Running", "podIP": "10.1.0.5", "podIPs": [{"ip": "10.1.0.5"}, {"ip": "fd00::5"}], "hostIP": "192.168.1.1",
                   "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": null}], "containerStatuses": [{}]}}
                """);
        Pod pod = object.pod();
        assertEquals(Pod.builder("a", "web-1").uid("u-1").labels(Map.of("app", "web")).nodeName("node1").serviceAccount("sa")
                .ports(List.of(Pod.Port.named("metrics", 9090, Protocol.TCP), Pod.Port.named("http", 80, Protocol.TCP),
                        new Pod.Port("dns", 53, Protocol.UDP, 5353, "")))
                .phase(Pod.Phase.RUNNING).ready(true).ips(List.of(IpAddress.parse("10.1.0.5"), IpAddress.parse("fd00::5")))
                .terminating(true).build(), pod);
        PodSpec.Container c = object.spec().containers().get(0);
        assertEquals(List.of("serve"), c.command());
        assertEquals(new PodSpec.EnvVar("IP", "", "status.podIP"), c.env().get(0));
        assertEquals("http", c.readinessProbe().orElseThrow().port());
        assertEquals(30, object.spec().terminationGracePeriodSeconds());
    }

    @Test
    void familiesOfAService() throws DecodeException {
        String text = "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: a}, spec: {FAMILIES ports: [{port: 80}]}}";
        assertEquals(false, ((Service) one(text.replace("FAMILIES", "ipFamilies: [IPv6],"))).dualStack());
        assertEquals(true, ((Service) one(text.replace("FAMILIES", "ipFamilies: [IPv6, IPv4],"))).dualStack(), "as the API server completes it");
        for (String wrong : List.of("ipFamilies: [IPv4, IPv6], ipFamilyPolicy: SingleStack,", "ipFamilies: [IPv4, IPv4],", "ipFamilies: [IPv5],")) {
            assertThrows(DecodeException.class, () -> one(text.replace("FAMILIES", wrong)), wrong);
        }
    }

    @Test
    void serviceWithEverything() throws DecodeException {
        Service service = one("""
                apiVersion: v1
                kind: Service
                metadata: {name: web, namespace: a, annotations: {service.cilium.io/affinity: local}}
                spec:
                  type: LoadBalancer
                  selector: {app: web}
                  clusterIP: 10.96.0.10
                  clusterIPs: [10.96.0.10, "fd00:96::10"]
                  ipFamilies: [IPv4, IPv6]
                  ipFamilyPolicy: PreferDualStack
                  ports:
                  - {name: http, port: 80, targetPort: http, nodePort: 30080, appProtocol: http}
                  - {name: dns, port: 53, protocol: UDP}
                  - {name: alt, port: 81, targetPort: 8081}
                  externalIPs: [198.51.100.7]
                  loadBalancerClass: io.cilium/node
                  loadBalancerSourceRanges: [203.0.113.0/24]
                  sessionAffinity: ClientIP
                  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
                  externalTrafficPolicy: Local
                  internalTrafficPolicy: Local
                  healthCheckNodePort: 31000
                  publishNotReadyAddresses: true
                  trafficDistribution: PreferClose
                status: {loadBalancer: {ingress: [{ip: 198.51.100.8, ipMode: Proxy}, {hostname: lb.example.org}]}}
                """);
        assertEquals(Service.builder("a", "web").annotations(Map.of("service.cilium.io/affinity", "local")).type(Service.Type.LOAD_BALANCER)
                .selector(Map.of("app", "web")).clusterIps(List.of(IpAddress.parse("10.96.0.10"), IpAddress.parse("fd00:96::10"))).dualStack(true)
                .ports(List.of(new Service.Port("http", 80, 0, "http", Protocol.TCP, 30080, "http"),
                        new Service.Port("dns", 53, 53, "", Protocol.UDP, 0, ""), new Service.Port("alt", 81, 8081, "", Protocol.TCP, 0, "")))
                .externalIps(List.of(IpAddress.parse("198.51.100.7"))).loadBalancerClass("io.cilium/node")
                .sourceRanges(List.of(Prefix.parse("203.0.113.0/24"))).clientIpAffinity(true, 60)
                .externalTrafficPolicy(Service.TrafficPolicy.LOCAL).internalTrafficPolicy(Service.TrafficPolicy.LOCAL).healthCheckNodePort(31000)
                .publishNotReadyAddresses(true).trafficDistribution("PreferClose")
                .ingress(List.of(new Service.Ingress(IpAddress.parse("198.51.100.8"), true))).build(), service);
    }

    @Test
    void headlessAndSelectorless() throws DecodeException {
        Service service = one("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {clusterIP: None}\n");
        assertTrue(service.headless());
        assertEquals(Optional.empty(), service.selector());
        assertEquals("default", service.namespace());
    }

    @Test
    void endpointSlice() throws DecodeException {
        EndpointSlice slice = one("""
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: web-1, namespace: a, labels: {kubernetes.io/service-name: web}}
                addressType: IPv4
                ports: [{name: http, port: 8080}]
                endpoints:
                - {addresses: [10.0.0.1], nodeName: node1, zone: z1, targetRef: {kind: Pod, name: p1}, hints: {forZones: [{name: z1}]}}
                - {addresses: [10.0.0.2], conditions: {ready: false, serving: true, terminating: true}}
                """);
        assertEquals(Optional.of(new ObjectKey("a", "web")), slice.service());
        EndpointSlice.Endpoint first = slice.endpoints().get(0);
        assertTrue(first.ready() && first.serving() && !first.terminating());
        assertEquals(Optional.of(new ObjectKey("a", "p1")), first.pod());
        EndpointSlice.Endpoint second = slice.endpoints().get(1);
        assertTrue(!second.ready() && second.serving() && second.terminating());
    }

    @Test
    void workloadsConfigMapsAndIdentities() throws DecodeException {
        List<Decoded> all = decode("""
                apiVersion: v1
                kind: List
                items:
                - apiVersion: apps/v1
                  kind: Deployment
                  metadata: {name: web}
                  spec:
                    replicas: 3
                    strategy: {type: Recreate}
                    selector: {matchLabels: {app: web}, matchExpressions: [{key: app, operator: In, values: [web]}]}
                    template:
                      metadata: {labels: {app: web}, annotations: {kubernetes.io/egress-bandwidth: 10M}}
                      spec: {nodeSelector: {kubernetes.io/hostname: node1}, containers: [{name: c}]}
                - apiVersion: v1
                  kind: ConfigMap
                  metadata: {name: patchbay-config, namespace: kube-system}
                  data: {debug: "true"}
                ---
                apiVersion: cilium.io/v2
                kind: CiliumIdentity
                metadata: {name: "12345", labels: {app: web}}
                security-labels: {"k8s:app": web, "k8s:io.kubernetes.pod.namespace": default}
                ---
                apiVersion: v1
                kind: ServiceAccount
                metadata: {name: sa}
                automountServiceAccountToken: false
                """);
        Workload web = (Workload) all.get(0).row();
        assertEquals(3, web.replicas());
        assertEquals(Map.of("kubernetes.io/hostname", "node1"), web.spec().nodeSelector());
        assertEquals("10M", web.annotations().get("kubernetes.io/egress-bandwidth"));
        assertEquals(Map.of("debug", "true"), ((ConfigMap) all.get(1).row()).data());
        assertEquals(new CiliumIdentity(12345, LabelSet.parse("k8s:app=web", "k8s:io.kubernetes.pod.namespace=default")), all.get(2).row());
        assertEquals("ServiceAccount default/sa", all.get(3).key());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "v1|Pod|spec: {contaners: [], containers: [{name: c}]}|spec.contaners: unknown field; did you mean containers?",
            "v1|Pod|spec: {containers: [{name: c, prots: []}]}|spec.containers[0].prots: unknown field; did you mean ports?",
            "v1|Pod|spec: {containers: [{name: c, ports: [{containerPort: 0}]}]}|spec.containers[0].ports[0].containerPort: 0 is out of range 1 to 65535",
            "v1|Pod|spec: {containers: [{name: c, ports: [{containerPort: 1, protocol: tcp}]}]}|did you mean TCP?",
            "v1|Pod|spec: {containers: [{name: c, ports: [{containerPort: 1, name: Http}]}]}|is not a valid port name",
            "v1|Pod|spec: {containers: [{name: c, readinessProbe: {}}]}|one of exec, httpGet, tcpSocket, grpc is required",
            "v1|Pod|spec: {containers: []}|spec.containers: must not be empty",
            "v1|Pod|spec: {containers: [{name: c, command: [1]}]}|spec.containers[0].command[0]: must be a string, not the number 1; put it in quotes",
            "v1|Pod|spec: {containers: [{name: c}, {name: c}]}|two containers are named",
            "v1|Pod|sepc: {}|sepc: unknown field; did you mean spec?",
            "v1|Pods|spec: {}|kind: \"Pods\" is not a kind that Patchbay knows; did you mean Pod?",
            "v2|Pod|spec: {}|apiVersion: \"v2\" is not an apiVersion of Pod, which is v1",
            "extensions/v1beta1|Deployment|spec: {}|which is apps/v1",
            "v1|Service|spec: {ports: [{port: 1}, {port: 2}]}|spec.ports[0].name: is required",
            "v1|Service|spec: {ports: [{port: 1, name: a}, {port: 1, name: b}]}|port 1/TCP is given twice",
            "v1|Service|spec: {ports: [{port: 1, nodePort: 30000}]}|a nodePort needs a service of type NodePort or LoadBalancer",
            "v1|Service|spec: {ports: [{port: 1, targetPort: '80'}]}|is not a valid port name",
            "v1|Service|spec: {ports: []}|ports must not be empty",
            "v1|Service|spec: {}|spec.ports: is required",
            "v1|Service|spec: {type: Nodeport, ports: [{port: 1}]}|did you mean NodePort?",
            "v1|Service|spec: {clusterIP: 10.0.0.256, ports: [{port: 1}]}|spec.clusterIP: \"10.0.0.256\" is not an IP address",
            "v1|Service|spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.2], ports: [{port: 1}]}|must equal clusterIPs[0]",
            "v1|Service|spec: {type: ExternalName}|spec.externalName: is required",
            "v1|Service|spec: {type: NodePort, clusterIP: None, ports: [{port: 1}]}|can't be headless",
            "v1|Service|spec: {loadBalancerSourceRanges: [10.0.0.0], ports: [{port: 1}]}|is not a CIDR",
            "v1|Service|spec: {sessionAffinityConfig: {clientIP: {}}, ports: [{port: 1}]}|is only allowed with sessionAffinity: ClientIP",
            "v1|Service|spec: {selector: {app: 1}, ports: [{port: 1}]}|spec.selector.app: must be a string, not the number 1",
            "v1|Service|spec: {selector: {'bad key': x}, ports: [{port: 1}]}|is not a valid label key",
            "apps/v1|Deployment|spec: {selector: {matchLabels: {a: b}}, template: {spec: {containers: [{name: c}]}}}|the template's labels don't match a=b",
            "apps/v1|Deployment|spec: {selector: {}, template: {spec: {containers: [{name: c}]}}}|spec.selector: must not be empty",
            "apps/v1|DaemonSet|spec: {replicas: 1, selector: {matchLabels: {}}, template: {spec: {containers: [{name: c}]}}}|spec.replicas: unknown field",
            "discovery.k8s.io/v1|EndpointSlice|addressType: IPv4, endpoints: [{addresses: ['fd00::1']}]|is not of the slice's addressType",
            "discovery.k8s.io/v1|EndpointSlice|addressType: IPv5|addressType: \"IPv5\" is not one of IPv4, IPv6, FQDN; did you mean IPv4?",
            "cilium.io/v2|CiliumIdentity|security-labels: {}|is its number",
            "v1|ConfigMap|data: {a: 1}|data.a: must be a string, not the number 1; put it in quotes",
            "v1|Namespace|spec: {x: 1}|spec.x: unknown field"})
    void refuses(String version, String kind, String rest, String expected) {
        String text = "{apiVersion: " + version + ", kind: " + kind + ", metadata: {name: x}, " + rest + "}";
        DecodeException e = assertThrows(DecodeException.class, () -> decode(text));
        assertTrue(e.getMessage().contains(expected), e.getMessage());
        assertTrue(e.problems().stream().allMatch(p -> p.line() == 1 && p.column() > 0 && p.document() == 1), e.getMessage());
        assertFalse(e.problems().isEmpty());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "{name: X}|metadata.name: \"X\" is not a valid name",
            "{}|metadata.name: is required",
            "{name: x, labls: {}}|metadata.labls: unknown field; did you mean labels?",
            "{name: x, labels: {a: yes}}|unquoted yes",
            "{name: x, labels: {a: 'b c'}}|metadata.labels.a: \"b c\" is not a valid label value",
            "{name: x, namespace: A_b}|is not a valid namespace name"})
    void refusesMetadata(String metadata, String expected) {
        DecodeException e = assertThrows(DecodeException.class,
                () -> decode("{apiVersion: v1, kind: ConfigMap, metadata: " + metadata + "}"));
        assertTrue(e.getMessage().contains(expected), e.getMessage());
    }

    @Test
    void everythingWrongWithAFileIsReportedAtOnce() {
        DecodeException e = assertThrows(DecodeException.class, () -> decode("""
                apiVersion: v1
                kind: Namespace
                metadata: {name: a, namespace: b}
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: s}
                spec:
                  ports:
                  - prot: 80
                """));
        assertEquals("""
                file f.yaml, document 1, line 3, column 32: metadata.namespace: this kind has no namespace
                file f.yaml, document 2, line 10, column 5: spec.ports[0].port: is required
                file f.yaml, document 2, line 10, column 5: spec.ports[0].prot: unknown field; did you mean port?""", e.getMessage());
    }

    /** As kubectl writes lists: the items before the kind. They are not kept until the end, and their places and order are as in any list. */
    @Test
    void itemsComeBeforeTheKind() throws DecodeException {
        List<Decoded> all = decode("apiVersion: v1\nitems:\n- &a {apiVersion: v1, kind: Namespace, metadata: {name: a, labels: &l {x: y}}}\n"
                + "- {apiVersion: v1, kind: Namespace, metadata: {name: b, labels: *l}}\nkind: List\nmetadata: {resourceVersion: ''}\n");
        assertEquals(List.of("Namespace a", "Namespace b"), all.stream().map(Decoded::key).toList());
        assertEquals(Map.of("x", "y"), all.get(1).meta().labels());
        assertEquals(4, all.get(1).tree().line());
        assertEquals("file f, document 1, line 2, column 9: items[0].kind: \"Nodde\" is not a kind that Patchbay knows; did you mean Node?",
                org.junit.jupiter.api.Assertions.assertThrows(DecodeException.class, () -> ClusterDecoder.standard().decode("f",
                        "items:\n- kind: Nodde\n  apiVersion: v1\nkind: List\napiVersion: v1\n".getBytes(java.nio.charset.StandardCharsets.UTF_8))).getMessage());
        assertTrue(org.junit.jupiter.api.Assertions.assertThrows(DecodeException.class, () -> decode("{apiVersion: v1, kind: Namespace, metadata: {name: a}, items: []}"))
                .getMessage().contains("items: unknown field"));
    }

    /** JSON in order is read without places; one that is not names them all the same. */
    @Test
    void jsonIsTakenAsYamlWouldBe() throws DecodeException {
        String service = "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"s\"},\n \"spec\": {\"clusterIP\": \"10.96.0.1\", \"ports\": [{\"port\": 80, \"targetPort\": \"http\"}]}}";
        String list = "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [\n" + service + "\n]}";
        assertEquals(decode("# not JSON\n" + list).get(0).row(), decode(list).get(0).row());
        assertEquals(decode("# not JSON\n" + list).get(0).tree().value(), decode(list).get(0).tree().value());
        assertEquals(2, decode(list).get(0).tree().line());
        for (String[] wrong : new String[][] {{"\"port\": 80", "\"prot\": 80"}, {"80,", "80, \"port\": 81,"}, {"]}}", "]}"}, {"10.96.0.1", "x"}, {"80", "1e2"}}) {
            String bad = list.replace(wrong[0], wrong[1]);
            DecodeException json = org.junit.jupiter.api.Assertions.assertThrows(DecodeException.class, () -> decode(bad));
            DecodeException yaml = org.junit.jupiter.api.Assertions.assertThrows(DecodeException.class, () -> decode(" # not JSON\n" + bad));
            assertEquals(yaml.getMessage().replaceAll("line \\d+", "line"), json.getMessage().replaceAll("line \\d+", "line"));
            assertTrue(json.getMessage().contains("line 3, column") || json.getMessage().contains("line 4, column"), json.getMessage());
        }
    }
}
