package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfObject;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.LoadOptions;
import io.patchbay.bpf.ObjectSpec;
import io.patchbay.bpf.TestRun;
import io.patchbay.policy.internal.SeenPacket.Kind;
import io.patchbay.policy.internal.table.PolicyMap;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Packets at random, most of them malformed, into each hook of a whole generation. Whatever they are: each is counted in and out once, none finds a hole, none is
 * left to the kernel where pods are concerned, and none goes on that {@link SeenPacket} says a receiver would take for a connection that policy denies.
 * {@code -Dpatchbay.fuzz.packets=N} for longer runs, {@code -Dpatchbay.fuzz.seed=N} to repeat one.
 */
@Tag("root")
class ChainFuzzTest {
    private static final long SEED = Long.getLong("patchbay.fuzz.seed", System.nanoTime());
    private static final int PACKETS = Integer.getInteger("patchbay.fuzz.packets", 30_000);
    private static final int SHOT = 2;
    private static final int HOLE = 255;
    private static final int DELIVERED = 1;
    private static final int TO_STACK = 2;
    /** The node itself. */
    private static final int HOST = 1;
    private static final int OTHER = 6;
    private static final int HOST_CLASS = 3;
    private static final int A = 300;
    private static final int B = 301;
    private static final int REMOTE = 302;
    private static final int WORLD = 2;
    private static final byte[] MAC_A = {2, 0, 0, 0, 0, 1};
    private static final byte[] MAC_B = {2, 0, 0, 0, 0, 3};
    private static final byte[] MAC_NODE = {2, 0, 0, 0, 0, 2};
    private static final List<IpAddress> A_IPS = ips("10.0.0.10", "fd00::10");
    private static final List<IpAddress> B_IPS = ips("10.0.0.20", "fd00::20");
    private static final List<IpAddress> REMOTE_IPS = ips("10.0.1.5", "fd00:1::5");
    private static final List<IpAddress> WORLD_IPS = ips("8.8.8.8", "2001:db8::8");
    private static final List<IpAddress> NODE_IPS = ips("192.168.0.1", "fd00:2::1");
    private static final List<IpAddress> OTHER_NODE = ips("192.168.0.2", "fd00:2::2");
    /** pod, direction, peer, protocol, port or type: the rules, as tables and as the answer. */
    private static final Set<List<Integer>> RULES = new HashSet<>();

    static {
        for (int[] r : new int[][] {{A, 1, B, 6, 80}, {A, 1, B, 17, 53}, {A, 1, B, 132, 80}, {A, 1, B, 1, 8}, {A, 1, B, 58, 128}, {A, 1, REMOTE, 6, 443}, {A, 1, WORLD, 17, 443},
            {A, 0, WORLD, 17, 53}, {A, 0, B, 6, 22}, {B, 0, A, 6, 80}, {B, 0, A, 17, 53}, {B, 0, A, 132, 80}, {B, 0, A, 1, 8}, {B, 0, A, 58, 128}, {B, 0, REMOTE, 6, 80},
            {B, 0, WORLD, 6, 443}, {B, 1, A, 6, 22}, {A, 0, HOST, 6, 80}, {B, 0, HOST, 17, 53}, {B, 0, HOST, 1, 8}, {B, 0, HOST, 58, 128}, {HOST, 1, A, 6, 80}, {HOST, 1, A, 17, 53},
            {HOST, 1, B, 17, 53}, {HOST, 1, B, 1, 8}, {HOST, 1, B, 58, 128}, {HOST, 1, REMOTE, 6, 443}, {HOST, 1, REMOTE, 132, 80}, {HOST, 1, WORLD, 6, 443}, {HOST, 1, WORLD, 17, 53},
            {HOST, 1, WORLD, 1, 8}, {HOST, 1, WORLD, 58, 128}, {HOST, 1, OTHER, 6, 22}}) {
            RULES.add(Arrays.stream(r).boxed().toList());
        }
    }

