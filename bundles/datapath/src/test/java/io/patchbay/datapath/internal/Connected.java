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
import io.patchbay.datapath.testkit.Compiled;
import io.patchbay.datapath.testkit.Features;
import io.patchbay.datapath.testkit.Lab;
import io.patchbay.datapath.testkit.Shell;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Two pods behind the real conntrack, endpoint and routing, and a policy under which an answer without its connection's entry is lost.
 * Conntrack comes in two layouts.
 */
final class Connected implements AutoCloseable {
    /** @param folder where all objects and descriptors are: endpoint, routing, asking and, in {@code ours} and {@code other}, conntrack's objects */
    record Parts(Path folder) {
        static Parts compile() {
            try {
                Path folder = Files.createTempDirectory("pbt-parts");
                Path root = Compiled.root();
                for (String f : List.of("endpoint", "routing")) {
                    Shell.run(root.resolve("bpf/build").toString(), f, folder.toString());
                }
                Shell.run(root.resolve("bpf/build").toString(), "conntrack", folder.resolve("ours").toString());
                for (String f : List.of("endpoint", "routing", "conntrack")) {
                    Files.copy(root.resolve("bundles").resolve(f).resolve("src/main/resources/META-INF/patchbay/feature.json"), folder.resolve(f + ".json"));
                }
                Files.copy(Compiled.object("asking"), folder.resolve("asking.o"));
                other(Files.createDirectory(folder.resolve("other")));
                Shell.run(root.resolve("itests/traffic/build").toString(), folder.toString());
                return new Parts(folder);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Every member of key and entry elsewhere, and one that is new. */
        private static void other(Path folder) throws IOException {
            Path root = Compiled.root();
            String c = Files.readString(root.resolve("bpf/conntrack/conntrack.c"));
            Matcher spare = Pattern.compile("\n    __u8 spare\\[\\d+];(?=\n};)").matcher(c);
            assertTrue(spare.find(), "conntrack.c has changed: no spare bytes at the end of an entry");
            c = moved(c, "struct ct_entry {\n", "struct ct_entry {\n    __u64 asked;\n");
            c = moved(c, spare.group() + "\n};", "\n};");
            c = moved(c, "struct ct4_key {\n", "struct ct4_key {\n    __u8 proto;\n    __u8 pad[3];\n");
            c = moved(c, "    __u8 proto;\n    __u8 pad[3];\n};\n\nstruct ct6_key", "};\n\nstruct ct6_key");
            Path source = Files.writeString(folder.resolve("conntrack.c"), c);
            Path object = folder.resolve("conntrack.o");
            Shell.run("clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-I" + root.resolve("bpf/include"),
                    "-I/usr/include/" + System.getProperty("os.arch").replace("amd64", "x86_64") + "-linux-gnu", "-c", source.toString(), "-o", object.toString());
            Shell.run("llvm-strip", "-g", object.toString());
        }

        private static String moved(String text, String what, String to) {
            assertTrue(text.contains(what), "conntrack.c has changed: no " + what);
            return text.replace(what, to);
        }

        private GenerationSpec.Part real(String name, Path objects) {
            return Features.part(folder.resolve(name + ".json"), objects);
        }

        /** @param other the other layout of conntrack */
        GenerationSpec spec(boolean other) {
            GenerationSpec.Part asking = Generation.part(Generation.feature("asking", List.of(new Stage("bpf/asking.o", "ask_pod_egress", Hook.POD_EGRESS, 600),
                    new Stage("bpf/asking.o", "ask_pod_ingress", Hook.POD_INGRESS, 400)), List.of()), folder.resolve("asking.o"));
            return new GenerationSpec(List.of(real("endpoint", folder), real("routing", folder), asking, real("conntrack", folder.resolve(other ? "other" : "ours"))),
                    1, other ? "the other layout" : "our layout", true);
        }

        void remove() {
            try (Stream<Path> all = Files.walk(folder)) {
                for (Path p : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(p);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    final Lab lab;
    private final Parts parts;
    private final Lab.Pod a;
    private final Lab.Pod b;
    private final List<Process> clients = new ArrayList<>();
    private Process server;

    Connected(String name, Parts parts) {
        this.parts = parts;
        lab = new Lab(name);
        a = lab.pod("a", 1);
        b = lab.pod("b", 2);
        change(false);
        endpoint(a, 101);
        endpoint(b, 102);
    }

    Pipeline pipeline() {
        return lab.node().pipeline();
    }

    MapHandle connections() {
        return pipeline().map("ct4");
    }

    Ledger change(boolean other) {
        return pipeline().prepare(parts.spec(other)).commit();
    }

    private void endpoint(Lab.Pod p, int id) {
        MapHandle m = pipeline().map("endpoints");
        m.put(new Struct(m.key()).set("", IpAddress.parse(p.address())), new Struct(m.value()).set("ifindex", p.ifindex()).set("id", id)
                .set("mac", Lab.macBytes(p.mac())).set("host_mac", Lab.macBytes(p.hostMac())).set("identity", 1000 + id).set("policy_id", 1));
    }

    /** A numbered stream in both directions on one UDP connection, and a hundred TCP connections with requests and answers. */
    void traffic() throws IOException {
        String tool = parts.folder().resolve("pb-traffic").toString();
        server = lab.start(b.netns(), tool, "serve", "--tcp", "7001", "--name", "b");
        await("the server listens", () -> Lab.in(b.netns(), "ss", "-Hltn").contains(":7001"));
        int before = connections().count();
        clients.add(lab.start(b.netns(), tool, "udp-duplex", "--listen", b.address() + ":7003", "--pps", "2000", "--until-signal"));
        clients.add(lab.start(a.netns(), tool, "udp-duplex", "--peer", b.address() + ":7003", "--pps", "2000", "--until-signal"));
        clients.add(lab.start(a.netns(), tool, "tcp-rr", "--to", b.address() + ":7001", "--connections", "100", "--interval-us", "5000", "--until-signal"));
        await("202 entries more", () -> connections().count() >= before + 202);
    }

    static void await(String what, BooleanSupplier fact) {
        long end = System.nanoTime() + 30_000_000_000L;
        while (!fact.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, "still not so: " + what);
            Thread.onSpinWait();
        }
    }

    /** Ends the traffic: nothing lost, repeated, sent again or broken on any connection. */
    void assertClean() throws Exception {
        // The sender of the duplex pair first: the other side stops when it has.
        for (int i = clients.size() - 1; i >= 0; i--) {
            Process p = clients.get(i);
            if (i > 0) {
                p.toHandle().descendants().forEach(ProcessHandle::destroy);
                p.toHandle().destroy();
            }
            assertTrue(p.waitFor(20, TimeUnit.SECONDS), "a client does not end");
            String report = new String(p.getInputStream().readAllBytes());
            assertTrue(report.contains("\"clean\":true"), report);
        }
        clients.clear();
        server.toHandle().descendants().forEach(ProcessHandle::destroy);
        assertTrue(server.waitFor(20, TimeUnit.SECONDS), "the server does not end");
    }

    private static Struct key(MapHandle ct, int i) {
        return new Struct(ct.key()).set("local", 0x0a000000L + i).set("remote", 7).set("lport", i & 0xffff).set("rport", 80).set("proto", 17);
    }

    /** Connections on which nothing is said. */
    void sleepers(int n) {
        MapHandle ct = connections();
        for (int i = 0; i < n; i++) {
            ct.put(key(ct, i), new Struct(ct.value()).set("expires", System.nanoTime() + 3_600_000_000_000L).set("peer_identity", i).set("out", i & 1).set("svc_id", 3 * i));
        }
    }

    void assertSleepers(int n) {
        MapHandle ct = connections();
        for (int i = 0; i < n; i++) {
            Struct e = ct.lookup(key(ct, i)).orElseThrow();
            assertEquals(i, e.get("peer_identity"));
            assertEquals(i & 1, e.get("out"));
            assertEquals(3L * i, e.get("svc_id"));
        }
    }

    @Override
    public void close() {
        lab.close();
    }
}
