package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Stage;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PlanTest {
    private static Plan.Owned stage(String feature, Hook hook, int order) {
        return new Plan.Owned(feature, new Stage("bpf/" + feature + ".o", "s" + order + hook.ordinal(), hook, order));
    }

    private static List<Plan.Owned> core() {
        List<Plan.Owned> all = new ArrayList<>();
        for (Hook h : List.of(Hook.POD_EGRESS, Hook.POD_INGRESS)) {
            all.add(stage("datapath", h, Plan.PARSE));
            all.add(stage("datapath", h, Plan.END));
        }
        return all;
    }

    private static String refusal(Plan.Owned... more) {
        List<Plan.Owned> all = core();
        all.addAll(List.of(more));
        return assertThrows(DatapathException.class, () -> Plan.of(all)).getMessage();
    }

    @Test
    void stagesArePackedDenselyInOrderAndEachKnowsItsSuccessor() {
        List<Plan.Owned> all = core();
        all.add(stage("routing", Hook.POD_EGRESS, 800));
        all.add(stage("ct", Hook.POD_EGRESS, 500));
        all.add(stage("identity", Hook.POD_INGRESS, 150));
        all.add(stage("ct", Hook.POD_INGRESS, 300));
        all.add(stage("lb", Hook.CONNECT4, 0));
        Plan plan = Plan.of(all);
        List<Plan.Placed> egress = plan.placed().stream().filter(p -> p.stage().hook() == Hook.POD_EGRESS).toList();
        assertEquals(List.of(100, 500, 800, 65535), egress.stream().map(p -> p.stage().order()).toList());
        assertEquals(List.of(0, 1, 2, 3), egress.stream().map(Plan.Placed::index).toList());
        assertEquals(List.of(1, 2, 3, Plan.NOWHERE), egress.stream().map(Plan.Placed::next).toList());
        List<Plan.Placed> ingress = plan.placed().stream().filter(p -> p.stage().hook() == Hook.POD_INGRESS).toList();
        assertEquals(List.of(4, 5, 6, 7), ingress.stream().map(Plan.Placed::index).toList());
        assertTrue(egress.stream().allMatch(p -> p.podIngress() == 6), "a parsed packet enters behind parse and its own source identity");
        assertTrue(ingress.stream().allMatch(p -> p.podIngress() == Plan.NOWHERE), "pod-ingress is not entered from itself");
        assertEquals(-1, plan.entry().get(Hook.CONNECT4).index());
        assertEquals(0, plan.entry().get(Hook.POD_EGRESS).index());
    }

    @Test
    void whatCollidesIsRefusedWithBothNames() {
        String twice = refusal(stage("a", Hook.POD_EGRESS, 500), stage("b", Hook.POD_EGRESS, 500));
        assertTrue(twice.contains("feature a") && twice.contains("feature b") && twice.contains("500"), twice);
        String socket = refusal(stage("a", Hook.CONNECT4, 0), stage("b", Hook.CONNECT4, 1));
        assertTrue(socket.contains("connect4 takes one program") && socket.contains("feature b"), socket);
        String before = refusal(stage("a", Hook.POD_EGRESS, 99));
        assertTrue(before.contains("behind parse"), before);
        String end = refusal(stage("a", Hook.POD_EGRESS, 65535));
        assertTrue(end.contains("claimed twice"), end);
        Plan.Owned same = stage("a", Hook.POD_EGRESS, 500);
        String places = refusal(same, new Plan.Owned("a", new Stage(same.stage().object(), same.stage().program(), Hook.POD_INGRESS, 500)));
        assertTrue(places.contains("a program has one place"), places);
    }

    @Test
    void thePathThroughPodIngressHasAtMost24Stages() {
        List<Plan.Owned> all = core();
        for (int i = 0; i < 11; i++) {
            all.add(stage("e", Hook.POD_EGRESS, 300 + i));
        }
        for (int i = 0; i < 10; i++) {
            all.add(stage("i", Hook.POD_INGRESS, 300 + i));
        }
        Plan.of(all);
        all.add(stage("one-more", Hook.POD_EGRESS, 900));
        String m = assertThrows(DatapathException.class, () -> Plan.of(all)).getMessage();
        assertTrue(m.contains("pod-egress through pod-ingress has 25 stages"), m);
    }
}
