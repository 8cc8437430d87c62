package io.patchbay.policy.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfObject;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.LoadOptions;
import io.patchbay.bpf.ObjectSpec;
import io.patchbay.bpf.Rcu;
import io.patchbay.bpf.SkbContext;
import io.patchbay.bpf.TestRun;
import io.patchbay.datapath.internal.TestMaps;
import io.patchbay.policy.internal.kernel.KernelTables;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The real programs of a pod's two hooks and of the node's own as one small generation with maps of its own, asked by test runs: parse, source
 * check or receiver, the peer's identity, conntrack if asked for, policy, routing if asked for, end. Without routing, what reaches the end of a pod's hook
 * counts as unroutable (150): that is "policy let it pass".
 */
final class Programs implements AutoCloseable {
    static final int POD_EGRESS = 0;
    static final int POD_INGRESS = 1;
    static final int OVERLAY_INGRESS = 2;
    static final int NETDEV_INGRESS = 3;
    static final int NETDEV_EGRESS = 4;
    static final int HOST_EGRESS = 5;
    static final int PASSED = 150;
    static final int TO_STACK = 2;
    static final int LEFT_ALONE = 7;
    /** The device of test runs. */
    static final int IFINDEX = 1;
    /** PB_EP_HOST. */
    private static final int HOST = 1;
    static final byte[] POD_MAC = {2, 0, 0, 0, 0, 1};
    private static final byte[] OTHER_MAC = {2, 0, 0, 0, 0, 2};
    private static final int[] NO_CODES = new int[256];

    private final Map<String, BpfMap> maps = new LinkedHashMap<>();
    private final Map<String, MapHandle> handles = new LinkedHashMap<>();
    private final List<BpfObject> objects = new ArrayList<>();
    private final Map<String, Integer> places = new LinkedHashMap<>();
    private final Map<Integer, BpfProgram> entries = new HashMap<>();
    final BpfProgram policyEgress;
    final BpfProgram policyIngress;

    private record Stage(String feature, String object, String program, int hook, int order) {
    }

    private static Stage stage(int hook, int order, String feature, String program) {
        return new Stage(feature, switch (feature) {
            case "datapath" -> program.startsWith("end") ? "end" : "parse";
            default -> feature;
        }, program, hook, order);
    }

    private static final List<List<Stage>> CHAINS = List.of(
            List.of(stage(0, 100, "datapath", "parse_pod_egress"), stage(0, 200, "endpoint", "source_check"),
                    stage(0, 450, "identity", "dst_identity_pod_egress"), stage(0, 500, "conntrack", "ct_lookup_pod_egress"),
                    stage(0, 600, "policy", "policy_egress"), stage(0, 700, "conntrack", "ct_commit_pod_egress"),
                    stage(0, 800, "routing", "route_pod_egress"), stage(0, 950, "routing", "leave_pod_egress"),
                    stage(0, 65535, "datapath", "end_pod_egress")),
            List.of(stage(1, 100, "datapath", "parse_pod_ingress"), stage(1, 150, "identity", "src_identity_pod_ingress"),
                    stage(1, 200, "endpoint", "receiver"), stage(1, 300, "conntrack", "ct_lookup_pod_ingress"),
                    stage(1, 400, "policy", "policy_ingress"), stage(1, 500, "conntrack", "ct_commit_pod_ingress"),
                    stage(1, 700, "routing", "deliver"), stage(1, 65535, "datapath", "end_pod_ingress")),
            List.of(stage(2, 100, "datapath", "parse_overlay_ingress"), stage(2, 800, "routing", "route_overlay_ingress"),
                    stage(2, 65535, "datapath", "end_overlay_ingress")),
            List.of(stage(3, 100, "datapath", "parse_netdev_ingress"), stage(3, 450, "identity", "src_identity_netdev_ingress"),
                    stage(3, 800, "routing", "route_netdev_ingress"), stage(3, 65535, "datapath", "end_netdev_ingress")),
            List.of(stage(4, 100, "datapath", "parse_netdev_egress"), stage(4, 150, "node", "host_sender"),
                    stage(4, 200, "conntrack", "ct_lookup_netdev_egress"), stage(4, 220, "policy", "policy_netdev_egress"),
                    stage(4, 250, "conntrack", "ct_commit_netdev_egress"), stage(4, 65535, "datapath", "end_netdev_egress")),
            List.of(stage(5, 100, "datapath", "parse_host_egress"), stage(5, 200, "node", "host_source"),
                    stage(5, 450, "identity", "dst_identity_host_egress"), stage(5, 500, "conntrack", "ct_lookup_host_egress"),
                    stage(5, 600, "policy", "policy_host_egress"), stage(5, 700, "conntrack", "ct_commit_host_egress"),
                    stage(5, 800, "routing", "route_host_egress"), stage(5, 950, "routing", "leave_host_egress"),
                    stage(5, 65535, "datapath", "end_host_egress")));

