package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.Features;
import io.patchbay.api.status.Controllers;
import io.patchbay.lifecycle.internal.Record.Desired;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.osgi.framework.BundleException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The changes that an operator asks for, and who does them. One at a time: all methods that change something are called on the lifecycle's one
 * thread. The others answer from what is known and are thread-safe.
 */
final class Engine {
    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

    private final Pipeline pipeline;
    private final Permits permits;
    private final Outside outside;
    private final Bundles bundles;
    private final Store store;
    private final Repository repository;
    private final FeatureSet features;
    private final Configuration keys;
    private final ChangeSteps changes;
    private final FeatureStates states;
    private final Start start;

    /** @param late told the feature whose call has ended after it was given up, on any thread; {@link #bringBack} is to be called for it */
    Engine(Pipeline pipeline, KernelFeatures kernel, Controllers controllers, Bundles bundles, Permits.Registry registry, Path stateDirectory, Repository repository,
           Layers layers, Consumer<String> late) throws IOException {
        this.pipeline = pipeline;
        this.bundles = bundles;
        this.repository = repository;
        this.outside = new Outside(() -> Configuration.seconds(layers, "bundle-seconds"), late);
        this.permits = new Permits(bundles, outside, registry, controllers, layers, stateDirectory);
        this.store = new Store(stateDirectory.resolve("store"));
        StateFiles files = new StateFiles(stateDirectory);
        Supplier<Duration> patience = () -> Configuration.seconds(layers, "ready-seconds");
        this.features = new FeatureSet(pipeline, kernel, layers, store, repository);
        this.changes = new ChangeSteps(features, pipeline, permits, bundles, outside, repository, files, patience);
        this.keys = new Configuration(features, layers, pipeline, permits, changes);
        this.states = new FeatureStates(features, bundles, permits, repository);
        this.start = new Start(features, pipeline, permits, bundles, outside, repository, store, files, patience);
    }

    /** Record, journal, bundles, generation, permits. What fails is logged and shown by {@code feature list}; the kernel keeps what it has. */
    void start() throws IOException {
        start.run();
        features.record().features().keySet().forEach(keys::warnIneffective);
        states.begin();
        news();
    }

    /** A call of a feature's that was given up has ended. */
    void bringBack(String feature) {
        changes.bringBack(feature);
    }

    /** What is being done, for whom has to wait; "" when nothing is. Thread-safe. */
    String underWay() {
        return List.of(changes.underWay(), outside.now()).stream().filter(s -> !s.isEmpty()).collect(Collectors.joining("; "));
    }

    /** What the features are set to. */
    Configuration keys() {
        return keys;
    }

