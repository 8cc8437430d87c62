package io.patchbay.cni.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.TableId;
import io.patchbay.api.cni.CniHandler;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.EndpointStep;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.NamespaceThread;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.Route;
import io.patchbay.netlink.Sysctl;
import io.patchbay.tables.internal.TableFeed;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pods from ADD to DEL on real devices, in namespaces of the test's own; the maps are in memory, the datapath is not attached. */
@Tag("root")
class PodLifeTest {
    private static final String PREFIX = "pbt-cni-";
    private static final Path NODE = Path.of("/run/netns/" + PREFIX + "node");
    private static final String CONFIG = "{\"cniVersion\":\"1.1.0\",\"name\":\"patchbay\",\"type\":\"patchbay-cni\"}";

    @TempDir
    Path state;
    private final Map<String, MapHandle> maps = new HashMap<>();
    private final Map<Long, LabelSet> claimed = new ConcurrentHashMap<>();
    private final List<String> missing = new CopyOnWriteArrayList<>();
    private TableFeed feed;
    private TestNode node;

    @BeforeAll
    @AfterAll
    static void sweep() throws Exception {
        List<String> names;
        if (!Files.isDirectory(NODE.getParent())) return;
        try (var list = Files.list(NODE.getParent())) {
            names = list.map(p -> p.getFileName().toString()).filter(n -> n.startsWith(PREFIX)).toList();
        }
        for (String n : names) sh("ip", "netns", "del", n);
    }

    @BeforeEach
    void start() throws Exception {
        sh("ip", "netns", "add", PREFIX + "node");
        for (String command : List.of("link set lo up", "link add eth0 type veth peer name uplink", "link set uplink up", "addr add 192.0.2.1/24 dev eth0", "link set eth0 up",
                "route add default via 192.0.2.254")) {
            List<String> words = new ArrayList<>(List.of("ip", "-n", PREFIX + "node"));
            words.addAll(List.of(command.split(" ")));
            sh(words.toArray(String[]::new));
        }
        NamespaceThread.call(NODE, () -> {
            Sysctl.write("net/ipv4/conf/all/rp_filter", "1");
            return null;
        });
        for (String[] m : new String[][] {{"endpoint", "endpoints"}, {"identity", "ipcache"}, {"identity", "ipcache_prefixes"}, {"node", "node_config"}}) {
            byte[] object = getClass().getResourceAsStream("/bpf/" + m[0] + ".o").readAllBytes();
            maps.put(m[1], new MemoryMap(object, m[1]));
        }
        feed = new TableFeed();
        feed.commit(t -> {
            t.upsert(TableId.NAMESPACES, new Namespace("default", Map.of("kubernetes.io/metadata.name", "default"), Map.of()));
            t.upsert(TableId.NODES, new Node("n1", Map.of(), Map.of(), List.of(ip("192.0.2.1")), List.of(Prefix.parse("10.9.1.0/28"))));
            t.upsert(TableId.NODES, new Node("n2", Map.of(), Map.of(), List.of(ip("192.0.2.2")), List.of(Prefix.parse("10.9.2.0/24"))));
            t.upsert(TableId.PODS, Pod.builder("default", "far").nodeName("n2").ips(List.of(ip("10.9.2.7"))).labels(Map.of("app", "web")).build());
            for (int i = 1; i <= 14; i++) t.upsert(TableId.PODS, pod(i, "web").build());
            TableId.all().forEach(t::synced);
        });
        node = boot();
    }

    @AfterEach
    void stop() throws Exception {
        if (node != null) node.close();
        if (feed != null) feed.close();
        sweep();
    }

    private TestNode boot() throws Exception {
        EndpointStep step = new EndpointStep() {
            @Override
            public CompletableFuture<Endpoint> prepare(Endpoint e) {
                return CompletableFuture.completedFuture(e.withPolicy(77));
            }

            @Override
            public void forget(Endpoint e) {
            }
        };
        TestNode n = NamespaceThread.call(NODE, () -> new TestNode(feed.tables(), state, maps, this::claim, () -> 50, step, missing));
        until(() -> n.ready.containsAll(List.of("node", "ipam", "identity", "endpoint", "cni")), "all ready: " + n.ready);
        return n;
    }

    private IdentityClaims.Result claim(long number, LabelSet labels) {
        LabelSet holder = claimed.putIfAbsent(number, labels);
        if (holder != null && !holder.equals(labels)) return new IdentityClaims.TakenBy(holder);
        return new IdentityClaims.Claimed();
    }