    private static WholeNode node;
    private static BpfObject tunnel;
    private static BpfMap tunnelPreamble;

    private final Random random = new Random(SEED);
    /** What each pod's side of conntrack may know: pod's address, peer's, protocol, pod's port, peer's. */
    private final Set<List<Object>> connections = new HashSet<>();
    private final Set<List<Object>> firstFragments = new HashSet<>();
    private final Map<String, Integer> seen = new HashMap<>();

    private static List<IpAddress> ips(String... text) {
        return Arrays.stream(text).map(IpAddress::parse).toList();
    }

    @BeforeAll
    static void up() throws IOException {
        node = new WholeNode("fuzz");
        for (IpAddress ip : A_IPS) endpoint(ip, A, 1, MAC_A);
        for (IpAddress ip : B_IPS) endpoint(ip, B, 2, MAC_B);
        for (IpAddress ip : A_IPS) address(ip, A, 4, null);
        for (IpAddress ip : B_IPS) address(ip, B, 4, null);
        for (IpAddress ip : REMOTE_IPS) address(ip, REMOTE, 1, OTHER_NODE.get(0));
        for (IpAddress ip : NODE_IPS) address(ip, 1, 2, null);
        for (IpAddress ip : OTHER_NODE) address(ip, 6, 2, null);
        MapHandle config = node.map("node_config");
        config.put(new Struct(config.key()).set("", 0), new Struct(config.value()).set("node_ip4", NODE_IPS.get(0)).set("node_ip6", NODE_IPS.get(1))
                .set("pod_cidr4", IpAddress.parse("10.0.0.0")).set("pod_cidr4_len", 120).set("pb_net_ifindex", 1).set("pb_host_ifindex", 1)
                .set("tunnel_ifindex", 1).set("netdev_ifindex", 1));
        MapHandle vxlan = node.map("vxlan_config");
        vxlan.put(new Struct(vxlan.key()).set("", 0), new Struct(vxlan.value()).set("ifindex", 1));
        MapHandle nodes = node.map("tunnel_nodes");
        nodes.put(new Struct(nodes.key()).set("", OTHER_NODE.get(0)), new Struct(nodes.value()));
        node.tables(true).install(Map.of(1, table(A), 2, table(B), HOST_CLASS, table(HOST)), List.of());
        ObjectSpec spec = ObjectSpec.parse(Files.readAllBytes(Programs.compile(Path.of("src", "test", "bpf").toAbsolutePath().toString()).resolve("through_tunnel.o")));
        tunnel = BpfObject.load(spec, LoadOptions.builder().name("tunnel").build());
        tunnelPreamble = tunnel.map("preamble");
        tunnelPreamble.setProgram(0, node.preamble("pb_overlay_ingress"));
        tunnel.map("tunnel_sender").update(BpfMap.intKey(0), ByteBuffer.allocate(8).order(ByteOrder.nativeOrder()).putInt(0, REMOTE).putInt(4, OTHER_NODE.get(0).v4Bits()));
    }

    @AfterAll
    static void down() {
        tunnel.close();
        node.close();
    }

    private static void endpoint(IpAddress ip, int identity, int policy, byte[] mac) {
        MapHandle m = node.map("endpoints");
        m.put(new Struct(m.key()).set("", ip), new Struct(m.value()).set("ifindex", 1).set("id", policy).set("mac", mac).set("host_mac", MAC_NODE)
                .set("identity", identity).set("policy_id", policy));
    }

    private static void address(IpAddress ip, int identity, int flags, IpAddress tunnelTo) {
        MapHandle m = node.map("ipcache");
        Struct v = new Struct(m.value()).set("identity", identity).set("flags", flags);
        m.put(new Struct(m.key()).set("", ip), tunnelTo == null ? v : v.set("tunnel", tunnelTo));
    }

