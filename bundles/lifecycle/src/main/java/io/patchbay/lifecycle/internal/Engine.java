package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.Features;
import io.patchbay.api.status.Controllers;
import io.patchbay.lifecycle.internal.Record.Desired;
import io.patchbay.lifecycle.internal.StateFiles.Step;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.osgi.framework.BundleException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes the node what the record says, and changes the record. One change at a time: all methods that change something are called
 * on the lifecycle's one thread. The others answer from what is known and are thread-safe.
 */
final class Engine implements Features {
    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

    private record Since(State state, Instant at) {
    }

    private final Pipeline pipeline;
    private final KernelFeatures kernel;
    private final Permits permits;
    private final Bundles bundles;
    private final Store store;
    private final StateFiles files;
    private final Repository repository;
    private final Layers layers;
    private final MapSizes sizes;

    private volatile Record record = new Record(0, Map.of());
    /** Of every version that the record names as present. */
    private final Map<String, FeatureJar> jars = new ConcurrentHashMap<>();
    /** Why a feature that should take part doesn't. */
    private final Map<String, String> failed = new ConcurrentHashMap<>();
    private final Map<String, Since> since = new ConcurrentHashMap<>();
    private volatile boolean started;

    Engine(Pipeline pipeline, KernelFeatures kernel, Controllers controllers, Bundles bundles, Permits.Registry registry, Path stateDirectory, Repository repository,
           Layers layers) throws IOException {
        this.pipeline = pipeline;
        this.kernel = kernel;
        this.bundles = bundles;
        this.permits = new Permits(bundles, registry, controllers, layers, stateDirectory);
        this.repository = repository;
        this.layers = layers;
        this.store = new Store(stateDirectory.resolve("store"));
        this.files = new StateFiles(stateDirectory);
        this.sizes = new MapSizes(pipeline, layers, jars);
    }

    // ---- start ----

    /** Record, journal, bundles, generation, permits. What fails is logged and shown by {@code feature list}; the kernel keeps what it has. */
    void start() throws IOException {
        Optional<Pipeline.Generation> running = pipeline.current();
        Optional<Record> read = files.read();
        Recovery recovery = new Recovery(store, files, repository, running);
        record = read.isPresent() ? read.get() : recovery.firstRecord();
        record = recovery.completed(record, this::versions);
        for (Map.Entry<String, Record.Entry> e : record.features().entrySet()) {
            try {
                jars.put(e.getKey(), load(e.getKey(), e.getValue().version(), e.getValue().digest()));
            } catch (IOException | IllegalArgumentException x) {
                failed.put(e.getKey(), x.getMessage());
                LOG.error("Feature {} {}: {}", e.getKey(), e.getValue().version(), x.getMessage());
            }
        }
        probeKernel();
        if (read.isEmpty()) {
            files.write(record);
        }
        installAll();
        generation(running);
        for (String f : taking(record)) {
            if (!permits.has(f)) {
                publish(f, pipeline::map);
            }
        }
        record.features().keySet().forEach(this::warnIneffective);
        started = true;
        news();
    }

