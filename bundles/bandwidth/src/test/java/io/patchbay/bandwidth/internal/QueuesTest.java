package io.patchbay.bandwidth.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.NetNs;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.VethEnd;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Token buckets on a real pair of devices, in namespaces of the test's own. */
@Tag("root")
class QueuesTest {
    private static final Path NODE = Path.of("/run/netns/pbt-bw-node");
    private static final Path POD = Path.of("/run/netns/pbt-bw-pod");

    @BeforeAll
    static void namespaces() throws Exception {
        sweep();
        for (Path p : List.of(NODE, POD)) run("ip", "netns", "add", p.getFileName().toString());
    }

    @AfterAll
    static void sweep() throws Exception {
        for (Path p : List.of(NODE, POD)) {
            if (Files.exists(p)) run("ip", "netns", "del", p.getFileName().toString());
        }
    }

    private static void run(String... command) throws Exception {
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(p.getInputStream().readAllBytes());
        assertEquals(0, p.waitFor(), String.join(" ", command) + ": " + output);
    }

    @Test
    void aLimitComesBeforeTheDeviceIsUpChangesInPlaceAndIsLifted() throws Exception {
        try (NetNs ns = NetNs.open(POD); NetlinkSocket node = NetlinkSocket.open(NODE); NetlinkSocket pod = NetlinkSocket.open(POD)) {
            Link host = node.links().createVeth(VethEnd.named("lxcbw"), VethEnd.named("eth0").in(ns));
            Link inside = pod.links().get("eth0");
            Endpoint e = new Endpoint(1, "c", "default", "web", "", List.of(), host.index(), "lxcbw", inside.mac().toBytes(), host.mac().toBytes(),
                    POD.toString(), 0, LabelSet.empty(), Map.of(), Map.of(), 0, 0, Endpoint.State.REGENERATING);
            Queues queues = new Queues(node);
            queues.egress(e, null);
            assertFalse(Queues.inForce(e).isPresent(), "no limit, no queue");
            queues.egress(e, Rate.parse(Limits.EGRESS, "10M"));
            queues.ingress(e, Rate.parse(Limits.INGRESS, "20M"));
            node.links().setUp(host.index(), true);
            pod.links().setUp(inside.index(), true);
            assertEquals(1_250_000, Queues.inForce(e).orElseThrow().tbf().rate());
            assertEquals(2_500_000, queues.ingressInForce(e).orElseThrow().tbf().rate());
            int handle = Queues.inForce(e).orElseThrow().handle();
            queues.egress(e, Rate.parse(Limits.EGRESS, "50M"));
            assertEquals(6_250_000, Queues.inForce(e).orElseThrow().tbf().rate());
            queues.egress(e, null);
            assertFalse(Queues.inForce(e).isPresent());
            assertTrue(pod.qdiscs().root(inside.index()).filter(q -> q.handle() == handle).isPresent(), "raised out of sight, not replaced");
            queues.egress(e, Rate.parse(Limits.EGRESS, "1M"));
            assertEquals(125_000, Queues.inForce(e).orElseThrow().tbf().rate());
        }
    }
}
