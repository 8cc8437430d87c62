package io.patchbay.node.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.Node;
import io.patchbay.api.feature.Features;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.node.RouteMtu;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NodePlanTest {
    private static Node node(String name, String ip, String cidr) {
        return new Node(name, Map.of(), Map.of(), List.of(IpAddress.parse(ip)), List.of(Prefix.parse(cidr)));
    }

    @Test
    void routesLeadToAllPodsAndFarOnesAreKeptSmall() {
        Node own = node("n1", "192.0.2.1", "10.0.1.0/24");
        var routes = NodePlan.routes(own, List.of(own, node("n2", "192.0.2.2", "10.0.2.0/24"), node("n3", "192.0.2.3", "fd00:3::/64")), 7, 1450);
        IpAddress router = IpAddress.parse("10.0.1.1");
        assertEquals(Map.of(Prefix.parse("10.0.1.0/24"), new NodePlan.PodRoute(7, router, 0), Prefix.parse("10.0.2.0/24"),
                new NodePlan.PodRoute(7, router, 1450)), routes, "none of a family that this node has no router in");
        assertTrue(NodePlan.routes(null, List.of(own), 7, 1450).isEmpty());
        assertEquals(1380, NodePlan.routeMtu(1500, List.of(50, 70)));
        assertThrows(IllegalStateException.class, () -> NodePlan.routeMtu(1300, List.of(50)));
    }

    @Test
    void aFeatureThatStopsStillTakesItsBytesUntilItIsDisabled(@TempDir Path dir) throws Exception {
        Overheads o = new Overheads(dir);
        RouteMtu vxlan = () -> 50;
        o.add("vxlan", vxlan);
        assertEquals(List.of(50), List.copyOf(o.current(f -> Features.State.RUNNING)));
        o.remove("vxlan", vxlan);
        assertEquals(List.of(50), List.copyOf(o.current(f -> Features.State.FROZEN)));
        Overheads afterRestart = new Overheads(dir);
        assertEquals(List.of(50), List.copyOf(afterRestart.current(f -> null)));
        assertEquals(List.of(), List.copyOf(afterRestart.current(f -> Features.State.DISABLED)));
        assertEquals(List.of(), List.copyOf(new Overheads(dir).current(f -> null)));
    }

    @Test
    void devicePatterns() {
        assertTrue(NodeDevices.matches("eth+", "eth12"));
        assertFalse(NodeDevices.matches("eth", "eth12"));
        assertTrue(NodeDevices.matches("eth0", "eth0"));
    }
}
