package io.patchbay.lifecycle.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.feature.Features.State;
import io.patchbay.api.status.Controllers;
import io.patchbay.lifecycle.internal.StateFiles.Step;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class EngineTest {
    @TempDir
    Path directory;

    private final MemoryPipeline pipeline = new MemoryPipeline();
    private final Map<String, Permit> permits = new TreeMap<>();
    private final Map<String, Map<String, Object>> configured = new TreeMap<>();
    private final Set<String> silent = new HashSet<>();
    private final Set<String> kernelLacks = new HashSet<>();
    private final List<String> brought = new ArrayList<>();
    /** What happens while the components of a version begin. */
    private final Map<String, Runnable> beginning = new HashMap<>();
    private final BlockingQueue<String> late = new LinkedBlockingQueue<>();
    private FakeBundles bundles;
    private Engine engine;

    @BeforeEach
    void distribution() throws Exception {
        distribution(Map.of("endpoint", Jars.jar("endpoint", "1.0.0", ",\"disable\":\"never\",\"onAddPath\":true"),
                "policy", Jars.jar("policy", "1.0.0", ",\"disable\":\"override\",\"requires\":[\"endpoint\"],\"config\":{\"mode\":\"default\"}"),
                "masquerade", Jars.jar("masquerade", "1.0.0", ",\"disable\":\"drained\",\"requires\":[\"endpoint\"]")),
                Map.of("bandwidth", Jars.jar("bandwidth", "1.0.0", ",\"disable\":\"instant\",\"requires\":[\"endpoint\"]")));
        boot();
    }

    @Test
    void firstStartBuildsAndTheNextAdopts() throws Exception {
        assertEquals(1, pipeline.committed.size());
        assertEquals(Set.of("endpoint", "policy", "masquerade"), permits.keySet());
        boot();
        assertEquals(1, pipeline.committed.size());
        assertEquals(State.RUNNING, state("policy"));
        assertEquals(List.of(), engine.states().missingForAdd());
    }

    @Test
    void updateIsAcceptedAndCanBeRolledBack() throws Exception {
        Ledger l = update(Jars.jar("policy", "1.1.0", ",\"disable\":\"override\",\"requires\":[\"endpoint\"]"));
        assertEquals("policy 1.0.0 -> 1.1.0", l.title());
        assertEquals("1.1.0", permits.get("policy").version());
        assertEquals(List.of("1.0.0"), engine.states().get("policy").orElseThrow().earlierVersions());
        boot();
        assertEquals(2, pipeline.committed.size());
        engine.rollback("policy");
        assertEquals("1.0.0", permits.get("policy").version());
        assertEquals(3, pipeline.current.epoch());
    }

    @Test
    void twoJarsAreOneChange() throws Exception {
        engine.update(List.of(take(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\"")), take(Jars.jar("masquerade", "1.1.0", ",\"disable\":\"drained\""))), false);
        assertEquals(2, pipeline.committed.size());
        assertEquals("1.1.0", permits.get("masquerade").version());
    }

    @Test
    void whatTheVerifierRefusesChangesNothing() throws Exception {
        pipeline.refused = "policy 1.1.0";
        brought.clear();
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\"")));
        assertTrue(e.getMessage().contains("R1 invalid mem access"), e.getMessage());
        assertEquals(List.of(), brought);
        assertEquals(1, pipeline.current.epoch());
        assertEquals(State.RUNNING, state("policy"));
    }

    @Test
    void whatIsNeverReadyIsUndone() throws Exception {
        engine.keys().set("lifecycle.ready-seconds", Optional.of("0"));
        silent.add("policy 1.1.0");
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\"")));
        assertTrue(e.getMessage().contains("policy was not ready within 0 s"), e.getMessage());
        assertEquals(1, pipeline.current.epoch());
        assertEquals(0, pipeline.open);
        assertEquals("1.0.0", permits.get("policy").version());
        assertEquals("policy 1.0.0", brought.get(brought.size() - 1));
        assertEquals(State.RUNNING, state("policy"));
    }

    @Test
    void componentsThatDoNotBeginEndTheChangeAndNothingElse() throws Exception {
        engine.keys().set("lifecycle.bundle-seconds", Optional.of("1"));
        CountDownLatch let = new CountDownLatch(1);
        beginning.put("policy 1.1.0", () -> neverMindInterrupts(let));
        FeatureJar both = take(Jars.jar("masquerade", "1.1.0", ",\"disable\":\"drained\""));
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> engine.update(List.of(take(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\"")), both), false));
        assertTrue(e.getMessage().contains("nothing has changed: policy: starting its components did not end within 1 s; it waits in io.patchbay.lifecycle.internal.EngineTest."
                + "neverMindInterrupts"), e.getMessage());
        assertEquals(1, pipeline.current.epoch());
        assertEquals(0, pipeline.open);
        assertEquals(State.RUNNING, state("masquerade"));
        assertEquals("1.0.0", permits.get("masquerade").version());

        engine.update(List.of(both), false);
        assertEquals("1.1.0", permits.get("masquerade").version(), "others can be changed");
        e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("policy", "1.2.0", ",\"disable\":\"instant\"")));
        assertTrue(e.getMessage().contains("policy is stuck: starting its components was given up and has not ended yet"), e.getMessage());

        let.countDown();
        assertEquals("policy", late.take());
        engine.bringBack("policy");
        assertEquals("1.0.0", permits.get("policy").version());
        assertEquals(State.RUNNING, state("policy"));
        update(Jars.jar("policy", "1.2.0", ",\"disable\":\"instant\""));
        assertEquals("1.2.0", permits.get("policy").version());
    }

    private static void neverMindInterrupts(CountDownLatch until) {
        while (true) {
            try {
                until.await();
                return;
            } catch (InterruptedException e) {
                // The worst kind of code.
            }
        }
    }

    @Test
    void whatEndsWhenItIsInterruptedIsUndoneAtOnce() throws Exception {
        engine.keys().set("lifecycle.bundle-seconds", Optional.of("1"));
        beginning.put("policy 1.1.0", () -> {
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted", e);
            }
        });
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\"")));
        assertTrue(e.getMessage().contains("did not end within 1 s"), e.getMessage());
        assertEquals("1.0.0", permits.get("policy").version());
        assertEquals(State.RUNNING, state("policy"));
    }

    /** Of a change that is left half made the pipeline would not let go, and each that comes after would wait for it in vain. */
    @Test
    void whateverIsThrownTheChangeIsUndone() throws Exception {
        for (Throwable t : List.of(new IllegalStateException("it is STARTING or STOPPING"), new NoClassDefFoundError("of/the/Bundle"))) {
            bundles.failing = t;
            ChangeRefused e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\"")));
            assertTrue(e.getMessage().contains("nothing has changed") && e.getMessage().contains(t.getMessage()), e.getMessage());
            assertEquals(0, pipeline.open);
            assertEquals(1, pipeline.current.epoch());
            assertEquals(Step.UNDONE, new StateFiles(directory.resolve("state")).newest().orElseThrow().step());
            assertEquals(State.RUNNING, state("policy"));
        }
        update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\""));
        assertEquals("1.1.0", permits.get("policy").version());
    }

    @Test
    void aValueWithWhichAFeatureDoesNotBeginIsTakenBack() throws Exception {
        engine.keys().set("lifecycle.bundle-seconds", Optional.of("1"));
        beginning.put("policy 1.0.0", () -> {
            beginning.clear();
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted", e);
            }
        });
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> engine.keys().set("policy.mode", Optional.of("always")));
        assertTrue(e.getMessage().contains("policy: starting its components did not end within 1 s"), e.getMessage());
        assertEquals("default", permits.get("policy").config().get("mode"));
        assertEquals(State.RUNNING, state("policy"));
    }

    @Test
    void changeThatLosesPacketsIsSwitchedBack() throws Exception {
        pipeline.loseNext = 3;
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\"")));
        assertTrue(e.getMessage().contains("rolled back") && e.getMessage().contains("3 lost"), e.getMessage());
        assertEquals(3, pipeline.current.epoch());
        assertTrue(pipeline.current.features().stream().anyMatch(f -> f.name().equals("policy") && f.version().equals("1.0.0")));
        assertEquals("1.0.0", permits.get("policy").version());
    }

    @Test
    void jarThatDoesNotResolveIsRefusedBeforeAnything() throws Exception {
        bundles.unresolvable = "missing requirement osgi.wiring.package no.such";
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\"")));
        assertTrue(e.getMessage().contains("no.such"), e.getMessage());
        assertEquals(1, pipeline.committed.size());
    }

    @Test
    void killBeforeTheSwitchUndoes() throws Exception {
        interrupted(Step.READY, false);
        boot();
        assertEquals("1.0.0", permits.get("policy").version());
        assertEquals(1, pipeline.current.epoch());
        assertEquals(Step.UNDONE, new StateFiles(directory.resolve("state")).newest().orElseThrow().step());
    }

    @Test
    void killAfterTheSwitchCompletes() throws Exception {
        interrupted(Step.READY, true);
        boot();
        assertEquals("1.1.0", permits.get("policy").version());
        assertEquals(2, pipeline.current.epoch());
        assertEquals(List.of("1.0.0"), engine.states().get("policy").orElseThrow().earlierVersions());
    }

    @Test
    void damagedRecordNeverDisablesWhatTheKernelRuns() throws Exception {
        engine.add("bandwidth");
        update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\""));
        Path record = directory.resolve("state/features.json");
        Files.writeString(record, "{\"format\": 1, \"fea");
        boot();
        assertTrue(Files.exists(directory.resolve("state/features.json.corrupt")));
        assertEquals("1.1.0", permits.get("policy").version());
        assertTrue(permits.containsKey("bandwidth"));
        assertEquals(3, pipeline.current.epoch());
    }

    @Test
    void damagedJournalIsSetAside() throws Exception {
        update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\""));
        Files.writeString(directory.resolve("state/journal/1.json"), "nonsense");
        boot();
        assertEquals("1.1.0", permits.get("policy").version());
        assertTrue(Files.exists(directory.resolve("state/journal/1.json.corrupt")));
    }

    @Test
    void disableFollowsTheDescriptor() throws Exception {
        assertTrue(assertThrows(ChangeRefused.class, () -> engine.disable("endpoint", true, true)).getMessage().contains("can't be disabled"));
        assertTrue(assertThrows(ChangeRefused.class, () -> engine.disable("policy", true, false)).getMessage().contains("--override"));
        engine.disable("policy", false, true);
        assertEquals(State.DISABLED, state("policy"));
        assertFalse(permits.containsKey("policy"));
        boot();
        assertFalse(permits.containsKey("policy"));
        engine.enable("policy");
        assertEquals(State.RUNNING, state("policy"));
    }

    @Test
    void drainedFeatureLeavesInTwoSteps() throws Exception {
        engine.disable("masquerade", false, false);
        assertEquals(State.DRAINING, state("masquerade"));
        assertTrue(last("masquerade").draining());
        assertTrue(permits.get("masquerade").draining());
        assertFalse(engine.isDrained("masquerade"));
        permits.get("masquerade").drained();
        assertTrue(engine.isDrained("masquerade"));
        engine.disable("masquerade", true, true);
        assertEquals(State.DISABLED, state("masquerade"));
        assertTrue(pipeline.current.features().stream().noneMatch(f -> f.name().equals("masquerade")));
    }

    @Test
    void drainingFeatureCanBeEnabledAgain() throws Exception {
        engine.disable("masquerade", false, false);
        engine.enable("masquerade");
        assertFalse(last("masquerade").draining());
        assertFalse(permits.get("masquerade").draining());
        assertEquals(State.RUNNING, state("masquerade"));
    }

    @Test
    void featureOfTheRepositoryIsAddedWhileRunning() throws Exception {
        engine.add("bandwidth");
        assertEquals(State.RUNNING, state("bandwidth"));
        assertTrue(assertThrows(ChangeRefused.class, () -> engine.add("nonsense")).getMessage().contains("bandwidth"));
    }

    @Test
    void stoppedBundleIsFrozenAndStaysInLaterGenerations() throws Exception {
        bundles.stopped.add("policy");
        engine.bundleStopped("policy");
        assertEquals(State.FROZEN, state("policy"));
        update(Jars.jar("masquerade", "1.1.0", ",\"disable\":\"drained\""));
        assertTrue(pipeline.current.features().stream().anyMatch(f -> f.name().equals("policy")));
        assertEquals(State.FROZEN, state("policy"));
    }

    @Test
    void whatSomebodyStoppedOrUninstalledComesBack() throws Exception {
        byte[] same = Jars.jar("policy", "1.1.0", ",\"disable\":\"override\",\"requires\":[\"endpoint\"]");
        update(same);
        assertTrue(assertThrows(ChangeRefused.class, () -> update(same)).getMessage().contains("nothing to do"));
        assertTrue(assertThrows(ChangeRefused.class, () -> engine.enable("policy")).getMessage().contains("enabled already"));
        bundles.installed.remove("policy");
        assertEquals(State.FROZEN, state("policy"));
        assertTrue(engine.states().get("policy").orElseThrow().detail().contains("'feature enable policy' brings it back"));
        assertEquals("policy 1.1.0 again", update(same).title());
        assertEquals(State.RUNNING, state("policy"));
        assertEquals(List.of("1.0.0"), engine.states().get("policy").orElseThrow().earlierVersions(), "it is its own successor, not its predecessor");
        bundles.stopped.add("policy");
        engine.enable("policy");
        assertEquals(State.RUNNING, state("policy"));
        bundles.installed.put("policy", "1.2.0");
        engine.enable("policy");
        assertEquals("1.1.0", bundles.installed.get("policy"));
    }

    @Test
    void frozenFeatureOfTheAddPathIsNamed() throws Exception {
        bundles.stopped.add("endpoint");
        assertEquals(1, engine.states().missingForAdd().size());
        assertTrue(engine.states().missingForAdd().get(0).startsWith("endpoint is FROZEN"), engine.states().missingForAdd().toString());
    }

    private static final String SIZED = ",\"disable\":\"instant\",\"maps\":[{\"name\":\"m\",\"object\":\"bpf/x.o\",\"schema\":\"1.0\",\"migration\":\"copy\"}],"
            + "\"config\":{\"map-max\":{\"default\":\"1000\",\"type\":\"int\",\"min\":1,\"max\":100000,\"sizes\":[\"m\"]}}";

    private int sizeInForce() {
        return pipeline.map("m").maxEntries();
    }

    @Test
    void aSizeOfAMapIsAChangeOfTheGeneration() throws Exception {
        update(Jars.jar("acme", "1.0.0", SIZED));
        assertEquals(1000, sizeInForce());
        int before = pipeline.committed.size();
        engine.keys().set("acme.map-max", Optional.of("5000"));
        assertEquals(before + 1, pipeline.committed.size());
        assertEquals("acme: m 1000 -> 5000 entries", pipeline.committed.get(before).title());
        assertEquals(5000, sizeInForce());
        assertEquals("5000", permits.get("acme").config().get("map-max"));
        boot();
        assertEquals(before + 1, pipeline.committed.size(), "what is pinned has the size: adopted");

        pipeline.counts.put("m", 3000);
        ChangeRefused few = assertThrows(ChangeRefused.class, () -> engine.keys().set("acme.map-max", Optional.of("2000")));
        assertTrue(few.getMessage().contains("map m of acme holds 3000 entries, for which 2000 are too few"), few.getMessage());
        assertEquals(new Layers.Value("5000", Layers.Layer.OPERATOR), engine.keys().values().get("acme.map-max"));
        pipeline.refused = "acme 1.0.0";
        assertThrows(ChangeRefused.class, () -> engine.keys().set("acme.map-max", Optional.empty()));
        assertEquals("5000", engine.keys().values().get("acme.map-max").value(), "a refused size does not wait for the next start");
        pipeline.refused = "";
        pipeline.loseNext = 1;
        assertThrows(ChangeRefused.class, () -> engine.keys().set("acme.map-max", Optional.of("6000")));
        assertEquals(5000, sizeInForce(), "switched back with the size that it had");
        engine.keys().set("acme.map-max", Optional.of("4000"));
        assertEquals(4000, sizeInForce());
        Files.delete(directory.resolve("state/operator.properties"));
        Files.writeString(directory.resolve("state/config.properties"), "acme.map-max=7000\n");
        boot();
        assertEquals(7000, sizeInForce(), "another size in the node's file counts at the start");
    }

    @Test
    void configurationMakesANewPermit() throws Exception {
        Permit before = permits.get("policy");
        engine.keys().set("policy.mode", Optional.of("always"));
        assertTrue(before != permits.get("policy"));
        assertEquals("always", permits.get("policy").config().get("mode"));
        assertEquals(Layers.Layer.OPERATOR, engine.keys().values().get("policy.mode").layer());
        boot();
        assertEquals("always", permits.get("policy").config().get("mode"));
        engine.keys().cluster(Map.of("policy.mode", "never"));
        assertEquals("always", permits.get("policy").config().get("mode"));
        engine.keys().set("policy.mode", Optional.empty());
        assertEquals("never", permits.get("policy").config().get("mode"));
        assertTrue(assertThrows(ChangeRefused.class, () -> engine.keys().set("policy.mod", Optional.of("x"))).getMessage().contains("policy.mode"));
    }

    @Test
    void featureThatTheKernelCannotRunLeavesTheOthersAlone() throws Exception {
        kernelLacks.add("qdisc:fq");
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> {
            distribution(Map.of(), Map.of("edt", Jars.jar("edt", "1.0.0", ",\"disable\":\"instant\",\"kernel\":[\"qdisc:fq\"]")));
            boot();
            engine.add("edt");
        });
        assertTrue(e.getMessage().contains("the kernel lacks qdisc:fq: no such qdisc"), e.getMessage());
        assertEquals(State.RUNNING, state("policy"));
    }

    @Test
    void podsDoWithoutWhatTheKernelLacksButNotWithoutPolicy() throws Exception {
        kernelLacks.addAll(Set.of("qdisc:fq", "map:arena"));
        update(Jars.jar("acme", "1.0.0", ",\"disable\":\"instant\",\"onAddPath\":true"));
        engine.disable("acme", false, false);
        update(Jars.jar("acme", "1.1.0", ",\"disable\":\"instant\",\"onAddPath\":true,\"kernel\":[\"qdisc:fq\"]"));
        enabledInTheRecord("acme");
        assertEquals(State.UNAVAILABLE, state("acme"));
        assertEquals(List.of(), engine.states().missingForAdd());
        assertThrows(ChangeRefused.class, () -> engine.enable("acme"));
        update(Jars.jar("acme", "1.2.0", ",\"disable\":\"instant\",\"onAddPath\":true"));
        assertEquals(State.RUNNING, state("acme"));
        assertTrue(pipeline.current.features().stream().anyMatch(f -> f.name().equals("acme") && f.version().equals("1.2.0")), "a version that needs less takes part");
        engine.disable("policy", false, true);
        update(Jars.jar("policy", "1.1.0", ",\"disable\":\"override\",\"onAddPath\":true,\"kernel\":[\"map:arena\"]"));
        enabledInTheRecord("policy");
        assertEquals(State.UNAVAILABLE, state("policy"));
        assertTrue(engine.states().missingForAdd().toString().contains("policy is UNAVAILABLE"), engine.states().missingForAdd().toString());
    }

    /** As after a boot with another kernel. */
    private void enabledInTheRecord(String feature) throws Exception {
        StateFiles files = new StateFiles(directory.resolve("state"));
        Record r = files.read().orElseThrow();
        files.write(r.with(feature, r.features().get(feature).desired(Record.Desired.ENABLED)));
        boot();
    }

    @Test
    void jarOfAFeatureThatIsNotKnownIsAdded() throws Exception {
        assertEquals("add acme 1.0.0", update(Jars.jar("acme", "1.0.0", ",\"disable\":\"instant\",\"requires\":[\"endpoint\"]")).title());
        assertEquals(State.RUNNING, state("acme"));
        boot();
        assertEquals(State.RUNNING, state("acme"));
        engine.disable("acme", false, false);
        update(Jars.jar("acme", "1.1.0", ",\"disable\":\"instant\""));
        assertEquals(State.DISABLED, state("acme"));
        engine.enable("acme");
        assertEquals("1.1.0", permits.get("acme").version());
    }

    @Test
    void jarThatNeedsWhatIsNotThereIsRefused() throws Exception {
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("acme", "1.0.0", ",\"disable\":\"instant\",\"requires\":[\"bandwidth\"]")));
        assertTrue(e.getMessage().contains("acme requires bandwidth"), e.getMessage());
        kernelLacks.add("map:arena");
        e = assertThrows(ChangeRefused.class, () -> update(Jars.jar("policy", "1.1.0", ",\"disable\":\"instant\",\"kernel\":[\"map:arena\"]")));
        assertTrue(e.getMessage().contains("the kernel lacks map:arena"), e.getMessage());
        assertEquals(1, pipeline.committed.size());
    }

    @Test
    void anotherVersionByHandEntersAsAChange() throws Exception {
        bundles.installed.put("policy", "1.1.0");
        assertEquals(State.FROZEN, state("policy"));
        engine.updatedByHand("policy", new ByteArrayInputStream(Jars.jar("policy", "1.1.0", ",\"disable\":\"override\"")));
        assertEquals(State.RUNNING, state("policy"));
        assertEquals("1.1.0", permits.get("policy").version());
        pipeline.refused = "policy 1.2.0";
        bundles.installed.put("policy", "1.2.0");
        assertThrows(ChangeRefused.class, () -> engine.updatedByHand("policy", new ByteArrayInputStream(Jars.jar("policy", "1.2.0", ",\"disable\":\"override\""))));
        assertEquals(State.FROZEN, state("policy"));
        assertEquals(2, pipeline.current.epoch());
    }

    @Test
    void startWaitsForMapsThatBeginEmpty() throws Exception {
        String rebuild = ",\"disable\":\"override\",\"maps\":[{\"name\":\"m\",\"object\":\"bpf/x.o\",\"schema\":\"1.0\",\"migration\":\"rebuild\"}]";
        engine.keys().set("lifecycle.ready-seconds", Optional.of("0"));
        update(Jars.jar("policy", "1.1.0", rebuild));
        FeatureJar next = take(Jars.jar("policy", "1.2.0", rebuild));
        StateFiles files = new StateFiles(directory.resolve("state"));
        Record now = files.read().orElseThrow();
        files.write(now.with("policy", now.features().get("policy").replacedBy("1.2.0", next.digest())));
        silent.add("policy 1.2.0");
        boot();
        assertEquals(2, pipeline.current.epoch());
        assertEquals(State.FAILED, state("policy"));
        assertTrue(engine.states().get("policy").orElseThrow().detail().contains("not ready within 0 s"), engine.states().get("policy").orElseThrow().detail());
        assertEquals(State.RUNNING, state("masquerade"));
        silent.clear();
        boot();
        assertEquals(3, pipeline.current.epoch());
        assertEquals(State.RUNNING, state("policy"));
        assertEquals(0, pipeline.open);
    }

    @Test
    void valuesThatAKeyDoesNotAllowAreRefusedWhole() throws Exception {
        update(Jars.jar("acme", "1.0.0", ",\"disable\":\"instant\",\"config\":{\"min\":{\"default\":\"0\",\"type\":\"int\",\"min\":0,\"max\":255},\"on\":{\"default\":\"true\",\"type\":\"bool\"}}"));
        assertEquals(Map.of("min", 0L, "on", true), configured.get("acme"));
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> engine.keys().set("acme.min", Optional.of("256")));
        assertEquals("acme.min: 256 is out of range (0 to 255)", e.getMessage());
        e = assertThrows(ChangeRefused.class, () -> engine.keys().cluster(Map.of("acme.on", "yes", "policy.mode", "always")));
        assertTrue(e.getMessage().contains("acme.on: 'yes' is neither true nor false"), e.getMessage());
        assertEquals("default", permits.get("policy").config().get("mode"));
        Files.writeString(directory.resolve("state/config.properties"), "acme.min=many\n");
        boot();
        assertEquals(new Layers.Value("0", Layers.Layer.DEFAULT), engine.keys().values().get("acme.min"));
        engine.keys().set("acme.min", Optional.of("7"));
        assertEquals(Map.of("min", 7L, "on", true), configured.get("acme"));
    }

    @Test
    void distributionSetsDefaultsOfItsOwn() throws Exception {
        Files.createDirectories(directory.resolve("distribution/config"));
        Files.writeString(directory.resolve("distribution/config/defaults.json"),
                "{\":configurator:resource-version\":1,\"io.patchbay.policy\":{\"mode\":\"always\"},\"io.patchbay.lifecycle\":{\"ready-seconds\":30}}");
        boot();
        assertEquals(new Layers.Value("always", Layers.Layer.DISTRIBUTION), engine.keys().values().get("policy.mode"));
        assertEquals(30, engine.keys().seconds("ready-seconds").toSeconds());
        engine.keys().cluster(Map.of("policy.mode", "never"));
        assertEquals("never", permits.get("policy").config().get("mode"));
    }

    private GenerationSpec.Part last(String feature) {
        return pipeline.committed.get(pipeline.committed.size() - 1).parts().stream().filter(p -> p.descriptor().name().equals(feature)).findFirst().orElseThrow();
    }

    /** An agent killed during the update of policy to 1.1.0. */
    private void interrupted(Step step, boolean switched) throws Exception {
        FeatureJar jar = take(Jars.jar("policy", "1.1.0", ",\"disable\":\"override\""));
        StateFiles files = new StateFiles(directory.resolve("state"));
        Record now = files.read().orElseThrow();
        Record after = new Record(7, now.with("policy", now.features().get("policy").replacedBy("1.1.0", jar.digest())).features());
        files.write(new StateFiles.Entry(7, "policy 1.0.0 -> 1.1.0", step, pipeline.current.epoch(), after, ""));
        if (switched) {
            List<GenerationSpec.Part> parts = new ArrayList<>(pipeline.committed.get(0).parts());
            parts.removeIf(p -> p.descriptor().name().equals("policy"));
            parts.add(jar.part(false, Map.of()));
            pipeline.prepare(new GenerationSpec(parts, 7, "x", false)).commit();
        }
    }

    private Ledger update(byte[] jar) throws Exception {
        return engine.update(List.of(take(jar)), false);
    }

    /** A score of the JDK's tools, each a Java machine of its own. */
    @Test
    @Timeout(600)
    void aNodeThatWantsSignaturesTakesNothingElse() throws Exception {
        Signed sign = new Signed(directory);
        byte[] newer = Jars.jar("policy", "1.1.0", ",\"disable\":\"override\",\"requires\":[\"endpoint\"]");
        engine.keys().set("lifecycle.require-signatures", Optional.of("true"));
        assertRefused(newer, "trusts nobody yet");
        engine.keys().set("lifecycle.trusted-certificates", Optional.of(directory.resolve("absent.pem").toString()));
        assertRefused(newer, "absent.pem");
        engine.keys().set("lifecycle.trusted-certificates", Optional.of(sign.trusted().toString()));
        assertRefused(newer, "test.jar is not signed; this node takes only signed features");
        assertRefused(sign.by("stranger", newer), "signed by CN=stranger, for whom no certificate in " + sign.trusted());
        assertRefused(sign.by("late", newer), "signed by CN=late, whose certificate expired on ");
        byte[] good = sign.by("vendor", newer);
        assertRefused(Signed.with(good, "OSGI-INF/more.xml", "<more/>"), "OSGI-INF/more.xml in it is not signed");
        assertRefused(Signed.with(good, "bpf/x.o", "another object"), "test.jar was changed after it was signed");
        assertRefused(Signed.without(good, "bpf/x.o"), "bpf/x.o has been taken out of it");
        assertRefused(Signed.withManifest(good, "Bundle-Activator", "evil.Activator"), "test.jar was changed after it was signed");
        assertEquals(1, pipeline.committed.size());
        update(good);
        assertEquals("1.1.0", permits.get("policy").version());
        engine.rollback("policy");
        assertEquals("1.0.0", permits.get("policy").version(), "what was taken before may come back");
        update(sign.by("self", Jars.jar("policy", "1.2.0", ",\"disable\":\"override\",\"requires\":[\"endpoint\"]")));
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> engine.keys().cluster(Map.of("lifecycle.require-signatures", "false")));
        assertTrue(e.getMessage().contains("the cluster may not set lifecycle.require-signatures"), e.getMessage());
    }

    private void assertRefused(byte[] jar, String reason) {
        ChangeRefused e = assertThrows(ChangeRefused.class, () -> update(jar));
        assertTrue(e.getMessage().contains(reason), e.getMessage());
    }

    @Test
    void formsShowWhatFeaturesDeclare() throws Exception {
        update(Jars.jar("policy", "1.1.0", ",\"disable\":\"override\",\"requires\":[\"endpoint\"],\"config\":{\"mode\":{\"default\":\"strict\",\"type\":\"choice\",\"values\":"
                + "[\"strict\",\"lax\"],\"description\":\"how strict\"},\"most\":{\"default\":\"5\",\"type\":\"int\",\"min\":1,\"max\":9}}"));
        Forms forms = new Forms(engine.keys()::settings);
        assertEquals(List.of("io.patchbay.policy"), List.of(forms.pids()));
        var form = forms.getObjectClassDefinition("io.patchbay.policy", null);
        var fields = form.getAttributeDefinitions(org.osgi.service.metatype.ObjectClassDefinition.ALL);
        assertEquals(List.of("mode", "most"), java.util.Arrays.stream(fields).map(org.osgi.service.metatype.AttributeDefinition::getID).toList());
        assertEquals(List.of("strict", "lax"), List.of(fields[0].getOptionValues()));
        assertEquals("how strict", fields[0].getDescription());
        assertEquals(org.osgi.service.metatype.AttributeDefinition.LONG, fields[1].getType());
        assertEquals(List.of("5"), List.of(fields[1].getDefaultValue()));
        assertEquals("", fields[1].validate("9"));
        assertEquals("10 is out of range (1 to 9)", fields[1].validate("10"));
    }

    private FeatureJar take(byte[] jar) throws IOException, ChangeRefused {
        return engine.take(new ByteArrayInputStream(jar), "test.jar");
    }

    private State state(String feature) {
        return engine.states().get(feature).orElseThrow().state();
    }

    private void boot() throws IOException {
        permits.clear();
        bundles = new FakeBundles();
        Controllers controllers = new Controllers() {
            @Override
            public Controller register(String name) {
                throw new UnsupportedOperationException(name);
            }

            @Override
            public List<State> list() {
                return List.of();
            }
        };
        KernelFeatures kernel = new KernelFeatures() {
            @Override
            public Probe probe(String name) {
                return new Probe(!kernelLacks.contains(name), kernelLacks.contains(name) ? "no such qdisc" : "");
            }

            @Override
            public Map<String, Probe> probed() {
                return Map.of();
            }
        };
        Permits.Registry registry = new Permits.Registry() {
            @Override
            public Runnable publish(Permit permit) {
                beginning.getOrDefault(permit.feature() + " " + permit.version(), () -> { }).run();
                permits.put(permit.feature(), permit);
                if (!silent.contains(permit.feature() + " " + permit.version())) {
                    permit.ready();
                }
                return () -> permits.remove(permit.feature(), permit);
            }

            @Override
            public void configure(String feature, Map<String, Object> values) {
                configured.put(feature, values);
            }
        };
        Repository repository = new Repository(directory.resolve("distribution"));
        engine = new Engine(pipeline, kernel, controllers, bundles, registry, Files.createDirectories(directory.resolve("state")), repository,
                new Layers(directory.resolve("state"), Map.of(), repository.defaults()), late::add);
        engine.start();
    }

    private void distribution(Map<String, byte[]> included, Map<String, byte[]> more) throws IOException {
        Path root = directory.resolve("distribution");
        Files.createDirectories(root.resolve("features"));
        List<String> all = new ArrayList<>();
        Map<String, byte[]> jars = new HashMap<>(included);
        jars.putAll(more);
        for (Map.Entry<String, byte[]> e : jars.entrySet()) {
            Files.write(root.resolve(e.getKey() + ".jar"), e.getValue());
            String item = "{\"id\":\"x:" + e.getKey() + ":1\",\"hash\":\"sha256:" + Store.digest(e.getValue()) + "\",\"path\":\"" + e.getKey() + ".jar\",\"feature\":\""
                    + e.getKey() + "\"}";
            Files.writeString(root.resolve("features/" + e.getKey() + ".json"), "{\"bundles\":[" + item + "]}");
            if (included.containsKey(e.getKey())) {
                all.add(item);
            }
        }
        if (!included.isEmpty()) {
            Files.writeString(root.resolve("distribution.json"), "{\"bundles\":[" + String.join(",", all) + "]}");
        }
    }

    private final class FakeBundles extends Bundles {
        final Set<String> stopped = new HashSet<>();
        final Map<String, String> installed = new HashMap<>();
        String unresolvable;
        /** Of the next start. */
        Throwable failing;

        FakeBundles() {
            super(null, null);
        }

        @Override
        void probe(List<FeatureJar> jars) {
            if (unresolvable != null) {
                throw new IllegalArgumentException(unresolvable);
            }
        }

        @Override
        void library(Repository.Item item) {
        }

        @Override
        void bring(FeatureJar jar) {
            brought.add(jar.name() + " " + jar.version());
            installed.put(jar.name(), jar.version());
        }

        @Override
        void start(String feature) {
            Throwable t = failing;
            failing = null;
            if (t instanceof RuntimeException e) {
                throw e;
            }
            if (t instanceof Error e) {
                throw e;
            }
            stopped.remove(feature);
        }

        @Override
        void remove(String feature) {
            installed.remove(feature);
        }

        @Override
        boolean has(String feature) {
            return installed.containsKey(feature);
        }

        @Override
        boolean active(String feature) {
            return installed.containsKey(feature) && !stopped.contains(feature);
        }

        @Override
        String state(String feature) {
            return "its bundle is stopped";
        }

        @Override
        String version(String feature) {
            return installed.getOrDefault(feature, "");
        }

        @Override
        String activationFailure(String feature) {
            return null;
        }

        @Override
        String waitingFor(String feature) {
            return "";
        }
    }
}
