package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.Attachments.Attachment;
import io.patchbay.api.datapath.Attachments.Other;
import io.patchbay.api.datapath.EventSource;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureDescriptor.Migration;
import io.patchbay.bpf.AttachType;
import io.patchbay.bpf.BpfLink;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.TcxPosition;
import io.patchbay.datapath.testkit.Lab;
import io.patchbay.datapath.testkit.Shell;
import io.patchbay.datapath.testkit.UdpStream;
import io.patchbay.netlink.NamespaceThread;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Node devices, events, decoding. */
@Tag("root")
class NodeDevicesTest {
    private Lab lab;

    @BeforeEach
    void up() {
        lab = new Lab("dpd");
    }

    @AfterEach
    void down() {
        lab.close();
    }

    private int device(String name) {
        Shell.run("ip", "-n", lab.netnsName(), "link", "add", name, "type", "veth", "peer", "name", name + "p");
        return Integer.parseInt(Shell.run("ip", "-n", lab.netnsName(), "-o", "link", "show", name).split(":")[0].trim());
    }

    @Test
    void nodeDevicesAreAttachedByTcxAndWhatIsRemovedComesBack() {
        int device = device("pbd0");
        for (int twice = 0; twice < 2; twice++) {
            for (Hook h : List.of(Hook.HOST_EGRESS, Hook.NETDEV_INGRESS, Hook.NETDEV_EGRESS)) {
                lab.node().attachments().attach(h, device);
            }
        }
        List<Attachment> all = lab.node().attachments().list();
        assertEquals(3, all.size());
        assertTrue(all.stream().allMatch(a -> a.present() && a.where().equals("pbd0") && (a.mode().equals("tcx") || !lab.node().kernel().probe("tcx").available())),
                all.toString());
        try (BpfLink l = BpfLink.fromPin(lab.pins().resolve("links").resolve("host-egress-" + device))) {
            l.detach();
        }
        assertEquals(1, lab.node().reconcile());
        assertTrue(lab.node().attachments().list().stream().allMatch(Attachment::present));
        lab.node().attachments().detach(Hook.NETDEV_EGRESS, device);
        assertEquals(2, lab.node().attachments().list().size());
        Shell.run("ip", "-n", lab.netnsName(), "link", "del", "pbd0");
        lab.node().reconcile();
        assertEquals(0, lab.node().attachments().list().size(), "a device that is gone is forgotten");
        assertEquals(List.of(), Core.list(lab.pins().resolve("links")));
    }

    @Test
    void nothingIsMissingOnADeviceThatIsGone() {
        int device = device("pbd2");
        for (Hook h : List.of(Hook.POD_EGRESS, Hook.POD_INGRESS, Hook.NETDEV_INGRESS)) {
            lab.node().attachments().attach(h, device);
        }
        Shell.run("ip", "-n", lab.netnsName(), "link", "del", "pbd2");
        assertEquals(List.of(), lab.node().attachments().list(), "before anything was reconciled");
    }

    @Test
    void whatOthersAttachedIsShownAndLeftAlone() throws Exception {
        int device = device("pbd1");
        lab.node().attachments().attach(Hook.NETDEV_INGRESS, device);
        assertEquals(List.of(), lab.node().attachments().others());
        Shell.run("tc", "-n", lab.netnsName(), "qdisc", "add", "dev", "pbd1", "clsact");
        Shell.run("tc", "-n", lab.netnsName(), "filter", "add", "dev", "pbd1", "ingress", "prio", "7", "handle", "3", "bpf", "bytecode", "1,6 0 0 4294967295,", "flowid", "1:1");
        boolean tcx = lab.node().kernel().probe("tcx").available();
        Other filter = new Other(Hook.NETDEV_INGRESS, "clsact", "pbd1", device, "bpf", 0, !tcx);
        assertEquals(List.of(filter), lab.node().attachments().others());
        if (tcx) {
            // Any other program of that type will do.
            try (BpfProgram other = BpfProgram.fromPin(lab.pins().resolve("core/pb_pod_egress")); BpfProgram another = BpfProgram.fromPin(lab.pins().resolve("core/pb_host_egress"))) {
                NamespaceThread.call(lab.netns(), () -> {
                    amongOthers(device, other, another, filter);
                    return null;
                });
            }
        }
    }

