package io.patchbay.bandwidth.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.netlink.NetlinkSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** On real devices. With pfifo, which every kernel has, for fq. */
@Tag("root")
class PacingTest {
    private static final String KIND = "pfifo";
    private static final Path NODE = Path.of("/run/netns/pbt-bw-pace");

    @BeforeEach
    void namespace() throws Exception {
        sweep();
        run("ip netns add pbt-bw-pace");
        run("ip -n pbt-bw-pace link add one type veth peer name other");
        run("ip -n pbt-bw-pace link add many numtxqueues 3 numrxqueues 3 type veth peer name more numtxqueues 3 numrxqueues 3");
        run("ip -n pbt-bw-pace link set one up");
        run("ip -n pbt-bw-pace link set many up");
    }

    @AfterEach
    void sweep() throws Exception {
        if (Files.exists(NODE)) run("ip netns del pbt-bw-pace");
    }

    private static void run(String command) throws Exception {
        Process p = new ProcessBuilder(command.split(" ")).redirectErrorStream(true).start();
        String output = new String(p.getInputStream().readAllBytes());
        assertEquals(0, p.waitFor(), command + ": " + output);
    }

    @Test
    void aDeviceWithOneQueueHasItAsRootAndGetsItBack() throws Exception {
        try (NetlinkSocket node = NetlinkSocket.open(NODE)) {
            Pacing pacing = new Pacing(node, KIND);
            int index = node.links().get("one").index();
            assertFalse(pacing.isInForce(index));
            assertEquals(Optional.of("noqueue"), pacing.ensure(index));
            assertTrue(pacing.isInForce(index));
            assertEquals(Optional.empty(), pacing.ensure(index), "what is there stays");
            run("tc -n pbt-bw-pace qdisc del dev one root");
            assertFalse(pacing.isInForce(index));
            assertTrue(pacing.ensure(index).isPresent());
            assertTrue(pacing.isInForce(index));
        }
    }

    @Test
    void aDeviceWithManyQueuesHasItAtEachOfThem() throws Exception {
        run("tc -n pbt-bw-pace qdisc add dev many clsact");
        run("tc -n pbt-bw-pace qdisc replace dev many root handle 7: mq");
        try (NetlinkSocket node = NetlinkSocket.open(NODE)) {
            Pacing pacing = new Pacing(node, KIND);
            int index = node.links().get("many").index();
            assertFalse(pacing.isInForce(index), "an mq keeps no times itself");
            assertTrue(pacing.ensure(index).orElseThrow().startsWith("mq of "));
            assertTrue(pacing.isInForce(index));
            assertEquals("mq", node.qdiscs().root(index).orElseThrow().kind(), "its queues stay separate");
            assertEquals(3, node.qdiscs().list(index).stream().filter(q -> q.kind().equals(KIND)).count());
            assertEquals(Optional.empty(), pacing.ensure(index));
            assertTrue(node.qdiscs().hasClsact(index));
            run("tc -n pbt-bw-pace qdisc replace dev many parent 7:2 bfifo");
            assertFalse(pacing.isInForce(index), "one queue without it is a way round");
        }
    }
}