    private FeatureJar load(String feature, String version, String digest) throws IOException {
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

    private void probeKernel() {
        jars.values().forEach(j -> missingOfKernel(j).ifPresent(reason -> LOG.warn("Feature {} is unavailable: {}", j.name(), reason)));
    }

    /** Whether this version of a feature has what it needs of the kernel; another version of it may need less. */
    private boolean fits(FeatureJar jar) {
        return missingOfKernel(jar).isEmpty();
    }

    /** Answers are remembered by the probe. */
    private Optional<String> missingOfKernel(FeatureJar jar) {
        for (String need : jar.descriptor().kernel()) {
            KernelFeatures.Probe p = kernel.probe(need);
            if (!p.available()) {
                return Optional.of("the kernel lacks " + need + ": " + p.reason());
            }
        }
        return Optional.empty();
    }

    private void installAll() {
        for (String f : inOrder(record)) {
            FeatureJar jar = jars.get(f);
            if (record.features().get(f).desired() == Desired.DISABLED || jar == null) {
                continue;
            }
            try {
                libraries(f);
                bundles.bring(jar);
                bundles.start(f);
            } catch (BundleException | IOException e) {
                LOG.error("Feature {} {}: its bundle does not start, the datapath stays: {}", f, jar.version(), e.getMessage());
            }
        }
    }

    /** Bundles that the feature needs and the core doesn't, on a node whose distribution lacks the feature. */
    private void libraries(String feature) throws IOException, BundleException {
        if (repository.names().contains(feature)) {
            for (Repository.Item item : repository.of(feature)) {
                if (item.feature() == null) {
                    bundles.library(item);
                }
            }
        }
    }

    /** Adopts the pinned generation when it is what the record says, else builds the one that is. */
    private void generation(Optional<Pipeline.Generation> running) {
        boolean sized = running.isEmpty() || sizes.differences(taking(record)).isEmpty();
        if (running.isPresent() && sized && Recovery.versions(running.get()).equals(versions(takingJars(record)))) {
            LOG.info("Adopted generation {} with {} features", running.get().epoch(), Recovery.features(running.get()).size());
            return;
        }
        String title = running.isEmpty() ? "first generation"
                : sized ? "start: the record differs from generation " + running.get().epoch() : "start: " + String.join(", ", sizes.differences(taking(record)));
        Pipeline.Prepared next = null;
        try {
            // The record is what was consented to: an interrupted change of layout is taken back without asking.
            next = pipeline.prepare(new GenerationSpec(parts(record), 0, title, true));
            if (running.isPresent()) {
                fillRebuilt(next);
            }
            Ledger l = next.commit();
            permits.all().forEach(p -> p.maps(pipeline::map));
            LOG.info("Generation {} in charge: {}", l.toEpoch(), title);
        } catch (DatapathException | ChangeRefused | IOException | InterruptedException e) {
            if (next != null && !(e instanceof DatapathException)) {
                next.discard();
            }
            permits.names().forEach(permits::withdraw);
            LOG.error("No new generation; {}: {}", running.isPresent() ? "generation " + running.get().epoch() + " stays in charge" : "pods have no network",
                    e.getMessage());
            Set<String> inCharge = running.map(g -> g.features().stream().map(f -> f.name() + " " + f.digest()).collect(Collectors.toSet())).orElse(Set.of());
            taking(record).stream().filter(f -> !inCharge.contains(f + " " + jars.get(f).digest()))
                    .forEach(f -> failed.put(f, "no generation could be built: " + e.getMessage()));
        }
    }

    /** Maps that begin empty are filled before the switch, as in an update: until then the generation in charge has what they held. */
    private void fillRebuilt(Pipeline.Prepared next) throws ChangeRefused, IOException, InterruptedException {
        Set<String> rebuilt = taking(record).stream().filter(f -> jars.get(f).descriptor().maps().stream()
                .anyMatch(m -> m.migration() == FeatureDescriptor.Migration.REBUILD)).collect(Collectors.toCollection(TreeSet::new));
        if (rebuilt.isEmpty()) {
            return;
        }
        for (String f : taking(record)) {
            publish(f, next::map);
        }
        awaitReady(rebuilt);
    }

    private Map<String, String> versions(Record r) {
        Map<String, String> all = new TreeMap<>();
        r.features().forEach((f, e) -> {
            if (e.desired() != Desired.DISABLED && (!jars.containsKey(f) || fits(jars.get(f)))) {
                all.put(f, e.version() + " " + e.digest());
            }
        });
        return all;
    }

    private static Map<String, String> versions(List<FeatureJar> all) {
        return all.stream().collect(Collectors.toMap(FeatureJar::name, j -> j.version() + " " + j.digest()));
    }

    // ---- what takes part ----

    /** Features that are in the generation that the record asks for. */
    private Set<String> taking(Record r) {
        Set<String> all = new TreeSet<>();
        r.features().forEach((f, e) -> {
            if (e.desired() != Desired.DISABLED && jars.containsKey(f) && fits(jars.get(f))) {
                all.add(f);
            }
        });
        return all;
    }

    private List<FeatureJar> takingJars(Record r) {
        return taking(r).stream().map(jars::get).toList();
    }

    private List<GenerationSpec.Part> parts(Record r) {
        return parts(r, jars);
    }

    private List<GenerationSpec.Part> parts(Record r, Map<String, FeatureJar> of) {
        return parts(r, of, Map.of());
    }

    /** @param sizes of maps, by feature; where there are none those of the configuration */
    private List<GenerationSpec.Part> parts(Record r, Map<String, FeatureJar> of, Map<String, Map<String, Integer>> sizes) {
        List<GenerationSpec.Part> all = new ArrayList<>();
        r.features().forEach((f, e) -> {
            if (e.desired() != Desired.DISABLED && of.containsKey(f) && fits(of.get(f))) {
                FeatureJar jar = of.get(f);
                all.add(jar.part(e.desired() == Desired.DRAINING, sizes.getOrDefault(f, this.sizes.wanted(jar))));
            }
        });
        return all;
    }

    /** Each after those it requires. */
    private List<String> inOrder(Record r) {
        Set<String> ordered = new LinkedHashSet<>();
        r.features().keySet().forEach(f -> visit(f, ordered, new HashSet<>()));
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

    // ---- permits ----

    private void publish(String feature, Function<String, MapHandle> maps) throws IOException {
        boolean draining = record.features().containsKey(feature) && record.features().get(feature).desired() == Desired.DRAINING;
        permits.publish(jars.get(feature), maps, draining);
    }

    /** Waits until each has said that its maps are filled, or says why it won't. */
    private void awaitReady(Set<String> features) throws ChangeRefused, InterruptedException {
        permits.awaitReady(features, seconds("ready-seconds"));
    }

    /** Something has changed that states are computed from. */
    void news() {
        permits.news();
    }

    /** Called, on any thread and under anybody's lock, when states may have changed: it may only take note. */
    void observer(Runnable o) {
        permits.observer(o);
    }

    /** A bundle event. The framework's thread, before the bundle's components are gone or come. */
    void bundleStopped(String feature) {
        permits.bundleStopped(feature);
    }

    void close() {
        permits.close();
    }

    // ---- changes ----

    /**
     * A new version of features, or features that this node does not have yet; one change.
     *
     * @param updates jars in the store
     * @throws ChangeRefused with the reason; then nothing has changed
     */
    Ledger update(List<FeatureJar> updates, boolean oneWay) throws ChangeRefused {
        Record after = record;
        List<String> titles = new ArrayList<>();
        Map<String, FeatureJar> replaced = new LinkedHashMap<>();
        for (FeatureJar j : updates) {
            if (replaced.put(j.name(), j) != null) {
                throw new ChangeRefused("two jars of feature " + j.name() + " at once; give one");
            }
            Record.Entry e = record.features().get(j.name());
            if (e == null) {
                titles.add("add " + j.name() + " " + j.version());
                after = after.with(j.name(), new Record.Entry(Desired.ENABLED, j.version(), j.digest(), List.of(), 0));
                continue;
            }
            if (e.digest().equals(j.digest()) && sameVersion(bundles.version(j.name()), j.version())) {
                throw new ChangeRefused(j.name() + " " + j.version() + " is what this node has already; nothing to do");
            }
            titles.add(j.name() + " " + e.version() + " -> " + j.version());
            after = after.with(j.name(), e.digest().equals(j.digest()) ? e : e.replacedBy(j.version(), j.digest()));
        }
        Map<String, FeatureJar> started = new LinkedHashMap<>(replaced);
        for (FeatureJar j : updates) {
            if (after.features().get(j.name()).desired() == Desired.DISABLED) {
                // Nothing of it runs; it will be this version that is enabled.
                started.remove(j.name());
            } else {
                refuseUnfit(j, after);
            }
        }
        probe(updates);
        Ledger ledger = change(String.join(", ", titles), after, started, oneWay);
        jars.putAll(replaced);
        return ledger;
    }

    /** A version may need more than its predecessor did. */
    private void refuseUnfit(FeatureJar jar, Record after) throws ChangeRefused {
        Optional<String> lacking = missingOfKernel(jar);
        if (lacking.isPresent()) {
            throw new ChangeRefused(jar.name() + " " + jar.version() + " can't run here: " + lacking.get());
        }
        List<String> missing = jar.descriptor().requires().stream()
                .filter(r -> !after.features().containsKey(r) || after.features().get(r).desired() != Desired.ENABLED).toList();
        if (!missing.isEmpty()) {
            throw new ChangeRefused(jar.name() + " requires " + String.join(", ", missing) + "; 'feature add' or 'feature enable' that first, or give its jar too");
        }
    }

    /** What somebody has installed by {@code update} of the framework itself enters as a change. @param content jar as it runs now */
    void updatedByHand(String feature, InputStream content) throws ChangeRefused, IOException {
        FeatureJar now = take(content, "the bundle of " + feature + " that was updated by hand");
        FeatureJar before = jars.get(feature);
        if (!now.name().equals(feature)) {
            throw new ChangeRefused("the bundle of " + feature + " was replaced by hand by one of feature " + now.name());
        }
        if (before != null && before.descriptor().equals(now.descriptor()) && before.objects().equals(now.objects())) {
            LOG.info("The bundle of {} was updated by hand; its descriptor and its datapath are the same", feature);
            return;
        }
        update(List.of(now), false);
    }

    /** Puts a jar into the store, checks its signature where this node wants one, and reads it. @throws ChangeRefused when nobody who is trusted signed it */
    FeatureJar take(InputStream jar, String shown) throws IOException, ChangeRefused {
        String digest = store.put(jar);
        Map<String, String> own = layers.values(SELF, OWN_KEYS);
        if (Boolean.parseBoolean(own.get(REQUIRE_SIGNATURES))) {
            String signer = Signatures.trusting(own.get(TRUSTED_CERTIFICATES)).check(store.path(digest), shown);
            LOG.info("{} is signed by {}", shown, signer);
        }
        return FeatureJar.read(store, digest, shown);
    }

    Ledger rollback(String feature) throws ChangeRefused, IOException {
        Record.Entry e = entry(feature);
        if (e.earlier().isEmpty()) {
            throw new ChangeRefused(feature + " has no earlier version on this node; 'feature update' takes any jar");
        }
        Record.Earlier to = e.earlier().get(0);
        FeatureJar jar = load(feature, to.version(), to.digest());
        probe(List.of(jar));
        // Going back drops what only the newer version knew: that is what was asked for.
        return change(feature + " " + e.version() + " -> " + to.version() + " (rollback)", record.with(feature, e.rolledBack()), Map.of(feature, jar), true);
    }

    private void probe(List<FeatureJar> updates) throws ChangeRefused {
        try {
            bundles.probe(updates);
        } catch (IllegalArgumentException | IOException e) {
            throw new ChangeRefused(e.getMessage(), e);
        }
    }

    /** Enables a feature that the node has; those it requires must be enabled. */
    Ledger enable(String feature) throws ChangeRefused, IOException {
        Record.Entry e = entry(feature);
        FeatureJar jar = load(feature, e.version(), e.digest());
        Optional<String> lacking = missingOfKernel(jar);
        if (lacking.isPresent()) {
            throw new ChangeRefused(feature + " is unavailable: " + lacking.get());
        }
        if (e.desired() == Desired.ENABLED && !failed.containsKey(feature)) {
            throw new ChangeRefused(feature + " is enabled already");
        }
        List<String> missing = jar.descriptor().requires().stream()
                .filter(r -> !record.features().containsKey(r) || record.features().get(r).desired() != Desired.ENABLED).toList();
        if (!missing.isEmpty()) {
            throw new ChangeRefused(feature + " requires " + String.join(", ", missing) + "; enable that first");
        }
        boolean draining = e.desired() == Desired.DRAINING;
        Permit permit = permits.get(feature);
        if (draining && permit != null) {
            permit.undrain();
        }
        Map<String, FeatureJar> replaced = draining && bundles.has(feature) ? Map.of() : Map.of(feature, jar);
        jars.put(feature, jar);
        return change("enable " + feature + " " + e.version(), record.with(feature, e.desired(Desired.ENABLED)), replaced, false);
    }

    /** Adds a feature of the distribution's repository, with what it requires, and enables them. */
    Ledger add(String feature) throws ChangeRefused, IOException {
        Record after = record;
        Map<String, FeatureJar> replaced = new LinkedHashMap<>();
        List<Repository.Item> items;
        try {
            items = repository.of(feature);
        } catch (IllegalArgumentException e) {
            throw new ChangeRefused(e.getMessage(), e);
        }
        List<Repository.Item> libraries = new ArrayList<>();
        for (Repository.Item item : items) {
            if (item.feature() == null) {
                libraries.add(item);
                continue;
            }
            Record.Entry e = after.features().get(item.feature());
            if (e != null && e.desired() == Desired.ENABLED) {
                continue;
            }
            FeatureJar jar = e == null ? FeatureJar.read(store, Repository.store(item, store), item.jar().getFileName().toString())
                    : load(item.feature(), e.version(), e.digest());
            Optional<String> lacking = missingOfKernel(jar);
            if (lacking.isPresent()) {
                throw new ChangeRefused(jar.name() + " is unavailable: " + lacking.get());
            }
            after = after.with(jar.name(), e == null ? new Record.Entry(Desired.ENABLED, jar.version(), jar.digest(), List.of(), 0) : e.desired(Desired.ENABLED));
            replaced.put(jar.name(), jar);
        }
        if (replaced.isEmpty()) {
            throw new ChangeRefused(feature + " is here and enabled already");
        }
        try {
            for (Repository.Item item : libraries) {
                bundles.library(item);
            }
        } catch (BundleException e) {
            throw new ChangeRefused("a bundle that " + feature + " needs does not start: " + e.getMessage(), e);
        }
        probe(List.copyOf(replaced.values()));
        return change("add " + replaced.values().stream().map(j -> j.name() + " " + j.version()).collect(Collectors.joining(", ")), after, replaced, false);
    }

    /** @return the ledger; with a draining feature that of its draining generation, and {@link #drained} has to follow */
    Ledger disable(String feature, boolean now, boolean override) throws ChangeRefused {
        Record.Entry e = entry(feature);
        FeatureJar jar = jars.get(feature);
        if (e.desired() == Desired.DISABLED) {
            throw new ChangeRefused(feature + " is disabled already");
        }
        List<String> dependents = new ArrayList<>();
        record.features().forEach((f, x) -> {
            if (x.desired() == Desired.ENABLED && jars.containsKey(f) && jars.get(f).descriptor().requires().contains(feature)) {
                dependents.add(f);
            }
        });
        FeatureDescriptor.Disable how = jar == null ? FeatureDescriptor.Disable.INSTANT : jar.descriptor().disable();
        if (how == FeatureDescriptor.Disable.NEVER) {
            throw new ChangeRefused(feature + " can't be disabled: pods have no network without it");
        }
        if (!dependents.isEmpty()) {
            throw new ChangeRefused(feature + " is required by " + String.join(", ", dependents) + "; disable that first");
        }
        if (how == FeatureDescriptor.Disable.OVERRIDE && !override) {
            throw new ChangeRefused("disabling " + feature + " opens this node to what it refuses now; say --override to do it all the same");
        }
        if (how == FeatureDescriptor.Disable.DRAINED && !now && e.desired() == Desired.ENABLED) {
            Permit permit = permits.get(feature);
            if (permit != null) {
                permit.drain();
            }
            try {
                return change("drain " + feature, record.with(feature, e.desired(Desired.DRAINING)), Map.of(), false);
            } catch (ChangeRefused x) {
                if (permit != null) {
                    permit.undrain();
                }
                throw x;
            }
        }
        return change("disable " + feature, record.with(feature, e.desired(Desired.DISABLED)), Map.of(), false);
    }

    /** Features on their way out. */
    List<String> drainingFeatures() {
        return record.features().entrySet().stream().filter(e -> e.getValue().desired() == Desired.DRAINING).map(Map.Entry::getKey).toList();
    }

    boolean isDrained(String feature) {
        Permit permit = permits.get(feature);
        return permit != null && permit.isDrained();
    }

    private Record.Entry entry(String feature) throws ChangeRefused {
        Record.Entry e = record.features().get(feature);
        if (e == null) {
            throw new ChangeRefused("this node has no feature '" + feature + "'; it has: " + String.join(", ", record.features().keySet())
                    + "; 'feature add' brings one of the distribution");
        }
        return e;
    }

    /** The steps of a change. @param replaced features whose bundle is brought in or updated */
    private Ledger change(String title, Record asked, Map<String, FeatureJar> replaced, boolean oneWay) throws ChangeRefused {
        Record before = record;
        long number = before.change() + 1;
        long begun = System.nanoTime();
        try {
            number = Math.max(number, files.newest().map(e -> e.number() + 1).orElse(1L));
        } catch (IOException e) {
            throw new ChangeRefused("the journal can't be read: " + e, e);
        }
        Record after = new Record(number, asked.features());
        Map<String, FeatureJar> next = new HashMap<>(jars);
        next.putAll(replaced);
        Pipeline.Prepared prepared = null;
        StateFiles.Entry journal = new StateFiles.Entry(number, title,
                Step.PREPARED, pipeline.current().map(Pipeline.Generation::epoch).orElse(0L), after, "");
        Map<String, FeatureJar> previous = new LinkedHashMap<>();
        Map<String, Map<String, Integer>> had = sizes.inForce();
        boolean switched = false;
        Ledger ledger = null;
        try {
            files.write(journal);
            prepared = pipeline.prepare(new GenerationSpec(parts(after, next), number, title, oneWay));
            journal = files.note(journal, Step.VERIFIED, "");
            for (FeatureJar j : replaced.values()) {
                previous.put(j.name(), jars.get(j.name()));
                permits.withdraw(j.name());
                libraries(j.name());
                bundles.bring(j);
                bundles.start(j.name());
                jars.put(j.name(), j);
                publish(j.name(), prepared::map);
            }
            journal = files.note(journal, Step.BUNDLES_UPDATED, "");
            awaitReady(replaced.keySet());
            journal = files.note(journal, Step.READY, "");
            ledger = prepared.commit();
            switched = true;
            journal = files.note(journal, Step.SWITCHED, "");
            Optional<String> wrong = wrongWith(ledger);
            if (wrong.isPresent()) {
                throw new ChangeRefused(wrong.get());
            }
            accept(journal, after, ledger);
        } catch (ChangeRefused | DatapathException | BundleException | IOException | InterruptedException e) {
            // A commit that threw may have stored the epoch before: the kernel knows.
            long taken = pipeline.current().map(Pipeline.Generation::epoch).orElse(0L);
            switched = switched || prepared != null && taken == prepared.epoch();
            undo(journal, before, prepared, switched, previous, had, e);
            String what = switched ? " was rolled back: " : " is refused, nothing has changed: ";
            throw new ChangeRefused("change " + number + " (" + title + ")" + what + reason(e), e);
        }
        for (String f : replaced.keySet()) {
            Permit permit = permits.get(f);
            if (permit != null) {
                permit.maps(pipeline::map);
            }
        }
        failed.keySet().retainAll(after.features().keySet().stream().filter(f -> !jars.containsKey(f)).toList());
        for (String f : permits.names()) {
            if (!after.features().containsKey(f) || after.features().get(f).desired() == Desired.DISABLED) {
                permits.withdraw(f);
            }
        }
        news();
        LOG.info("Change {} accepted after {} ms: {}", number, (System.nanoTime() - begun) / 1_000_000, title);
        return ledger;
    }

    /** The framework's message says which activator has thrown, its cause what. */
    private static String reason(Exception e) {
        boolean says = !(e instanceof BundleException) || e.getCause() == null || String.valueOf(e.getMessage()).contains(String.valueOf(e.getCause().getMessage()));
        return says ? e.getMessage() : e.getMessage() + " " + e.getCause();
    }

    private void accept(StateFiles.Entry journal, Record after, Ledger ledger) throws IOException {
        Record accepted = after;
        for (Map.Entry<String, Record.Entry> e : after.features().entrySet()) {
            Record.Entry old = record.features().get(e.getKey());
            if (old == null || !old.digest().equals(e.getValue().digest())) {
                accepted = accepted.with(e.getKey(), e.getValue().epoch(ledger.toEpoch()));
            }
        }
        files.write(accepted);
        record = accepted;
        files.note(journal, Step.ACCEPTED, "");
    }

    private void undo(StateFiles.Entry journal, Record before, Pipeline.Prepared prepared, boolean switched,
                      Map<String, FeatureJar> previous, Map<String, Map<String, Integer>> sizes, Exception reason) {
        LOG.warn("Change {} ({}) is undone: {}", journal.number(), journal.title(), reason.getMessage());
        try {
            if (switched) {
                Pipeline.Prepared back = pipeline.prepare(new GenerationSpec(parts(before, withPrevious(previous), sizes), journal.number(),
                        journal.title() + ", switched back", true));
                back.commit();
            } else if (prepared != null) {
                prepared.discard();
            }
        } catch (DatapathException e) {
            LOG.error("Change {}: the previous generation can't be brought back; the record says what it was, and the next start builds it: {}",
                    journal.number(), e.getMessage());
        }
        previous.forEach((f, old) -> {
            permits.withdraw(f);
            try {
                if (old == null) {
                    jars.remove(f);
                    bundles.remove(f);
                } else {
                    jars.put(f, old);
                    boolean enabled = before.features().containsKey(f) && before.features().get(f).desired() != Desired.DISABLED;
                    if (enabled) {
                        bundles.bring(old);
                        bundles.start(f);
                        publish(f, pipeline::map);
                    } else {
                        bundles.remove(f);
                    }
                }
            } catch (BundleException | IOException e) {
                LOG.error("Feature {}: its previous bundle does not start; its datapath is in charge, 'feature update' mends it: {}", f, e.getMessage());
            }
        });
        try {
            files.note(journal, Step.UNDONE, String.valueOf(reason.getMessage()));
        } catch (IOException e) {
            LOG.error("The journal can't be written: {}", e.toString());
        }
        news();
    }

    private Map<String, FeatureJar> withPrevious(Map<String, FeatureJar> previous) {
        Map<String, FeatureJar> all = new HashMap<>(jars);
        previous.forEach((f, old) -> {
            if (old == null) {
                all.remove(f);
            } else {
                all.put(f, old);
            }
        });
        return all;
    }

    private static Optional<String> wrongWith(Ledger ledger) {
        long lost = 0;
        long hole = 0;
        long mixed = 0;
        long unprocessed = 0;
        for (Ledger.Row r : ledger.rows()) {
            lost += r.lost();
            hole += r.hole();
            mixed += r.mixed();
            unprocessed += r.unprocessed();
        }
        if (lost + hole + mixed + unprocessed == 0) {
            return Optional.empty();
        }
        return Optional.of("its ledger shows " + lost + " lost, " + hole + " in a hole, " + unprocessed + " unprocessed, " + mixed + " mixed");
    }

    /** Deletes from the store what neither the record nor a change that may be undone names. */
    void prune() throws IOException {
        Set<String> keep = new HashSet<>();
        for (Map.Entry<String, Record.Entry> e : record.features().entrySet()) {
            keep.add(e.getValue().digest());
            e.getValue().earlier().forEach(x -> keep.add(x.digest()));
        }
        pipeline.current().ifPresent(g -> g.features().forEach(f -> keep.add(f.digest())));
        for (String digest : List.copyOf(keep)) {
            if (store.has(digest)) {
                FeatureJar.read(store, digest, digest).objects().values().forEach(p -> keep.add(p.getFileName().toString()));
            }
        }
        store.prune(keep);
    }

    // ---- configuration ----

    static final String SELF = "lifecycle";
    static final String REQUIRE_SIGNATURES = "require-signatures";
    static final String TRUSTED_CERTIFICATES = "trusted-certificates";
    /** Who may write to the cluster is not therefore one who may say what code runs on the node. */
    private static final Set<String> NOT_BY_CLUSTER = Set.of(SELF + "." + REQUIRE_SIGNATURES, SELF + "." + TRUSTED_CERTIFICATES);
    static final Map<String, Setting> OWN_KEYS = Map.of(
            "ready-seconds", Setting.whole("20", 0, 3600, "how long an update waits until its features have filled their maps"),
            REQUIRE_SIGNATURES, new Setting("false", Setting.Type.BOOL, null, null, List.of(), "", "whether 'feature update' takes only jars signed by somebody who is trusted", List.of()),
            TRUSTED_CERTIFICATES, new Setting("", Setting.Type.TEXT, null, null, List.of(), "", "file with the certificates (PEM) of those whose features this node takes", List.of()),
            "drain-seconds", Setting.whole("300", 0, 86_400, "how long a feature that is being disabled keeps what still uses it"));

    Duration seconds(String key) {
        return Duration.ofSeconds(Long.parseLong(layers.values(SELF, OWN_KEYS).get(key)));
    }

    /** All keys as they are declared, {@code feature.key}. */
    Map<String, Setting> settings() {
        Map<String, Setting> all = new TreeMap<>();
        OWN_KEYS.forEach((k, s) -> all.put(SELF + "." + k, s));
        jars.forEach((f, j) -> j.config().forEach((k, s) -> all.put(f + "." + k, s)));
        return all;
    }

    /** All keys with value and layer, {@code feature.key}. */
    Map<String, Layers.Value> configuration() {
        Map<String, Layers.Value> all = new TreeMap<>();
        layers.effective(SELF, OWN_KEYS).forEach((k, v) -> all.put(SELF + "." + k, v));
        jars.forEach((f, j) -> layers.effective(f, j.config()).forEach((k, v) -> all.put(f + "." + k, v)));
        return all;
    }

    /** @param value empty: back to the layers below */
    void configure(String key, Optional<String> value) throws ChangeRefused, IOException {
        Map<String, Layers.Value> known = configuration();
        if (!known.containsKey(key)) {
            String feature = key.contains(".") ? key.substring(0, key.indexOf('.')) : key;
            List<String> own = known.keySet().stream().filter(k -> k.startsWith(feature + ".")).toList();
            throw new ChangeRefused("there is no key '" + key + "'; " + (own.isEmpty() ? "features with keys: "
                    + known.keySet().stream().map(k -> k.substring(0, k.indexOf('.'))).distinct().collect(Collectors.joining(", "))
                    : "known: " + String.join(", ", own)));
        }
        Optional<String> problem = value.flatMap(settings().get(key)::problem);
        if (problem.isPresent()) {
            throw new ChangeRefused(key + ": " + problem.get());
        }
        Layers.Value before = known.get(key);
        layers.operator(key, value);
        try {
            reconfigured();
        } catch (ChangeRefused e) {
            layers.operator(key, before.layer() == Layers.Layer.OPERATOR ? Optional.of(before.value()) : Optional.empty());
            throw e;
        }
    }

    /** The cluster's layer: taken whole, or with a value that its key does not allow not at all. @throws ChangeRefused naming these */
    void cluster(Map<String, String> values) throws ChangeRefused, IOException {
        Map<String, Setting> known = settings();
        List<String> forbidden = values.keySet().stream().filter(NOT_BY_CLUSTER::contains).sorted().toList();
        if (!forbidden.isEmpty()) {
            throw new ChangeRefused("the cluster may not set " + String.join(", ", forbidden) + "; that is for the node's own configuration");
        }
        List<String> wrong = values.entrySet().stream().filter(e -> known.containsKey(e.getKey()))
                .flatMap(e -> known.get(e.getKey()).problem(e.getValue()).map(p -> e.getKey() + ": " + p).stream()).toList();
        if (!wrong.isEmpty()) {
            throw new ChangeRefused(String.join("; ", wrong));
        }
        Map<String, String> before = layers.cluster();
        layers.cluster(values);
        try {
            reconfigured();
        } catch (ChangeRefused e) {
            layers.cluster(before);
            throw e;
        }
    }

    /** A generation whose maps have the sizes that the configuration wants; their entries come with it. */
    private void resize() throws ChangeRefused {
        Set<String> features = new TreeSet<>();
        for (String f : permits.names()) {
            if (!sizes.differences(Set.of(f)).isEmpty()) {
                features.add(f);
            }
        }
        if (features.isEmpty()) {
            return;
        }
        Map<String, FeatureJar> again = new LinkedHashMap<>();
        for (String f : features) {
            FeatureJar jar = jars.get(f);
            again.put(f, jar);
            sizes.refuseLoss(jar);
        }
        change(String.join(", ", features) + ": " + String.join(", ", sizes.differences(features)), record, again, true);
    }

    /** Features whose values are others now get a new permit, so that their components start again with these. */
    private void reconfigured() throws IOException, ChangeRefused {
        resize();
        for (String f : permits.names()) {
            Permit permit = permits.get(f);
            if (!layers.values(f, permit.jar().config()).equals(permit.config())) {
                LOG.info("Configuration of {} has changed", f);
                permits.withdraw(f);
                publish(f, pipeline::map);
            }
            warnIneffective(f);
        }
    }

    private void warnIneffective(String f) {
        FeatureJar j = jars.get(f);
        if (j != null) {
            layers.ineffective(f, j.config()).forEach(problem -> LOG.warn("Configuration without effect: {}", problem));
        }
    }

    // ---- answers ----

    @Override
    public List<FeatureStatus> list() {
        return states();
    }

    @Override
    public Optional<FeatureStatus> get(String name) {
        return states().stream().filter(s -> s.descriptor().name().equals(name)).findFirst();
    }

    @Override
    public List<String> missingForAdd() {
        if (!started) {
            return List.of("the agent is starting");
        }
        return states().stream().filter(s -> s.descriptor().onAddPath() && s.state() != State.DISABLED && s.state() != State.RUNNING && !isDispensable(s))
                .map(s -> s.descriptor().name() + " is " + s.state() + (s.detail().isEmpty() ? "" : ": " + s.detail())).toList();
    }

    /** What the kernel will never have is done without, unless it is what keeps the node closed or what all others stand on. */
    private static boolean isDispensable(FeatureStatus s) {
        FeatureDescriptor.Disable how = s.descriptor().disable();
        return s.state() == State.UNAVAILABLE && how != FeatureDescriptor.Disable.OVERRIDE && how != FeatureDescriptor.Disable.NEVER;
    }

    Optional<FeatureJar> jar(String feature) {
        return Optional.ofNullable(jars.get(feature));
    }

    List<Ledger> ledgers() {
        return pipeline.ledgers();
    }

    Repository repository() {
        return repository;
    }

    private List<FeatureStatus> states() {
        List<FeatureStatus> all = new ArrayList<>();
        record.features().forEach((f, e) -> {
            String[] detail = {""};
            State state = state(f, e, detail);
            Since s = since.compute(f, (k, old) -> old != null && old.state == state ? old : new Since(state, Instant.now()));
            FeatureJar jar = jars.get(f);
            FeatureDescriptor d = jar != null ? jar.descriptor()
                    : new FeatureDescriptor(f, e.version(), "", "", List.of(), List.of(), List.of(), List.of(), FeatureDescriptor.Disable.NEVER, List.of(), List.of(), false);
            all.add(new FeatureStatus(d, state, s.at, detail[0], e.digest(), e.earlier().stream().map(Record.Earlier::version).toList()));
        });
        return all;
    }

    private State state(String f, Record.Entry e, String[] detail) {
        if (e.desired() == Desired.DISABLED) {
            return State.DISABLED;
        }
        Optional<String> lacking = Optional.ofNullable(jars.get(f)).flatMap(this::missingOfKernel);
        if (lacking.isPresent()) {
            detail[0] = lacking.get();
            return State.UNAVAILABLE;
        }
        if (failed.containsKey(f)) {
            detail[0] = failed.get(f);
            return State.FAILED;
        }
        if (!bundles.active(f)) {
            detail[0] = bundles.state(f);
            return State.FROZEN;
        }
        if (!sameVersion(bundles.version(f), e.version())) {
            detail[0] = "its bundle was updated by hand to " + bundles.version(f) + ", its datapath is that of " + e.version() + "; run 'feature update' with the jar";
            return State.FROZEN;
        }
        Permit permit = permits.get(f);
        if (permit != null && permit.failure() != null) {
            detail[0] = permit.failure();
            return State.FAILED;
        }
        if (e.desired() == Desired.DRAINING) {
            return State.DRAINING;
        }
        if (!permits.isReady(f)) {
            String broken = bundles.activationFailure(f);
            detail[0] = broken != null ? broken : bundles.waitingFor(f);
            return broken != null ? State.FAILED : State.STARTING;
        }
        return State.RUNNING;
    }

    private static boolean sameVersion(String a, String b) {
        return a.isEmpty() || org.osgi.framework.Version.parseVersion(a).equals(org.osgi.framework.Version.parseVersion(b));
    }
}
