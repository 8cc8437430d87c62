package io.patchbay.endpoint.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.netlink.Link;
import io.patchbay.netlink.NamespaceThread;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.VethEnd;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Real devices in a namespace of the test's own. */
@Tag("root")
class DeviceRemovalTest {
    private static final Path NODE = Path.of("/run/netns/pbt-ep-node");

    @BeforeEach
    void namespace() throws Exception {
        remove();
        ip("add");
    }

    @AfterEach
    void remove() throws Exception {
        if (Files.exists(NODE)) ip("del");
    }

    private static void ip(String verb) throws Exception {
        Process p = new ProcessBuilder("ip", "netns", verb, NODE.getFileName().toString()).redirectErrorStream(true).start();
        String output = new String(p.getInputStream().readAllBytes());
        assertEquals(0, p.waitFor(), output);
    }

    @Test
    void manyAtOnceAllGoAndOthersStay() throws Exception {
        int count = 40;
        ExecutorService callers = Executors.newFixedThreadPool(count);
        try (NetlinkSocket node = NetlinkSocket.open(NODE); DeviceRemoval removal = NamespaceThread.call(NODE, DeviceRemoval::new)) {
            for (int i = 0; i < count; i++) node.links().createVeth(VethEnd.named("lxc" + i), VethEnd.named("peer" + i));
            node.links().createVeth(VethEnd.named("other"), VethEnd.named("otherpeer"));
            CountDownLatch begin = new CountDownLatch(1);
            List<Future<Boolean>> all = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                String device = i % 10 == 9 ? "none" + i : "lxc" + i;
                all.add(callers.submit(() -> {
                    begin.await();
                    removal.delete(device);
                    return node.links().find(device).isEmpty();
                }));
            }
            begin.countDown();
            for (Future<Boolean> f : all) assertTrue(f.get(60, TimeUnit.SECONDS), "gone when the call returns");
            List<String> left = node.links().list().stream().map(Link::name).filter(n -> !n.equals("lo")).sorted().toList();
            List<String> expected = new ArrayList<>(List.of("other", "otherpeer"));
            for (int i = 9; i < count; i += 10) expected.addAll(List.of("lxc" + i, "peer" + i));
            assertEquals(expected.stream().sorted().toList(), left);
        } finally {
            callers.shutdownNow();
        }
    }
}
