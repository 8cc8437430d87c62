package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import io.patchbay.bpf.BpfMap;
import io.patchbay.datapath.testkit.Compiled;
import io.patchbay.datapath.testkit.Features;
import io.patchbay.datapath.testkit.Lab;
import io.patchbay.datapath.testkit.Shell;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Connections outlive a change of conntrack's own layout, forward and back: the real conntrack, endpoint and routing, and a policy under
 * which an answer without its entry is lost.
 */
@Tag("root")
class CarryTest {
    private static final int SLEEPING = 20_000;
    private static final int PACKETS = 150;
    private static GenerationSpec.Part endpoint;
    private static GenerationSpec.Part routing;
    private static GenerationSpec.Part asking;
    private static GenerationSpec.Part ours;
    private static GenerationSpec.Part other;
    private static Path tool;

    private final List<Process> clients = new ArrayList<>();
    private Lab lab;
    private Lab.Pod a;
    private Lab.Pod b;

    @BeforeEach
    void up() throws IOException {
        if (tool == null) {
            endpoint = Features.of("endpoint");
            routing = Features.of("routing");
            asking = Generation.part(Generation.feature("asking", List.of(new Stage("bpf/asking.o", "ask_pod_egress", Hook.POD_EGRESS, 600),
                    new Stage("bpf/asking.o", "ask_pod_ingress", Hook.POD_INGRESS, 400)), List.of()), Compiled.object("asking"));
            ours = Features.of("conntrack");
            other = otherConntrack();
            Path out = Files.createTempDirectory("pbt-traffic");
            Shell.run(Compiled.root().resolve("itests/traffic/build").toString(), out.toString());
            tool = out.resolve("pb-traffic");
        }
        lab = new Lab("carry");
        a = lab.pod("a", 1);
        b = lab.pod("b", 2);
        change(ours);
        endpoint(a, 101);
        endpoint(b, 102);
    }

    @AfterEach
    void down() {
        lab.close();
    }

    /** Every member of key and entry elsewhere, and one that is new. */
    private static GenerationSpec.Part otherConntrack() throws IOException {
        Path folder = Files.createTempDirectory("pbt-conntrack");
        Path root = Compiled.root();
        String c = Files.readString(root.resolve("bpf/conntrack/conntrack.c"));
        c = moved(c, "struct ct_entry {\n", "struct ct_entry {\n    __u64 asked;\n    __u8 spare[16];\n");
        c = moved(c, "\n    __u8 spare[16];\n};", "\n};");
        c = moved(c, "struct ct4_key {\n", "struct ct4_key {\n    __u8 proto;\n    __u8 pad[3];\n");
        c = moved(c, "    __u8 proto;\n    __u8 pad[3];\n};\n\nstruct ct6_key", "};\n\nstruct ct6_key");
        Path source = Files.writeString(folder.resolve("conntrack.c"), c);
        Path object = folder.resolve("conntrack.o");
        Shell.run("clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-I" + root.resolve("bpf/include"),
                "-I/usr/include/" + System.getProperty("os.arch").replace("amd64", "x86_64") + "-linux-gnu", "-c", source.toString(), "-o", object.toString());
        Shell.run("llvm-strip", "-g", object.toString());
        return Features.part(root.resolve("bundles/conntrack/src/main/resources/META-INF/patchbay/feature.json"), folder);
    }

    private static String moved(String text, String what, String to) {
        assertTrue(text.contains(what), "conntrack.c has changed: no " + what);
        return text.replace(what, to);
    }

    private Pipeline pipeline() {
        return lab.node().pipeline();
    }

    private Ledger change(GenerationSpec.Part conntrack) {
        return pipeline().prepare(new GenerationSpec(List.of(endpoint, routing, asking, conntrack), 1, "conntrack", true)).commit();
    }

    private void endpoint(Lab.Pod p, int id) {
        MapHandle m = pipeline().map("endpoints");
        m.put(new Struct(m.key()).set("", IpAddress.parse(p.address())), new Struct(m.value()).set("ifindex", p.ifindex()).set("id", id)
                .set("mac", Lab.macBytes(p.mac())).set("host_mac", Lab.macBytes(p.hostMac())).set("identity", 1000 + id).set("policy_id", 1));
    }