    private static Pod.Builder pod(int i, String app) {
        return Pod.builder("default", "p" + i).uid("uid-" + i).nodeName("n1").labels(Map.of("app", app)).serviceAccount("default");
    }

    private static IpAddress ip(String text) {
        return IpAddress.parse(text);
    }

    private static Path netns(int i) {
        return Path.of("/run/netns/" + PREFIX + "p" + i);
    }

    private CniHandler.Result cni(String command, int i, String config) {
        Map<String, String> environment = Map.of("CNI_COMMAND", command, "CNI_CONTAINERID", "container" + i, "CNI_IFNAME", "eth0", "CNI_NETNS",
                netns(i).toString(), "CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p" + i + ";K8S_POD_UID=uid-" + i);
        return node.cni.handle(environment, config.getBytes(StandardCharsets.UTF_8));
    }

    private JsonObject add(int i) throws Exception {
        if (!Files.exists(netns(i))) sh("ip", "netns", "add", PREFIX + "p" + i);
        CniHandler.Result r = cni("ADD", i, CONFIG);
        assertEquals(0, r.exit(), r.stdout());
        return json(r.stdout());
    }

    private static JsonObject json(String text) {
        return Json.createReader(new StringReader(text)).readObject();
    }

    private static IpAddress address(JsonObject result) {
        return ip(result.getJsonArray("ips").getJsonObject(0).getString("address").replace("/32", ""));
    }

    private Optional<Struct> entry(String map, IpAddress a) {
        MapHandle m = maps.get(map);
        return m.lookup(new Struct(m.key()).set("", a));
    }

    private static void until(BooleanSupplier fact, String what) {
        long end = System.nanoTime() + 20_000_000_000L;
        while (!fact.getAsBoolean()) {
            if (System.nanoTime() > end) throw new AssertionError("never: " + what);
            LockSupport.parkNanos(2_000_000);
        }
    }

