package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfObject;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.LoadOptions;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Loads the objects of one generation, several at once, each with the constants of its places and the maps of the generation. */
final class StageLoader {
    private static final int MOST_LOADERS = 4;

    private final Path pins;
    private final long epoch;
    private final Plan plan;
    private final BpfMap chain;
    private final Map<String, BpfMap> maps;
    private final List<GenerationBuild.Replacement> replacements;

    /**
     * @param pins  where the programs are pinned
     * @param chain the generation's program array
     * @param maps  all maps that objects may name
     */
    StageLoader(Path pins, long epoch, Plan plan, BpfMap chain, Map<String, BpfMap> maps, List<GenerationBuild.Replacement> replacements) {
        this.pins = pins;
        this.epoch = epoch;
        this.plan = plan;
        this.chain = chain;
        this.maps = maps;
        this.replacements = replacements;
    }

    /** The name of the constants of a stage's program. */
    static String cfg(String program) {
        return "pb_cfg_" + program;
    }

    /**
     * Loads and pins the programs of all places.
     *
     * @param programs takes each as soon as it is there: the caller closes them, also when this throws
     * @throws DatapathException for the first object that is refused, naming it
     */
    Map<Plan.Placed, BpfProgram> load(List<Unit> units, List<BpfProgram> programs) {
        Map<Unit, List<Plan.Placed>> work = new LinkedHashMap<>();
        for (Unit u : units) {
            List<Plan.Placed> mine = plan.placed().stream().filter(p -> p.feature().equals(u.feature()) && p.stage().object().equals(u.name())).toList();
            if (!mine.isEmpty()) {
                work.put(u, mine);
            }
        }
        Map<Plan.Placed, BpfProgram> loaded = new LinkedHashMap<>();
        Map<Unit, Future<BpfObject>> objects = new LinkedHashMap<>();
        RuntimeException first = null;
        // The verifier works on its caller's time, and on several objects at once.
        ExecutorService loaders = Executors.newFixedThreadPool(Math.min(Runtime.getRuntime().availableProcessors(), MOST_LOADERS), StageLoader::loader);
        try {
            List<Unit> longestFirst = new ArrayList<>(work.keySet());
            longestFirst.sort(Comparator.comparingInt(u -> -instructions(u, work.get(u))));
            longestFirst.forEach(u -> objects.put(u, loaders.submit(() -> BpfObject.load(u.spec(), options(u, work.get(u))))));
            for (Unit u : work.keySet()) {
                try (BpfObject object = result(objects.get(u))) {
                    for (Plan.Placed p : work.get(u)) {
                        BpfProgram program = object.takeProgram(p.stage().program());
                        programs.add(program);
                        program.pin(pins.resolve(u.feature() + "-" + p.stage().program()));
                        loaded.put(p, program);
                    }
                } catch (RuntimeException e) {
                    // The others are waited for all the same: what they made is closed above.
                    first = first != null ? first : new DatapathException(u.where() + ": " + e.getMessage(), e);
                }
            }
        } finally {
            loaders.shutdown();
        }
        if (first != null) {
            throw first;
        }
        return loaded;
    }

    private static Thread loader(Runnable work) {
        Thread t = new Thread(work, "generation-loader");
        t.setDaemon(true);
        return t;
    }

    private static int instructions(Unit u, List<Plan.Placed> mine) {
        return mine.stream().mapToInt(p -> u.spec().programs().get(p.stage().program()).instructions()).sum();
    }

    private static BpfObject result(Future<BpfObject> loading) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return loading.get();
                } catch (InterruptedException e) {
                    interrupted = true; // a load takes milliseconds, and what it makes has to be closed
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof RuntimeException x) {
                        throw x;
                    }
                    throw new IllegalStateException(e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private LoadOptions options(Unit u, List<Plan.Placed> mine) {
        LoadOptions.Builder o = LoadOptions.builder().name(u.feature());
        for (String map : u.spec().maps().keySet()) {
            if (u.isOld(map)) {
                readThrough(o, u, Unit.base(map));
            } else {
                o.map(map, map.equals(CoreObjects.CHAIN) ? chain : maps.get(map));
            }
        }
        Set<String> wanted = new LinkedHashSet<>();
        for (Plan.Placed p : mine) {
            String cfg = cfg(p.stage().program()) + ".";
            wanted.add(p.stage().program());
            o.constant(cfg + "epoch", epoch).constant(cfg + "next", p.next()).constant(cfg + "pod_ingress", p.podIngress())
                    .constant(cfg + "hook", p.stage().hook().number()).constant(cfg + "order", p.stage().order()).constant(cfg + "last", p.last() ? 1 : 0);
        }
        if (u.spec().constants().containsKey("pb_draining")) {
            o.constant("pb_draining", u.draining() ? 1 : 0);
        }
        // NAME_entries: what map NAME has room for, where the program must know it.
        maps.forEach((name, map) -> {
            if (u.spec().constants().containsKey(name + "_entries")) {
                o.constant(name + "_entries", map.info().maxEntries());
            }
        });
        u.spec().programs().keySet().stream().filter(p -> !wanted.contains(p)).forEach(o::skip);
        return o.build();
    }

    /** The old map and where its bytes are; the map itself, unread, where nothing is carried. */
    private void readThrough(LoadOptions.Builder o, Unit u, String map) {
        Optional<GenerationBuild.Replacement> r = replacements.stream().filter(x -> x.name().equals(map) && x.migration().map(Migration::readsThrough).orElse(false)).findFirst();
        o.mapAsIs(map + Unit.OLD, r.map(GenerationBuild.Replacement::old).orElseGet(() -> maps.get(map)));
        r.flatMap(GenerationBuild.Replacement::migration).ifPresent(m -> o.constant(Unit.CARRY + map + ".active", 1)
                .constant(Unit.CARRY + map + ".key", places(m.key().reverse(), u.carried(map, "key")))
                .constant(Unit.CARRY + map + ".value", places(m.value().sources(), u.carried(map, "value"))));
    }

    private static byte[] places(int[] bytes, int slots) {
        ByteBuffer b = ByteBuffer.allocate(slots * Short.BYTES).order(ByteOrder.nativeOrder());
        for (int i = 0; i < slots; i++) {
            b.putShort((short) (i < bytes.length ? bytes[i] : Conversion.NONE));
        }
        return b.array();
    }
}
