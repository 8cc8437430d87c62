package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Pipeline.FeatureVersion;
import io.patchbay.api.datapath.Pipeline.StageInfo;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.ObjectSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.osgi.framework.Version;
import org.osgi.framework.VersionRange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Builds one generation beside the one in charge: checks, maps, programs, chain, pins. Nothing that the running one uses is
 * touched; {@link #undo} removes everything that was made. One thread.
 */
final class GenerationBuild {
    private static final Logger LOG = LoggerFactory.getLogger(GenerationBuild.class);
    /** Behind a stage's name: its second part (pb_skip in stage.h). */
    private static final String ASIDE = "_aside";

    /** A map that will take over a name at the switch. */
    record Replacement(String name, BpfMap fresh, CatalogMap handle, Optional<Migration> migration, BpfMap old) {
    }

    private final Core core;
    private final MapCatalog catalog;
    private final GenerationSpec spec;
    private final long epoch;

    private final List<Unit> units = new ArrayList<>();
    private final Map<String, GenerationRecord.MapOwner> owners = new LinkedHashMap<>();
    private final Map<String, BpfMap> generationMaps = new LinkedHashMap<>();
    private final List<String> madeMaps = new ArrayList<>();
    private final List<Replacement> replacements = new ArrayList<>();
    private final Map<Hook, BpfProgram> entries = new EnumMap<>(Hook.class);
    private final List<StageInfo> stages = new ArrayList<>();
    private final List<BpfProgram> programs = new ArrayList<>();
    private Plan plan;
    private BpfMap chain;

    GenerationBuild(Core core, MapCatalog catalog, GenerationSpec spec, long epoch) {
        this.core = core;
        this.catalog = catalog;
        this.spec = spec;
        this.epoch = epoch;
    }

    void run(KernelFeatures kernel) {
        for (GenerationSpec.Part part : spec.parts()) {
            FeatureDescriptor d = part.descriptor();
            Abi.check(d.name(), d.datapathAbi());
            for (String need : d.kernel()) {
                KernelFeatures.Probe p = kernel.probe(need);
                if (!p.available()) {
                    throw new DatapathException("feature " + d.name() + " needs " + need + " of the kernel: " + p.reason());
                }
            }
        }
        long begun = System.nanoTime();
        readObjects();
        long read = System.nanoTime();
        compareStructs();
        plan();
        findOwners();
        checkUses();
        try {
            Files.createDirectories(core.generationPins(epoch));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        long checked = System.nanoTime();
        makeMaps();
        long made = System.nanoTime();
        load();
        LOG.info("generation {}: objects read in {} ms, checked in {}, maps made in {}, programs loaded in {}", epoch, millis(begun, read), millis(read, checked),
                millis(checked, made), millis(made, System.nanoTime()));
    }

    private static long millis(long from, long to) {
        return (to - from) / 1_000_000;
    }

    private void readObjects() {
        core.objects().all().forEach((name, s) -> {
            if (!CoreObjects.PREAMBLES.contains(name)) {
                units.add(new Unit(CoreObjects.CORE, name, s, core.objects().digest(name), false));
            }
        });
        Set<String> names = new LinkedHashSet<>();
        for (GenerationSpec.Part part : spec.parts()) {
            FeatureDescriptor d = part.descriptor();
            if (!names.add(d.name()) || d.name().equals(CoreObjects.CORE)) {
                throw new DatapathException("feature " + d.name() + " takes part twice, or has the core's name");
            }
            Set<String> objects = new LinkedHashSet<>();
            d.stages().forEach(s -> objects.add(s.object()));
            d.maps().forEach(m -> objects.add(m.object()));
            for (String object : objects) {
                Path file = part.objects().get(object);
                if (file == null) {
                    throw new DatapathException("feature " + d.name() + ": its descriptor names object " + object + ", which it does not bring; it brings "
                            + part.objects().keySet());
                }
                try {
                    byte[] bytes = Files.readAllBytes(file);
                    units.add(new Unit(d.name(), object, ObjectSpec.parse(bytes), CoreObjects.digest(bytes), part.draining()));
                } catch (IOException e) {
                    throw new DatapathException("feature " + d.name() + ", object " + object + ": can't read " + file, e);
                } catch (IllegalArgumentException e) {
                    throw new DatapathException("feature " + d.name() + ", object " + object + ": " + e.getMessage(), e);
                }
            }
        }
    }

    private void compareStructs() {
        Abi abi = new Abi();
        core.objects().all().forEach((n, s) -> abi.add("the core", s.btf()));
        for (Unit u : units) {
            abi.add(u.where(), u.spec().btf());
        }
    }

    private void plan() {
        List<Plan.Owned> all = new ArrayList<>();
        Set<Hook> taken = EnumSet.noneOf(Hook.class);
        for (GenerationSpec.Part part : spec.parts()) {
            for (Stage s : part.descriptor().stages()) {
                all.add(new Plan.Owned(part.descriptor().name(), s));
                taken.add(s.hook());
            }
        }
        List<Plan.Owned> whole = new ArrayList<>(core.objects().stages(taken));
        whole.addAll(all);
        for (Plan.Owned o : all) {
            ObjectSpec object = unit(o.feature(), o.stage().object()).spec();
            if (!object.programs().containsKey(o.stage().program())) {
                throw new DatapathException(o + ": the object has no such program; it has " + object.programs().keySet());
            }
            String cfg = StageLoader.cfg(o.stage().program());
            if (!object.constants().containsKey(cfg)) {
                throw new DatapathException(o + ": no constant " + cfg + ": declare the program with "
                        + (o.stage().hook().isSocket() ? "PB_SOCK_STAGE" : "PB_STAGE"));
            }
        }
        plan = Plan.of(whole);
        for (Plan.Owned o : all) {
            checkAside(o);
        }
    }

    /** A stage's second part, if it has one, must be in the very next place: the first passes over that without looking. */
    private void checkAside(Plan.Owned o) {
        String second = o.stage().program() + ASIDE;
        if (!unit(o.feature(), o.stage().object()).spec().programs().containsKey(second)) {
            return;
        }
        int order = o.stage().order() + 1;
        if (plan.find(o.feature(), o.stage().object(), second).filter(p -> p.stage().hook() == o.stage().hook() && p.stage().order() == order).isEmpty()) {
            throw new DatapathException(o + " has a second part, " + second + ", which must have order " + order + " at " + o.stage().hook().text());
        }
    }

    private Unit unit(String feature, String object) {
        return units.stream().filter(u -> u.feature().equals(feature) && u.name().equals(object)).findFirst().orElseThrow();
    }

    private void findOwners() {
        core.objects().maps().keySet().forEach(n -> owners.put(n, new GenerationRecord.MapOwner(CoreObjects.CORE, "1.0", core.objects().digest("preamble"), false)));
        for (GenerationSpec.Part part : spec.parts()) {
            String feature = part.descriptor().name();
            for (FeatureDescriptor.OwnedMap m : part.descriptor().maps()) {
                GenerationRecord.MapOwner other = owners.get(m.name());
                if (other != null && !(other.feature().equals(CoreObjects.CORE) && core.objects().shared().contains(m.name()))) {
                    throw new DatapathException("map " + m.name() + " is claimed by feature " + feature + " and by "
                            + (other.feature().equals(CoreObjects.CORE) ? "the core" : "feature " + other.feature()) + ": a map has one owner");
                }
                Unit u = unit(feature, m.object());
                if (!u.spec().maps().containsKey(m.name())) {
                    throw new DatapathException(u.where() + ": no map " + m.name() + "; it defines " + u.spec().maps().keySet());
                }
                owners.put(m.name(), new GenerationRecord.MapOwner(feature, m.schema(), u.digest(), false));
            }
        }
    }

    private void checkUses() {
        for (GenerationSpec.Part part : spec.parts()) {
            FeatureDescriptor d = part.descriptor();
            Set<String> allowed = new LinkedHashSet<>(core.objects().maps().keySet());
            d.maps().forEach(m -> allowed.add(m.name()));
            for (FeatureDescriptor.UsedMap used : d.uses()) {
                GenerationRecord.MapOwner owner = owners.get(used.name());
                if (owner == null) {
                    throw new DatapathException("feature " + d.name() + " uses map " + used.name() + ", which no enabled feature owns");
                }
                if (!used.schema().isEmpty() && !VersionRange.valueOf(used.schema()).includes(Version.parseVersion(owner.schema()))) {
                    throw new DatapathException("feature " + d.name() + " uses map " + used.name() + " in schema " + used.schema() + ", but "
                            + owner.feature() + " has it in schema " + owner.schema());
                }
                allowed.add(used.name());
            }
            for (Unit u : units) {
                if (u.feature().equals(d.name())) {
                    for (String map : u.spec().maps().keySet()) {
                        if (!map.equals(CoreObjects.CHAIN) && !allowed.contains(map) && !(u.isOld(map) && allowed.contains(Unit.base(map)))) {
                            throw new DatapathException(u.where() + " works with map " + map + ", which its descriptor lists neither under maps nor under uses");
                        }
                    }
                }
            }
        }
    }

    private void makeMaps() {
        chain = BpfMap.create(core.chainSpec());
        chain.pin(core.generationPins(epoch).resolve("chain"));
        core.maps().forEach((n, m) -> generationMaps.put(n, m));
        for (GenerationSpec.Part part : spec.parts()) {
            for (FeatureDescriptor.OwnedMap m : part.descriptor().maps()) {
                Unit u = unit(part.descriptor().name(), m.object());
                MapSpec wanted = u.spec().map(m.name());
                if (m.maxEntries() > 0) {
                    wanted = wanted.withMaxEntries(m.maxEntries());
                }
                generationMaps.put(m.name(), mapFor(u, m, wanted));
            }
        }
        replacements.forEach(r -> r.migration().filter(c -> c.canReadThrough() && allReadThrough(r)).ifPresent(Migration::readThrough));
        consent();
    }

    private boolean allReadThrough(Replacement r) {
        for (Unit u : units) {
            if (u.spec().maps().containsKey(r.name())) {
                if (!u.isOld(r.name() + Unit.OLD)) {
                    return false;
                }
                // Old keys and new values of more bytes than the object has places for.
                if (u.carried(r.name(), "key") < r.old().keySize() || u.carried(r.name(), "value") < r.fresh().info().valueSize()) {
                    return false;
                }
            }
        }
        return true;
    }

    private void consent() {
        List<String> reasons = new ArrayList<>();
        replacements.forEach(r -> r.migration().map(Migration::oneWay).filter(w -> !w.isEmpty()).ifPresent(w -> reasons.add("map " + r.name() + " of feature "
                + owners.get(r.name()).feature() + ": " + String.join(", ", w))));
        if (reasons.isEmpty()) {
            return;
        }
        if (!spec.oneWay()) {
            throw new DatapathException("this change has no way back, for the version before can't take its state as it is now: "
                    + String.join("; ", reasons) + ". Consent to that with --one-way");
        }
        LOG.warn("Generation {} has no way back: {}", epoch, String.join("; ", reasons));
    }

    private BpfMap mapFor(Unit u, FeatureDescriptor.OwnedMap m, MapSpec wanted) {
        Optional<CatalogMap> there = catalog.find(m.name());
        if (there.isEmpty()) {
            BpfMap fresh = BpfMap.create(wanted);
            madeMaps.add(m.name());
            fresh.pin(catalog.pin(m.name()));
            catalog.add(new CatalogMap(m.name(), fresh));
            return fresh.duplicate();
        }
        CatalogMap current = there.get();
        MapSpec has = current.spec();
        Optional<String> difference = wanted.difference(has);
        if (difference.isEmpty() && wanted.maxEntries() != has.maxEntries()) {
            difference = Optional.of(wanted.maxEntries() + " entries against " + has.maxEntries());
        }
        if (difference.isEmpty()) {
            return current.duplicate();
        }
        String what = u.where() + ", map " + m.name();
        if (core.maps().containsKey(m.name())) {
            throw new DatapathException(what + " differs from the one that the core's preambles read: " + difference.get()
                    + "\nBuild the feature against this core's headers");
        }
        if (m.migration() == FeatureDescriptor.Migration.REFUSE) {
            throw new DatapathException(what + " differs from the pinned one, and the feature does not migrate it: " + difference.get());
        }
        if (wanted.type() != has.type() && m.migration() == FeatureDescriptor.Migration.COPY) {
            throw new DatapathException(what + " was a " + has.type() + " and is a " + wanted.type() + ": it can't be copied");
        }
        return replace(m, wanted, current);
    }

    private BpfMap replace(FeatureDescriptor.OwnedMap m, MapSpec wanted, CatalogMap current) {
        BpfMap fresh = BpfMap.create(wanted);
        CatalogMap handle = new CatalogMap(m.name(), fresh);
        BpfMap old = current.duplicate();
        BpfMap own = fresh.duplicate();
        replacements.add(new Replacement(m.name(), own, handle, Optional.empty(), old));
        fresh.pin(catalog.waitingPin(m.name(), epoch));
        if (m.migration() == FeatureDescriptor.Migration.COPY) {
            Migration copy = new Migration(m.name(), current, old, handle, own);
            replacements.set(replacements.size() - 1, new Replacement(m.name(), own, handle, Optional.of(copy), old));
        }
        return fresh.duplicate();
    }

    private void load() {
        Map<Plan.Placed, BpfProgram> loaded = new StageLoader(core.generationPins(epoch), epoch, plan, chain, generationMaps, replacements).load(units, programs);
        // From the end to the front, so that a chain is never entered before what follows is there.
        List<Plan.Placed> order = new ArrayList<>(plan.placed());
        Collections.reverse(order);
        for (Plan.Placed p : order) {
            BpfProgram program = loaded.get(p);
            if (p.index() >= 0) {
                chain.setProgram(p.index(), program);
            }
        }
        plan.entry().forEach((hook, p) -> entries.put(hook, loaded.get(p)));
        for (Plan.Placed p : plan.placed()) {
            stages.add(new StageInfo(p.stage().hook(), p.stage().order(), p.feature(), p.stage().program(), p.index(), loaded.get(p).id()));
        }
    }

    List<FeatureVersion> features() {
        List<FeatureVersion> all = new ArrayList<>();
        all.add(new FeatureVersion(CoreObjects.CORE, Abi.VERSION.getMajor() + "." + Abi.VERSION.getMinor(), core.objects().digest("parse")));
        spec.parts().forEach(p -> all.add(new FeatureVersion(p.descriptor().name(), p.descriptor().version(), p.digest())));
        return all;
    }

    List<StageInfo> stages() {
        return stages;
    }

    Map<String, GenerationRecord.MapOwner> owners() {
        return owners;
    }

    Map<Hook, BpfProgram> entries() {
        return entries;
    }

    List<Replacement> replacements() {
        return replacements;
    }

    /** Objects whose BTF defines owned maps, by digest: kept beside the record. */
    Map<String, byte[]> mapObjects() {
        Map<String, byte[]> all = new LinkedHashMap<>();
        owners.values().forEach(o -> units.stream().filter(u -> u.digest().equals(o.digest()) && !u.feature().equals(CoreObjects.CORE)).findFirst()
                .ifPresent(u -> all.put(u.digest(), u.spec().bytes())));
        return all;
    }

    /** Gives up the descriptors; what is pinned or in use stays. */
    void release() {
        programs.forEach(BpfProgram::close);
        programs.clear();
        generationMaps.forEach((n, m) -> {
            // A map that the core reads and a feature owns is here as the feature's duplicate.
            if (core.maps().get(n) != m) {
                m.close();
            }
        });
        generationMaps.clear();
        replacements.forEach(r -> {
            r.fresh().close();
            r.old().close();
        });
        if (chain != null) {
            chain.close();
            chain = null;
        }
    }

    /** Removes everything that was made. */
    void undo() {
        try {
            for (String name : madeMaps) {
                catalog.remove(name);
                Files.deleteIfExists(catalog.pin(name));
            }
            for (Replacement r : replacements) {
                r.handle().close();
                Files.deleteIfExists(catalog.waitingPin(r.name(), epoch));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("can't remove the pins of a generation that was given up", e);
        } finally {
            release();
            core.removeGeneration(epoch);
        }
    }
}
