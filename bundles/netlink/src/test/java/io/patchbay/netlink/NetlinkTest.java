package io.patchbay.netlink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Every call against the kernel, checked with iproute2. */
@Tag("root")
class NetlinkTest {

    private static Path a;
    private static Path b;
    private static NetlinkSocket in;

    @BeforeAll
    static void namespaces() throws Exception {
        Namespaces.sweep();
        a = Namespaces.add("a");
        b = Namespaces.add("b");
        in = NetlinkSocket.open(a);
    }

    @AfterAll
    static void gone() throws Exception {
        if (in != null) {
            in.close();
        }
        Namespaces.sweep();
    }

    private static String ipA(String... args) throws Exception {
        String[] all = new String[args.length + 2];
        all[0] = "-n";
        all[1] = Namespaces.PREFIX + "a";
        System.arraycopy(args, 0, all, 2, args.length);
        return Namespaces.ip(all);
    }

    /** A device with carrier of its own: not every kernel has the dummy kind. Its peer goes with it. */
    private static int device(String name) {
        in.links().createVeth(VethEnd.named(name + "-p"), VethEnd.named(name));
        in.links().setUp(in.links().get(name + "-p").index(), true);
        return in.links().get(name).index();
    }

    @Test
    void aNewNamespaceHasLoopbackAlone() throws Exception {
        Path c = Namespaces.add("c");
        try (NetlinkSocket s = NetlinkSocket.open(c)) {
            List<Link> links = s.links().list();
            assertEquals(1, links.size());
            assertEquals("lo", links.get(0).name());
            assertFalse(links.get(0).isUp());
            assertEquals("", links.get(0).kind());
        }
    }

    @Test
    void namespaceIsKnownByInodeAndCookie() throws Exception {
        try (NetNs x = NetNs.open(a); NetNs y = NetNs.open(b); NetNs own = NetNs.own()) {
            assertEquals(Files.getAttribute(a, "unix:ino"), x.inode());
            assertNotEquals(x.inode(), y.inode());
            assertNotEquals(x.cookie(), y.cookie());
            assertNotEquals(own.cookie(), y.cookie());
            assertEquals(x.cookie(), x.cookie());
        }
    }

