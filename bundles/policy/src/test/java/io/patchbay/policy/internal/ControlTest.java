package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.bpf.Rcu;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.policy.internal.control.PeerFact;
import io.patchbay.policy.internal.control.PolicyControl;
import io.patchbay.policy.internal.control.PolicyControl.Sources;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.table.Cookies;
import io.patchbay.policy.internal.table.PeerNumbers;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** A node's life with policies, step by step, on one thread; each step is judged by packets through the real programs. */
@Tag("root")
@ParameterizedClass(name = "sets from {0} peers on")
@ValueSource(ints = {64, 1})
class ControlTest {
    /** With 1, each identity of a pod that an entry names is in a set. */
    @Parameter
    int fewest;

    private static final IpAddress WEB = IpAddress.parse("10.0.0.10");
    private static final IpAddress CLI = IpAddress.parse("10.0.1.20");
    private static final IpAddress OUTSIDE = IpAddress.parse("1.1.1.1");
    private static final int WEB_ID = 1000;
    private static final int CLI_ID = 2000;
    private static final int OTHER_ID = 3000;
    private static Programs programs;

    private static LabelSet pod(String app) {
        return LabelSet.parse("k8s:app=" + app, "k8s:io.kubernetes.pod.namespace=a", "k8s:io.cilium.k8s.policy.cluster=default");
    }

    /** The rest of a node: identity, ipcache and endpoints that do at once what they are asked. */
    private final class Node implements PolicyControl.World {
        final Map<Integer, LabelSet> identities = new TreeMap<>();
        final Map<Prefix, Integer> prefixes = new LinkedHashMap<>();
        final Map<IpAddress, Integer> peerClasses = new HashMap<>();
        final Map<IpAddress, PeerFact> facts = new HashMap<>();
        final Map<PolicyObject.Key, PolicyObject> policies = new TreeMap<>();
        final Map<Integer, Endpoint> endpoints = new TreeMap<>();
        final Queue<Runnable> graced = new ArrayDeque<>();
        final List<Throwable> problems = new ArrayList<>();
        boolean synced = true;
        PolicyOptions options = PolicyOptions.DEFAULTS;
        int later;
        int nextPrefix = (1 << 24) + 1;
        PolicyControl control;
        KernelTables kernel;
        /** When prefixes and peer classes are in the kernel. */
        CompletableFuture<Void> prefixesDone = CompletableFuture.completedFuture(null);
        CompletableFuture<Void> classesDone = CompletableFuture.completedFuture(null);
        /** Run when prefixes or peer classes have changed in the kernel, and nothing after that has happened yet. */
        Runnable look = () -> { };
        /** When the kernel's endpoints are what the control was told of them. */
        CompletableFuture<Void> endpointsDone = CompletableFuture.completedFuture(null);

        Node() {
            identities.put(1, LabelSet.of(Label.reserved("host")));
            identities.put(2, LabelSet.of(Label.reserved("world")));
            identities.put(6, LabelSet.of(Label.reserved("remote-node")));
        }

        /** A new agent on what is there. */
        void start() {
            graced.clear();
            kernel = programs.tables(false, fewest);
            control = new PolicyControl(this, Runnable::run, kernel, options, new Cookies(kernel.lastCookie()), peerClasses);
        }

        void meetEverybody() {
            Map<Integer, Optional<LabelSet>> all = new LinkedHashMap<>();
            identities.forEach((n, l) -> all.put(n, Optional.of(l)));
            control.identities(all);
            control.endpointsAre(List.copyOf(endpoints.values()));
        }

        void grace() {
            while (!graced.isEmpty()) {
                List<Runnable> batch = new ArrayList<>(graced);
                graced.clear();
                Rcu.grace();
                batch.forEach(Runnable::run);
            }
        }

        void apply(String name, String spec) {
            apply(name, "cilium.io/v2, kind: CiliumNetworkPolicy", spec);
        }

        void applyNetworkPolicy(String name, String spec) {
            apply(name, "networking.k8s.io/v1, kind: NetworkPolicy", spec);
        }

        private void apply(String name, String kind, String spec) {
            String doc = "{apiVersion: " + kind + ", metadata: {name: " + name + ", namespace: a}, spec: " + spec + "}";
            try {
                PolicyObject p = (PolicyObject) ClusterDecoder.standard().decode("test", doc.getBytes(StandardCharsets.UTF_8)).get(0).row();
                policies.put(p.key(), p);
            } catch (DecodeException e) {
                throw new IllegalStateException(e);
            }
            control.wake();
        }