    private static void sh(String... command) throws Exception {
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), String.join(" ", command) + ": " + out);
    }

    @Test
    void theNodeHasItsDevicesRoutesAndAddresses() throws Exception {
        try (NetlinkSocket s = NetlinkSocket.open(NODE)) {
            Link host = s.links().get("pb_host");
            Link net = s.links().get("pb_net");
            assertTrue(host.isUp() && host.isNoArp() && net.isUp() && net.isNoArp());
            assertEquals(List.of(ip("10.9.1.1")), s.addresses().list(host.index()).stream().map(a -> a.address()).filter(IpAddress::isV4).toList());
            Map<String, Integer> routes = new HashMap<>();
            for (Route r : s.routes().list()) if (r.linkIndex() == host.index()) routes.put(r.destination().toString(), r.mtu());
            assertEquals(0, routes.get("10.9.1.0/28"));
            assertEquals(1450, routes.get("10.9.2.0/24"));
            NamespaceThread.call(NODE, () -> {
                assertEquals("0", Sysctl.read("net/ipv4/conf/all/rp_filter").trim());
                assertEquals("0", Sysctl.read("net/ipv4/conf/pb_net/rp_filter").trim());
                assertEquals("1", Sysctl.read("net/ipv4/conf/eth0/rp_filter").trim());
                return null;
            });
            MapHandle config = maps.get("node_config");
            Struct c = config.entries().values().iterator().next();
            assertEquals(ip("10.9.1.1"), c.address("router_ip4"));
            assertEquals(host.index(), c.get("pb_host_ifindex"));
            // a restart finds everything right and touches nothing
            node.close();
            node = boot();
            assertEquals(host, s.links().get("pb_host"));
            // what somebody deletes comes back
            s.routes().delete(Route.to(Prefix.parse("10.9.2.0/24"), host.index()));
            feed.commit(t -> t.upsert(TableId.NODES, new Node("n3", Map.of(), Map.of(), List.of(ip("192.0.2.3")), List.of(Prefix.parse("10.9.3.0/24")))));
            until(() -> s.routes().list().stream().map(r -> r.destination().toString()).toList().containsAll(List.of("10.9.2.0/24", "10.9.3.0/24")),
                    "routes");
            feed.commit(t -> t.delete(TableId.NODES, "n3"));
            until(() -> s.routes().list().stream().noneMatch(r -> r.destination().toString().equals("10.9.3.0/24")), "route of n3 gone");
        }
        assertEquals(1, entry("endpoints", ip("192.0.2.1")).orElseThrow().get("flags"));
        until(() -> entry("ipcache", ip("192.0.2.2")).filter(v -> v.get("identity") == 6).isPresent(), "remote node");
        assertEquals(1, entry("ipcache", ip("10.9.1.1")).orElseThrow().get("identity"));
    }

    @Test
    void addMakesAPodThatIsCompleteAndDelTakesAllOfItAway() throws Exception {
        JsonObject result = add(1);
        IpAddress a = address(result);
        assertEquals("1.1.0", result.getString("cniVersion"));
        assertEquals("10.9.1.1", result.getJsonArray("ips").getJsonObject(0).getString("gateway"));
        assertEquals(1450, result.getJsonArray("routes").getJsonObject(1).getInt("mtu"));
        String device = result.getJsonArray("interfaces").getJsonObject(0).getString("name");
        assertTrue(device.matches("lxc[0-9a-f]{12}"), device);
        try (NetlinkSocket in = NetlinkSocket.open(netns(1)); NetlinkSocket s = NetlinkSocket.open(NODE)) {
            Link eth = in.links().get("eth0");
            assertTrue(eth.isUp() && s.links().get(device).isUp());
            assertEquals(1500, eth.mtu());
            assertEquals(List.of(a), in.addresses().list(eth.index()).stream().map(x -> x.address()).toList(), "and no address of its own making");
            Route all = in.routes().list().stream().filter(r -> r.destination().length() == 0).findFirst().orElseThrow();
            assertEquals(ip("10.9.1.1"), all.gateway());
            assertEquals(1450, all.mtu());
            assertTrue(in.neighbours().list(eth.index()).stream().anyMatch(n -> n.isPermanent() && n.address().equals(ip("10.9.1.1"))
                    && n.mac().equals(s.links().get(device).mac())));
            Struct e = entry("endpoints", a).orElseThrow();
            assertEquals(s.links().get(device).index(), e.get("ifindex"));
            assertEquals(77, e.get("policy_id"));
            assertEquals(0, e.get("flags"));
            assertEquals(e.get("identity"), entry("ipcache", a).orElseThrow().get("identity"));
            assertTrue(node.attachedTooLate.isEmpty());

            assertEquals(result, add(1), "again: the same");
            assertEquals(0, cni("CHECK", 1, CONFIG).exit(), cni("CHECK", 1, CONFIG).stdout());
            in.routes().delete(all);
            JsonObject broken = json(cni("CHECK", 1, CONFIG).stdout());
            assertEquals(101, broken.getInt("code"));
            assertTrue(broken.getString("msg").contains("no default route via 10.9.1.1"), broken.toString());

            assertEquals(0, cni("DEL", 1, CONFIG).exit());
            assertTrue(s.links().find(device).isEmpty());
        }
        assertTrue(entry("endpoints", a).isEmpty() && entry("ipcache", a).isEmpty());
        assertEquals(Map.of(), node.pool.allocations());
        assertEquals(0, cni("DEL", 1, CONFIG).exit(), "unknown is success");
        assertEquals(0, cni("DEL", 9, CONFIG).exit());
        assertNotEquals(a, address(add(2)), "it rests");
    }

    @Test
    void parallelCallsAndExhaustion() throws Exception {
        for (int i = 1; i <= 14; i++) sh("ip", "netns", "add", PREFIX + "p" + i);
        List<Thread> callers = new ArrayList<>();
        Map<Integer, CniHandler.Result> results = new ConcurrentHashMap<>();
        List<Long> nanos = new CopyOnWriteArrayList<>();
        for (int i = 1; i <= 13; i++) {
            int number = i;
            Thread t = new Thread(() -> {
                long begin = System.nanoTime();
                results.put(number, cni("ADD", number, CONFIG));
                nanos.add(System.nanoTime() - begin);
            });
            callers.add(t);
            t.start();
        }
        for (Thread t : callers) t.join();
        results.values().forEach(r -> assertEquals(0, r.exit(), r.stdout()));
        assertEquals(13, results.values().stream().map(r -> address(json(r.stdout()))).distinct().count());
        System.out.println("13 parallel ADDs, ms: " + nanos.stream().map(n -> n / 1_000_000).sorted().toList());
        JsonObject error = json(cni("ADD", 14, CONFIG).stdout());
        assertEquals(102, error.getInt("code"));
        assertEquals("no address left in 10.9.1.0/28: 13 of 13 in use (13 pods)", error.getString("msg"));
        assertEquals("IPv4: 14/14 allocated from 10.9.1.0/28, ", node.rows().stream().filter(r -> r.label().equals("IPAM")).findFirst().orElseThrow()
                .cells().get(0));
        String gc = "{\"cniVersion\":\"1.1.0\",\"name\":\"patchbay\",\"cni.dev/valid-attachments\":[{\"containerID\":\"container3\",\"ifname\":\"eth0\"}]}";
        CniHandler.Result r = node.cni.handle(Map.of("CNI_COMMAND", "GC"), gc.getBytes(StandardCharsets.UTF_8));
        assertEquals(0, r.exit(), r.stdout());
        assertEquals(List.of("default/p3"), node.endpoints.list().stream().map(Endpoint::name).toList());
        assertEquals(1, node.pool.allocations().size());
    }

    @Test
    void aRestartKeepsPodsAndCleansUpAfterThoseThatWentMeanwhile() throws Exception {
        IpAddress stays = address(add(1));
        IpAddress goes = address(add(2));
        Struct before = entry("endpoints", stays).orElseThrow();
        int id = node.endpoints.byAddress(stays).orElseThrow().id();
        node.close();
        sh("ip", "netns", "del", PREFIX + "p2");
        try (NetlinkSocket s = NetlinkSocket.open(NODE)) {
            until(() -> s.links().list().stream().filter(l -> l.name().startsWith("lxc")).count() == 1, "device gone with its namespace");
        }
        node = boot();
        Endpoint e = node.endpoints.byAddress(stays).orElseThrow();
        assertEquals(id, e.id());
        until(() -> node.endpoints.byAddress(stays).orElseThrow().labels().toString().contains("app=web"), "labels known again");
        assertEquals(before, entry("endpoints", stays).orElseThrow());
        assertEquals(0, cni("CHECK", 1, CONFIG).exit(), cni("CHECK", 1, CONFIG).stdout());
        until(() -> entry("endpoints", goes).isEmpty() && node.pool.allocations().size() == 1, "cleaned up");
        assertEquals(1, node.identity.references(e.identity()));
    }

    @Test
    void aLostRecordDoesNotLoseThePod() throws Exception {
        IpAddress a = address(add(1));
        Struct before = entry("endpoints", a).orElseThrow();
        int id = node.endpoints.byAddress(a).orElseThrow().id();
        node.close();
        Files.writeString(state.resolve("endpoint/" + id + ".json"), "{\"id\":");
        node = boot();
        assertEquals(before, entry("endpoints", a).orElseThrow());
        assertEquals(id, node.endpoints.byAddress(a).orElseThrow().id());
        assertEquals(0, cni("DEL", 1, CONFIG).exit());
        assertTrue(entry("endpoints", a).isEmpty());
    }

    @Test
    void newLabelsGiveANewIdentityEverywhere() throws Exception {
        IpAddress a = address(add(1));
        long old = entry("endpoints", a).orElseThrow().get("identity");
        feed.commit(t -> t.upsert(TableId.PODS, pod(1, "db").ips(List.of(a)).build()));
        until(() -> entry("endpoints", a).orElseThrow().get("identity") != old, "new identity");
        long now = entry("endpoints", a).orElseThrow().get("identity");
        assertEquals(now, entry("ipcache", a).orElseThrow().get("identity"), "the ipcache first");
        assertTrue(node.identity.labels((int) now).orElseThrow().toString().contains("k8s:app=db"));
        feed.commit(t -> t.upsert(TableId.NAMESPACES, new Namespace("default", Map.of("kubernetes.io/metadata.name", "default", "team", "x"), Map.of())));
        until(() -> entry("endpoints", a).orElseThrow().get("identity") != now, "and for its namespace's labels");
        until(() -> node.identity.references((int) now) == 0 && node.identity.references((int) old) == 0, "old ones are let go");
    }

    @Test
    void podsOfOtherNodesComeThroughTheirTunnelOnceTheirIdentityIsKnown() throws Exception {
        IpAddress far = ip("10.9.2.7");
        assertTrue(entry("ipcache", far).isEmpty(), "nobody has claimed the identity yet");
        assertEquals(2, node.identity.lookup(far).map(Ipcache.Entry::identity).orElseThrow(), "but its packets find the way");
        feed.commit(t -> t.upsert(TableId.IDENTITIES, new CiliumIdentity(4711, labelsOfFar())));
        until(() -> entry("ipcache", far).isPresent(), "known");
        Struct v = entry("ipcache", far).orElseThrow();
        assertEquals(4711, v.get("identity"));
        assertEquals(ip("192.0.2.2"), v.address("tunnel"));
        assertEquals(1, v.get("flags"));
        feed.commit(t -> t.delete(TableId.PODS, new io.patchbay.api.cluster.ObjectKey("default", "far")));
        until(() -> entry("ipcache", far).isEmpty(), "gone");
    }

    private LabelSet labelsOfFar() {
        Pod row = feed.tables().pods().get(new io.patchbay.api.cluster.ObjectKey("default", "far")).orElseThrow();
        return node.identity.labelsOf(row, feed.tables().namespaces().get("default").orElseThrow());
    }

    /** A pod of another node gets other labels while no agent is here: policy's tables of before may never have heard of what it is now. */
    @Test
    void aStartGivesOtherNodesPodsTheirNewIdentityOnceEveryFeatureRuns() throws Exception {
        IpAddress far = ip("10.9.2.7");
        feed.commit(t -> t.upsert(TableId.IDENTITIES, new CiliumIdentity(4711, labelsOfFar())));
        until(() -> entry("ipcache", far).isPresent(), "known");
        node.close();
        feed.commit(t -> t.upsert(TableId.PODS, Pod.builder("default", "far").nodeName("n2").ips(List.of(far)).labels(Map.of("app", "db")).build()));
        feed.commit(t -> t.upsert(TableId.IDENTITIES, new CiliumIdentity(4712, labelsOfFar())));
        missing.add("policy");
        node = boot();
        assertEquals(4711, entry("ipcache", far).orElseThrow().get("identity"));
        assertEquals(ip("192.0.2.2"), entry("ipcache", far).orElseThrow().address("tunnel"));
        missing.clear();
        until(() -> entry("ipcache", far).orElseThrow().get("identity") == 4712, "what it is now");
    }

    @Test
    void aPrefixHasItsIdentityOnceThatIsInForce() throws Exception {
        Prefix prefix = Prefix.parse("198.51.100.0/24");
        CompletableFuture<Object> written = new CompletableFuture<>();
        Identities.Listener tables = new Identities.Listener() {
            @Override
            public void changed(Map<Integer, Optional<LabelSet>> changes) {
            }

            @Override
            public CompletableFuture<?> apply(Map<Integer, Optional<LabelSet>> changes) {
                return changes.size() == 1 ? written : CompletableFuture.completedFuture(null);
            }
        };
        try (AutoCloseable follower = node.identity.subscribe(Runnable::run, tables)) {
            CompletableFuture<Map<Prefix, Integer>> published = node.identity.requirePrefixes("test", Set.of(prefix));
            assertEquals(Optional.empty(), node.identity.lookup(prefix.address()));
            assertFalse(published.isDone());
            written.complete(null);
            int number = published.get().get(prefix);
            assertEquals(number, node.identity.lookup(prefix.address()).orElseThrow().identity());
            MapHandle map = maps.get("ipcache_prefixes");
            assertEquals(number, map.lookup(new Struct(map.key()).set("prefixlen", prefix.mappedLength()).set("addr", prefix.address())).orElseThrow().get("identity"));
        }
    }

    @Test
    void addWaitsForTheClustersWord() throws Exception {
        sh("ip", "netns", "add", PREFIX + "p20");
        JsonObject error = json(cni("ADD", 20, CONFIG).stdout());
        assertEquals(11, error.getInt("code"));
        assertTrue(error.getString("msg").contains("default/p20 (uid-20) is not known yet"), error.toString());
        CompletableFuture<CniHandler.Result> result = CompletableFuture.supplyAsync(() -> cni("ADD", 20, CONFIG));
        feed.commit(t -> t.upsert(TableId.PODS, pod(20, "web").build()));
        assertEquals(0, result.get().exit(), result.get().stdout());
        assertFalse(node.pool.allocations().isEmpty());
    }

    @Test
    void anAddThatFailsLeavesNothing() throws Exception {
        JsonObject error = json(cni("ADD", 5, CONFIG).stdout());
        assertEquals(100, error.getInt("code"), "there is no such namespace: " + error);
        assertTrue(node.endpoints.list().isEmpty());
        assertTrue(node.pool.allocations().isEmpty());
        try (var files = Files.list(state.resolve("endpoint"))) {
            assertEquals(List.of(), files.toList());
        }
        assertEquals(0, claimed.keySet().stream().mapToInt(n -> node.identity.references(n.intValue())).sum());
    }
}
