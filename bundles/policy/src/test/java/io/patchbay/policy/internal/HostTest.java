package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.net.IpAddress;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The node itself as a subject: packets of the node's own hooks through the real programs, with conntrack, routing and delivery. */
@Tag("root")
class HostTest {
    private static final IpAddress NODE = IpAddress.parse("192.168.1.1");
    private static final IpAddress NODE6 = IpAddress.parse("fd01::1");
    private static final IpAddress OUTSIDE = IpAddress.parse("1.1.1.1");
    private static final IpAddress OUTSIDE6 = IpAddress.parse("2001:db8::1");
    private static final IpAddress OTHER_NODE = IpAddress.parse("192.168.1.2");
    private static final IpAddress POD = IpAddress.parse("10.0.0.10");
    private static final int TO_HOST = 5;
    private static final int TO_ENDPOINT = 1;
    private static final int TCP = 6;
    private static final int UDP = 17;
    private static final int GRE = 47;
    private static final int WORLD = 2;
    private static final int REMOTE_NODE = 6;
    private static final int POD_ID = 4711;
    private static final int CLASS = 5;
    private static final int POD_CLASS = 6;
    private static final int OVERLAY_MARK = 0x400;
    private static Programs programs;
    private KernelTables tables;
    private final PolicyMap open = new PolicyMap();

