package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.policy.internal.compile.PeerMember;
import io.patchbay.policy.internal.compile.PolicyEngine;
import io.patchbay.policy.internal.compile.TableDelta;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.model.SubjectClass;
import io.patchbay.policy.internal.table.Cookies;
import io.patchbay.policy.internal.table.PeerNumbers;
import io.patchbay.policy.internal.table.PolicyEntry;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Step by step must end where a whole computation does, and a reader who applies only what the engine returns must see the same tables. */
class EngineTest {
    private static final int WORLDS = 150;
    private static final int STEPS = 40;

    @Test
    void incrementalEqualsWhole() {
        for (long seed = 7; seed < 7 + WORLDS; seed++) run(seed);
    }

    @Test
    void incrementalEqualsWholeRandomSeed() {
        long seed = new Random().nextLong();
        System.out.println("EngineTest.incrementalEqualsWholeRandomSeed: " + seed);
        for (int i = 0; i < WORLDS; i++) run(seed + i);
    }

    private static void run(long seed) {
        RandomWorld world = new RandomWorld(seed);
        Random random = new Random(seed);
        Cookies cookies = new Cookies();
        // every member that any policy of this run could ask for: allocated with all of them at once
        List<PolicyObject> pool = new ArrayList<>(world.policies);
        for (int i = 0; i < 6; i++) pool.add(world.policy("q" + i % 3));
        CompiledCluster all = new CompiledCluster(world.options, pool, world.groups, world.cluster);
        List<PeerMember> members = new ArrayList<>(all.view("n1").members.values());
        List<SubjectClass> subjects = new ArrayList<>();
        for (Cluster.Pod pod : world.cluster.pods()) subjects.add(new SubjectClass(pod.labels(), false, pod.ports()));
        for (Cluster.Node node : world.cluster.nodes()) subjects.add(new SubjectClass(node.labels(), true, Map.of()));

        PolicyEngine engine = new PolicyEngine(world.options, cookies);
        engine.apply(new PolicyEngine.Change(List.of(), List.of(), world.cluster.services(), world.groups));
        Map<PolicyObject.Key, PolicyObject> objects = new TreeMap<>();
        Map<Integer, PeerMember> present = new TreeMap<>();
        Map<Integer, SubjectClass> classes = new TreeMap<>();
        PeerMember host = members.stream().filter(m -> m.number() == PeerNumbers.HOST).findFirst().orElseThrow();
        present.put(PeerNumbers.HOST, host);
        engine.addMembers(List.of(host));
        Map<Integer, Map<String, PolicyEntry>> kernel = new HashMap<>();
        for (int step = 0; step < STEPS; step++) {
            switch (random.nextInt(6)) {
                case 0, 1 -> {
                    PolicyObject o = pool.get(random.nextInt(pool.size()));
                    objects.put(o.key(), o);
                    tables(kernel, engine.apply(PolicyEngine.Change.policies(List.of(o))));
                }
                case 2 -> {
                    if (objects.isEmpty() || random.nextBoolean()) break;
                    PolicyObject.Key key = List.copyOf(objects.keySet()).get(random.nextInt(objects.size()));
                    objects.remove(key);
                    tables(kernel, engine.apply(new PolicyEngine.Change(List.of(), List.of(key), null, null)));
                }
                case 3 -> {
                    List<PeerMember> fresh = members.stream().filter(m -> !present.containsKey(m.number()) && random.nextInt(3) == 0).toList();
                    for (PeerMember m : fresh) present.put(m.number(), m);
                    delta(kernel, engine.addMembers(fresh));
                }
                case 4 -> {
                    List<Integer> gone = present.keySet().stream().filter(n -> n != PeerNumbers.HOST && random.nextInt(6) == 0).toList();
                    present.keySet().removeAll(gone);
                    delta(kernel, engine.removeMembers(gone));
                }
                default -> {
                    int number = 1 + random.nextInt(subjects.size());
                    if (classes.containsKey(number)) {
                        if (random.nextInt(3) > 0) break;
                        classes.remove(number);
                        kernel.remove(number);
                        engine.removeClass(number);
                    } else {
                        classes.put(number, subjects.get(number - 1));
                        tables(kernel, Map.of(number, engine.addClass(number, subjects.get(number - 1))));
                    }
                }
            }
            compare(seed, step, engine, kernel, PolicyEngine.compile(world.options, new Cookies(), objects.values(), world.cluster.services(),
                    world.groups, present.values(), classes));
        }
    }

    private static void tables(Map<Integer, Map<String, PolicyEntry>> kernel, Map<Integer, PolicyMap> tables) {
        tables.forEach((number, map) -> {
            Map<String, PolicyEntry> entries = new HashMap<>();
            for (PolicyEntry e : map.entries()) entries.put(key(e), e);
            kernel.put(number, entries);
        });
    }

    private static void delta(Map<Integer, Map<String, PolicyEntry>> kernel, TableDelta delta) {
        delta.add().forEach((number, entries) -> {
            boolean allows = false;
            for (PolicyEntry e : entries) {
                assertTrue(!(allows && e.deny()), "denies come before allows");
                allows |= !e.deny();
                assertEquals(null, kernel.get(number).put(key(e), e), "only keys that weren't there");
            }
        });
        delta.remove().forEach((number, entries) -> {
            for (PolicyEntry e : entries) assertTrue(kernel.get(number).remove(key(e)) != null, "only keys that were there");
        });
    }

    private static String key(PolicyEntry e) {
        return e.direction() + " " + e.peer() + " " + e.protocol() + " " + e.portBits() + " " + e.port();
    }

    private static void compare(long seed, int step, PolicyEngine engine, Map<Integer, Map<String, PolicyEntry>> kernel,
            Map<Integer, PolicyMap> whole) {
        whole.forEach((number, map) -> {
            String at = "seed " + seed + " step " + step + " class " + number;
            for (Direction d : Direction.values()) {
                assertEquals(map.table(d).enforced(), engine.table(number).table(d).enforced(), at);
            }
            assertEquals(lines(map.entries()), lines(engine.table(number).entries()), at);
            assertEquals(lines(map.entries()), lines(kernel.get(number).values()), at + ", as written");
        });
        assertEquals(Set.copyOf(whole.keySet()), Set.copyOf(kernel.keySet()));
    }

    private static Set<String> lines(Collection<PolicyEntry> entries) {
        Set<String> lines = new TreeSet<>();
        for (PolicyEntry e : entries) lines.add(e.toString() + "/" + e.portBits());
        return lines;
    }
}
