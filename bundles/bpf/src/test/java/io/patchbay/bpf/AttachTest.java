package io.patchbay.bpf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.bpf.internal.Native;
import io.patchbay.bpf.internal.Sys;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Links and filters on a veth device in a namespace, and on a cgroup, both of this test alone. */
@Tag("root")
class AttachTest {
    private static final String NAMESPACE = "pbt-bpf";
    private static final int CLONE_NEWNET = 0x40000000;
    private static Path pins;
    private static Path cgroup;
    private static BpfObject object;

    @BeforeAll
    static void up() throws Exception {
        pins = BpfFs.ensureMounted().resolve("pbt-attach");
        cgroup = Cgroup2.find().orElseThrow().resolve("pbt-bpf");
        sweep();
        Files.createDirectories(pins);
        Files.createDirectories(cgroup);
        Compiled.run(List.of("ip", "netns", "add", NAMESPACE));
        Compiled.run(List.of("ip", "-n", NAMESPACE, "link", "add", "pbt0", "type", "veth", "peer", "name", "pbt1"));
        Compiled.run(List.of("ip", "-n", NAMESPACE, "addr", "add", "10.77.0.1/24", "dev", "pbt0"));
        Compiled.run(List.of("ip", "-n", NAMESPACE, "neigh", "add", "10.77.0.2", "lladdr", "02:00:00:00:00:02", "dev", "pbt0"));
        Compiled.run(List.of("nsenter", "--net=/run/netns/" + NAMESPACE, "sysctl", "-qw", "net.ipv6.conf.pbt0.disable_ipv6=1"));
        Compiled.run(List.of("ip", "-n", NAMESPACE, "link", "set", "pbt1", "up"));
        Compiled.run(List.of("ip", "-n", NAMESPACE, "link", "set", "pbt0", "up"));
        object = BpfObject.load(Compiled.object("basic"), LoadOptions.NONE);
    }

    @AfterAll
    static void down() throws Exception {
        if (object != null) {
            object.close();
        }
        sweep();
    }

    private static void sweep() throws Exception {
        BpfFs.removeTree(pins);
        if (Files.exists(Path.of("/run/netns", NAMESPACE))) {
            Compiled.run(List.of("ip", "netns", "del", NAMESPACE));
        }
        Files.deleteIfExists(cgroup);
    }

    /** Runs a task on a thread of its own inside the namespace. */
    private static <T> T inside(Callable<T> task) throws Exception {
        FutureTask<T> future = new FutureTask<>(() -> {
            int fd = Native.C.open("/run/netns/" + NAMESPACE, 0, 0);
            try {
                assertEquals(0, Native.C.setns(fd, CLONE_NEWNET));
            } finally {
                Sys.close(fd);
            }
            return task.call();
        });
        Thread thread = new Thread(future, "pbt-netns");
        thread.start();
        return future.get();
    }

    private static int device() {
        int index = Native.C.if_nametoindex("pbt0");
        assertTrue(index > 0);
        return index;
    }

    /** How many packets the program {@code emit} has seen. */
    private static int seen() {
        return object.map("shared").lookup(1).getInt(0);
    }