    private void traffic() throws IOException {
        Process server = lab.start(b.netns(), tool.toString(), "serve", "--tcp", "7001", "--name", "b");
        clients.add(lab.start(b.netns(), tool.toString(), "udp-duplex", "--listen", b.address() + ":7003", "--pps", "2000", "--until-signal"));
        assertTrue(server.isAlive());
        clients.add(lab.start(a.netns(), tool.toString(), "udp-duplex", "--peer", b.address() + ":7003", "--pps", "2000", "--until-signal"));
        clients.add(lab.start(a.netns(), tool.toString(), "tcp-rr", "--to", b.address() + ":7001", "--connections", "100", "--interval-us", "5000", "--until-signal"));
        awaitConnections(2 * 101);
    }

    private void awaitConnections(int n) {
        await(n + " connections", () -> pipeline().map("ct4").count() >= n);
    }

    private static void await(String what, BooleanSupplier fact) {
        long end = System.nanoTime() + 20_000_000_000L;
        while (!fact.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, "still not so: " + what);
            Thread.onSpinWait();
        }
    }

    private List<String> reports() throws Exception {
        List<String> all = new ArrayList<>();
        // The sender of the duplex pair first: the other side stops when it has.
        for (int i = clients.size() - 1; i >= 0; i--) {
            Process p = clients.get(i);
            if (i > 0) {
                p.toHandle().descendants().forEach(ProcessHandle::destroy);
                p.toHandle().destroy();
            }
            assertTrue(p.waitFor(20, TimeUnit.SECONDS), "a client does not end");
            all.add(new String(p.getInputStream().readAllBytes()));
        }
        return all;
    }

    private Struct key(MapHandle ct, int i) {
        return new Struct(ct.key()).set("local", 0x0a000000L + i).set("remote", 7).set("lport", i & 0xffff).set("rport", 80).set("proto", 17);
    }

    private void sleep(int n) {
        MapHandle ct = pipeline().map("ct4");
        for (int i = 0; i < n; i++) {
            ct.put(key(ct, i), new Struct(ct.value()).set("expires", System.nanoTime() + 3_600_000_000_000L).set("peer_identity", i).set("out", i & 1).set("svc_id", 3 * i));
        }
    }

    @Test
    void tenChangesOfLayoutLoseNoConnection() throws Exception {
        traffic();
        sleep(SLEEPING);
        for (int i = 0; i < 10; i++) {
            int before = pipeline().map("ct4").count();
            Ledger l = change(i % 2 == 0 ? other : ours);
            assertEquals("accepted", l.outcome());
            assertEquals(0, l.faults(), l.toString());
            String line = l.carried().stream().filter(c -> c.startsWith("ct4 ")).findFirst().orElseThrow();
            assertTrue(line.startsWith(String.format("ct4 %,d of %,d", before, before)), line);
            MapHandle ct = pipeline().map("ct4");
            assertEquals(i % 2 == 0, ct.value().has("asked"));
            assertEquals(before, ct.count());
            for (int k = 0; k < SLEEPING; k += 97) {
                Struct e = ct.lookup(key(ct, k)).orElseThrow();
                assertEquals(k, e.get("peer_identity"));
                assertEquals(k & 1, e.get("out"));
                assertEquals(3L * k, e.get("svc_id"));
            }
        }
        assertEquals(11, pipeline().current().orElseThrow().epoch());
        for (String report : reports()) {
            assertTrue(report.contains("\"clean\":true"), report);
        }
    }

    /** What the pass brings over is hidden: while the word says so, packets bring over their entries themselves; and else not. */
    @Test
    void packetsReadThroughToTheOldMap() throws Exception {
        traffic();
        await("every connection has had packets", () -> pipeline().map("ct4").entries().values().stream().allMatch(e -> e.get("tx_packets") >= PACKETS));
        Ledger l = change(other);
        assertEquals(0, l.faults(), l.toString());
        MapHandle ct = pipeline().map("ct4");
        int connections = ct.count();
        try (BpfMap carrying = BpfMap.fromPin(lab.pins().resolve("maps").resolve("pb_carrying"))) {
            assertEquals(0, carrying.lookup(0).getInt(0), "the reading has ended");
            carrying.update(BpfMap.intKey(0), BpfMap.intKey((int) l.toEpoch()));
            ct.deleteAll(ct.entries().keySet());
            awaitConnections(connections);
            for (Struct e : ct.entries().values()) {
                assertTrue(e.get("tx_packets") >= PACKETS, "brought over with what it was: " + e.get("tx_packets"));
            }
            carrying.update(BpfMap.intKey(0), BpfMap.intKey(0));
        }
        for (String report : reports()) {
            assertTrue(report.contains("\"clean\":true"), report);
        }
    }
}
