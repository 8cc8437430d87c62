package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Hook;
import io.patchbay.bpf.BpfFs;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfObject;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.LoadOptions;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.MappedArray;
import io.patchbay.bpf.ObjectSpec;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The part of the datapath that outlives generations: pinned preambles and core maps. Made once per node; whoever opens
 * it later adopts what is pinned.
 */
final class Core implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Core.class);

    private final Path pins;
    private final Path record;
    private final CoreObjects objects = new CoreObjects();
    private final Map<String, BpfMap> maps = new LinkedHashMap<>();
    private final Map<String, BpfProgram> preambles = new LinkedHashMap<>();
    private final boolean made;
    private boolean upgraded;
    private MappedArray epoch;

    Core(Path pins, Path state) {
        this.pins = pins;
        this.record = state.resolve("core.json");
        this.made = !Files.exists(corePins());
        boolean done = false;
        try {
            Files.createDirectories(mapPins());
            openMaps();
            openPreambles();
            epoch = map("pb_epoch").map();
            done = true;
        } catch (IOException e) {
            throw new UncheckedIOException("no directory for pins under " + pins + ": is a bpf file system mounted?", e);
        } finally {
            if (!done) {
                close();
            }
        }
    }

    Path corePins() {
        return pins.resolve("core");
    }

    Path mapPins() {
        return pins.resolve("maps");
    }

    Path generationPins(long number) {
        return pins.resolve("gen").resolve(Long.toString(number));
    }

    Path linkPins() {
        return pins.resolve("links");
    }

    private void openMaps() {
        objects.maps().forEach((name, spec) -> {
            Path pin = mapPins().resolve(name);
            if (!Files.exists(pin)) {
                BpfMap m = BpfMap.create(spec);
                maps.put(name, m);
                m.pin(pin);
                return;
            }
            BpfMap m = BpfMap.fromPin(pin);
            maps.put(name, m);
            Optional<String> difference = spec.difference(m.spec());
            if (difference.isPresent()) {
                throw new DatapathException("the pinned map " + name + " was made by another version of the core and differs: " + difference.get()
                        + "\nStart the version that made it, or drain the node and remove " + pins);
            }
        });
    }

    private void openPreambles() throws IOException {
        boolean changed = false;
        JsonObjectBuilder digests = Durable.JSON.createObjectBuilder();
        // Without it what is pinned stays, as it was when it was written.
        Optional<JsonObject> known = Durable.read(record, j -> {
            CoreObjects.PREAMBLES.forEach(name -> j.getString(name, ""));
            return j;
        }, "the preambles that are pinned stay");
        for (String name : CoreObjects.PREAMBLES) {
            ObjectSpec spec = objects.spec(name);
            digests.add(name, objects.digest(name));
            boolean pinned = spec.programs().keySet().stream().allMatch(p -> Files.exists(corePins().resolve(p)));
            Optional<String> recorded = known.map(j -> j.getString(name, ""));
            if (pinned && recorded.map(d -> d.equals(objects.digest(name))).orElse(true)) {
                for (String p : spec.programs().keySet()) {
                    preambles.put(p, BpfProgram.fromPin(corePins().resolve(p)));
                }
                continue;
            }
            changed = true;
            upgraded |= pinned;
            load(name, spec);
        }
        if (changed || !Files.exists(record)) {
            Durable.write(record, digests.build());
        }
    }

    /** Loads beside what is pinned; each pin is then replaced by a rename, so that a kill in between leaves old or new. */
    private void load(String name, ObjectSpec spec) throws IOException {
        LoadOptions.Builder options = LoadOptions.builder().name("patchbay");
        spec.maps().keySet().stream().filter(maps::containsKey).forEach(m -> options.map(m, maps.get(m)));
        Files.createDirectories(corePins());
        try (BpfObject o = BpfObject.load(spec, options.build())) {
            for (String p : List.copyOf(o.programs().keySet())) {
                BpfProgram program = o.takeProgram(p);
                preambles.put(p, program);
                Path beside = corePins().resolve(p + "-new");
                Files.deleteIfExists(beside);
                program.pin(beside);
                Files.move(beside, corePins().resolve(p), java.nio.file.StandardCopyOption.ATOMIC_MOVE);
            }
        } catch (RuntimeException e) {
            throw new DatapathException("core object " + name + ": " + e.getMessage(), e);
        }
        LOG.info("core object {} loaded, digest {}", name, objects.digest(name));
    }

    CoreObjects objects() {
        return objects;
    }

    /** Whether there were no pins: a new node, or one that was started again. */
    boolean made() {
        return made;
    }

    /** Whether preambles were replaced: what is attached must be exchanged. */
    boolean upgraded() {
        return upgraded;
    }

    BpfMap map(String name) {
        return maps.get(name);
    }

    Map<String, BpfMap> maps() {
        return maps;
    }

    BpfProgram preamble(Hook hook) {
        return preambles.get(hook.isSocket() ? "pb_enter_" + hook.text() : "pb_" + hook.text().replace('-', '_'));
    }

    Optional<BpfProgram> guard(Hook hook) {
        return hook.isSocket() ? Optional.empty() : Optional.ofNullable(preambles.get("pb_" + hook.text().replace('-', '_') + "_guard"));
    }

    /** Whether a program is the preamble or the guard of a hook. */
    boolean isOwn(Hook hook, int programId) {
        return preamble(hook).id() == programId || guard(hook).map(g -> g.id() == programId).orElse(false);
    }

    /** Program array and index through which a hook enters a slot's generation. */
    void setEntry(Hook hook, int slot, BpfProgram program) {
        entries(hook).setProgram(entry(hook, slot), program);
    }

    void clearEntry(Hook hook, int slot) {
        entries(hook).clearProgram(entry(hook, slot));
    }

    private BpfMap entries(Hook hook) {
        return map(hook.isSocket() ? "pb_" + hook.text() : "pb_entries");
    }

    private static int entry(Hook hook, int slot) {
        return hook.isSocket() ? slot : hook.number() * Counters.SLOTS + slot;
    }

    /** The epoch in charge; 0 without a generation. */
    long epoch() {
        return epoch.getInt(0) & 0xffffffffL;
    }

    /** The switch: one aligned store into memory that the preambles read. @return nanoseconds */
    long store(long next) {
        // The same value first: what the JVM must link for this store is linked before the clock runs.
        epoch.putInt(0, epoch.getInt(0));
        long start = System.nanoTime();
        epoch.putInt(0, (int) next);
        return System.nanoTime() - start;
    }

    /** The epoch whose maps of a new layout are still being filled from the old ones; 0: none. */
    long carrying() {
        return map("pb_carrying").lookup(0).getInt(0) & 0xffffffffL;
    }

    /** From when on, and until when, that generation reads through to the old maps. */
    void carrying(long generation) {
        map("pb_carrying").update(BpfMap.intKey(0), BpfMap.intKey((int) generation));
    }

    Counters counters() {
        return new Counters(map("pb_in"), map("pb_out"), map("pb_mixed"), map("pb_unprocessed"));
    }

    /** Generations that have pins. */
    List<Long> pinnedGenerations() {
        List<Long> found = new ArrayList<>();
        for (String n : list(pins.resolve("gen"))) {
            if (n.matches("\\d+")) {
                found.add(Long.parseLong(n));
            }
        }
        return found;
    }

    static List<String> list(Path directory) {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> all = Files.list(directory)) {
            return all.map(p -> p.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(directory.toString(), e);
        }
    }

    void removeGeneration(long number) {
        BpfFs.removeTree(generationPins(number));
    }

    /** The chain's definition: each generation has one of its own. */
    MapSpec chainSpec() {
        return objects.chain();
    }

    @Override
    public void close() {
        if (epoch != null) {
            epoch.close();
        }
        preambles.values().forEach(BpfProgram::close);
        maps.values().forEach(BpfMap::close);
    }
}