    private static void sendOne() throws Exception {
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.send(new DatagramPacket(new byte[8], 8, InetAddress.getByAddress(new byte[] {10, 77, 0, 2}), 4000));
        }
    }

    @Test
    void tcxLinksKeepTheirOrderAndCanBeUpdatedPinnedAndDetached() throws Exception {
        inside(() -> {
            int device = device();
            try (BpfLink emit = BpfLink.attachTcx(object.program("emit"), device, AttachType.TCX_EGRESS, TcxPosition.last());
                    BpfLink first = BpfLink.attachTcx(object.program("touch"), device, AttachType.TCX_EGRESS, TcxPosition.first())) {
                BpfLink.Chain chain = BpfLink.query(device, AttachType.TCX_EGRESS);
                assertEquals(List.of(new BpfLink.Attached(object.program("touch").id(), first.id()), new BpfLink.Attached(object.program("emit").id(), emit.id())),
                        chain.programs());
                try (BpfLink middle = BpfLink.attachTcx(object.program("second"), device, AttachType.TCX_EGRESS,
                        TcxPosition.beforeLink(emit.id()).atRevision(chain.revision()))) {
                    assertEquals(middle.id(), BpfLink.query(device, AttachType.TCX_EGRESS).programs().get(1).linkId());
                    middle.detach();
                    assertEquals(0, middle.info().target());
                }
                BpfException stale = assertThrows(BpfException.class, () -> BpfLink.attachTcx(object.program("second"), device, AttachType.TCX_EGRESS,
                        TcxPosition.first().atRevision(chain.revision())));
                assertEquals("ESTALE", stale.errnoName());

                LinkInfo info = emit.info();
                assertEquals(new LinkInfo(info.id(), LinkInfo.TCX, object.program("emit").id(), AttachType.TCX_EGRESS.number(), device), info);
                int before = seen();
                sendOne();
                assertEquals(before + 1, seen(), "touch passes on, emit counts");
                first.update(object.program("first"), Optional.of(object.program("touch")));
                assertThrows(BpfException.class, () -> first.update(object.program("touch"), Optional.of(object.program("touch"))), "another program is there");
                assertEquals(object.program("first").id(), first.info().programId());

                emit.pin(pins.resolve("emit"));
                first.detach();
            }
            try (BpfLink again = BpfLink.fromPin(pins.resolve("emit"))) {
                int before = seen();
                sendOne();
                assertEquals(before + 1, seen(), "a pinned link works without its first descriptor");
                again.detach();
                sendOne();
                assertEquals(before + 1, seen());
            }
            Files.delete(pins.resolve("emit"));
            return null;
        });
    }

    @Test
    void filtersLiveOnTheDeviceBesideForeignOnes() throws Exception {
        inside(() -> {
            int device = device();
            TcFilter mine = new TcFilter(device, TcFilter.Direction.EGRESS, 10, 0x7062);
            TcFilter foreign = new TcFilter(device, TcFilter.Direction.EGRESS, 20, 1);
            assertTrue(mine.programId().isEmpty(), "no clsact yet");
            assertThrows(BpfException.class, () -> mine.attach(object.program("emit"), false));
            TcFilter.ensureHook(device);
            TcFilter.ensureHook(device);
            assertFalse(mine.detach());
            foreign.attach(object.program("touch"), false);
            mine.attach(object.program("emit"), false);
            assertEquals("EEXIST", assertThrows(BpfException.class, () -> mine.attach(object.program("second"), false)).errnoName());
            assertEquals(object.program("emit").id(), mine.programId().getAsInt());
            int before = seen();
            sendOne();
            assertEquals(before + 1, seen());
            mine.attach(object.program("second"), true);
            assertEquals(object.program("second").id(), mine.programId().getAsInt());
            assertTrue(mine.detach());
            assertTrue(mine.programId().isEmpty());
            assertEquals(object.program("touch").id(), foreign.programId().getAsInt(), "the foreign filter is untouched");
            assertTrue(foreign.detach());
            return null;
        });
    }

    @Test
    void attachingToNoDeviceSaysSo() {
        BpfException refusal = assertThrows(BpfException.class,
                () -> BpfLink.attachTcx(object.program("emit"), 999_999, AttachType.TCX_INGRESS, TcxPosition.first()));
        assertTrue(refusal.getMessage().contains("ENODEV") && refusal.getMessage().contains("device 999999"), refusal.getMessage());
    }

    @Test
    void cgroupLinkAppliesToItsProcessesOnly() throws Exception {
        try (BpfLink link = BpfLink.attachCgroup(object.program("refuse"), cgroup, AttachType.CGROUP_INET4_CONNECT)) {
            assertEquals(LinkInfo.CGROUP, link.info().type());
            assertEquals(AttachType.CGROUP_INET4_CONNECT.number(), link.info().attachType());
            assertEquals(List.of(object.program("refuse").id()),
                    BpfLink.query(cgroup, AttachType.CGROUP_INET4_CONNECT).programs().stream().map(BpfLink.Attached::programId).toList());
            assertTrue(connect(cgroup, 9).contains("not permitted"), connect(cgroup, 9));
            assertTrue(connect(cgroup, 10).contains("refused"), connect(cgroup, 10));
            assertTrue(connect(Cgroup2.find().orElseThrow(), 9).contains("refused"), "outside the cgroup nothing changes");
        }
        assertTrue(connect(cgroup, 9).contains("refused"), "the link ended with its descriptor");
    }

    /** What a process of a cgroup is told when it connects to a closed port of the loopback. */
    private static String connect(Path group, int port) {
        return Compiled.run(List.of("bash", "-c", "echo 0 > '" + group + "/cgroup.procs'; (exec 3<>/dev/tcp/127.0.0.1/" + port + ") 2>&1; true"));
    }
}