    /** Sockets of all kinds to one listener; the kernel ends the one that is meant, and its owner hears of it. */
    @Test
    void aConnectedSocketIsFoundAndEnded() throws Exception {
        Path c = Namespaces.add("diag");
        Namespaces.ip("-n", Namespaces.PREFIX + "diag", "link", "set", "lo", "up");
        for (String address : List.of("127.0.0.1", "::1")) {
            NamespaceThread.call(c, () -> {
                try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getByName(address));
                        Socket first = new Socket(server.getInetAddress(), server.getLocalPort());
                        Socket second = new Socket(server.getInetAddress(), server.getLocalPort());
                        DatagramSocket udp = new DatagramSocket();
                        NetNs own = NetNs.own(); SocketDiag diag = own.sockets()) {
                    udp.connect(server.getLocalSocketAddress());
                    assertTrue(diag.canDestroy(Protocol.TCP) && diag.canDestroy(Protocol.UDP), "this kernel ends sockets");
                    List<InetSocket> tcp = diag.connected(Protocol.TCP).stream().filter(s -> s.remotePort() == server.getLocalPort()).toList();
                    assertEquals(Set.of(first.getLocalPort(), second.getLocalPort()), tcp.stream().map(InetSocket::localPort).collect(Collectors.toSet()));
                    assertTrue(tcp.stream().allMatch(s -> s.remote().equals(IpAddress.parse(address)) && s.cookie() != 0), tcp.toString());
                    InetSocket found = tcp.stream().filter(s -> s.localPort() == first.getLocalPort()).findFirst().orElseThrow();
                    assertTrue(diag.destroy(found));
                    assertFalse(diag.destroy(found), "it is gone");
                    assertThrows(IOException.class, () -> first.getInputStream().read());
                    second.getOutputStream().write(1);
                    InetSocket datagrams = diag.connected(Protocol.UDP).stream().filter(s -> s.remotePort() == server.getLocalPort()).findFirst().orElseThrow();
                    assertTrue(diag.destroy(datagrams));
                    assertTrue(diag.connected(Protocol.UDP).stream().noneMatch(s -> s.cookie() == datagrams.cookie()));
                }
                return null;
            });
        }
    }

    @Test
    void vethIsMadeWithItsPeerInTheOtherNamespace() throws Exception {
        MacAddress host = MacAddress.parse("02:00:0a:00:00:01");
        MacAddress pod = MacAddress.parse("02:00:0a:00:00:02");
        try (NetNs peerNs = NetNs.open(b); NetlinkSocket peer = peerNs.socket()) {
            Link l = in.links().createVeth(VethEnd.named("pbtv0").mac(host).mtu(1450),
                    VethEnd.named("eth0").mac(pod).mtu(1400).in(peerNs));
            assertEquals("veth", l.kind());
            assertEquals(host, l.mac());
            assertEquals(1450, l.mtu());
            assertFalse(l.isUp());
            Link p = peer.links().get("eth0");
            assertEquals(pod, p.mac());
            assertEquals(1400, p.mtu());
            assertEquals(p.index(), l.peerIndex());
            assertEquals(l.index(), p.peerIndex());
            assertTrue(l.peerNsId() >= 0);
            assertTrue(in.links().find("eth0").isEmpty());

            NetlinkException e = assertThrows(NetlinkException.class,
                    () -> in.links().createVeth(VethEnd.named("pbtv0"), VethEnd.named("eth1").in(peerNs)));
            assertTrue(e.isExists(), e.getMessage());
            assertEquals("EEXIST", e.errnoName());

            in.links().setNoLinkLocal(l.index());
            peer.links().setNoLinkLocal(p.index());
            in.links().setUp(l.index(), true);
            peer.links().setUp(p.index(), true);
            assertTrue(in.links().get(l.index()).isUp());
            assertTrue(in.addresses().list(l.index()).isEmpty(), "no link-local address");

            in.addresses().add(IfAddress.of(l.index(), IpAddress.parse("10.77.0.1"), 24));
            peer.addresses().add(IfAddress.of(p.index(), IpAddress.parse("10.77.0.2"), 24));
            LinkStats before = in.links().stats(l.index());
            assertEquals("hello", exchange());
            LinkStats after = in.links().stats(l.index());
            assertTrue(after.rxPackets() > before.rxPackets() && after.txPackets() > before.txPackets(), before + " " + after);
            assertTrue(after.txBytes() >= before.txBytes() + 5 + 8 + 20 + 14, before + " " + after);

            in.links().delete(l.index());
            assertTrue(peer.links().find("eth0").isEmpty());
            assertThrows(NetlinkException.class, () -> in.links().get("pbtv0"));
            assertFalse(in.links().deleteIfExists("pbtv0"));
        }
    }

    /** One datagram from a to b and back. */
    private static String exchange() throws Exception {
        byte[] buffer = new byte[16];
        DatagramPacket p = new DatagramPacket(buffer, buffer.length);
        DatagramSocket server = NamespaceThread.call(b, () -> new DatagramSocket(7777, InetAddress.getByName("10.77.0.2")));
        DatagramSocket client = NamespaceThread.call(a, () -> new DatagramSocket(0, InetAddress.getByName("10.77.0.1")));
        try (server; client) {
            server.setSoTimeout(5000);
            client.setSoTimeout(5000);
            client.send(new DatagramPacket("hello".getBytes(), 5, server.getLocalSocketAddress()));
            server.receive(p);
            server.send(p);
            DatagramPacket answer = new DatagramPacket(new byte[16], 16);
            client.receive(answer);
            return new String(answer.getData(), 0, answer.getLength());
        }
    }

    @Test
    void aGroupOfDevicesGoesAtOnceAndNothingElse() throws Exception {
        for (String name : List.of("pbtg0", "pbtg1", "pbtg2")) device(name);
        assertFalse(in.links().deleteGroup(77), "nothing is in it");
        assertTrue(in.links().setGroup("pbtg0", 77));
        assertTrue(in.links().setGroup("pbtg2", 77));
        assertFalse(in.links().setGroup("pbtnone", 77));
        assertTrue(in.links().deleteGroup(77));
        assertTrue(in.links().find("pbtg0").isEmpty() && in.links().find("pbtg2").isEmpty());
        in.links().delete(in.links().get("pbtg1").index());
        assertThrows(IllegalArgumentException.class, () -> in.links().deleteGroup(0));
    }

    @Test
    void vxlanTakesItsMetadataFromThePacket() throws Exception {
        Link l = in.links().createVxlan(VxlanSpec.named("pbtvx", 8472).mac(MacAddress.parse("02:00:00:00:00:07")).mtu(1450)
                .sourcePorts(32768, 40000));
        String text = ipA("-d", "link", "show", "pbtvx");
        assertEquals("vxlan", l.kind());
        assertEquals(1450, l.mtu());
        assertTrue(text.contains("external") && text.contains("dstport 8472") && text.contains("nolearning")
                && text.contains("srcport 32768 40000"), text);
        in.links().delete(l.index());
    }

    @Test
    void deviceSettings() throws Exception {
        int i = device("pbtd0");
        int bridge = in.links().create("pbtbr0", "bridge").index();
        in.links().setMtu(i, 1300);
        in.links().setMac(i, MacAddress.parse("02:aa:00:00:00:01"));
        in.links().setNoArp(i, false);
        assertFalse(in.links().get(i).isNoArp());
        in.links().setNoArp(i, true);
        in.links().rename(i, "pbtd1");
        in.links().setMaster(i, bridge);
        Link l = in.links().get("pbtd1");
        assertEquals(1300, l.mtu());
        assertEquals("02:aa:00:00:00:01", l.mac().toString());
        assertTrue(l.isNoArp());
        assertEquals(bridge, l.master());
        in.links().setMaster(i, 0);
        assertEquals(0, in.links().get(i).master());
        try (NetNs other = NetNs.open(b); NetlinkSocket there = other.socket()) {
            in.links().moveTo(i, other);
            assertTrue(in.links().find("pbtd1").isEmpty());
            assertTrue(there.links().deleteIfExists("pbtd1"));
        }
        in.links().delete(bridge);
    }

    @Test
    void addressesOfBothFamilies() throws Exception {
        int i = device("pbtadr");
        in.links().setNoLinkLocal(i);
        in.links().setUp(i, true);
        IfAddress v4 = IfAddress.of(i, IpAddress.parse("10.78.0.5"), 24);
        IfAddress v6 = IfAddress.of(i, IpAddress.parse("fd00:78::5"), 64);
        in.addresses().add(v4);
        in.addresses().add(v6);
        assertEquals(List.of(v4, v6), in.addresses().list(i));
        assertFalse(ipA("addr", "show", "pbtadr").contains("tentative"));
        NetlinkException e = assertThrows(NetlinkException.class, () -> in.addresses().add(v4));
        assertTrue(e.isExists());
        in.addresses().replace(v4);
        in.addresses().delete(v4);
        assertEquals(List.of(v6), in.addresses().list(i));
        assertTrue(assertThrows(NetlinkException.class, () -> in.addresses().delete(v4)).isNotFound());
        in.links().delete(i);
    }

    @Test
    void routesOfAPod() throws Exception {
        int i = device("pbtrt");
        in.links().setUp(i, true);
        in.addresses().add(IfAddress.of(i, IpAddress.parse("10.79.0.5"), 32));
        IpAddress gw = IpAddress.parse("10.79.0.1");
        Route link = Route.to(Prefix.of(gw), i).source(IpAddress.parse("10.79.0.5"));
        Route def = Route.to(Prefix.parse("0.0.0.0/0"), i).via(gw).mtu(1450);
        in.routes().add(link);
        in.routes().add(def);
        assertTrue(in.routes().list().contains(link), in.routes().list().toString());
        assertTrue(in.routes().list().contains(def), in.routes().list().toString());
        assertTrue(ipA("route").contains("default via 10.79.0.1 dev pbtrt proto static mtu 1450"), ipA("route"));
        assertTrue(assertThrows(NetlinkException.class, () -> in.routes().add(def)).isExists());
        in.routes().replace(def.mtu(1400));
        assertTrue(in.routes().list().contains(def.mtu(1400)));
        Route on = Route.to(Prefix.parse("10.80.0.0/24"), i).via(IpAddress.parse("192.0.2.9")).asOnlink().priority(7);
        in.routes().add(on);
        assertTrue(in.routes().list().contains(on), in.routes().list().toString());
        in.routes().delete(on);
        assertTrue(assertThrows(NetlinkException.class, () -> in.routes().delete(on)).isNotFound());
        NetlinkException e = assertThrows(NetlinkException.class,
                () -> in.routes().add(Route.to(Prefix.parse("10.81.0.0/24"), i).via(IpAddress.parse("192.0.2.9"))));
        assertEquals("ENETUNREACH", e.errnoName());
        assertTrue(e.getMessage().contains("10.81.0.0/24") && e.getMessage().contains("Nexthop has invalid gateway"), e.getMessage());
        Route hole = Route.without(Prefix.parse("10.82.0.0/16"), Route.BLACKHOLE).table(100);
        in.routes().add(hole);
        assertEquals(List.of(hole), in.routes().list(100));
        Route v6 = Route.to(Prefix.parse("fd00:79::/64"), i).mtu(1300).priority(5);
        in.routes().add(v6);
        assertTrue(in.routes().list().contains(v6), in.routes().list().toString());
        in.links().delete(i);
    }

    @Test
    void permanentNeighbours() throws Exception {
        int i = in.links().createVeth(VethEnd.named("pbtn0"), VethEnd.named("pbtn1")).index();
        in.links().setUp(i, true);
        IpAddress v4 = IpAddress.parse("10.83.0.1");
        IpAddress v6 = IpAddress.parse("fd00:83::1");
        MacAddress mac = MacAddress.parse("02:00:00:00:00:83");
        in.neighbours().addPermanent(i, v4, mac);
        in.neighbours().addPermanent(i, v6, mac);
        MacAddress other = MacAddress.parse("02:00:00:00:00:84");
        in.neighbours().addPermanent(i, v4, other);
        Neighbour n = in.neighbours().list(i).stream().filter(x -> x.address().equals(v4)).findFirst().orElseThrow();
        assertEquals(other, n.mac());
        assertTrue(n.isPermanent());
        assertTrue(in.neighbours().list(i).stream().anyMatch(x -> x.address().equals(v6)));
        in.neighbours().delete(i, v4);
        assertTrue(in.neighbours().list(i).stream().noneMatch(x -> x.address().equals(v4)));
        assertTrue(assertThrows(NetlinkException.class, () -> in.neighbours().delete(i, v4)).isNotFound());
        in.links().delete(i);
    }

    @Test
    void queueingDisciplines() throws Exception {
        int i = in.links().createVeth(VethEnd.named("pbtq0"), VethEnd.named("pbtq1")).index();
        assertNull(in.qdiscs().root(i).map(Qdisc::tbf).orElse(null));
        Tbf slow = new Tbf(1_250_000, 65_536, 262_144);
        in.qdiscs().addRootTbf(i, slow);
        Qdisc q = in.qdiscs().root(i).orElseThrow();
        assertEquals("tbf", q.kind());
        assertEquals(slow.rate(), q.tbf().rate());
        assertEquals(slow.limit(), q.tbf().limit());
        assertEquals(slow.burst(), q.tbf().burst(), slow.burst() / 100.0);
        assertEquals(Qdiscs.HANDLE, q.handle());
        assertTrue(assertThrows(NetlinkException.class, () -> in.qdiscs().addRootTbf(i, slow)).isExists());
        in.qdiscs().changeRootTbf(i, new Tbf(2_500_000, 65_536, 262_144));
        assertEquals(2_500_000, in.qdiscs().root(i).orElseThrow().tbf().rate());
        in.qdiscs().replaceRootTbf(i, new Tbf(10_000_000_000L, 1 << 20, 1 << 20));
        assertEquals(10_000_000_000L, in.qdiscs().root(i).orElseThrow().tbf().rate());
        assertFalse(in.qdiscs().hasClsact(i));
        in.qdiscs().addClsact(i);
        assertTrue(in.qdiscs().hasClsact(i));
        assertEquals(List.of(), in.qdiscs().filters(i, true));
        Namespaces.run("tc", "-n", Namespaces.PREFIX + "a", "filter", "add", "dev", "pbtq0", "ingress", "prio", "7", "handle", "3",
                "bpf", "bytecode", "1,6 0 0 4294967295,", "flowid", "1:1");
        assertEquals(List.of(new Filter(i, true, "bpf", 7, 3, "", 0)), in.qdiscs().filters(i, true));
        assertEquals(List.of(), in.qdiscs().filters(i, false));
        in.qdiscs().deleteClsact(i);
        assertFalse(in.qdiscs().hasClsact(i));
        in.qdiscs().deleteRoot(i);
        assertNotEquals("tbf", in.qdiscs().root(i).map(Qdisc::kind).orElse(""));
        NetlinkException e = assertThrows(NetlinkException.class, () -> in.qdiscs().replaceRoot(i, "nosuchkind"));
        assertEquals("ENOENT", e.errnoName());
        assertTrue(e.getMessage().contains("Specified qdisc kind is unknown"), e.getMessage());
        in.links().delete(i);
    }

    @Test
    void settingsAreThoseOfTheNamespace() throws Exception {
        String before = Sysctl.read("net/ipv4/ip_forward");
        String other = Sysctl.read(b, "net/ipv4/ip_forward");
        Sysctl.write(a, "net.ipv4.ip_forward", "0");
        assertEquals("0", Sysctl.read(a, "net/ipv4/ip_forward"));
        Sysctl.write(a, "net.ipv4.ip_forward", "1");
        assertEquals("1", Sysctl.read(a, "net/ipv4/ip_forward"));
        assertEquals(other, Sysctl.read(b, "net/ipv4/ip_forward"));
        assertEquals(before, Sysctl.read("net/ipv4/ip_forward"));
        assertThrows(IOException.class, () -> Sysctl.write(a, "net/ipv4/no_such_setting", "1"));
        assertThrows(IllegalArgumentException.class, () -> Sysctl.read("../../etc/passwd"));
    }

    @Test
    void monitorTellsOfDevicesAndAddresses() throws Exception {
        LinkedBlockingQueue<LinkEvent> events = new LinkedBlockingQueue<>();
        try (NetNs ns = NetNs.open(a); LinkMonitor m = LinkMonitor.start(ns, events::add)) {
            int i = device("pbtmon");
            await(events, e -> e instanceof LinkEvent.Changed c && c.link().name().equals("pbtmon") && !c.link().isUp());
            in.links().setUp(i, true);
            await(events, e -> e instanceof LinkEvent.Changed c && c.link().index() == i && c.link().isUp());
            IfAddress address = IfAddress.of(i, IpAddress.parse("10.84.0.1"), 24);
            in.addresses().add(address);
            await(events, e -> e instanceof LinkEvent.AddressAdded x && x.address().equals(address));
            in.addresses().delete(address);
            await(events, e -> e instanceof LinkEvent.AddressRemoved x && x.address().equals(address));
            in.links().delete(i);
            await(events, e -> e instanceof LinkEvent.Removed r && r.link().index() == i);
        }
    }

    private static void await(LinkedBlockingQueue<LinkEvent> events, java.util.function.Predicate<LinkEvent> wanted)
            throws InterruptedException {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
        while (true) {
            LinkEvent e = events.poll(until - System.nanoTime(), TimeUnit.NANOSECONDS);
            assertTrue(e != null, "no such event within 5 s");
            if (wanted.test(e)) {
                return;
            }
        }
    }

    @Test
    void aMissingNamespaceIsNamed() {
        NetlinkException e = assertThrows(NetlinkException.class, () -> NetNs.open(Path.of("/run/netns/pbt-nl-none")));
        assertEquals("ENOENT", e.errnoName());
        assertTrue(e.getMessage().contains("/run/netns/pbt-nl-none"));
    }

    @Test
    void theThreadThatAsksStaysWhereItIs() throws Exception {
        long before;
        try (NetNs own = NetNs.own()) {
            before = own.inode();
        }
        assertEquals(List.of("lo"), NamespaceThread.call(Namespaces.add("d"), () -> {
            try (NetlinkSocket s = NetlinkSocket.open()) {
                return s.links().list().stream().map(Link::name).toList();
            }
        }));
        try (NetNs own = NetNs.own()) {
            assertEquals(before, own.inode());
        }
        assertThrows(IOException.class, () -> NamespaceThread.call(a, () -> {
            throw new IOException("as thrown");
        }));
    }

    @Test
    void nothingIsLeftOpen() throws Exception {
        long before = descriptors();
        for (int i = 0; i < 200; i++) {
            try (NetNs ns = NetNs.open(a); NetlinkSocket s = ns.socket(); LinkMonitor m = LinkMonitor.start(ns, e -> { })) {
                s.links().list();
            }
        }
        assertTrue(descriptors() <= before + 2, before + " descriptors before, " + descriptors() + " after");
    }

    private static long descriptors() throws IOException {
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            return files.count();
        }
    }
}