    /** Without conntrack: every packet asks. */
    Programs() {
        this(false, false);
    }

    Programs(boolean conntrack) {
        this(conntrack, false);
    }

    /** @param routing what passed goes on to where it is for: verdicts of the datapath instead of {@link #PASSED} */
    Programs(boolean conntrack, boolean routing) {
        Map<String, ObjectSpec> specs = new LinkedHashMap<>();
        Map<String, LoadOptions.Builder> options = new LinkedHashMap<>();
        int podIngress = 2 + (int) CHAINS.get(0).stream().filter(s -> conntrack || !s.feature.equals("conntrack"))
                .filter(s -> routing || !s.feature.equals("routing")).count();
        int index = 0;
        for (List<Stage> all : CHAINS) {
            List<Stage> chain = all.stream().filter(s -> conntrack || !s.feature.equals("conntrack"))
                    .filter(s -> routing || !s.feature.equals("routing") || s.program.equals("route_netdev_ingress")).toList();
            for (int i = 0; i < chain.size(); i++) {
                Stage s = chain.get(i);
                specs.computeIfAbsent(s.object, o -> ObjectSpec.parse(compile(s.feature, o)));
                String cfg = "pb_cfg_" + s.program;
                options.computeIfAbsent(s.object, o -> LoadOptions.builder().name(o)).constant(cfg + ".hook", s.hook).constant(cfg + ".order", s.order)
                        .constant(cfg + ".next", index + 1).constant(cfg + ".last", i + 1 == chain.size() ? 1 : 0)
                        .constant(cfg + ".pod_ingress", podIngress);
                places.put(s.program, index++);
            }
        }
        specs.forEach((object, spec) -> {
            LoadOptions.Builder b = options.get(object);
            spec.maps().forEach((name, map) -> b.map(name, maps.computeIfAbsent(name, n -> BpfMap.create(map))));
            for (String program : spec.programs().keySet()) if (!places.containsKey(program)) b.skip(program);
            BpfObject loaded = BpfObject.load(spec, b.build());
            objects.add(loaded);
            loaded.programs().forEach((name, program) -> maps.get("pb_chain").setProgram(places.get(name), program));
        });
        CHAINS.forEach(chain -> entries.put(chain.get(0).hook(), program(chain.get(0).program())));
        policyEgress = program("policy_egress");
        policyIngress = program("policy_ingress");
        MapHandle node = map("node_config");
        node.put(new Struct(node.key()), new Struct(node.value()).set("pb_net_ifindex", IFINDEX).set("pb_host_ifindex", IFINDEX).set("netdev_ifindex", IFINDEX));
    }

    private BpfProgram program(String name) {
        return objects.stream().filter(o -> o.programs().containsKey(name)).findFirst().orElseThrow().program(name);
    }