    private static PolicyMap table(int pod) {
        PolicyMap map = new PolicyMap();
        for (Direction d : Direction.values()) map.table(d).enforced(true);
        for (List<Integer> r : RULES) {
            if (r.get(0) == pod) map.table(r.get(1) == 1 ? Direction.EGRESS : Direction.INGRESS).put(r.get(2), r.get(3), 16, r.get(4), false, 7);
        }
        return map;
    }

    // ---- the hooks -------------------------------------------------------------------------------------------------

    @Test
    void nothingThatPolicyDeniesGoesOn() {
        System.out.println("ChainFuzzTest: seed " + SEED + ", " + PACKETS + " packets");
        List<List<IpAddress>> pods = families(A_IPS, B_IPS, REMOTE_IPS, WORLD_IPS);
        List<List<IpAddress>> everywhere = families(B_IPS, A_IPS, REMOTE_IPS, WORLD_IPS, NODE_IPS, OTHER_NODE);
        run(Hook.POD_EGRESS, DELIVERED, node.preamble("pb_pod_egress"), new FuzzPackets(random, MAC_NODE, MAC_A, pods, everywhere), PACKETS * 4 / 10);
        run(Hook.POD_EGRESS, DELIVERED, node.preamble("pb_pod_egress"), new FuzzPackets(random, MAC_NODE, MAC_B, families(B_IPS, A_IPS), families(A_IPS, WORLD_IPS)), PACKETS / 10);
        run(Hook.POD_INGRESS, DELIVERED, node.preamble("pb_pod_ingress"), new FuzzPackets(random, MAC_B, MAC_NODE, pods, families(B_IPS, A_IPS)), PACKETS * 2 / 10);
        run(Hook.OVERLAY_INGRESS, DELIVERED, tunnel.program("through_tunnel"), new FuzzPackets(random, MAC_NODE, MAC_NODE, families(REMOTE_IPS, OTHER_NODE, A_IPS, WORLD_IPS),
                families(B_IPS, A_IPS, NODE_IPS, WORLD_IPS)), PACKETS / 10);
        run(Hook.NETDEV_INGRESS, DELIVERED, node.preamble("pb_netdev_ingress"), new FuzzPackets(random, MAC_NODE, MAC_NODE, families(WORLD_IPS, REMOTE_IPS, A_IPS), families(B_IPS, A_IPS, NODE_IPS)),
                PACKETS * 2 / 10);
        System.out.println("ChainFuzzTest: " + seen);
    }

    /** With a host firewall: what the node itself sends, to pods and out of its devices. */
    @Test
    void nothingThatIsDeniedToTheNodeGoesOut() {
        System.out.println("ChainFuzzTest: seed " + SEED + ", " + PACKETS + " packets of the node");
        for (IpAddress ip : NODE_IPS) host(ip, HOST_CLASS);
        try {
            run(Hook.HOST_EGRESS, DELIVERED, node.preamble("pb_host_egress"), new FuzzPackets(random, MAC_NODE, MAC_NODE, families(NODE_IPS, WORLD_IPS, B_IPS),
                    families(A_IPS, B_IPS, REMOTE_IPS, WORLD_IPS)), PACKETS / 2);
            run(Hook.NETDEV_EGRESS, TO_STACK, node.preamble("pb_netdev_egress"), new FuzzPackets(random, MAC_NODE, MAC_NODE, families(NODE_IPS, OTHER_NODE, WORLD_IPS),
                    families(WORLD_IPS, OTHER_NODE, REMOTE_IPS, B_IPS)), PACKETS / 2);
        } finally {
            for (IpAddress ip : NODE_IPS) host(ip, 0);
        }
        System.out.println("ChainFuzzTest: " + seen);
    }

    private static void host(IpAddress ip, int policy) {
        MapHandle m = node.map("endpoints");
        m.put(new Struct(m.key()).set("", ip), new Struct(m.value()).set("flags", 1).set("id", 65535).set("identity", HOST).set("policy_id", policy));
    }

