package io.patchbay.servicelb.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.bpf.AttachType;
import io.patchbay.bpf.BpfLink;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfObject;
import io.patchbay.bpf.Cgroup2;
import io.patchbay.bpf.LoadOptions;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.ObjectSpec;
import io.patchbay.netlink.NetNs;
import io.patchbay.stagekit.Fields;
import io.patchbay.stagekit.Packet;
import io.patchbay.stagekit.StageBench;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Real sockets of a process in a cgroup, against real servers; and both ways, socket and packet, for one client. */
@Tag("root")
class SocketTest {
    private static final String VIP = "10.96.0.10";
    private static final String VIP6 = "fd00:96::10";
    private static final String POD = "10.0.1.5";
    private static final int BACKENDS = 4;
    private static Children children;
    private static StageBench bench;
    private static BpfObject sockets;
    private static final List<BpfLink> LINKS = new ArrayList<>();
    private static BpfMap netns;
    private static long cookie;
    private static Children.Child inside;
    private static Children.Child outside;

    @BeforeAll
    static void up() throws Exception {
        children = new Children("pbt-svc", Cgroup2.find().orElseThrow().resolve("pbt-svc"));
        bench = StageBench.of("bpf/service.o", Map.of(), Map.of());
        ObjectSpec spec;
        try (InputStream in = SocketTest.class.getClassLoader().getResourceAsStream("bpf/sock.o")) {
            spec = ObjectSpec.parse(in.readAllBytes());
        }
        LoadOptions.Builder options = LoadOptions.builder();
        for (MapSpec map : spec.maps().values()) {
            if (map.name().startsWith("lb_") && !map.name().startsWith("lb_netns") && !map.name().startsWith("lb_sock")) options.map(map.name(), bench.map(map.name()));
        }
        sockets = BpfObject.load(spec, options.build());
        netns = sockets.map("lb_netns");
        Map<String, AttachType> hooks = Map.of("connect4", AttachType.CGROUP_INET4_CONNECT, "connect6", AttachType.CGROUP_INET6_CONNECT,
                "sendmsg4", AttachType.CGROUP_UDP4_SENDMSG, "sendmsg6", AttachType.CGROUP_UDP6_SENDMSG, "recvmsg4", AttachType.CGROUP_UDP4_RECVMSG,
                "recvmsg6", AttachType.CGROUP_UDP6_RECVMSG, "getpeername4", AttachType.CGROUP_INET4_GETPEERNAME,
                "getpeername6", AttachType.CGROUP_INET6_GETPEERNAME);
        hooks.forEach((name, type) -> LINKS.add(BpfLink.attachCgroup(sockets.program("service_" + name), children.cgroup, type)));
        List<String> serve = new ArrayList<>(List.of("serve"));
        for (int i = 1; i <= BACKENDS; i++) serve.addAll(List.of("b" + i, "127.0.2." + i, "8080"));
        serve.addAll(List.of("b6", "::1", "8086"));
        children.start(false, serve.toArray(String[]::new));
        inside = children.start(true, "ask");
        outside = children.start(false, "ask");
        try (NetNs ns = NetNs.open(children.netns())) {
            cookie = ns.cookie();
        }
    }

    @AfterAll
    static void down() throws Exception {
        LINKS.forEach(BpfLink::close);
        if (sockets != null) sockets.close();
        if (bench != null) bench.close();
        if (children != null) children.close();
    }

    @BeforeEach
    void everythingNew() {
        for (String map : List.of("lb_services", "lb_backends", "lb_slots", "lb_members", "lb_affinity", "lb_flows")) clear(bench.map(map));
        clear(netns);
        clear(sockets.map("lb_sock_pick"));
        clear(sockets.map("lb_sock_rev"));
    }

    private static void clear(BpfMap map) {
        List<ByteBuffer> keys = new ArrayList<>();
        map.forEach((k, v) -> {
            ByteBuffer key = ByteBuffer.allocate(map.keySize()).order(ByteOrder.nativeOrder());
            key.put(0, k, 0, map.keySize());
            keys.add(key);
        });
        keys.forEach(map::delete);
    }

    private static void service(String vip, int proto, boolean affinity, String address, int port, int... backends) {
        for (int b : backends) {
            bench.map("lb_backends").update(BpfMap.intKey(b), bench.struct("lb_backend").address("addr", address + (address.endsWith(".") ? b : "")).port("port", port)
                    .set("proto", proto).bytes());
            bench.map("lb_members").update(bench.struct("lb_member").set("set", proto).set("backend", b).bytes(), BpfMap.intKey(1));
        }
        ByteBuffer ids = ByteBuffer.allocate(64).order(ByteOrder.nativeOrder());
        for (int i = 0; i < backends.length; i++) ids.putInt(4 * i, backends[i]);
        bench.put("lb_slots", bench.struct("lb_slots_key").set("set", proto), bench.struct("lb_slots").set("backend", ids.array()));
        bench.put("lb_services", bench.struct("lb_service_key").address("addr", vip).port("port", 80).set("proto", proto),
                bench.struct("lb_service").set("id", 1).set("set", proto).set("count", backends.length).set("total", backends.length)
                        .set("flags", affinity ? 1 : 0).set("affinity_seconds", 1000));
    }

