package io.patchbay.datapath.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.FeatureDescriptor.Migration;
import io.patchbay.bpf.BpfIds;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.Cgroup2;
import io.patchbay.datapath.testkit.Compiled;
import io.patchbay.datapath.testkit.Lab;
import io.patchbay.datapath.testkit.Shell;
import io.patchbay.datapath.testkit.UdpStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What is refused leaves nothing behind; what changes its layout carries its entries over. */
@Tag("root")
class ChangeTest {
    /** Behind the ports that the datapath itself makes keys of. */
    private static final int NO_PORT = 0x10000;
    /** PB_DROP_POLICY_DENY. */
    private static final int DENIED = 181;
    private Lab lab;

    @BeforeEach
    void up() {
        lab = new Lab("dpc");
    }

    @AfterEach
    void down() {
        lab.close();
    }

    private Pipeline pipeline() {
        return lab.node().pipeline();
    }

    private Ledger change(GenerationSpec.Part... parts) {
        return pipeline().prepare(Generation.spec(parts)).commit();
    }

    private Ledger changeOneWay(GenerationSpec.Part... parts) {
        return pipeline().prepare(new GenerationSpec(List.of(parts), 1, "test", true)).commit();
    }

    private String refusal(GenerationSpec.Part... parts) {
        List<String> before = pins();
        String message = assertThrows(DatapathException.class, () -> pipeline().prepare(Generation.spec(parts))).getMessage();
        assertEquals(before, pins(), "a refused generation leaves no pins");
        return message;
    }