    @SafeVarargs
    private static List<List<IpAddress>> families(List<IpAddress>... of) {
        List<IpAddress> v4 = new ArrayList<>();
        List<IpAddress> v6 = new ArrayList<>();
        for (List<IpAddress> addresses : of) {
            v4.add(addresses.get(0));
            v6.add(addresses.get(1));
        }
        return List.of(v4, v6);
    }

    /** @param good the verdict that shows that the packets are about the rules */
    private void run(Hook hook, int good, BpfProgram entry, FuzzPackets packets, int count) {
        long in = node.counts("pb_in", hook, 1)[0];
        long[] out = node.counts("pb_out", hook, 256);
        int n = 0;
        int passed = 0;
        while (n < count) {
            for (byte[] frame : packets.next()) {
                // a test run refuses a frame without a whole IP header; a device would not
                if (frame.length < 54) frame = Arrays.copyOf(frame, frame.length < 34 || frame[12] == (byte) 0x86 ? 54 : frame.length);
                TestRun result = entry.testRun(frame);
                n++;
                boolean goesOn = result.verdict() != SHOT;
                String problem = judge(hook, frame, goesOn, result.verdict());
                if (problem != null) fail(hook + ", seed " + SEED + ": " + problem + "\n  " + HexFormat.of().formatHex(frame) + "\n  " + SeenPacket.of(frame));
                if (goesOn) passed++;
            }
        }
        long[] after = node.counts("pb_out", hook, 256);
        assertEquals(n, node.counts("pb_in", hook, 1)[0] - in, hook + ": each is counted in");
        assertEquals(n, Arrays.stream(after).sum() - Arrays.stream(out).sum(), hook + ": each is counted out, once");
        assertEquals(0, after[HOLE] - out[HOLE], hook + ": no hole");
        assertEquals(0, node.counts("pb_mixed", hook, 1)[0], hook + ": one generation");
        for (int c = 0; c < 256; c++) if (after[c] != out[c]) seen.merge(hook.text() + " " + c, (int) (after[c] - out[c]), Integer::sum);
        assertTrue(passed > n / 200, hook + ": " + passed + " of " + n + " go on; the packets have lost touch with the rules");
        assertTrue(after[good] > out[good], hook + ": some get where they are for");
    }

    /** Null, or what is wrong. */
    private String judge(Hook hook, byte[] frame, boolean goesOn, int verdict) {
        SeenPacket p = SeenPacket.of(frame);
        SeenPacket first = SeenPacket.cut(frame);
        if (first.kind() == Kind.WHOLE && first.fragment()) firstFragments.add(List.of(first.from(), first.to(), first.id(), first.protocol()));
        if (hook == Hook.NETDEV_EGRESS && !NODE_IPS.contains(first.from())) return null; // nobody is asked about it
        boolean netdev = hook == Hook.NETDEV_INGRESS;
        if (netdev && verdict == -1 && !isLocal(p.to())) return null; // the node's own: to its stack
        if (!netdev && hook != Hook.NETDEV_EGRESS && verdict == -1) return "left to the kernel";
        if (p.kind() == Kind.INVALID) {
            // nobody takes it, yet it may leave a connection behind, whose answers pass: its sender may speak to that port
            if (first.kind() == Kind.WHOLE) allows(hook, first, frame);
            return null;
        }
        boolean allowed = allows(hook, p, frame);
        if (netdev && verdict == -1) return null; // the kernel sends it to the pod's device, where it is judged
        if (goesOn && !allowed) return "goes on (verdict " + verdict + "), and is denied";
        return null;
    }

    private boolean allows(Hook hook, SeenPacket p, byte[] frame) {
        return switch (hook) {
            case POD_EGRESS -> fromPod(p, frame);
            case HOST_EGRESS -> fromHost(p) && (!isLocal(p.to()) || toPod(p, HOST));
            case NETDEV_EGRESS -> fromHost(p);
            case POD_INGRESS -> toPod(p, identity(p.from()));
            // the node itself may be spoken to; what it accepts is its own
            case OVERLAY_INGRESS -> REMOTE_IPS.contains(p.from()) && (NODE_IPS.contains(p.to()) || toPod(p, REMOTE));
            // a node's device says nothing of who sent a packet: addresses of pods lend nothing
            default -> toPod(p, WORLD);
        };
    }