    private static void service(int proto, boolean affinity, int... backends) {
        service(VIP, proto, affinity, "127.0.2.", 8080, backends);
    }

    private static void clientIsKnown() {
        ByteBuffer key = ByteBuffer.allocate(8).order(ByteOrder.nativeOrder()).putLong(0, cookie);
        ByteBuffer value = ByteBuffer.allocate(netns.valueBytes()).order(ByteOrder.nativeOrder());
        value.put(0, Fields.mapped(new byte[] {10, 0, 1, 5}));
        netns.update(key, value);
    }

    @ParameterizedTest
    @CsvSource({"tcp, ''", "udp, ''", "sendto, ''", "tcp, mapped", "udp, mapped", "sendto, mapped"})
    void aCallForAServiceReachesABackendAndSeesTheService(String how, String mapped) throws Exception {
        service(how.equals("tcp") ? 6 : 17, false, 1, 2, 3, 4);
        String peer = mapped.isEmpty() ? VIP + ":80" : "[::ffff:" + VIP + "]:80";
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 60; i++) {
            String answer = inside.ask(how + " " + VIP + " 80 " + mapped);
            assertTrue(answer.endsWith(" " + peer), answer);
            seen.add(answer.substring(0, 2));
        }
        assertEquals(Set.of("b1", "b2", "b3", "b4"), seen);
    }

    @ParameterizedTest
    @ValueSource(strings = {"tcp", "udp", "sendto"})
    void version6(String how) throws Exception {
        service(VIP6, how.equals("tcp") ? 6 : 17, false, "::1", 8086, 6);
        assertEquals("b6 [" + VIP6 + "]:80", inside.ask(how + " " + VIP6 + " 80"));
    }

    /** A NodePort at the loopback address of either family. */
    @Test
    void theLoopbackAddressIsTheRowOfAllAddresses() throws Exception {
        service("::", 6, false, "::1", 8086, 6);
        assertEquals("b6 [::1]:80", inside.ask("tcp ::1 80"));
        service("0.0.0.0", 6, false, "127.0.2.", 8080, 1);
        assertEquals("b1 127.0.0.1:80", inside.ask("tcp 127.0.0.1 80"));
    }

    @Test
    void aProcessOutsideTheCgroupIsLeftAlone() throws Exception {
        service(6, false, 1);
        assertEquals("error ENETUNREACH", outside.ask("tcp " + VIP + " 80"));
        assertEquals("b1 127.0.2.1:8080", inside.ask("tcp 127.0.2.1 8080"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"tcp", "udp", "sendto"})
    void nobodyThereIsRefusedAtOnce(String how) throws Exception {
        service(how.equals("tcp") ? 6 : 17, false);
        assertEquals("error ECONNREFUSED", inside.ask(how + " " + VIP + " 80"));
    }

    @Test
    void aClientWithAffinityThatIsNotKnownIsLeftToThePackets() throws Exception {
        service(6, true, 1, 2);
        assertEquals("error ENETUNREACH", inside.ask("tcp " + VIP + " 80"));
    }

    /** Whatever happens to the service in between, the two ways never give one client two answers. */
    @Test
    void socketAndPacketAgreeUnderAffinity() throws Exception {
        Random random = new Random(11);
        clientIsKnown();
        int port = 10_000;
        Set<String> seen = new HashSet<>();
        for (int round = 0; round < 40; round++) {
            int[] some = random.ints(1, BACKENDS + 1).distinct().limit(1 + random.nextInt(BACKENDS)).toArray();
            clear(bench.map("lb_members"));
            service(6, true, some);
            if (random.nextInt(4) == 0) clear(bench.map("lb_affinity"));
            Set<String> answers = new HashSet<>();
            for (int i = 0; i < 6; i++) {
                if (random.nextBoolean()) {
                    String answer = inside.ask("tcp " + VIP + " 80");
                    answers.add(answer.substring(0, 2));
                } else {
                    byte[] packet = bench.run("service_pod_egress", StageBench.POD_EGRESS, 0, Packet.tcp(POD, ++port, VIP, 80, Packet.SYN).frame(), null).packet();
                    answers.add(Packet.describe(packet).replaceAll(".* > 127\\.0\\.2\\.(\\d):8080.*", "b$1"));
                }
            }
            assertEquals(1, answers.size(), "round " + round + ": " + answers);
            seen.addAll(answers);
        }
        assertEquals(BACKENDS, seen.size());
    }
}