    private List<String> pins() {
        try (var all = Files.walk(lab.pins())) {
            return all.map(Path::toString).sorted().toList();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static GenerationSpec.Part one(String name, String object, String program, Hook hook, int order) {
        return Generation.part(Generation.feature(name, List.of(new Stage("bpf/" + object + ".o", program, hook, order)), List.of()), Compiled.object(object));
    }

    @Test
    void refusalsNameFeatureObjectAndProgram() {
        change(Generation.forwarder(Migration.REFUSE));
        String verifier = refusal(one("bad", "refused", "refused_pod_egress", Hook.POD_EGRESS, 500));
        assertTrue(verifier.contains("feature bad, object bpf/refused.o") && verifier.contains("program refused_pod_egress")
                && verifier.contains("invalid access to packet"), verifier);
        String unknown = refusal(one("bad", "marked", "nothing", Hook.POD_EGRESS, 500));
        assertTrue(unknown.contains("no such program") && unknown.contains("marked_pod_egress"), unknown);
        String undeclared = refusal(one("bad", "forward", "forward_pod_egress", Hook.POD_EGRESS, 500));
        assertTrue(undeclared.contains("forward_seen") || undeclared.contains("forward_table"), undeclared);
        FeatureDescriptor thief = Generation.feature("thief", List.of(), List.of(new FeatureDescriptor.OwnedMap("forward_table", "bpf/forward.o", "1.0", Migration.COPY, 0)));
        String owner = refusal(Generation.forwarder(Migration.COPY), Generation.part(thief, Compiled.object("forward")));
        assertTrue(owner.contains("claimed by feature thief and by feature forward"), owner);
        FeatureDescriptor needy = new FeatureDescriptor("needy", "1", "", "[1.0,2)", List.of(), List.of(), List.of(), List.of("qdisc:nonsense"),
                FeatureDescriptor.Disable.INSTANT, List.of(), List.of(), false);
        String kernel = refusal(new GenerationSpec.Part(needy, "", Map.of(), false));
        assertTrue(kernel.contains("feature needy needs qdisc:nonsense"), kernel);
        FeatureDescriptor future = new FeatureDescriptor("future", "1", "", "[2.0,3)", List.of(), List.of(), List.of(), List.of(),
                FeatureDescriptor.Disable.INSTANT, List.of(), List.of(), false);
        String abi = refusal(new GenerationSpec.Part(future, "", Map.of(), false));
        assertTrue(abi.contains("datapath ABI [2.0,3)") && abi.contains("1.0"), abi);
        String layout = refusal(Generation.forwarder(Migration.REFUSE, "FORWARD_WIDE"));
        assertTrue(layout.contains("map forward_") && layout.contains("does not migrate"), layout);
        assertEquals(1, pipeline().current().orElseThrow().epoch());
    }

    @Test
    void discardLeavesNothing() {
        change(Generation.forwarder(Migration.COPY));
        List<String> before = pins();
        Pipeline.Prepared p = pipeline().prepare(Generation.spec(Generation.marked(), Generation.forwarder(Migration.COPY, "FORWARD_WIDE")));
        List<Integer> made = new ArrayList<>();
        for (String pin : pins()) {
            if (pin.contains("/gen/2/") && !pin.endsWith("chain")) {
                try (BpfProgram program = BpfProgram.fromPin(Path.of(pin))) {
                    made.add(program.id());
                }
            }
        }
        assertTrue(made.size() > 10, made.toString());
        p.discard();
        assertEquals(before, pins());
        // The kernel frees programs a moment later.
        long end = System.nanoTime() + 10_000_000_000L;
        while (BpfIds.list(BpfIds.Kind.PROGRAM).stream().anyMatch(made::contains)) {
            assertTrue(System.nanoTime() < end, "programs of a discarded generation stay");
            Thread.onSpinWait();
        }
        change(Generation.forwarder(Migration.COPY));
    }

    @Test
    void copiedMapsKeepEveryMemberUnderTraffic() throws Exception {
        Lab.Pod a = lab.pod("a", 1);
        Lab.Pod b = lab.pod("b", 2);
        change(Generation.forwarder(Migration.COPY));
        MapHandle table = pipeline().map("forward_table");
        Generation.fill(table, a, b);
        MapHandle seen = pipeline().map("forward_seen");
        for (int i = 0; i < 10_000; i++) {
            seen.put(new Struct(seen.key()).set("", NO_PORT + i), new Struct(seen.value()).set("packets", i));
        }
        UdpStream there = UdpStream.start(lab, a, b, 7001, 10_000);
        Ledger wide = change(Generation.forwarder(Migration.COPY, "FORWARD_WIDE"));
        assertTrue(wide.carried().stream().anyMatch(l -> l.startsWith("forward_seen 10,001 of 10,001") && l.contains("added as zero: since")), wide.carried().toString());
        assertEquals(0, wide.faults(), wide.toString());
        assertTrue(table.value().has("vlan"), "the handle follows the change");
        assertEquals(10_001, seen.count());
        assertEquals(4711, seen.lookup(new Struct(seen.key()).set("", NO_PORT + 4711)).orElseThrow().get("packets"));
        String refused = refusal(Generation.forwarder(Migration.COPY));
        assertTrue(refused.contains("no way back") && refused.contains("map forward_seen of feature forward: member since is dropped")
                && refused.contains("--one-way"), refused);
        Ledger back = changeOneWay(Generation.forwarder(Migration.COPY));
        assertEquals(0, back.faults(), back.toString());
        assertTrue(back.carried().stream().anyMatch(l -> l.contains("members dropped: since")), back.carried().toString());
        UdpStream.Result r = there.stop();
        assertTrue(r.fin() && r.lost() == 0 && r.dup() == 0, r.toString());
        assertEquals(10_001, seen.count());
    }

    @Test
    void aNarrowerMemberCanNotBeCopied() {
        change(Generation.forwarder(Migration.COPY));
        String wide = refusal(Generation.forwarder(Migration.COPY, "FORWARD_WIDER"));
        assertTrue(wide.contains("no way back") && wide.contains("member packets becomes wider"), wide);
        Ledger wider = changeOneWay(Generation.forwarder(Migration.COPY, "FORWARD_WIDER"));
        assertTrue(wider.carried().contains("forward_table 0 of 0; one-way"), wider.carried().toString());
        String m = refusal(Generation.forwarder(Migration.COPY));
        assertTrue(m.contains("member packets was") && m.contains("can't be copied"), m);
    }

    @Test
    void rebuiltMapsAreFilledBeforeTheSwitch() throws Exception {
        Lab.Pod a = lab.pod("a", 1);
        Lab.Pod b = lab.pod("b", 2);
        change(Generation.forwarder(Migration.REBUILD));
        Generation.fill(pipeline().map("forward_table"), a, b);
        UdpStream there = UdpStream.start(lab, a, b, 7001, 10_000);
        Pipeline.Prepared p = pipeline().prepare(Generation.spec(Generation.forwarder(Migration.REBUILD, "FORWARD_WIDE")));
        Generation.fill(p.map("forward_table"), a, b);
        Ledger l = p.commit();
        assertEquals(0, l.faults(), l.toString());
        assertTrue(l.carried().contains("forward_table rebuilt"), l.carried().toString());
        assertEquals(2, pipeline().map("forward_table").count());
        UdpStream.Result r = there.stop();
        assertTrue(r.fin() && r.lost() == 0, r.toString());
    }

    private static GenerationSpec.Part inTwoParts(int... orders) {
        List<Stage> stages = new ArrayList<>(List.of(new Stage("bpf/marked.o", "marked_pod_egress", Hook.POD_EGRESS, 600)));
        for (int order : orders) {
            stages.add(new Stage("bpf/marked.o", "marked_pod_egress_aside", Hook.POD_EGRESS, order));
        }
        return Generation.part(Generation.feature("marked", stages, List.of()), Compiled.object("marked", "MARKED_ASIDE"));
    }

    @Test
    void aStagesSecondPartGetsOnlyWhatTheFirstSendsThere() throws Exception {
        for (GenerationSpec.Part wrong : List.of(inTwoParts(), inTwoParts(602), inTwoParts(599))) {
            String m = refusal(wrong);
            assertTrue(m.contains("program marked_pod_egress has a second part, marked_pod_egress_aside, which must have order 601 at pod-egress"), m);
        }
        Lab.Pod a = lab.pod("a", 1);
        Lab.Pod b = lab.pod("b", 2);
        change(inTwoParts(601), Generation.forwarder(Migration.COPY));
        Generation.fill(pipeline().map("forward_table"), a, b);
        UdpStream there = UdpStream.start(lab, a, b, 7001, 10_000);
        Lab.in(a.netns(), "bash", "-c", "for i in 1 2 3; do echo x >/dev/udp/" + b.address() + "/9; done");
        Ledger l = change(Generation.marked(), Generation.forwarder(Migration.COPY));
        assertEquals(0, l.faults(), l.toString());
        UdpStream.Result r = there.stop();
        assertTrue(r.fin() && r.lost() == 0, r.toString());
        try (BpfMap out = BpfMap.fromPin(lab.pins().resolve("maps").resolve("pb_out"))) {
            assertEquals(3, Generation.sum(out, 256 + DENIED), "the second part, of the generation in slot 1");
        }
    }

    @Test
    void aLeftFeaturesMapStaysForOneMoreGeneration() {
        change(Generation.forwarder(Migration.COPY));
        change(Generation.marked());
        assertTrue(pipeline().maps().stream().anyMatch(m -> m.name().equals("forward_table")));
        change(Generation.marked());
        assertFalse(pipeline().maps().stream().anyMatch(m -> m.name().equals("forward_table")));
    }

    @Test
    void socketHooksHaveOneProgramAndADefault() throws Exception {
        Path cgroup = Cgroup2.find().orElseThrow().resolve("pbt-dpc");
        Files.createDirectories(cgroup);
        try {
            change(one("sockets", "sockets", "sockets_connect4", Hook.CONNECT4, 0));
            lab.node().attachments().attachCgroup(cgroup.toString());
            lab.node().attachments().attachCgroup(cgroup.toString());
            assertTrue(connect(cgroup, 9).contains("not permitted"), connect(cgroup, 9));
            assertTrue(connect(cgroup, 10).contains("refused"), connect(cgroup, 10));
            Ledger l = change(Generation.marked());
            Ledger.Row row = l.rows().stream().filter(r -> r.hook() == Hook.CONNECT4).findFirst().orElseThrow();
            assertTrue(row.byOld() >= 3, l.toString());
            assertEquals(0, l.faults(), l.toString());
            assertTrue(connect(cgroup, 9).contains("refused"), "without a feature the call goes on");
            lab.closeNode();
            lab.reopen();
            assertEquals(8, lab.node().attachments().list().stream().filter(x -> x.hook().isSocket() && x.present()).count());
            lab.node().attachments().detachCgroup(cgroup.toString());
            assertEquals(0, lab.node().attachments().list().size());
        } finally {
            Files.deleteIfExists(cgroup);
        }
    }

    private static String connect(Path group, int port) {
        return Shell.run("bash", "-c", "echo 0 > '" + group + "/cgroup.procs'; (exec 3<>/dev/tcp/127.0.0.1/" + port + ") 2>&1; true");
    }
}
