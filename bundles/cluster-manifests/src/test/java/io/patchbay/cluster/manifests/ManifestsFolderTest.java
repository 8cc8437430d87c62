package io.patchbay.cluster.manifests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.cluster.decode.PodObject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ManifestsFolderTest {
    private static final String NODES = """
            apiVersion: v1
            kind: Node
            metadata: {name: node1, labels: {topology.kubernetes.io/zone: z1}}
            status: {addresses: [{type: InternalIP, address: 192.168.77.1}]}
            ---
            apiVersion: v1
            kind: Node
            metadata: {name: node2}
            status: {addresses: [{type: InternalIP, address: 192.168.77.2}]}
            """;
    private static final String WEB = """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: web}
            spec:
              replicas: 3
              selector: {matchLabels: {app: web}}
              template:
                metadata: {labels: {app: web}}
                spec:
                  containers: [{name: c, command: [serve], ports: [{name: http, containerPort: 8080}]}]
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: web}
            spec:
              selector: {app: web}
              ports: [{port: 80, targetPort: http}]
            """;

    @TempDir
    Path directory;
    private ManifestsFolder folder;

    @BeforeEach
    void create() throws IOException {
        folder = new ManifestsFolder(directory);
        folder.create();
    }

    private void manifest(String name, String text) throws IOException {
        Files.writeString(directory.resolve("manifests").resolve(name), text);
    }

    private ClusterObjects good() throws IOException {
        ManifestsFolder.State state = folder.refresh();
        assertEquals(List.of(), state.problems());
        return state.objects().orElseThrow();
    }

    private static ManifestsFolder.Input input(String text) {
        return new ManifestsFolder.Input("in.yaml", text.getBytes(StandardCharsets.UTF_8));
    }

    private void run(PodObject object, String ip, boolean ready, boolean terminating) throws IOException {
        folder.writePodStatus(new PodStatus(object.pod().toBuilder().phase(Pod.Phase.RUNNING).ready(ready).terminating(terminating)
                .ips(List.of(IpAddress.parse(ip))).build(), "c-" + object.pod().name()));
    }

    @Test
    void anEmptyFolderIsAClusterWithItsImplicitNamespaces() throws IOException {
        assertEquals(Set.of("default", "kube-system", "kube-public", "kube-node-lease"), good().namespaces().keySet());
    }

    @Test
    void workloadsBecomePodsWithStableNamesSpreadOverTheNodes() throws IOException {
        manifest("a.yaml", NODES + "---\n" + WEB);
        ClusterObjects c = good();
        assertEquals(3, c.desiredPods().size());
        assertEquals(Set.of("node1", "node2"), new HashSet<>(c.pods().values().stream().map(Pod::nodeName).toList()));
        for (ObjectKey key : c.pods().keySet()) assertTrue(key.name().matches("web-[bcdfghjklmnpqrstvwxz2456789]{10}-[bcdfghjklmnpqrstvwxz2456789]{5}"), key.name());
        assertEquals(c.desiredPods(), new ManifestsFolder(directory).refresh().objects().orElseThrow().desiredPods());
        // scaling keeps the pods there are; another template replaces them
        manifest("a.yaml", NODES + "---\n" + WEB.replace("replicas: 3", "replicas: 4"));
        ClusterObjects more = good();
        assertEquals(4, more.pods().size());
        assertTrue(more.pods().keySet().containsAll(c.pods().keySet()));
        manifest("a.yaml", NODES + "---\n" + WEB.replace("[serve]", "[serve2]"));
        assertTrue(good().pods().keySet().stream().noneMatch(c.pods()::containsKey));
    }

    @Test
    void daemonSetsStatefulSetsSelectorsAndPods() throws IOException {
        String template = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}";
        manifest("a.yaml", NODES + """
                ---
                {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: ds}, spec: {selector: {matchLabels: {a: b}}, TEMPLATE}}
                ---
                {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: sts}, spec: {replicas: 2, selector: {matchLabels: {a: b}}, TEMPLATE}}
                ---
                {apiVersion: v1, kind: Pod, metadata: {name: fixed}, spec: {nodeName: node2, containers: [{name: c}]}}
                ---
                {apiVersion: v1, kind: Pod, metadata: {name: sel}, spec: {nodeSelector: {kubernetes.io/hostname: node2}, containers: [{name: c}]}}
                ---
                {apiVersion: v1, kind: Pod, metadata: {name: nowhere}, spec: {nodeSelector: {disk: ssd}, containers: [{name: c}]}}
                """.replace("TEMPLATE", template));
        ClusterObjects c = good();
        assertEquals(List.of("node1", "node2"), c.pods().values().stream().filter(p -> p.name().startsWith("ds-")).map(Pod::nodeName).sorted().toList());
        assertTrue(c.pods().containsKey(new ObjectKey("default", "sts-0")) && c.pods().containsKey(new ObjectKey("default", "sts-1")));
        assertEquals("node2", c.pods().get(new ObjectKey("default", "fixed")).nodeName());
        assertEquals("node2", c.pods().get(new ObjectKey("default", "sel")).nodeName());
        assertEquals("", c.pods().get(new ObjectKey("default", "nowhere")).nodeName());
    }

    @Test
    void endpointSlicesFollowPods() throws IOException {
        manifest("a.yaml", NODES + "---\n" + WEB);
        List<PodObject> pods = List.copyOf(good().desiredPods().values());
        run(pods.get(0), "10.244.0.5", true, false);
        run(pods.get(1), "10.244.1.5", false, false);
        run(pods.get(2), "10.244.1.6", true, true);
        List<EndpointSlice> slices = List.copyOf(good().endpointSlices().values());
        assertEquals(1, slices.size());
        EndpointSlice slice = slices.get(0);
        assertEquals("web", slice.serviceName());
        assertEquals(8080, slice.ports().get(0).number());
        EndpointSlice.Endpoint ready = slice.endpoints().stream().filter(EndpointSlice.Endpoint::ready).findFirst().orElseThrow();
        assertEquals(List.of(IpAddress.parse("10.244.0.5")), ready.addresses());
        assertEquals(pods.get(0).pod().nodeName(), ready.nodeName());
        assertEquals(ready.nodeName().equals("node1") ? "z1" : "", ready.zone());
        assertEquals(1, slice.endpoints().stream().filter(EndpointSlice.Endpoint::terminating).filter(EndpointSlice.Endpoint::serving).count());
        assertEquals(1, slice.endpoints().stream().filter(e -> !e.serving()).count());
    }

    @Test
    void aRunningPodStaysOnItsNodeAndOneWithoutManifestTerminates() throws IOException {
        manifest("n.yaml", NODES);
        manifest("p.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {a: b}}, spec: {containers: [{name: c}]}}");
        ObjectKey key = new ObjectKey("default", "p");
        PodObject pod = good().desiredPods().get(key);
        String node = pod.pod().nodeName();
        run(pod, "10.244.0.9", true, false);
        manifest("n2.yaml", "{apiVersion: v1, kind: Node, metadata: {name: node0}}");
        assertEquals(node, good().pods().get(key).nodeName());
        assertTrue(good().pods().get(key).ready());
        Files.delete(directory.resolve("manifests/p.yaml"));
        Pod leaving = good().pods().get(key);
        assertTrue(leaving.terminating());
        assertEquals(Map.of("a", "b"), leaving.labels());
        assertFalse(good().desiredPods().containsKey(key));
        folder.deletePodStatus(key);
        assertFalse(good().pods().containsKey(key));
    }

    @Test
    void aPodsLabelsChangeWithoutANewIncarnationButItsSpecDoesNot() throws IOException {
        String text = "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {a: b}}, spec: {nodeName: node1, containers: [{name: c}]}}";
        manifest("p.yaml", NODES + "---\n" + text);
        ObjectKey key = new ObjectKey("default", "p");
        PodObject first = good().desiredPods().get(key);
        run(first, "10.244.0.9", true, false);
        manifest("p.yaml", NODES + "---\n" + text.replace("a: b", "a: other"));
        Pod relabelled = good().pods().get(key);
        assertEquals(Map.of("a", "other"), relabelled.labels());
        assertEquals(first.pod().uid(), relabelled.uid());
        assertTrue(relabelled.ready() && !relabelled.terminating());
        manifest("p.yaml", NODES + "---\n" + text.replace("name: c", "name: d"));
        assertNotEquals(first.pod().uid(), good().desiredPods().get(key).pod().uid());
        assertTrue(good().pods().get(key).terminating(), "the old incarnation keeps the name until it is gone");
        folder.deletePodStatus(key);
        assertFalse(good().pods().get(key).terminating());
    }

    @Test
    void whatTheClusterGivesIsStableAndUnique() throws Exception {
        manifest("n.yaml", NODES);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 200; i++) {
            text.append("---\n{apiVersion: v1, kind: Service, metadata: {name: s").append(i).append("}, spec: {type: ")
                    .append(i % 2 == 0 ? "NodePort" : "ClusterIP").append(", ports: [{port: 80}]}}\n");
        }
        manifest("s.yaml", text.toString());
        ExecutorService pool = Executors.newFixedThreadPool(4);
        try {
            List<Callable<ClusterObjects>> readers = new ArrayList<>();
            for (int i = 0; i < 4; i++) readers.add(() -> new ManifestsFolder(directory).refresh().objects().orElseThrow());
            List<ClusterObjects> seen = new ArrayList<>();
            for (Future<ClusterObjects> f : pool.invokeAll(readers)) seen.add(f.get());
            for (ClusterObjects c : seen) {
                assertEquals(seen.get(0).services(), c.services());
                assertEquals(seen.get(0).nodes(), c.nodes());
            }
            ClusterObjects c = seen.get(0);
            Set<IpAddress> ips = new HashSet<>();
            Set<Integer> ports = new HashSet<>();
            for (Service s : c.services().values()) {
                assertEquals(1, s.clusterIps().size());
                assertTrue(Prefix.parse("10.96.0.0/16").contains(s.clusterIps().get(0)));
                assertTrue(ips.add(s.clusterIps().get(0)));
                if (s.type() == Service.Type.NODE_PORT) assertTrue(ports.add(s.ports().get(0).nodePort()));
            }
            assertEquals(100, ports.size());
            assertEquals(Set.of(Prefix.parse("10.244.0.0/24"), Prefix.parse("10.244.1.0/24")),
                    Set.of(c.nodes().get("node1").podCidrs().get(0), c.nodes().get("node2").podCidrs().get(0)));
        } finally {
            pool.shutdownNow();
        }
        Map<ObjectKey, Service> before = good().services();
        manifest("s.yaml", text.append("---\n{apiVersion: v1, kind: Service, metadata: {name: new}, spec: {ports: [{port: 80}]}}\n").toString());
        Map<ObjectKey, Service> after = good().services();
        before.forEach((key, service) -> assertEquals(service, after.get(key)));
        Files.delete(directory.resolve("manifests/s.yaml"));
        good();
        try (var files = Files.list(directory.resolve("objects/services"))) {
            assertEquals(0, files.count());
        }
    }

    @Test
    void aDualStackClusterGivesBothFamiliesAsServicesAsk() throws IOException {
        Files.writeString(directory.resolve("cluster.json"), "{\"podCIDRs\": [\"10.244.0.0/16\", \"fd00:10:244::/56\"], \"nodeMaskSizeIPv6\": 64, "
                + "\"serviceCIDRs\": [\"10.96.0.0/16\", \"fd00:10:96::/112\"]}");
        manifest("n.yaml", NODES);
        StringBuilder text = new StringBuilder();
        for (String spec : List.of("", "ipFamilyPolicy: PreferDualStack, ", "ipFamilies: [IPv6], ", "ipFamilies: [IPv6], ipFamilyPolicy: RequireDualStack, ",
                "ipFamilies: [IPv6, IPv4], ")) {
            text.append("---\n{apiVersion: v1, kind: Service, metadata: {name: s").append(text.length()).append("}, spec: {").append(spec)
                    .append("ports: [{port: 80}]}}\n");
        }
        manifest("s.yaml", text.toString());
        ClusterObjects c = good();
        assertEquals(Set.of(List.of(Prefix.parse("10.244.0.0/24"), Prefix.parse("fd00:10:244::/64")),
                List.of(Prefix.parse("10.244.1.0/24"), Prefix.parse("fd00:10:244:1::/64"))),
                Set.of(c.nodes().get("node1").podCidrs(), c.nodes().get("node2").podCidrs()));
        List<List<Boolean>> families = new ArrayList<>();
        Set<IpAddress> unique = new HashSet<>();
        for (Service s : c.services().values()) {
            families.add(s.clusterIps().stream().map(IpAddress::isV4).toList());
            for (IpAddress ip : s.clusterIps()) {
                assertTrue(unique.add(ip));
                assertTrue(Prefix.parse(ip.isV4() ? "10.96.0.0/16" : "fd00:10:96::/112").contains(ip), ip.toString());
            }
        }
        assertEquals(5, families.size());
        for (List<Boolean> f : List.of(List.of(true), List.of(true, false), List.of(false))) assertTrue(families.contains(f), families.toString());
        assertEquals(2, families.stream().filter(List.of(false, true)::equals).count(), families.toString());
        Map<ObjectKey, Service> again = good().services();
        c.services().forEach((key, service) -> assertEquals(service, again.get(key)));
    }

    @Test
    void aFamilyThatTheClusterHasNotIsRefused() throws IOException {
        manifest("s.yaml", "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ipFamilies: [IPv6], ports: [{port: 80}]}}");
        String all = folder.refresh().problems().toString();
        assertTrue(all.contains("spec.ipFamilies") && all.contains("IPv6 is no family of this cluster's services"), all);
        manifest("s.yaml", "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}}");
        assertEquals(1, good().services().get(new ObjectKey("default", "s")).clusterIps().size(), "preferred, not required");
    }

    @Test
    void rangesUsedUpAreSaidSo() throws IOException {
        Files.writeString(directory.resolve("cluster.json"), "{\"podCIDRs\": [\"10.9.0.0/24\"], \"nodeMaskSizeIPv4\": 24}");
        manifest("n.yaml", NODES);
        ManifestsFolder.State state = folder.refresh();
        assertTrue(state.problems().get(0).toString().contains("a range is used up"), state.problems().toString());
        assertEquals(1, state.objects().orElseThrow().nodes().values().stream().filter(n -> n.podCidrs().isEmpty()).count());
    }

    @Test
    void aDamagedRecordIsReportedAndNothingIsGivenMeanwhile() throws IOException {
        manifest("n.yaml", NODES);
        good();
        Files.writeString(directory.resolve("objects/nodes/node1.json"), "{\"name\": \"no");
        manifest("n2.yaml", "{apiVersion: v1, kind: Node, metadata: {name: node3}}");
        ManifestsFolder.State state = folder.refresh();
        assertTrue(state.problems().get(0).toString().startsWith("file objects/nodes/node1.json"), state.problems().toString());
        assertEquals(List.of(), state.objects().orElseThrow().nodes().get("node3").podCidrs());
        assertThrows(IOException.class, () -> folder.registerNode("node1", List.of()));
    }

    @Test
    void aFileThatTurnsBadLeavesTheWholeSetAsItWas() throws IOException {
        manifest("a.yaml", NODES + "---\n" + WEB);
        ClusterObjects before = good();
        manifest("a.yaml", NODES);
        manifest("b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n  prots: []\n");
        ManifestsFolder.State state = folder.refresh();
        assertEquals(before, state.objects().orElseThrow());
        assertTrue(state.problems().stream().anyMatch(p -> p.toString().equals(
                "file manifests/b.yaml, document 1, line 5, column 3: spec.prots: unknown field; did you mean ports?")), state.problems().toString());
        // statuses go on meanwhile
        PodObject pod = before.desiredPods().values().iterator().next();
        run(pod, "10.244.0.7", true, false);
        assertTrue(folder.refresh().objects().orElseThrow().pods().get(pod.pod().key()).ready());
        Files.delete(directory.resolve("manifests/b.yaml"));
        assertEquals(Map.of(), good().services());
    }

    @Test
    void neverGoodMeansNoObjects() throws IOException {
        manifest("b.yaml", "a: [");
        ManifestsFolder.State state = folder.refresh();
        assertTrue(state.objects().isEmpty());
        assertEquals(1, state.problems().size());
    }

    @Test
    void whatAnApiServerWouldRefuseTogether() throws IOException {
        String service = "{apiVersion: v1, kind: Service, metadata: {name: NAME}, spec: {type: NodePort, clusterIP: 10.96.0.9, ports: [{port: 1, nodePort: 30000}]}}\n";
        manifest("a.yaml", service.replace("NAME", "a") + "---\n" + service.replace("NAME", "b"));
        manifest("b.yaml", service.replace("NAME", "a").replace("30000", "30001").replace("10.96.0.9", "10.96.0.10"));
        manifest("c.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: nowhere}}");
        String all = folder.refresh().problems().toString();
        for (String part : List.of("Service default/a is also in file manifests/a.yaml, document 1, line 1", "10.96.0.9 belongs to the service default/a",
                "nodePort 30000 belongs to the service default/a", "there is no namespace \"nowhere\"")) {
            assertTrue(all.contains(part), part + " not in " + all);
        }
    }

    @Test
    void applyChecksCreatesChangesAndDeletes() throws Exception {
        assertEquals(List.of("node/node1 created", "node/node2 created", "deployment/web created", "service/web created"),
                folder.check(List.of(input(NODES + "---\n" + WEB))).stream().map(Object::toString).toList());
        assertEquals(0, good().nodes().size(), "check changes nothing");
        folder.apply(List.of(input(NODES + "---\n" + WEB)));
        assertEquals(2, good().nodes().size());
        assertTrue(Files.exists(directory.resolve("manifests/service_default_web.yaml")));
        // an object in a user's own file is changed there
        Files.delete(directory.resolve("manifests/service_default_web.yaml"));
        Files.delete(directory.resolve("manifests/deployment_default_web.yaml"));
        manifest("mine.yaml", WEB);
        assertEquals(List.of("deployment/web configured", "service/web unchanged"),
                folder.apply(List.of(input(WEB.replace("replicas: 3", "replicas: 1")))).stream().map(Object::toString).toList());
        assertFalse(Files.exists(directory.resolve("manifests/deployment_default_web.yaml")));
        assertEquals(1, good().pods().size());
        assertEquals(1, good().services().size());

        DecodeException e = assertThrows(DecodeException.class, () -> folder.apply(List.of(
                input(WEB.replace("replicas: 3", "replicas: 2").replace("targetPort", "targetPrt")))));
        assertEquals("file in.yaml, document 2, line 17, column 22: spec.ports[0].targetPrt: unknown field; did you mean targetPort?", e.getMessage());
        assertEquals(1, good().pods().size());

        assertEquals(2, folder.delete(List.of(input(WEB))).size());
        assertEquals(0, good().pods().size());
        assertFalse(Files.exists(directory.resolve("manifests/mine.yaml")));
        assertThrows(NoSuchFileException.class, () -> folder.delete(List.of(input(WEB))));
        // a namespace goes only with, or after, what is in it
        folder.apply(List.of(input("{apiVersion: v1, kind: Namespace, metadata: {name: n}}"), input("{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: n}}")));
        assertThrows(DecodeException.class, () -> folder.delete(List.of(input("{apiVersion: v1, kind: Namespace, metadata: {name: n}}"))));
        try (var files = Files.list(directory.resolve("manifests"))) {
            assertTrue(files.noneMatch(p -> p.getFileName().toString().startsWith(".")), "nothing is left of the writing");
        }
    }

    /** A service and a slice of ten for each number. */
    private static String many(int from, int to, int port) {
        StringBuilder text = new StringBuilder("{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"many\"}}");
        for (int i = from; i < to; i++) {
            text.append(",\n{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"s").append(i).append("\", \"namespace\": \"many\"}, \"spec\": {\"ports\": [{\"port\": ")
                    .append(port).append("}]}},\n{\"apiVersion\": \"discovery.k8s.io/v1\", \"kind\": \"EndpointSlice\", \"metadata\": {\"name\": \"s").append(i)
                    .append("-1\", \"namespace\": \"many\", \"labels\": {\"kubernetes.io/service-name\": \"s").append(i).append("\"}}, \"addressType\": \"IPv4\", \"ports\": [{\"port\": 80}], \"endpoints\": [");
            for (int e = 0; e < 10; e++) text.append(e == 0 ? "" : ", ").append("{\"addresses\": [\"10.").append(e).append('.').append(i >> 8).append('.').append(i & 255).append("\"]}");
            text.append("]}");
        }
        return text.append("\n]}\n").toString();
    }

    private Map<String, Object> filesWithTimes(String where) throws IOException {
        Map<String, Object> files = new java.util.TreeMap<>();
        try (var list = Files.list(directory.resolve(where))) {
            for (Path p : list.toList()) files.put(p.getFileName().toString(), Files.readAttributes(p, java.nio.file.attribute.BasicFileAttributes.class).fileKey());
        }
        return files;
    }

    private static int changed(Map<String, Object> before, Map<String, Object> after) {
        return (int) after.entrySet().stream().filter(e -> !e.getValue().equals(before.get(e.getKey()))).count();
    }

    /** Three thousand services at once were six thousand files, each synced and read by every node, and a change of one looked at all. */
    @Test
    void thousandsOfObjectsAreFewFilesAndAChangeOfOneTouchesOne() throws Exception {
        assertEquals(6001, folder.apply(List.of(input(many(0, 3000, 80)))).size());
        Map<String, Object> manifests = filesWithTimes("manifests");
        assertEquals(61, manifests.size());
        ClusterObjects before = good();
        assertEquals(3000, before.services().size());
        assertEquals(3000, new HashSet<>(before.services().values().stream().map(s -> s.clusterIps().get(0)).toList()).size());
        Map<String, Object> records = filesWithTimes("objects/services");
        assertTrue(records.size() <= 256, records.size() + " files");

        assertEquals(List.of("namespace/many unchanged", "service/s1234 in many configured", "endpointslice/s1234-1 in many unchanged"),
                folder.apply(List.of(input(many(1234, 1235, 81)))).stream().map(Object::toString).toList());
        assertEquals(1, changed(manifests, filesWithTimes("manifests")));
        ClusterObjects after = good();
        assertEquals(0, changed(records, filesWithTimes("objects/services")), "what was given stays");
        ObjectKey key = new ObjectKey("many", "s1234");
        assertEquals(81, after.services().get(key).ports().get(0).port());
        assertEquals(before.services().get(key).clusterIps(), after.services().get(key).clusterIps());
        assertTrue(after.endpointSlices() == before.endpointSlices() && after.pods() == before.pods(), "kinds without a change are the same objects");
        assertEquals(1, after.services().entrySet().stream().filter(e -> before.services().get(e.getKey()) != e.getValue()).count(), "and so are the other rows");
        assertEquals(after.services(), new ManifestsFolder(directory).refresh().objects().orElseThrow().services(), "as one who reads it all anew has it");
        assertEquals(after.endpointSlices(), new ManifestsFolder(directory).refresh().objects().orElseThrow().endpointSlices());

        assertEquals(3, folder.delete(List.of(input(many(1234, 1235, 81).replace("\"Namespace\", \"metadata\": {\"name\": \"many\"}", "\"Service\", \"metadata\": {\"name\": \"s7\", \"namespace\": \"many\"}, \"spec\": {\"ports\": [{\"port\": 1}]}")))).size());
        assertEquals(2998, good().services().size());
        assertEquals(2999, good().endpointSlices().size());
        assertThrows(DecodeException.class, () -> folder.apply(List.of(input(many(0, 200, 80).replace("s150\"", "s 150\"")))));
        assertEquals(2998, good().services().size());
    }

    /** What a change needs is found among what is there; what is refused leaves no trace in it. */
    @Test
    void whatIsRefusedTogetherIsForgottenWithItsCause() throws Exception {
        String service = "{apiVersion: v1, kind: Service, metadata: {name: NAME, namespace: n}, spec: {clusterIP: 10.96.0.9, ports: [{port: 1}]}}\n";
        folder.apply(List.of(input("{apiVersion: v1, kind: Namespace, metadata: {name: n}}\n---\n" + service.replace("NAME", "a"))));
        for (int round = 0; round < 2; round++) {
            DecodeException e = assertThrows(DecodeException.class, () -> folder.apply(List.of(input(service.replace("NAME", "b")))));
            assertTrue(e.getMessage().endsWith("10.96.0.9 belongs to the service n/a"), e.getMessage());
            good();
        }
        manifest("b.yaml", service.replace("NAME", "b"));
        assertEquals(1, folder.refresh().problems().size());
        manifest("service_n_a.yaml", service.replace("NAME", "a").replace("10.96.0.9", "10.96.0.10"));
        assertEquals(2, good().services().size());
        // they swap their addresses in one change
        folder.apply(List.of(input(service.replace("NAME", "a")), input(service.replace("NAME", "b").replace("10.96.0.9", "10.96.0.10"))));
        assertEquals(List.of(IpAddress.parse("10.96.0.9")), good().services().get(new ObjectKey("n", "a")).clusterIps());
        Files.delete(directory.resolve("manifests/namespace_n.yaml"));
        assertEquals(2, folder.refresh().problems().stream().filter(p -> p.toString().endsWith("there is no namespace \"n\"")).count());
        assertEquals(2, folder.refresh().objects().orElseThrow().services().size());
    }

    @Test
    void servicesFollowThePodsThatTheySelect() throws Exception {
        manifest("n.yaml", NODES);
        manifest("p.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: a, tier: x}}, spec: {nodeName: node1, containers: [{name: c}]}}");
        String service = "{apiVersion: v1, kind: Service, metadata: {name: NAME}, spec: {selector: {app: NAME, tier: x}, ports: [{port: 1}]}}\n";
        manifest("s.yaml", service.replace("NAME", "a") + "---\n" + service.replace("NAME", "b"));
        run(good().desiredPods().get(new ObjectKey("default", "p")), "10.244.0.9", true, false);
        assertEquals(List.of(1, 0), good().endpointSlices().values().stream().map(s -> s.endpoints().size()).toList());
        manifest("p.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: b, tier: x}}, spec: {nodeName: node1, containers: [{name: c}]}}");
        assertEquals(List.of(0, 1), good().endpointSlices().values().stream().map(s -> s.endpoints().size()).toList());
        // a slice by hand takes the place of one that was made, and gives it back
        manifest("hand.yaml", "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: b-v4-0, labels: {kubernetes.io/service-name: b}}, addressType: IPv4, endpoints: [{addresses: [10.9.9.9]}, {addresses: [10.9.9.8]}]}");
        assertEquals(List.of(0, 2), good().endpointSlices().values().stream().map(s -> s.endpoints().size()).toList());
        Files.delete(directory.resolve("manifests/hand.yaml"));
        assertEquals(List.of(0, 1), good().endpointSlices().values().stream().map(s -> s.endpoints().size()).toList());
        manifest("n.yaml", NODES.replace("z1", "z2"));
        assertEquals("z2", good().endpointSlices().get(new ObjectKey("default", "b-v4-0")).endpoints().get(0).zone());
        assertEquals(Set.of(), good().endpointSlices().get(new ObjectKey("default", "b-v4-0")).endpoints().get(0).forZones());
        manifest("s.yaml", service.replace("NAME", "b").replace("spec: {", "spec: {trafficDistribution: PreferClose, "));
        assertEquals(Set.of("z2"), good().endpointSlices().get(new ObjectKey("default", "b-v4-0")).endpoints().get(0).forZones());
        manifest("s.yaml", service.replace("NAME", "a"));
        assertEquals(Set.of(new ObjectKey("default", "a-v4-0")), good().endpointSlices().keySet());
    }

    @Test
    void anIdentityNumberHasOneClaimant() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        try {
            for (long number = 1000; number < 1020; number++) {
                long n = number;
                List<Callable<IdentityClaims.Result>> claims = new ArrayList<>();
                for (int i = 0; i < 4; i++) {
                    LabelSet labels = LabelSet.parse("k8s:app=" + i % 2);
                    claims.add(() -> new ManifestsFolder(directory).claimIdentity(n, labels));
                }
                Set<LabelSet> winners = new HashSet<>();
                Set<LabelSet> taken = new HashSet<>();
                List<Future<IdentityClaims.Result>> results = pool.invokeAll(claims);
                for (int i = 0; i < 4; i++) {
                    IdentityClaims.Result result = results.get(i).get();
                    if (result instanceof IdentityClaims.Claimed) winners.add(LabelSet.parse("k8s:app=" + i % 2));
                    else taken.add(assertInstanceOf(IdentityClaims.TakenBy.class, result).labels());
                }
                assertEquals(1, winners.size());
                assertEquals(winners, taken);
            }
        } finally {
            pool.shutdownNow();
        }
        assertEquals(20, good().identities().size());
        try (var files = Files.list(directory.resolve("objects/ciliumidentities"))) {
            assertEquals(20, files.count());
        }
        Files.writeString(directory.resolve("objects/ciliumidentities/1000.json"), "");
        assertInstanceOf(IdentityClaims.Unavailable.class, folder.claimIdentity(1000, LabelSet.parse("k8s:app=1")));
    }

    @Test
    void registeredAndAnnotatedNodes() throws IOException {
        folder.registerNode("solo", List.of(IpAddress.parse("192.0.2.1")));
        folder.annotateNode("solo", Map.of("network.cilium.io/ipv4-cilium-host", "10.244.0.1"));
        var node = good().nodes().get("solo");
        assertEquals(List.of(Prefix.parse("10.244.0.0/24")), node.podCidrs());
        assertEquals(List.of(IpAddress.parse("192.0.2.1")), node.internalIps());
        assertEquals("10.244.0.1", node.annotations().get("network.cilium.io/ipv4-cilium-host"));
    }

    @Test
    void theWatchSeesChangesByInotify() throws Exception {
        LinkedBlockingQueue<Integer> seen = new LinkedBlockingQueue<>();
        try (FolderWatch watch = new FolderWatch(folder, "test-watch", () -> seen.add(folder.refresh().objects().orElseThrow().nodes().size()))) {
            assertEquals(0, seen.poll(10, TimeUnit.SECONDS));
            long start = System.nanoTime();
            manifest("n.yaml", NODES);
            await(seen, 2);
            assertTrue(TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start) < 8, "by inotify, not by the slow rescan");
            folder.registerNode("node9", List.of());
            await(seen, 3);
        }
    }

    private static void await(LinkedBlockingQueue<Integer> seen, int nodes) throws InterruptedException {
        while (true) {
            Integer count = seen.poll(15, TimeUnit.SECONDS);
            assertTrue(count != null, "no call");
            if (count == nodes) return;
        }
    }
}