    private void amongOthers(int device, BpfProgram other, BpfProgram another, Other filter) {
        try (BpfLink first = BpfLink.attachTcx(other, device, AttachType.TCX_INGRESS, TcxPosition.first());
                BpfLink last = BpfLink.attachTcx(another, device, AttachType.TCX_INGRESS, TcxPosition.last())) {
            List<Other> theirs = List.of(new Other(Hook.NETDEV_INGRESS, "tcx", "pbd1", device, "pb_pod_egress", first.info().programId(), true),
                    new Other(Hook.NETDEV_INGRESS, "tcx", "pbd1", device, "pb_host_egress", last.info().programId(), false), filter);
            assertEquals(theirs, lab.node().attachments().others());
            try (BpfLink l = BpfLink.fromPin(lab.pins().resolve("links/netdev-ingress-" + device))) {
                l.detach();
            }
            assertEquals(1, lab.node().reconcile(), "ours is back");
            assertEquals(3, lab.node().attachments().others().size(), "and theirs are there");
            lab.node().attachments().detach(Hook.NETDEV_INGRESS, device);
            assertEquals(2, BpfLink.query(device, AttachType.TCX_INGRESS).programs().size(), "theirs outlive ours");
        }
    }

    @Test
    void dropsReachWhoListensAndNobodyElse() throws Exception {
        Lab.Pod a = lab.pod("a", 1);
        Lab.Pod b = lab.pod("b", 2);
        lab.node().pipeline().prepare(Generation.spec(Generation.marked(), Generation.forwarder(Migration.COPY))).commit();
        MapHandle wanted = lab.node().pipeline().map("pb_events_wanted");
        Struct key = new Struct(wanted.key());
        assertEquals(0, wanted.lookup(key).orElseThrow().get(""));
        BlockingQueue<Struct> got = new LinkedBlockingQueue<>();
        EventSource.Listener gone = e -> {
            throw new NoClassDefFoundError("of a bundle that was replaced");
        };
        try (AutoCloseable other = lab.node().events().subscribe("gone", gone); AutoCloseable s = lab.node().events().subscribe("hubble", e -> got.add(e.copy()));
                UdpStream stream = UdpStream.start(lab, a, b, 9, 100)) {
            assertEquals(1, wanted.lookup(key).orElseThrow().get(""));
            Struct e = got.poll(10, TimeUnit.SECONDS);
            assertEquals(MonitorLine.DROP, e.get("type"));
            assertEquals(181, e.get("code"));
            assertEquals("10.99.0.1", e.address("saddr").toString());
            assertEquals(9, e.port("dport"));
            assertEquals(600, e.get("stage"));
            String line = MonitorLine.of(e, "x");
            assertTrue(line.matches("xx drop \\(Policy denied by denylist\\) flow 0x\\p{XDigit}+ to endpoint 0, ifindex " + a.ifindex()
                    + ", stage 600, identity 0->0: 10.99.0.1:\\d+ -> 10.99.0.2:9 udp"), line);
        }
        assertEquals(0, wanted.lookup(key).orElseThrow().get(""));
        assertEquals(0, lab.node().events().lost());
    }

    @Test
    void queuesOfTheKernelAreTried() {
        assertTrue(lab.node().kernel().probe("qdisc:tbf").available(), lab.node().kernel().probe("qdisc:tbf").reason());
        assertTrue(lab.node().kernel().probe("qdisc:nonsense").reason().contains("nonsense"));
        assertTrue(lab.node().kernel().probe("helper:redirect_peer").available());
        assertTrue(lab.node().kernel().probed().containsKey("qdisc:tbf"));
    }

    @Test
    void entriesAreDecodedByTheNamesOfTheirMembers() {
        lab.node().pipeline().prepare(Generation.spec(Generation.forwarder(Migration.COPY))).commit();
        MapHandle table = lab.node().pipeline().map("forward_table");
        Struct value = new Struct(table.value()).set("ifindex", 7).set("mac", Lab.macBytes("0a:00:00:00:00:01"));
        table.put(Generation.address(table, "10.0.0.9"), value);
        assertEquals("10.0.0.9", Decoded.text(Generation.address(table, "10.0.0.9")));
        assertEquals("ifindex=7 packets=0 mac=0a:00:00:00:00:01 host_mac=00:00:00:00:00:00", Decoded.text(value));
        assertEquals("{\"ifindex\":7,\"packets\":0,\"mac\":\"0a:00:00:00:00:01\",\"host_mac\":\"00:00:00:00:00:00\"}", Decoded.json(value).toString());
        Struct fragment = new Struct(lab.node().pipeline().map("fragments").value()).setPort("sport", 53);
        assertEquals("sport=53 dport=0 icmp_type=0 icmp_code=0", Decoded.text(fragment));
    }
}
