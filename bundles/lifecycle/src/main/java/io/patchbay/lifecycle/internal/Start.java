package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.lifecycle.internal.Record.Desired;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.osgi.framework.BundleException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes the node what the record says when the agent starts. Once, on the lifecycle's one thread. */
final class Start {
    private static final Logger LOG = LoggerFactory.getLogger(Start.class);

    private final FeatureSet features;
    private final Pipeline pipeline;
    private final Permits permits;
    private final Bundles bundles;
    private final Outside outside;
    private final Repository repository;
    private final Store store;
    private final StateFiles files;
    private final Supplier<Duration> patience;

    /** @param patience how long features may take to fill their maps */
    Start(FeatureSet features, Pipeline pipeline, Permits permits, Bundles bundles, Outside outside, Repository repository, Store store, StateFiles files,
          Supplier<Duration> patience) {
        this.features = features;
        this.pipeline = pipeline;
        this.permits = permits;
        this.bundles = bundles;
        this.outside = outside;
        this.repository = repository;
        this.store = store;
        this.files = files;
        this.patience = patience;
    }

    /** Record, journal, bundles, generation, permits. What fails is logged and shown by {@code feature list}; the kernel keeps what it has. */
    void run() throws IOException {
        Optional<Pipeline.Generation> running = pipeline.current();
        Optional<Record> read = files.read();
        Recovery recovery = new Recovery(store, files, repository, running);
        Record record = recovery.completed(read.isPresent() ? read.get() : recovery.firstRecord(), features::versions);
        features.record(record);
        for (Map.Entry<String, Record.Entry> e : record.features().entrySet()) {
            try {
                features.jars().put(e.getKey(), features.load(e.getKey(), e.getValue().version(), e.getValue().digest()));
            } catch (IOException | IllegalArgumentException x) {
                features.failed().put(e.getKey(), x.getMessage());
                LOG.error("Feature {} {}: {}", e.getKey(), e.getValue().version(), x.getMessage());
            }
        }
        probeKernel();
        if (read.isEmpty()) {
            files.write(record);
        }
        installAll();
        generation(running);
        for (String f : features.taking(record)) {
            if (!permits.has(f) && !features.failed().containsKey(f)) {
                try {
                    permits.publish(features.jars().get(f), pipeline::map, features.isDraining(f));
                } catch (ChangeRefused | BundleException | RuntimeException e) {
                    features.failed().put(f, String.valueOf(e.getMessage()));
                    LOG.error("Feature {}: its components do not begin, the datapath stays: {}", f, e.getMessage());
                }
            }
        }
    }

    private void probeKernel() {
        features.jars().values().forEach(j -> features.missingOfKernel(j).ifPresent(reason -> LOG.warn("Feature {} is unavailable: {}", j.name(), reason)));
    }

    private void installAll() {
        for (String f : features.inOrder()) {
            FeatureJar jar = features.jars().get(f);
            if (features.record().features().get(f).desired() == Desired.DISABLED || jar == null) {
                continue;
            }
            try {
                outside.call(f, "starting its bundle", () -> {
                    bundles.libraries(f, repository);
                    bundles.bring(jar);
                    bundles.start(f);
                    return null;
                });
            } catch (ChangeRefused | BundleException | IOException | RuntimeException e) {
                LOG.error("Feature {} {}: its bundle does not start, the datapath stays: {}", f, jar.version(), e.getMessage());
            }
        }
    }

    /** Adopts the pinned generation when it is what the record says, else builds the one that is. */
    private void generation(Optional<Pipeline.Generation> running) {
        List<String> resized = running.isEmpty() ? List.of() : features.sizes().differences(features.taking(features.record()));
        if (running.isPresent() && resized.isEmpty() && Recovery.versions(running.get()).equals(features.versionsTaking())) {
            LOG.info("Adopted generation {} with {} features", running.get().epoch(), Recovery.features(running.get()).size());
            return;
        }
        String title = running.isEmpty() ? "first generation"
                : resized.isEmpty() ? "start: the record differs from generation " + running.get().epoch() : "start: " + String.join(", ", resized);
        Pipeline.Prepared next = null;
        try {
            // The record is what was consented to: an interrupted change of layout is taken back without asking.
            next = pipeline.prepare(new GenerationSpec(features.parts(), 0, title, true));
            if (running.isPresent()) {
                fillRebuilt(next);
            }
            Ledger l = next.commit();
            permits.all().forEach(p -> p.maps(pipeline::map));
            LOG.info("Generation {} in charge: {}", l.toEpoch(), title);
        } catch (DatapathException | ChangeRefused | BundleException | IOException | InterruptedException e) {
            if (next != null && !(e instanceof DatapathException)) {
                next.discard();
            }
            permits.names().forEach(permits::end);
            LOG.error("No new generation; {}: {}", running.isPresent() ? "generation " + running.get().epoch() + " stays in charge" : "pods have no network",
                    e.getMessage());
            Set<String> inCharge = running.map(g -> g.features().stream().map(f -> f.name() + " " + f.digest()).collect(Collectors.toSet())).orElse(Set.of());
            features.taking(features.record()).stream().filter(f -> !inCharge.contains(f + " " + features.jars().get(f).digest()))
                    .forEach(f -> features.failed().put(f, "no generation could be built: " + e.getMessage()));
        }
    }

    /** Maps that begin empty are filled before the switch, as in an update: until then the generation in charge has what they held. */
    private void fillRebuilt(Pipeline.Prepared next) throws ChangeRefused, BundleException, IOException, InterruptedException {
        Set<String> rebuilt = features.taking(features.record()).stream().filter(f -> features.jars().get(f).descriptor().maps().stream()
                .anyMatch(m -> m.migration() == FeatureDescriptor.Migration.REBUILD)).collect(Collectors.toCollection(TreeSet::new));
        if (rebuilt.isEmpty()) {
            return;
        }
        for (String f : features.taking(features.record())) {
            permits.publish(features.jars().get(f), next::map, features.isDraining(f));
        }
        permits.awaitReady(rebuilt, patience.get());
    }
}