    private static byte[] compile(String feature, String object) {
        try {
            return Files.readAllBytes(compile(feature).resolve(object + ".o"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Compiles a feature's datapath. @param feature its name, or a directory. @return where the objects are */
    static Path compile(String feature) {
        try {
            Path out = Path.of("target", "test-bpf", Path.of(feature).getFileName().toString());
            Process p = new ProcessBuilder("../../bpf/build", feature, out.toString()).redirectErrorStream(true).start();
            String text = new String(p.getInputStream().readAllBytes());
            if (p.waitFor() != 0) throw new IllegalStateException(text);
            return out;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    MapHandle map(String name) {
        return handles.computeIfAbsent(name, n -> TestMaps.handle(n, maps.get(n).duplicate()));
    }

    /** The tables in these maps, as an agent that starts finds them. */
    KernelTables tables(boolean sctp) {
        return tables(sctp, 64);
    }

    /** A writer on maps that hold no tables and no addresses any more. */
    KernelTables noTables() {
        forgetAddresses();
        KernelTables tables = tables(false);
        tables.inForce().keySet().forEach(tables::removeClass);
        tables.discard(tables.leftovers());
        tables.knowOnly(List.of());
        if (tables.used() != 0 || tables.usedSets() != 0) throw new IllegalStateException(tables.used() + " entries and " + tables.usedSets() + " sets are left");
        return tables;
    }

    /** @param fewest how many peers make a set: 1 makes sets of all pods' identities, a large number none */
    KernelTables tables(boolean sctp, int fewest) {
        return new KernelTables(map("policy"), map("policy_sets"), map("policy_dirs"), map("policy_known"), map("policy_select"), map("policy_sealed"), Rcu::grace, sctp, fewest);
    }

    // ---- what the programs know ------------------------------------------------------------------------------------

    /** The node itself. @param policyId 0: no host firewall */
    void host(IpAddress address, int policyId, int flags) {
        MapHandle m = map("endpoints");
        m.put(new Struct(m.key()).set("", address), new Struct(m.value()).set("ifindex", IFINDEX).set("id", 65535).set("identity", 1)
                .set("policy_id", policyId).set("flags", flags | HOST));
    }

    void endpoint(IpAddress address, int identity, int policyId, int flags) {
        MapHandle m = map("endpoints");
        Struct v = new Struct(m.value()).set("ifindex", IFINDEX).set("id", 7).set("mac", POD_MAC).set("identity", identity).set("policy_id", policyId)
                .set("flags", flags);
        m.put(new Struct(m.key()).set("", address), v);
    }

    void address(IpAddress address, int identity, int peerClass) {
        MapHandle m = map("ipcache");
        m.put(new Struct(m.key()).set("", address), new Struct(m.value()).set("identity", identity).set("peer_class", peerClass));
    }

    void prefix(Prefix prefix, int identity) {
        MapHandle m = map("ipcache_prefixes");
        m.put(new Struct(m.key()).set("prefixlen", prefix.mappedLength()).set("addr", prefix.address()), new Struct(m.value()).set("identity", identity));
    }

    void forgetAddresses() {
        for (String name : List.of("endpoints", "ipcache", "ipcache_prefixes")) map(name).deleteAll(map(name).entries().keySet());
    }

    void forgetConnections() {
        for (String name : List.of("ct4", "ct6")) map(name).deleteAll(map(name).entries().keySet());
    }

    // ---- asking ----------------------------------------------------------------------------------------------------

    /** Runs a packet through a hook. @return the code that it left with */
    int run(int hook, byte[] packet) {
        return run(hook, packet, 0);
    }

    int run(int hook, byte[] packet, int mark) {
        int[] before = codes(hook);
        TestRun run = entries.get(hook).testRun(packet, context(hook).withMark(mark), 1);
        int[] after = codes(hook);
        int code = -1;
        for (int i = 0; i < after.length; i++) {
            if (after[i] == before[i]) continue;
            if (after[i] != before[i] + 1 || code >= 0) throw new IllegalStateException("counted more than one verdict for one packet");
            code = i;
        }
        if (code < 0 || (code >= 128) != (run.verdict() == 2)) throw new IllegalStateException("counted " + code + ", TC action " + run.verdict());
        return code;
    }

    /** Hands the policy stage a packet that parse has seen, as if its source were this identity. */
    void ingressAs(byte[] packet, int identity) {
        // parse fills the scratch, which stays on the CPU; the stages before policy would find the identity of the address
        maps.get("pb_chain").setProgram(places.get("src_identity_pod_ingress"), program("receiver"));
        try {
            entries.get(POD_INGRESS).testRun(packet, SkbContext.EMPTY.withCb(List.of(POD_INGRESS << 8, identity, 0, 0, 0)), 1);
        } finally {
            maps.get("pb_chain").setProgram(places.get("src_identity_pod_ingress"), program("src_identity_pod_ingress"));
        }
    }

    /** Until closed, what the sender's policy passes is put to the same pod's ingress policy, in the same pass. */
    Runnable askTwice() {
        maps.get("pb_chain").setProgram(places.get("end_pod_egress"), policyIngress);
        return () -> maps.get("pb_chain").setProgram(places.get("end_pod_egress"), program("end_pod_egress"));
    }

    /** Until run, the sender's packets go past policy. */
    Runnable withoutPolicy() {
        String behind = places.containsKey("ct_commit_pod_egress") ? "ct_commit_pod_egress" : "end_pod_egress";
        maps.get("pb_chain").setProgram(places.get("policy_egress"), program(behind));
        return () -> maps.get("pb_chain").setProgram(places.get("policy_egress"), policyEgress);
    }

    /** Until run, each packet of the sender's goes to one of so many addresses, from this one on, whatever it says. */
    Runnable randomPeers(int first, int count) {
        if (!places.containsKey("random_peer")) {
            int at = places.size();
            ObjectSpec spec = ObjectSpec.parse(compile(Path.of("src", "test", "bpf").toAbsolutePath().toString(), "random_peer"));
            LoadOptions.Builder b = LoadOptions.builder().name("random_peer").constant("pb_cfg_random_peer.next", at);
            spec.maps().forEach((name, map) -> b.map(name, maps.computeIfAbsent(name, n -> BpfMap.create(map))));
            objects.add(BpfObject.load(spec, b.build()));
            places.put("random_peer", at);
            maps.get("pb_chain").setProgram(at, program("dst_identity_pod_egress"));
        }
        MapHandle m = map("random_peers");
        m.put(new Struct(m.key()).set("", 0), new Struct(m.value()).set("first", first).set("count", count).set("state", 1));
        maps.get("pb_chain").setProgram(places.get("dst_identity_pod_egress"), program("random_peer"));
        return () -> maps.get("pb_chain").setProgram(places.get("dst_identity_pod_egress"), program("dst_identity_pod_egress"));
    }

    /** Packets by verdict code, all CPUs. */
    int[] codes(int hook) {
        int[] codes = NO_CODES.clone();
        BpfMap out = maps.get("pb_out");
        for (int code = 0; code < codes.length; code++) {
            ByteBuffer b = out.lookup(hook * 4 * 256 + code);
            for (int cpu = 0; cpu < BpfMap.possibleCpus(); cpu++) codes[code] += (int) b.getLong(cpu * out.slotSize());
        }
        return codes;
    }

    /** Runs many times. @return mean nanoseconds */
    int time(int hook, byte[] packet, int repeat) {
        return entries.get(hook).testRun(packet, context(hook), repeat).durationNs();
    }

    static SkbContext context(int hook) {
        return SkbContext.EMPTY.withCb(List.of(hook << 8, 0, 0, 0, 0));
    }

    /** The first packet of a connection. @param port destination port; ICMP: type in bits 8 to 15, code in bits 0 to 7 */
    static byte[] packet(IpAddress from, IpAddress to, int protocol, int port) {
        boolean v4 = from.isV4();
        byte[] l4 = new byte[28];
        ByteBuffer t = ByteBuffer.wrap(l4);
        if (protocol == 1 || protocol == 58) t.put((byte) (port >>> 8)).put((byte) port);
        else t.putShort((short) 40000).putShort((short) port);
        if (protocol == 6) l4[13] = 2;
        ByteBuffer b = ByteBuffer.allocate(14 + (v4 ? 20 : 40) + l4.length);
        b.put(OTHER_MAC).put(POD_MAC).putShort((short) (v4 ? 0x0800 : 0x86dd));
        if (v4) {
            b.put((byte) 0x45).put((byte) 0).putShort((short) (20 + l4.length)).putInt(0).put((byte) 64).put((byte) protocol).putShort((short) 0)
                    .putInt(from.v4Bits()).putInt(to.v4Bits());
        } else {
            b.putInt(0x60000000).putShort((short) l4.length).put((byte) protocol).put((byte) 64).put(from.toBytes()).put(to.toBytes());
        }
        return b.put(l4).array();
    }

    /** The same packet's answer: addresses and ports the other way round; TCP with SYN and ACK. */
    static byte[] answer(byte[] packet) {
        byte[] a = packet.clone();
        boolean v4 = a[12] == 8;
        int at = 14 + (v4 ? 12 : 8);
        int n = v4 ? 4 : 16;
        System.arraycopy(packet, at, a, at + n, n);
        System.arraycopy(packet, at + n, a, at, n);
        int l4 = 14 + (v4 ? 20 : 40);
        int protocol = a[v4 ? 23 : 20];
        if (protocol == 1) {
            a[l4] = 0;
            return a;
        }
        System.arraycopy(packet, l4, a, l4 + 2, 2);
        System.arraycopy(packet, l4 + 2, a, l4, 2);
        if (protocol == 6) a[l4 + 13] = 0x12;
        return a;
    }

    @Override
    public void close() {
        handles.values().forEach(h -> {
            try {
                ((AutoCloseable) h).close();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        objects.forEach(BpfObject::close);
        maps.values().forEach(BpfMap::close);
    }
}