        void withdraw(String name) {
            policies.keySet().removeIf(k -> k.name().equals(name));
            control.wake();
        }

        void publish(IpAddress address, int identity) {
            programs.address(address, identity, peerClasses.getOrDefault(address, 0));
        }

        @Override
        public Optional<Sources> sources() {
            return synced ? Optional.of(new Sources(List.copyOf(policies.values()), List::of, List.of())) : Optional.empty();
        }

        @Override
        public Set<Integer> cluster() {
            return identities.keySet().stream().filter(n -> n >= PeerNumbers.FIRST_POD && n <= PeerNumbers.LAST_POD).collect(Collectors.toSet());
        }

        @Override
        public Map<IpAddress, PeerFact> facts() {
            return facts;
        }

        @Override
        public Endpoint whole(Endpoint found) {
            LabelSet labels = identities.get(found.identity());
            return labels == null ? found : found.withIdentity(found.identity(), labels).withPod(Map.of(), Map.of("TCP/http", 8080));
        }

        @Override
        public CompletableFuture<?> requirePrefixes(Set<Prefix> wanted) {
            Map<Integer, Optional<LabelSet>> changes = new LinkedHashMap<>();
            for (Prefix p : wanted) {
                if (prefixes.containsKey(p)) continue;
                prefixes.put(p, nextPrefix);
                identities.put(nextPrefix, IdentityLabels.ofPrefix(p.toString(), false));
                changes.put(nextPrefix, Optional.of(identities.get(nextPrefix++)));
            }
            Map<Integer, Optional<LabelSet>> gone = new LinkedHashMap<>();
            prefixes.entrySet().removeIf(e -> !wanted.contains(e.getKey()) && gone.put(e.getValue(), Optional.empty()) == null);
            gone.keySet().forEach(identities::remove);
            if (!gone.isEmpty()) {
                MapHandle lpm = programs.map("ipcache_prefixes");
                lpm.deleteAll(lpm.entries().keySet());
                prefixes.forEach(programs::prefix);
                control.identities(gone);
            }
            CompletableFuture<?> told = changes.isEmpty() ? CompletableFuture.completedFuture(null) : control.identities(changes);
            look.run();
            return told.thenCombine(prefixesDone, (x, y) -> null).thenRun(() -> prefixes.forEach(programs::prefix)).thenRun(look);
        }

        @Override
        public CompletableFuture<?> classify(Map<IpAddress, Integer> classes) {
            return classesDone.thenRun(() -> classes.forEach((a, n) -> {
                if (n == 0) peerClasses.remove(a);
                else peerClasses.put(a, n);
                MapHandle m = programs.map("ipcache");
                Struct key = new Struct(m.key()).set("", a);
                m.put(key, m.lookup(key).orElseGet(() -> new Struct(m.value())).set("peer_class", n));
            })).thenRun(look);
        }

        @Override
        public CompletableFuture<?> setPolicy(Map<Integer, Integer> ids) {
            ids.forEach((id, number) -> put(endpoints.get(id).withPolicy(number)));
            return endpointsDone;
        }

        /** Makes an endpoint what the kernel and the control know. */
        void put(Endpoint e) {
            endpoints.put(e.id(), e);
            programs.endpoint(e.addresses().get(0), e.identity(), e.policyId(), e.flags());
            control.endpoint(e);
        }

        @Override
        public void afterGrace(Runnable task) {
            graced.add(task);
        }

        @Override
        public void changed(Throwable problem) {
            problems.add(problem);
        }

        @Override
        public void wakeLater() {
            later++;
        }

        Throwable problem() {
            return problems.get(problems.size() - 1);
        }
    }