    @BeforeAll
    static void load() {
        programs = new Programs(true, true);
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @BeforeEach
    void fresh() {
        programs.forgetConnections();
        tables = programs.noTables();
        tables.addClass(POD_CLASS, open);
        programs.endpoint(POD, POD_ID, POD_CLASS, 0);
        programs.address(POD, POD_ID, 0);
        programs.address(NODE, 1, 0);
        programs.address(OTHER_NODE, REMOTE_NODE, 0);
        programs.host(NODE, CLASS, 0);
        programs.host(NODE6, CLASS, 0);
    }

    private void rules(boolean ingress, boolean egress, int... allowed) {
        PolicyMap map = new PolicyMap();
        map.table(Direction.INGRESS).enforced(ingress);
        map.table(Direction.EGRESS).enforced(egress);
        for (int i = 0; i < allowed.length; i += 2) {
            Direction d = allowed[i + 1] < 0 ? Direction.EGRESS : Direction.INGRESS;
            map.table(d).put(allowed[i], TCP, 16, Math.abs(allowed[i + 1]), false, 7);
        }
        tables.discard(tables.install(Map.of(CLASS, map), Set.of()));
    }

    private static byte[] to(IpAddress from, int port) {
        return Programs.packet(from, NODE, TCP, port);
    }

    private static int in(byte[] packet) {
        return programs.run(Programs.NETDEV_INGRESS, packet);
    }

    private static int out(byte[] packet) {
        return programs.run(Programs.NETDEV_EGRESS, packet);
    }

    @Test
    void withoutHostFirewallNobodyAsks() {
        rules(true, true);
        programs.host(NODE, 0, 0);
        assertEquals(Programs.TO_STACK, in(to(OUTSIDE, 22)));
        assertEquals(Programs.TO_STACK, out(Programs.packet(NODE, OUTSIDE, TCP, 443)));
        assertEquals(TO_HOST, programs.run(Programs.POD_EGRESS, Programs.packet(POD, NODE, TCP, 22)));
        assertEquals(TO_ENDPOINT, programs.run(Programs.HOST_EGRESS, Programs.packet(NODE, POD, TCP, 80)));
        assertEquals(Programs.LEFT_ALONE, in(Programs.packet(OUTSIDE, NODE, GRE, 0)));
        assertEquals(2, programs.map("ct4").entries().size(), "the pod's sides alone are tracked");
    }

    @Test
    void openDirectionsPassAndAreTracked() {
        rules(false, false);
        assertEquals(Programs.TO_STACK, in(to(OUTSIDE, 22)));
        assertEquals(Programs.TO_STACK, out(Programs.packet(NODE, OUTSIDE, TCP, 443)));
        assertEquals(Programs.TO_STACK, in(Programs.packet(OUTSIDE, NODE, GRE, 0)), "a protocol that pods don't speak");
        assertEquals(3, programs.map("ct4").entries().size());
    }

    @Test
    void whoComesFromOutsideNeedsARule() {
        rules(true, true, WORLD, 22);
        byte[] ssh = to(OUTSIDE, 22);
        assertEquals(Programs.TO_STACK, in(ssh));
        assertEquals(133, in(to(OUTSIDE, 80)));
        assertEquals(133, in(to(OTHER_NODE, 22)), "the rule is about the world");
        assertEquals(Programs.TO_STACK, out(Programs.answer(ssh)), "answers pass a closed egress");
        assertEquals(133, out(Programs.answer(to(OUTSIDE, 2222))), "what answers nothing asks");
    }

    @Test
    void whatTheNodeSendsNeedsARuleAndItsAnswersPass() {
        rules(true, true, WORLD, -443);
        byte[] https = Programs.packet(NODE, OUTSIDE, TCP, 443);
        assertEquals(Programs.TO_STACK, out(https));
        assertEquals(Programs.TO_STACK, in(Programs.answer(https)));
        assertEquals(133, out(Programs.packet(NODE, OUTSIDE, TCP, 80)));
        assertEquals(133, in(Programs.answer(Programs.packet(NODE, OUTSIDE, TCP, 80))));
    }

    @Test
    void anEstablishedConnectionFollowsThePolicy() {
        rules(true, true, WORLD, 22);
        byte[] ssh = to(OUTSIDE, 22);
        byte[] data = ssh.clone();
        data[14 + 20 + 13] = 0x10;
        assertEquals(Programs.TO_STACK, in(ssh));
        assertEquals(Programs.TO_STACK, out(Programs.answer(ssh)));
        assertEquals(Programs.TO_STACK, in(data));
        rules(true, true);
        assertEquals(133, in(data), "the next forward packet");
        assertEquals(Programs.TO_STACK, out(Programs.answer(ssh)), "answers are not asked about");
        rules(true, true, WORLD, 22);
        assertEquals(Programs.TO_STACK, in(data));
    }

    @Test
    void podsAndTheirOwnNode() {
        rules(true, true, POD_ID, 53);
        byte[] dns = Programs.packet(POD, NODE, TCP, 53);
        assertEquals(TO_HOST, programs.run(Programs.POD_EGRESS, dns));
        assertEquals(TO_ENDPOINT, programs.run(Programs.HOST_EGRESS, Programs.answer(dns)), "the node's answer to its pod");
        assertEquals(133, programs.run(Programs.POD_EGRESS, Programs.packet(POD, NODE, TCP, 22)));
        assertEquals(133, programs.run(Programs.HOST_EGRESS, Programs.packet(NODE, POD, TCP, 80)), "the node's own connection to its pod");
        rules(true, true, POD_ID, -80);
        byte[] probe = Programs.packet(NODE, POD, TCP, 80);
        assertEquals(TO_ENDPOINT, programs.run(Programs.HOST_EGRESS, probe));
        byte[] answer = Programs.answer(probe);
        System.arraycopy(Programs.POD_MAC, 0, answer, 6, 6);
        assertEquals(TO_HOST, programs.run(Programs.POD_EGRESS, answer));
    }

    @Test
    void whatComesOutOfTheTunnelForTheNodeAsks() {
        rules(true, false);
        assertEquals(133, programs.run(Programs.OVERLAY_INGRESS, Programs.packet(OTHER_NODE, NODE, TCP, 22)));
        programs.host(NODE, 0, 0);
        assertEquals(TO_HOST, programs.run(Programs.OVERLAY_INGRESS, Programs.packet(OTHER_NODE, NODE, TCP, 22)));
    }

    @Test
    void tunnelPacketsLeaveUnasked() {
        rules(true, true);
        byte[] outer = Programs.packet(NODE, OTHER_NODE, UDP, 8472);
        assertEquals(133, out(outer), "a process that speaks to the tunnel's port");
        assertEquals(Programs.TO_STACK, programs.run(Programs.NETDEV_EGRESS, outer, OVERLAY_MARK), "the tunnel's device");
        assertEquals(133, in(Programs.packet(OTHER_NODE, NODE, UDP, 8472)), "as in Cilium, they need a rule to come in");
    }

    @Test
    void auditLetsPass() {
        rules(true, true);
        programs.host(NODE, CLASS, 4 | 8);
        assertEquals(Programs.TO_STACK, in(to(OUTSIDE, 22)));
        assertEquals(Programs.TO_STACK, out(Programs.packet(NODE, OUTSIDE, TCP, 80)));
    }

    @Test
    void whatCantBeJudgedIsDropped() {
        rules(true, true);
        assertEquals(137, in(Programs.packet(OUTSIDE, NODE, GRE, 0)));
        assertEquals(137, out(Programs.packet(NODE, OUTSIDE, GRE, 0)));
        byte[] tiny = Arrays.copyOf(to(OUTSIDE, 22), 14 + 20 + 8);
        tiny[14 + 6] = 0x20; // first of several fragments, too short for TCP's flags
        assertEquals(135, in(tiny));
        byte[] later = to(OUTSIDE, 22);
        later[14 + 5] = 99;
        later[14 + 7] = 1;
        assertEquals(175, in(later), "a fragment whose first one nobody saw");
        programs.host(NODE, 0, 0);
        assertEquals(Programs.LEFT_ALONE, in(tiny), "nobody's business without a host firewall");
        programs.host(NODE, 77, 0);
        assertEquals(203, in(to(OUTSIDE, 22)), "a class that nobody wrote");
    }

    @Test
    void neighbourDiscoveryPasses() {
        rules(true, true);
        assertEquals(Programs.TO_STACK, in(Programs.packet(OUTSIDE6, NODE6, 58, 135 << 8)));
        assertEquals(Programs.TO_STACK, out(Programs.packet(NODE6, OUTSIDE6, 58, 136 << 8)));
        assertEquals(133, in(Programs.packet(OUTSIDE6, NODE6, 58, 128 << 8)), "an echo asks");
    }
}