    private static boolean isLocal(IpAddress a) {
        return A_IPS.contains(a) || B_IPS.contains(a);
    }

    private static int identity(IpAddress a) {
        return A_IPS.contains(a) ? A : B_IPS.contains(a) ? B : REMOTE_IPS.contains(a) ? REMOTE : NODE_IPS.contains(a) ? 1 : OTHER_NODE.contains(a) ? 6 : WORLD;
    }

    private boolean fromPod(SeenPacket p, byte[] frame) {
        int pod = identity(p.from());
        byte[] mac = Arrays.copyOfRange(frame, 6, 12);
        if (pod == A ? !Arrays.equals(mac, MAC_A) : pod != B || !Arrays.equals(mac, MAC_B)) return false;
        boolean out = side(p, true, pod, identity(p.to()));
        return out && (!isLocal(p.to()) || toPod(p, pod));
    }

    private boolean fromHost(SeenPacket p) {
        return NODE_IPS.contains(p.from()) && side(p, true, HOST, identity(p.to()));
    }

    private boolean toPod(SeenPacket p, int from) {
        return isLocal(p.to()) && side(p, false, identity(p.to()), from);
    }

    /** One pod's side: its rule, or what it has said before. */
    private boolean side(SeenPacket p, boolean out, int pod, int peer) {
        IpAddress own = out ? p.from() : p.to();
        IpAddress other = out ? p.to() : p.from();
        if (p.kind() == Kind.OTHER) return false;
        // without its first one it is nothing to the receiver, and that one has been judged
        boolean itself = own.equals(other); // a pod always reaches itself
        if (p.kind() == Kind.LATER) return itself || firstFragments.contains(List.of(p.from(), p.to(), p.id(), p.next()));
        boolean icmp = p.protocol() == SeenPacket.ICMP || p.protocol() == SeenPacket.ICMPV6;
        boolean allowed = itself || RULES.contains(List.of(pod, out ? 1 : 0, peer, p.protocol(), p.port()));
        int ownPort = icmp ? p.sport() : out ? p.sport() : p.port();
        int otherPort = icmp ? 0 : out ? p.port() : p.sport();
        if (allowed) connections.add(List.of(own, other, p.protocol(), ownPort, otherPort, out));
        if (p.flags() == -1) return itself; // what the segment does is hidden
        boolean bareSyn = p.protocol() == SeenPacket.TCP && (p.flags() & 0x12) == 2;
        boolean request = p.port() == (p.protocol() == SeenPacket.ICMP ? 8 : 128);
        if (!bareSyn && !(icmp && request)) allowed |= connections.contains(List.of(own, other, p.protocol(), ownPort, otherPort, !out));
        if (icmp && p.protocol() == SeenPacket.ICMP && p.port() == 3 && p.code() == 4) allowed = true;
        // a node that may not look for its neighbours is cut off
        if (pod == HOST && p.protocol() == SeenPacket.ICMPV6 && (p.port() >= 130 && p.port() <= 137 || p.port() == 143)) allowed = true;
        SeenPacket q = p.quoted();
        if (q != null && q.kind() == Kind.WHOLE) {
            // about a packet that went the other way
            boolean echo = q.protocol() == SeenPacket.ICMP || q.protocol() == SeenPacket.ICMPV6;
            int quotedOwn = echo ? q.sport() : out ? q.port() : q.sport();
            int quotedOther = echo ? 0 : out ? q.sport() : q.port();
            IpAddress quotedFrom = out ? q.to() : q.from();
            IpAddress quotedTo = out ? q.from() : q.to();
            for (boolean way : new boolean[] {true, false}) allowed |= connections.contains(List.of(quotedFrom, quotedTo, q.protocol(), quotedOwn, quotedOther, way));
        }
        return allowed;
    }
}