    @BeforeAll
    static void load() {
        programs = new Programs();
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @BeforeEach
    void fresh() {
        programs.noTables();
    }

    private static Endpoint endpoint(int policyId, LabelSet labels, int identity, Map<String, Integer> ports) {
        return new Endpoint(7, "c", "a", "web", "", List.of(WEB), Programs.IFINDEX, "lxc", Programs.POD_MAC, Programs.POD_MAC, "", identity, labels, Map.of(),
                ports, policyId, 0, Endpoint.State.READY);
    }

    /** A node with the pod web and somebody else's pod cli. */
    private Node node() {
        Node node = new Node();
        node.identities.put(WEB_ID, pod("web"));
        node.identities.put(CLI_ID, pod("cli"));
        node.start();
        node.meetEverybody();
        assertTrue(node.control.opened().isDone());
        Endpoint e = endpoint(0, pod("web"), WEB_ID, Map.of("TCP/http", 8080));
        int number = node.control.prepare(e).join();
        node.put(e.withPolicy(number));
        node.publish(WEB, WEB_ID);
        node.publish(CLI, CLI_ID);
        return node;
    }

    private static int in(int port) {
        return programs.run(Programs.POD_INGRESS, Programs.packet(CLI, WEB, 6, port));
    }

    /** What came of a packet that comes in as this identity, which may not be that of its address. */
    private static int in(byte[] packet, int identity) {
        int[] before = programs.codes(Programs.POD_INGRESS);
        programs.ingressAs(packet, identity);
        int[] after = programs.codes(Programs.POD_INGRESS);
        for (int i = 0; i < after.length; i++) if (after[i] != before[i]) return i;
        throw new IllegalStateException("no verdict was counted");
    }

    private static int out(IpAddress to, int port) {
        return programs.run(Programs.POD_EGRESS, Programs.packet(WEB, to, 6, port));
    }

    private static final String WEB_FROM_CLI = "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{matchLabels: {app: cli}}],"
            + " toPorts: [{ports: [{port: http, protocol: TCP}]}]}]}";

    @Test
    void rulesComeAndGo() {
        Node node = node();
        assertEquals(Programs.PASSED, in(80));
        long before = node.control.inForce().revision();
        node.apply("p", WEB_FROM_CLI);
        assertEquals(before + 1, node.control.inForce().revision());
        assertEquals(133, in(80));
        assertEquals(Programs.PASSED, in(8080), "the pod's own number of the port");
        node.withdraw("p");
        assertEquals(Programs.PASSED, in(80));
        node.grace();
        assertEquals(0, programs.map("policy").count(), "old tables are deleted");
    }

    @Test
    void peersHaveTheirEntriesBeforeTheyArePublished() {
        Node node = node();
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toEndpoints: [{}]}], egressDeny: [{toEndpoints: [{matchLabels: {app: bad}}]}]}");
        assertTrue(node.control.identities(Map.of(OTHER_ID, Optional.of(pod("other")), 3001, Optional.of(pod("bad")))).isDone());
        node.publish(CLI, OTHER_ID);
        assertEquals(Programs.PASSED, out(CLI, 80));
        node.publish(CLI, 3001);
        assertEquals(181, out(CLI, 80));
        int entries = node.kernel.used();
        node.control.identities(Map.of(OTHER_ID, Optional.empty(), 3001, Optional.empty()));
        assertEquals(entries, node.kernel.used(), "not before the grace");
        node.grace();
        assertEquals(entries - (fewest == 1 ? 1 : 2), node.kernel.used(), "the allow may be a bit of a set; one entry each: a deny replaces an allow of the same key");
    }

    /** A pod of another node may have an identity of which this node has not heard: its agent is away, or a moment behind. */
    @Test
    void whoIsNotKnownMayBeWhomARuleDenies() {
        Node node = node();
        String allButBad = "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEntities: [all]}], ingressDeny: [{fromEndpoints: [{matchLabels: {app: bad}}]}]}";
        node.apply("p", allButBad);
        assertEquals(Programs.PASSED, in(80));
        node.publish(CLI, OTHER_ID);
        assertEquals(171, in(80), "nobody says who that is");
        node.control.identities(Map.of(OTHER_ID, Optional.of(pod("other")), 3001, Optional.of(pod("bad"))));
        assertEquals(Programs.PASSED, in(80));
        node.publish(CLI, 3001);
        assertEquals(181, in(80));
        // an agent that starts knows what the tables that it finds know, until its own are in force
        node.identities.put(3002, pod("bad"));
        node.identities.put(3001, pod("bad"));
        node.synced = false;
        node.start();
        node.meetEverybody();
        assertFalse(node.control.opened().isDone());
        assertEquals(181, in(80));
        node.publish(CLI, 3002);
        assertEquals(171, in(80), "the tables in force are those of before");
        node.publish(CLI, CLI_ID);
        assertEquals(Programs.PASSED, in(80));
        node.synced = true;
        node.control.wake();
        node.grace();
        node.publish(CLI, 3002);
        assertEquals(181, in(80));
        node.control.identities(Map.of(3002, Optional.empty()));
        node.grace();
        assertEquals(171, in(80), "it has gone");
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEntities: [all]}]}");
        assertEquals(Programs.PASSED, in(80), "no rule denies labels");
    }

    /** Pods change while a change of rules is under way: who looks second finds nothing to do, but what the first has begun isn't there yet. */
    @Test
    void rulesWaitForClassesThatAreOnTheirWay() {
        Node node = node();
        node.facts.put(CLI, new PeerFact(pod("cli"), Map.of()));
        node.prefixesDone = new CompletableFuture<>();
        node.classesDone = new CompletableFuture<>();
        node.applyNetworkPolicy("p", "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}]}]}");
        node.control.addressesChanged();
        node.prefixesDone.complete(null);
        assertEquals(Map.of(), node.peerClasses);
        assertEquals(Programs.PASSED, in(80), "the rule isn't in force yet");
        node.classesDone.complete(null);
        assertEquals(1, node.control.inForce().policies().size());
        assertEquals(Programs.PASSED, in(80));
        programs.address(CLI, CLI_ID, 0);
        assertEquals(133, in(80), "it is the class that passes");
    }

    /** A pod whose labels have changed comes in under its old identity for a while; rules about its address hold. */
    @Test
    void anAddressKeepsItsClassWhileItsPodChangesItsIdentity() {
        Node node = node();
        node.identities.put(OTHER_ID, pod("other"));
        node.control.identities(Map.of(OTHER_ID, Optional.of(pod("other"))));
        node.facts.put(CLI, new PeerFact(pod("cli"), Map.of()));
        node.applyNetworkPolicy("p", "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}]}]}");
        assertNull(node.problem());
        assertEquals(1, node.peerClasses.size());
        byte[] packet = Programs.packet(CLI, WEB, 6, 80);
        assertEquals(Programs.PASSED, in(packet, CLI_ID));
        assertEquals(Programs.PASSED, in(packet, OTHER_ID));
        assertEquals(133, in(packet, 2), "an outsider with its address");
    }

    @Test
    void prefixesAreThereWhenTheRulesAre() {
        Node node = node();
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDRSet: [{cidr: 1.0.0.0/8, except: [1.2.0.0/16]}]}]}");
        assertNull(node.problem());
        assertEquals(Programs.PASSED, out(OUTSIDE, 443));
        assertEquals(133, out(IpAddress.parse("1.2.3.4"), 443));
        assertEquals(133, out(CLI, 443));
        assertEquals(2, node.prefixes.size());
        node.withdraw("p");
        assertEquals(Programs.PASSED, out(CLI, 443));
        assertEquals(0, node.prefixes.size(), "nobody asks for them any more");
        node.grace();
        assertEquals(0, node.kernel.used());
    }

    @Test
    void peerClassesTellPortsApart() {
        Node node = node();
        node.facts.put(CLI, new PeerFact(pod("cli"), Map.of(new io.patchbay.policy.internal.model.PortName("db", 6), 5432)));
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toEndpoints: [{}], toPorts: [{ports: [{port: db, protocol: TCP}]}]}]}");
        assertNull(node.problem());
        assertEquals(1, node.peerClasses.size());
        assertEquals(Programs.PASSED, out(CLI, 5432));
        assertEquals(133, out(CLI, 5433));
        node.facts.put(CLI, new PeerFact(pod("cli"), Map.of(new io.patchbay.policy.internal.model.PortName("db", 6), 5433)));
        node.control.addressesChanged();
        assertEquals(133, out(CLI, 5432));
        assertEquals(Programs.PASSED, out(CLI, 5433));
        node.grace();
        node.withdraw("p");
        assertEquals(1, node.peerClasses.size(), "packets under way may need it");
        node.grace();
        assertEquals(Map.of(), node.peerClasses);
        assertEquals(0, node.kernel.used());
    }

    @Test
    void nodesAreToldApartByTheirLabels() {
        Node node = node();
        LabelSet remote = LabelSet.of(Label.reserved("remote-node"));
        IpAddress other = IpAddress.parse("192.168.1.3");
        node.publish(CLI, 6);
        node.publish(other, 6);
        node.facts.put(CLI, new PeerFact(remote, Map.of(), Optional.of(LabelSet.of(Label.k8s("zone", "x")))));
        node.facts.put(other, new PeerFact(remote, Map.of(), Optional.of(LabelSet.of(Label.k8s("zone", "y")))));
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toNodes: [{matchLabels: {zone: x}}]}]}");
        assertNull(node.problem());
        assertEquals(2, node.peerClasses.size());
        assertEquals(Programs.PASSED, out(CLI, 443));
        assertEquals(133, out(other, 443));
        node.facts.put(other, new PeerFact(remote, Map.of(), Optional.of(LabelSet.of(Label.k8s("zone", "x")))));
        node.control.addressesChanged();
        assertEquals(Programs.PASSED, out(other, 443), "a node gets another label");
        node.grace();
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toNodes: [{}]}]}");
        assertEquals(Programs.PASSED, out(other, 443), "all nodes: by their identity");
        node.grace();
        assertEquals(Map.of(), node.peerClasses);
        node.withdraw("p");
        node.grace();
        assertEquals(0, node.kernel.used());
    }

    @Test
    void theNodeItselfIsASubject() {
        IpAddress own = IpAddress.parse("192.168.1.1");
        Node node = new Node();
        node.options = PolicyOptions.DEFAULTS.withHostFirewall(true);
        node.start();
        node.meetEverybody();
        LabelSet labels = LabelSet.of(Label.reserved("host"), Label.k8s("zone", "x"));
        Endpoint host = new Endpoint(Endpoint.HOST, "", "", "", "", List.of(own), Programs.IFINDEX, "pb_host", Programs.POD_MAC, Programs.POD_MAC, "", 1, labels,
                Map.of(), Map.of(), 0, 0, Endpoint.State.READY);
        node.endpoints.put(Endpoint.HOST, host);
        node.control.endpoint(host);
        int first = node.endpoints.get(Endpoint.HOST).policyId();
        assertNotEquals(0, first);
        programs.host(own, first, 0);
        String doc = "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: n}, spec: {nodeSelector: {matchLabels: {zone: x}},"
                + " ingress: [{fromEntities: [world], toPorts: [{ports: [{port: '22', protocol: TCP}]}]}]}}";
        PolicyObject p;
        try {
            p = (PolicyObject) ClusterDecoder.standard().decode("test", doc.getBytes(StandardCharsets.UTF_8)).get(0).row();
        } catch (DecodeException e) {
            throw new IllegalStateException(e);
        }
        node.policies.put(p.key(), p);
        node.control.wake();
        assertEquals(Programs.PASSED, programs.run(Programs.NETDEV_INGRESS, Programs.packet(OUTSIDE, own, 6, 22)));
        assertEquals(133, programs.run(Programs.NETDEV_INGRESS, Programs.packet(OUTSIDE, own, 6, 80)));
        assertEquals(Programs.TO_STACK, programs.run(Programs.NETDEV_EGRESS, Programs.packet(own, OUTSIDE, 6, 80)), "egress is open");
        node.endpoints.put(Endpoint.HOST, node.endpoints.get(Endpoint.HOST).withIdentity(1, LabelSet.of(Label.reserved("host"), Label.k8s("zone", "y"))));
        node.control.endpoint(node.endpoints.get(Endpoint.HOST));
        int second = node.endpoints.get(Endpoint.HOST).policyId();
        assertNotEquals(first, second, "another label, another class");
        programs.host(own, second, 0);
        assertEquals(Programs.PASSED, programs.run(Programs.NETDEV_INGRESS, Programs.packet(OUTSIDE, own, 6, 80)), "no rule is about it any more");
    }

    @Test
    void aPodOfOtherLabelsGetsAnotherClass() {
        Node node = node();
        node.apply("p", WEB_FROM_CLI);
        int first = node.endpoints.get(7).policyId();
        node.put(node.endpoints.get(7).withIdentity(OTHER_ID, pod("other")));
        int second = node.endpoints.get(7).policyId();
        assertNotEquals(first, second);
        assertEquals(Programs.PASSED, in(80), "no rule selects it any more");
        node.grace();
        assertFalse(node.kernel.inForce(first), "its old class has gone");
        node.control.endpointGone(7);
        node.grace();
        assertEquals(Map.of(), node.kernel.inForce());
        assertEquals(0, programs.map("policy").count());
    }

    /** What a pod of other labels will be is prepared, and some steps later the kernel's entry says so: until then it goes on as what it was. */
    @Test
    void aPodHasItsTableWhileItBecomesAnother() {
        Node node = node();
        node.identities.put(OTHER_ID, pod("other"));
        node.control.identities(Map.of(OTHER_ID, Optional.of(pod("other"))));
        node.apply("p", WEB_FROM_CLI);
        Endpoint web = node.endpoints.get(7);
        int none = node.control.prepare(web.withIdentity(3001, pod("third")).withState(Endpoint.State.REGENERATING)).join(); // has changed its mind
        int number = node.control.prepare(web.withIdentity(OTHER_ID, pod("other")).withState(Endpoint.State.REGENERATING)).join();
        assertEquals(3, Set.of(web.policyId(), none, number).size());
        node.grace();
        assertEquals(Programs.PASSED, in(8080), "its entry is that of before");
        assertEquals(133, in(80));
        assertFalse(node.kernel.inForce(none));
        node.endpointsDone = new CompletableFuture<>();
        Endpoint other = web.withIdentity(OTHER_ID, pod("other")).withPolicy(number);
        node.control.endpoint(other);
        node.grace();
        assertEquals(Programs.PASSED, in(8080), "it is another, but its entry is still on its way to the kernel");
        node.put(other);
        node.endpointsDone.complete(null);
        assertEquals(Programs.PASSED, in(80));
        node.grace();
        assertEquals(Programs.PASSED, in(80));
        assertEquals(Set.of(number), node.kernel.inForce().keySet(), "what it was has gone");
        node.control.endpointGone(7);
        node.grace();
        assertEquals(Map.of(), node.kernel.inForce());
    }

    @Test
    void oneThatGoesWhileItBecomesAnotherLeavesNothing() {
        Node node = node();
        node.control.prepare(node.endpoints.get(7).withIdentity(OTHER_ID, pod("other")).withState(Endpoint.State.REGENERATING)).join();
        assertEquals(2, node.kernel.inForce().size());
        node.control.endpointGone(7);
        node.grace();
        assertEquals(Map.of(), node.kernel.inForce());
    }

    /** The cluster's table has synced, but who reads identities from it is a moment behind who reads rules. */
    @Test
    void theFirstTablesWaitForEverybodyInTheCluster() {
        Node node = node();
        node.apply("p", WEB_FROM_CLI);
        assertEquals(Programs.PASSED, in(8080));
        node.start();
        node.control.endpointsAre(List.copyOf(node.endpoints.values()));
        node.control.identities(Map.of(1, Optional.of(LabelSet.of(Label.reserved("host")))));
        node.control.wake();
        assertEquals(Programs.PASSED, in(8080), "the tables in force are those of before");
        assertFalse(node.control.opened().isDone());
        node.control.identities(Map.of(WEB_ID, Optional.of(pod("web")), CLI_ID, Optional.of(pod("cli"))));
        assertTrue(node.control.opened().isDone());
        assertEquals(Programs.PASSED, in(8080));
        assertEquals(133, in(80));
    }

    private static final String BLOCK = "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: %s}}]}]}";
    private static final IpAddress CLI2 = IpAddress.parse("10.0.2.20");

    /** Rules change while the agent is away, and allow the same peer in another way: the tables found need the classes found until the new ones are in force. */
    @Test
    void aStartTakesNoClassAwayThatTheTablesFoundNeed() {
        Node node = node();
        node.facts.put(CLI, new PeerFact(pod("cli"), Map.of()));
        node.applyNetworkPolicy("p", BLOCK.formatted("10.0.1.0/24"));
        assertEquals(1, node.peerClasses.size());
        node.synced = false;
        node.start();
        node.meetEverybody();
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{matchLabels: {app: cli}}]}]}");
        node.policies.keySet().removeIf(k -> k.kind().text().equals("NetworkPolicy"));
        node.synced = true;
        node.look = () -> assertEquals(Programs.PASSED, in(80));
        node.control.wake();
        assertTrue(node.control.opened().isDone());
        assertEquals(Programs.PASSED, in(80));
        node.grace();
        assertEquals(Programs.PASSED, in(80));
        assertEquals(Map.of(), node.peerClasses, "nobody asks for them any more");
        assertEquals(node.kernel.used(), programs.map("policy").count());
    }

    /** Two addresses of one class are told apart by rules that came while the agent was away: the tables found judge both as before. */
    @Test
    void aStartTellsApartWhatTheTablesFoundDoNot() {
        Node node = node();
        node.publish(CLI2, CLI_ID);
        node.facts.put(CLI, new PeerFact(pod("cli"), Map.of()));
        node.facts.put(CLI2, new PeerFact(pod("cli"), Map.of()));
        node.applyNetworkPolicy("p", BLOCK.formatted("10.0.0.0/16"));
        assertEquals(node.peerClasses.get(CLI), node.peerClasses.get(CLI2));
        node.synced = false;
        node.start();
        node.meetEverybody();
        node.applyNetworkPolicy("p", BLOCK.formatted("10.0.0.0/16, except: [10.0.2.0/24]"));
        node.synced = true;
        boolean[] looked = {false};
        node.look = () -> {
            assertEquals(Programs.PASSED, in(80));
            if (!node.control.opened().isDone() && !node.peerClasses.get(CLI).equals(node.peerClasses.get(CLI2))) {
                looked[0] = true;
                assertEquals(Programs.PASSED, programs.run(Programs.POD_INGRESS, Programs.packet(CLI2, WEB, 6, 80)), "the rules of before are in force");
            }
        };
        node.control.wake();
        assertTrue(looked[0]);
        assertEquals(Programs.PASSED, in(80));
        assertEquals(133, programs.run(Programs.POD_INGRESS, Programs.packet(CLI2, WEB, 6, 80)));
        node.grace();
        assertEquals(Programs.PASSED, in(80));
        assertEquals(133, programs.run(Programs.POD_INGRESS, Programs.packet(CLI2, WEB, 6, 80)));
        assertEquals(node.kernel.used(), programs.map("policy").count(), "nothing is left of the first run");
    }

    /** The same for prefixes outside. */
    @Test
    void aStartTakesNoPrefixAwayThatTheTablesFoundNeed() {
        Node node = node();
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDR: [1.1.1.0/24]}]}");
        assertEquals(Programs.PASSED, out(OUTSIDE, 443));
        node.synced = false;
        node.start();
        node.meetEverybody();
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDR: [1.1.0.0/16]}]}");
        node.synced = true;
        node.look = () -> assertEquals(Programs.PASSED, out(OUTSIDE, 443));
        node.control.wake();
        assertTrue(node.control.opened().isDone());
        assertEquals(Programs.PASSED, out(OUTSIDE, 443));
        node.grace();
        assertEquals(Set.of(Prefix.parse("1.1.0.0/16")), node.prefixes.keySet());
        assertEquals(Programs.PASSED, out(OUTSIDE, 443));
    }

    @Test
    void classesThatDoNotFitAreAskedForAgain() {
        Node node = node();
        node.facts.put(CLI, new PeerFact(pod("cli"), Map.of(new io.patchbay.policy.internal.model.PortName("db", 6), 5432)));
        node.apply("p", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toEndpoints: [{}], toPorts: [{ports: [{port: db, protocol: TCP}]}]}]}");
        MapHandle map = programs.map("policy");
        Map<Struct, Struct> filler = new HashMap<>();
        for (int i = map.count(); i < map.maxEntries(); i++) filler.put(new Struct(map.key()).set("table_id", 0x7fffffff).set("peer", i), new Struct(map.value()));
        map.putAll(filler);
        node.facts.put(CLI, new PeerFact(pod("cli"), Map.of(new io.patchbay.policy.internal.model.PortName("db", 6), 5433)));
        assertThrows(MapFullException.class, () -> node.control.addressesChanged());
        assertEquals(Programs.PASSED, out(CLI, 5432), "what was in force stays");
        map.deleteAll(filler.keySet());
        node.control.addressesChanged();
        assertEquals(133, out(CLI, 5432));
        assertEquals(Programs.PASSED, out(CLI, 5433));
    }

    @Test
    void whatDoesNotFitLeavesTheLastGoodTables() {
        Node node = node();
        node.apply("p", WEB_FROM_CLI);
        MapHandle map = programs.map("policy");
        Map<Struct, Struct> filler = new HashMap<>();
        for (int i = map.count(); i < map.maxEntries(); i++) filler.put(new Struct(map.key()).set("table_id", 0x7fffffff).set("peer", i), new Struct(map.value()));
        map.putAll(filler);
        node.apply("q", "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{}]}]}");
        assertTrue(node.problem().getMessage().contains("full"), () -> "" + node.problem());
        assertEquals(1, node.later, "it is tried again");
        assertEquals(133, in(80));
        assertEquals(Programs.PASSED, in(8080));
        assertTrue(node.control.identities(Map.of()).isDone());
        map.deleteAll(filler.keySet());
        node.control.wake();
        assertNull(node.problem());
        assertEquals(Programs.PASSED, in(80));
        node.grace();
        assertEquals(node.kernel.used(), map.count());
    }

    @Test
    void aProblemGoesWithThePolicyThatHadIt() {
        Node node = node();
        node.apply("p", WEB_FROM_CLI);
        MapHandle map = programs.map("policy");
        Map<Struct, Struct> filler = new HashMap<>();
        for (int i = map.count(); i < map.maxEntries(); i++) filler.put(new Struct(map.key()).set("table_id", 0x7fffffff).set("peer", i), new Struct(map.value()));
        map.putAll(filler);
        node.apply("q", "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{}]}]}");
        assertTrue(node.problem().getMessage().contains("full"), () -> "" + node.problem());
        node.withdraw("q");
        assertNull(node.problem(), "what is in force is what is wanted again");
        map.deleteAll(filler.keySet());
        assertEquals(Programs.PASSED, in(8080));
    }

    /** Endpoints are found before anybody has said what they are: without labels no policy would select them, and the first tables would open them. */
    @Test
    void anEndpointThatSaysNothingYetIsWhatItWas() {
        Node node = node();
        node.apply("p", WEB_FROM_CLI);
        Endpoint known = node.endpoints.get(7);
        node.endpoints.put(7, known.withIdentity(WEB_ID, LabelSet.empty()).withPod(Map.of(), Map.of()));
        node.start();
        node.meetEverybody();
        assertTrue(node.control.opened().isDone());
        for (int i = 0; i < 2; i++) {
            assertEquals(133, in(80));
            assertEquals(Programs.PASSED, in(8080), "its named port too");
            assertEquals(known.policyId(), node.endpoints.get(7).policyId());
            node.put(node.endpoints.get(7)); // still without a word
            node.grace();
        }
        node.put(known.withIdentity(OTHER_ID, pod("other")));
        assertEquals(Programs.PASSED, in(80), "it says that it is another");
    }

    @Test
    void oneThatNobodyKnowsStaysShut() {
        Node node = node();
        node.apply("p", WEB_FROM_CLI);
        node.endpoints.put(7, node.endpoints.get(7).withIdentity(4711, LabelSet.empty()));
        node.start();
        node.meetEverybody();
        assertTrue(node.control.opened().isDone());
        node.grace();
        assertEquals(203, in(8080));
        node.put(node.endpoints.get(7).withIdentity(WEB_ID, pod("web")).withPod(Map.of(), Map.of("TCP/http", 8080)));
        assertEquals(133, in(80));
        assertEquals(Programs.PASSED, in(8080));
    }

    @Test
    void aRestartKeepsEverythingUntilItKnowsBetter() {
        Node node = node();
        node.apply("p", WEB_FROM_CLI);
        node.apply("e", "{endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDR: [1.0.0.0/8]}]}");
        int number = node.endpoints.get(7).policyId();
        int entries = programs.map("policy").count();
        node.graced.clear(); // killed before it deleted anything
        node.synced = false;
        node.start();
        node.meetEverybody();
        CompletableFuture<?> held = node.control.identities(Map.of(OTHER_ID, Optional.of(pod("other"))));
        assertFalse(held.isDone(), "an identity that the tables found don't know waits");
        Endpoint newcomer = endpoint(0, pod("cli"), CLI_ID, Map.of());
        assertFalse(node.control.prepare(new Endpoint(8, "d", "a", "x", "", List.of(CLI), 1, "lxc", newcomer.mac(), newcomer.mac(), "", CLI_ID, pod("cli"),
                Map.of(), Map.of(), 0, 0, Endpoint.State.REGENERATING)).isDone(), "so does a pod");
        node.grace();
        assertTrue(programs.map("policy").count() >= entries, "nothing is deleted before the sources have synced");
        assertEquals(133, in(80));
        assertEquals(Programs.PASSED, in(8080));
        assertEquals(Programs.PASSED, out(OUTSIDE, 443));
        node.withdraw("e"); // happened while the agent was away
        node.synced = true;
        node.control.wake();
        assertTrue(held.isDone());
        assertEquals(number, node.endpoints.get(7).policyId(), "class numbers stay");
        assertEquals(133, in(80));
        assertEquals(Programs.PASSED, in(8080));
        assertEquals(Programs.PASSED, out(CLI, 443));
        node.grace();
        assertEquals(node.kernel.used(), programs.map("policy").count(), "nothing is left of the first run");
        assertEquals(2, node.kernel.inForce().size());
    }
}
