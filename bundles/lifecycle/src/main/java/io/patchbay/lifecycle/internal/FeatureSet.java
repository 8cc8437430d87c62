package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.lifecycle.internal.Record.Desired;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * What this node has: the record, the jars that it names, and which of them take part in a generation. Written on the lifecycle's one thread, read by
 * any.
 */
final class FeatureSet {
    private final KernelFeatures kernel;
    private final Store store;
    private final Repository repository;
    private final MapSizes sizes;
    private volatile Record record = new Record(0, Map.of());
    /** Of every version that the record names as present. */
    private final Map<String, FeatureJar> jars = new ConcurrentHashMap<>();
    /** Why a feature that should take part doesn't. */
    private final Map<String, String> failed = new ConcurrentHashMap<>();

    FeatureSet(Pipeline pipeline, KernelFeatures kernel, Layers layers, Store store, Repository repository) {
        this.kernel = kernel;
        this.store = store;
        this.repository = repository;
        this.sizes = new MapSizes(pipeline, layers, jars);
    }

    Record record() {
        return record;
    }

    void record(Record now) {
        record = now;
    }

    /** By feature; may be changed. */
    Map<String, FeatureJar> jars() {
        return jars;
    }

    /** Reasons by feature; may be changed. */
    Map<String, String> failed() {
        return failed;
    }

    MapSizes sizes() {
        return sizes;
    }

    /** The entry of a feature. @throws ChangeRefused when this node has none */
    Record.Entry entry(String feature) throws ChangeRefused {
        Record.Entry e = record.features().get(feature);
        if (e == null) {
            throw new ChangeRefused("this node has no feature '" + feature + "'; it has: " + String.join(", ", record.features().keySet())
                    + "; 'feature add' brings one of the distribution");
        }
        return e;
    }

    boolean isDraining(String feature) {
        Record.Entry e = record.features().get(feature);
        return e != null && e.desired() == Desired.DRAINING;
    }

    /** Reads the jar of a version out of the store, into which it comes from the distribution where it isn't there. */
    FeatureJar load(String feature, String version, String digest) throws IOException {
        if (!store.has(digest)) {
            boolean found = false;
            if (repository.names().contains(feature)) {
                for (Repository.Item item : repository.of(feature)) {
                    if (item.digest().equals(digest)) {
                        Repository.store(item, store);
                        found = true;
                    }
                }
            }
            if (!found) {
                throw new IOException("its jar " + store.path(digest) + " is missing; run 'feature update' with the jar of version " + version);
            }
        }
        FeatureJar jar = FeatureJar.read(store, digest, feature + " " + version);
        if (!jar.name().equals(feature)) {
            throw new IOException(store.path(digest) + " is the jar of " + jar.name() + ", not of " + feature);
        }
        return jar;
    }

    /** What a version needs of the kernel and doesn't get; another version may need less. Answers are remembered by the probe. */
    Optional<String> missingOfKernel(FeatureJar jar) {
        for (String need : jar.descriptor().kernel()) {
            KernelFeatures.Probe p = kernel.probe(need);
            if (!p.available()) {
                return Optional.of("the kernel lacks " + need + ": " + p.reason());
            }
        }
        return Optional.empty();
    }

    private boolean fits(FeatureJar jar) {
        return missingOfKernel(jar).isEmpty();
    }

    /** Features that a jar requires and that are not enabled in a record. */
    static List<String> unmet(FeatureJar jar, Record in) {
        return jar.descriptor().requires().stream().filter(r -> !in.features().containsKey(r) || in.features().get(r).desired() != Desired.ENABLED).toList();
    }

    /** Features that are in the generation that a record asks for. */
    Set<String> taking(Record r) {
        Set<String> all = new TreeSet<>();
        r.features().forEach((f, e) -> {
            if (e.desired() != Desired.DISABLED && jars.containsKey(f) && fits(jars.get(f))) {
                all.add(f);
            }
        });
        return all;
    }

    /** Version and digest of those that take part in a record's generation, by feature: also of those whose jar is not there. */
    Map<String, String> versions(Record r) {
        Map<String, String> all = new TreeMap<>();
        r.features().forEach((f, e) -> {
            if (e.desired() != Desired.DISABLED && (!jars.containsKey(f) || fits(jars.get(f)))) {
                all.put(f, e.version() + " " + e.digest());
            }
        });
        return all;
    }

    /** The same, of the jars that are there. */
    Map<String, String> versionsTaking() {
        return taking(record).stream().map(jars::get).collect(Collectors.toMap(FeatureJar::name, j -> j.version() + " " + j.digest()));
    }

    /** What the record's generation consists of, its maps as large as the configuration says. */
    List<GenerationSpec.Part> parts() {
        return parts(record, jars, Map.of());
    }

    /**
     * @param of   the jars
     * @param have sizes of maps, by feature; where there are none those of the configuration
     */
    List<GenerationSpec.Part> parts(Record r, Map<String, FeatureJar> of, Map<String, Map<String, Integer>> have) {
        List<GenerationSpec.Part> all = new ArrayList<>();
        r.features().forEach((f, e) -> {
            if (e.desired() != Desired.DISABLED && of.containsKey(f) && fits(of.get(f))) {
                FeatureJar jar = of.get(f);
                all.add(jar.part(e.desired() == Desired.DRAINING, have.getOrDefault(f, sizes.wanted(jar))));
            }
        });
        return all;
    }

    /** All features of the record, each after those it requires. */
    List<String> inOrder() {
        Set<String> ordered = new LinkedHashSet<>();
        record.features().keySet().forEach(f -> visit(f, ordered, new HashSet<>()));
        return List.copyOf(ordered);
    }

    private void visit(String f, Set<String> ordered, Set<String> seen) {
        if (!record.features().containsKey(f) || !seen.add(f)) {
            return;
        }
        if (jars.containsKey(f)) {
            jars.get(f).descriptor().requires().forEach(r -> visit(r, ordered, seen));
        }
        ordered.add(f);
    }
}