    /** How they are. */
    Features states() {
        return states;
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

    /**
     * A new version of features, or features that this node does not have yet; one change.
     *
     * @param updates jars in the store
     * @throws ChangeRefused with the reason; then nothing has changed
     */
    Ledger update(List<FeatureJar> updates, boolean oneWay) throws ChangeRefused {
        Record after = features.record();
        List<String> titles = new ArrayList<>();
        Map<String, FeatureJar> replaced = new LinkedHashMap<>();
        for (FeatureJar j : updates) {
            if (replaced.put(j.name(), j) != null) {
                throw new ChangeRefused("two jars of feature " + j.name() + " at once; give one");
            }
            Record.Entry e = features.record().features().get(j.name());
            if (e == null) {
                titles.add("add " + j.name() + " " + j.version());
                after = after.with(j.name(), new Record.Entry(Desired.ENABLED, j.version(), j.digest(), List.of(), 0));
                continue;
            }
            boolean same = e.digest().equals(j.digest());
            if (same && (e.desired() == Desired.DISABLED || isThere(j.name(), j.version()))) {
                throw new ChangeRefused(j.name() + " " + j.version() + " is what this node has already; nothing to do");
            }
            titles.add(same ? j.name() + " " + j.version() + " again" : j.name() + " " + e.version() + " -> " + j.version());
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
        Ledger ledger = changes.run(String.join(", ", titles), after, started, oneWay);
        features.jars().putAll(replaced);
        return ledger;
    }

    /** Whether its bundle is here, in that version, and may run: not so of one that somebody has stopped, uninstalled or replaced by hand. */
    private boolean isThere(String feature, String version) {
        return bundles.active(feature) && permits.has(feature) && FeatureStates.sameVersion(bundles.version(feature), version)
                && !features.failed().containsKey(feature);
    }

    /** A version may need more than its predecessor did. */
    private void refuseUnfit(FeatureJar jar, Record after) throws ChangeRefused {
        Optional<String> lacking = features.missingOfKernel(jar);
        if (lacking.isPresent()) {
            throw new ChangeRefused(jar.name() + " " + jar.version() + " can't run here: " + lacking.get());
        }
        List<String> missing = FeatureSet.unmet(jar, after);
        if (!missing.isEmpty()) {
            throw new ChangeRefused(jar.name() + " requires " + String.join(", ", missing) + "; 'feature add' or 'feature enable' that first, or give its jar too");
        }
    }

    /** What somebody has installed by {@code update} of the framework itself enters as a change. @param content jar as it runs now */
    void updatedByHand(String feature, InputStream content) throws ChangeRefused, IOException {
        FeatureJar now = take(content, "the bundle of " + feature + " that was updated by hand");
        FeatureJar before = features.jars().get(feature);
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
        Map<String, String> own = keys.own();
        if (Boolean.parseBoolean(own.get(Configuration.REQUIRE_SIGNATURES))) {
            String signer = Signatures.trusting(own.get(Configuration.TRUSTED_CERTIFICATES)).check(store.path(digest), shown);
            LOG.info("{} is signed by {}", shown, signer);
        }
        return FeatureJar.read(store, digest, shown);
    }

    Ledger rollback(String feature) throws ChangeRefused, IOException {
        Record.Entry e = features.entry(feature);
        if (e.earlier().isEmpty()) {
            throw new ChangeRefused(feature + " has no earlier version on this node; 'feature update' takes any jar");
        }
        Record.Earlier to = e.earlier().get(0);
        FeatureJar jar = features.load(feature, to.version(), to.digest());
        probe(List.of(jar));
        // Going back drops what only the newer version knew: that is what was asked for.
        return changes.run(feature + " " + e.version() + " -> " + to.version() + " (rollback)", features.record().with(feature, e.rolledBack()), Map.of(feature, jar), true);
    }

    private void probe(List<FeatureJar> updates) throws ChangeRefused {
        try {
            bundles.probe(updates);
        } catch (IllegalArgumentException | IOException e) {
            throw new ChangeRefused(e.getMessage(), e);
        }
    }

    /** Enables a feature that the node has, or brings the bundle of one that is Frozen back; those it requires must be enabled. */
    Ledger enable(String feature) throws ChangeRefused, IOException {
        Record.Entry e = features.entry(feature);
        FeatureJar jar = features.load(feature, e.version(), e.digest());
        Optional<String> lacking = features.missingOfKernel(jar);
        if (lacking.isPresent()) {
            throw new ChangeRefused(feature + " is unavailable: " + lacking.get());
        }
        if (e.desired() == Desired.ENABLED && isThere(feature, e.version())) {
            throw new ChangeRefused(feature + " is enabled already");
        }
        List<String> missing = FeatureSet.unmet(jar, features.record());
        if (!missing.isEmpty()) {
            throw new ChangeRefused(feature + " requires " + String.join(", ", missing) + "; enable that first");
        }
        boolean draining = e.desired() == Desired.DRAINING;
        Permit permit = permits.get(feature);
        if (draining && permit != null) {
            permit.undrain();
        }
        Map<String, FeatureJar> replaced = draining && bundles.has(feature) ? Map.of() : Map.of(feature, jar);
        features.jars().put(feature, jar);
        return changes.run("enable " + feature + " " + e.version(), features.record().with(feature, e.desired(Desired.ENABLED)), replaced, false);
    }

    /** Adds a feature of the distribution's repository, with what it requires, and enables them. */
    Ledger add(String feature) throws ChangeRefused, IOException {
        Record after = features.record();
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
                    : features.load(item.feature(), e.version(), e.digest());
            Optional<String> lacking = features.missingOfKernel(jar);
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
        return changes.run("add " + replaced.values().stream().map(j -> j.name() + " " + j.version()).collect(Collectors.joining(", ")), after, replaced, false);
    }

    /** @return the ledger; with a draining feature that of its draining generation, after which it leaves once {@link #isDrained} */
    Ledger disable(String feature, boolean now, boolean override) throws ChangeRefused {
        Record.Entry e = features.entry(feature);
        FeatureJar jar = features.jars().get(feature);
        if (e.desired() == Desired.DISABLED) {
            throw new ChangeRefused(feature + " is disabled already");
        }
        List<String> dependents = new ArrayList<>();
        features.record().features().forEach((f, x) -> {
            if (x.desired() == Desired.ENABLED && features.jars().containsKey(f) && features.jars().get(f).descriptor().requires().contains(feature)) {
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
                return changes.run("drain " + feature, features.record().with(feature, e.desired(Desired.DRAINING)), Map.of(), false);
            } catch (ChangeRefused x) {
                if (permit != null) {
                    permit.undrain();
                }
                throw x;
            }
        }
        return changes.run("disable " + feature, features.record().with(feature, e.desired(Desired.DISABLED)), Map.of(), false);
    }

    /** Features on their way out. */
    List<String> drainingFeatures() {
        return features.record().features().entrySet().stream().filter(e -> e.getValue().desired() == Desired.DRAINING).map(Map.Entry::getKey).toList();
    }

    boolean isDrained(String feature) {
        Permit permit = permits.get(feature);
        return permit != null && permit.isDrained();
    }

    /** Deletes from the store what neither the record nor a change that may be undone names. */
    void prune() throws IOException {
        Set<String> keep = new HashSet<>();
        for (Map.Entry<String, Record.Entry> e : features.record().features().entrySet()) {
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

    Optional<FeatureJar> jar(String feature) {
        return Optional.ofNullable(features.jars().get(feature));
    }

    List<Ledger> ledgers() {
        return pipeline.ledgers();
    }

    Repository repository() {
        return repository;
    }
}
