package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.lifecycle.internal.Record.Desired;
import io.patchbay.lifecycle.internal.StateFiles.Step;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.osgi.framework.BundleException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The steps of every change: the generation is prepared, bundles follow, fill their maps, the kernel switches, the ledger decides. Each is in the
 * journal, so that what was cut short can be told. On the lifecycle's one thread.
 */
final class ChangeSteps {
    private static final Logger LOG = LoggerFactory.getLogger(ChangeSteps.class);

    private final FeatureSet features;
    private final Pipeline pipeline;
    private final Permits permits;
    private final Bundles bundles;
    private final Outside outside;
    private final Repository repository;
    private final StateFiles files;
    private final Supplier<Duration> patience;
    private volatile String underWay = "";

    /** @param patience how long features may take to fill their maps */
    ChangeSteps(FeatureSet features, Pipeline pipeline, Permits permits, Bundles bundles, Outside outside, Repository repository, StateFiles files,
                Supplier<Duration> patience) {
        this.features = features;
        this.pipeline = pipeline;
        this.permits = permits;
        this.bundles = bundles;
        this.outside = outside;
        this.repository = repository;
        this.files = files;
        this.patience = patience;
    }

    /**
     * Makes a change, whole or not at all.
     *
     * @param asked    the record as it is to be
     * @param replaced features whose bundle is brought in or updated
     * @param oneWay   whether it may drop state that the version before could not take back
     * @throws ChangeRefused with the reason; then everything is as it was
     */
    Ledger run(String title, Record asked, Map<String, FeatureJar> replaced, boolean oneWay) throws ChangeRefused {
        Record before = features.record();
        long number = before.change() + 1;
        try {
            number = Math.max(number, files.newest().map(e -> e.number() + 1).orElse(1L));
        } catch (IOException e) {
            throw new ChangeRefused("the journal can't be read: " + e, e);
        }
        Record after = new Record(number, asked.features());
        underWay = "change " + number + ", " + title + ", since " + Instant.now().truncatedTo(ChronoUnit.SECONDS);
        try {
            return run(number, title, before, after, replaced, oneWay);
        } finally {
            underWay = "";
        }
    }

    /** The change that is being made, for whom has to wait for it; "" when there is none. */
    String underWay() {
        return underWay;
    }

    private Ledger run(long number, String title, Record before, Record after, Map<String, FeatureJar> replaced, boolean oneWay) throws ChangeRefused {
        long begun = System.nanoTime();
        Map<String, FeatureJar> next = new HashMap<>(features.jars());
        next.putAll(replaced);
        Pipeline.Prepared prepared = null;
        StateFiles.Entry journal = new StateFiles.Entry(number, title,
                Step.PREPARED, pipeline.current().map(Pipeline.Generation::epoch).orElse(0L), after, "");
        Map<String, FeatureJar> previous = new LinkedHashMap<>();
        Map<String, Map<String, Integer>> had = features.sizes().inForce();
        boolean switched = false;
        Ledger ledger = null;
        try {
            files.write(journal);
            prepared = pipeline.prepare(new GenerationSpec(features.parts(after, next, Map.of()), number, title, oneWay));
            journal = files.note(journal, Step.VERIFIED, "");
            for (FeatureJar j : replaced.values()) {
                previous.put(j.name(), features.jars().get(j.name()));
                permits.withdraw(j.name());
                bring(j);
                features.jars().put(j.name(), j);
                permits.publish(j, prepared::map, features.isDraining(j.name()));
            }
            journal = files.note(journal, Step.BUNDLES_UPDATED, "");
            permits.awaitReady(replaced.keySet(), patience.get());
            journal = files.note(journal, Step.READY, "");
            ledger = prepared.commit();
            switched = true;
            journal = files.note(journal, Step.SWITCHED, "");
            Optional<String> wrong = wrongWith(ledger);
            if (wrong.isPresent()) {
                throw new ChangeRefused(wrong.get());
            }
            accept(journal, after, ledger);
        } catch (ChangeRefused | BundleException | IOException | InterruptedException | RuntimeException | Error e) {
            // Whatever it was: a change that is left half made holds up all that come after it.
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
        features.failed().keySet().retainAll(after.features().keySet().stream().filter(f -> !features.jars().containsKey(f)).toList());
        for (String f : permits.names()) {
            if (!after.features().containsKey(f) || after.features().get(f).desired() == Desired.DISABLED) {
                permits.end(f);
            }
        }
        permits.news();
        LOG.info("Change {} accepted after {} ms: {}", number, (System.nanoTime() - begun) / 1_000_000, title);
        return ledger;
    }

    /** Installs the bundle or updates it, and starts it. */
    private void bring(FeatureJar jar) throws ChangeRefused, BundleException, IOException {
        String f = jar.name();
        outside.call(f, "updating its bundle", () -> {
            bundles.libraries(f, repository);
            bundles.bring(jar);
            return null;
        });
        outside.call(f, "starting its bundle", () -> {
            bundles.start(f);
            return null;
        });
    }

    private void remove(String feature) throws ChangeRefused, BundleException, IOException {
        outside.call(feature, "uninstalling its bundle", () -> {
            bundles.remove(feature);
            return null;
        });
    }

    /**
     * A call of a feature's that was given up has ended: the feature becomes what the record says, which a change that was undone could not do. On the
     * lifecycle's one thread.
     */
    void bringBack(String feature) {
        Record.Entry entry = features.record().features().get(feature);
        FeatureJar jar = features.jars().get(feature);
        try {
            if (entry == null) {
                remove(feature);
            } else if (entry.desired() != Desired.DISABLED && jar != null && !permits.has(feature)) {
                bring(jar);
                permits.publish(jar, pipeline::map, features.isDraining(feature));
                features.failed().remove(feature);
                LOG.info("Feature {} {} runs again", feature, jar.version());
            }
        } catch (ChangeRefused | BundleException | IOException | RuntimeException e) {
            LOG.error("Feature {} does not come back; its datapath is in charge, 'feature update' mends it: {}", feature, e.getMessage());
        }
        permits.news();
    }

    /** The framework's message says which activator has thrown, its cause what. */
    private static String reason(Throwable e) {
        if (e.getMessage() == null || e instanceof Error) {
            return e.toString();
        }
        boolean says = !(e instanceof BundleException) || e.getCause() == null || String.valueOf(e.getMessage()).contains(String.valueOf(e.getCause().getMessage()));
        return says ? e.getMessage() : e.getMessage() + " " + e.getCause();
    }

    private void accept(StateFiles.Entry journal, Record after, Ledger ledger) throws IOException {
        Record accepted = after;
        for (Map.Entry<String, Record.Entry> e : after.features().entrySet()) {
            Record.Entry old = features.record().features().get(e.getKey());
            if (old == null || !old.digest().equals(e.getValue().digest())) {
                accepted = accepted.with(e.getKey(), e.getValue().epoch(ledger.toEpoch()));
            }
        }
        files.write(accepted);
        features.record(accepted);
        files.note(journal, Step.ACCEPTED, "");
    }

    private void undo(StateFiles.Entry journal, Record before, Pipeline.Prepared prepared, boolean switched,
                      Map<String, FeatureJar> previous, Map<String, Map<String, Integer>> sizes, Throwable reason) {
        LOG.warn("Change {} ({}) is undone: {}", journal.number(), journal.title(), reason(reason), reason instanceof ChangeRefused ? null : reason);
        try {
            if (switched) {
                Pipeline.Prepared back = pipeline.prepare(new GenerationSpec(features.parts(before, withPrevious(previous), sizes), journal.number(),
                        journal.title() + ", switched back", true));
                back.commit();
            } else if (prepared != null) {
                prepared.discard();
            }
        } catch (RuntimeException e) {
            LOG.error("Change {}: the previous generation can't be brought back; the record says what it was, and the next start builds it: {}",
                    journal.number(), e.getMessage());
        }
        previous.forEach((f, old) -> {
            permits.end(f);
            try {
                if (old == null) {
                    features.jars().remove(f);
                    remove(f);
                } else {
                    features.jars().put(f, old);
                    boolean enabled = before.features().containsKey(f) && before.features().get(f).desired() != Desired.DISABLED;
                    if (enabled) {
                        bring(old);
                        permits.publish(old, pipeline::map, features.isDraining(f));
                    } else {
                        remove(f);
                    }
                }
            } catch (ChangeRefused | BundleException | IOException | RuntimeException e) {
                LOG.error("Feature {}: its previous bundle does not start; its datapath is in charge, 'feature update' mends it: {}", f, e.getMessage());
            }
        });
        try {
            files.note(journal, Step.UNDONE, reason(reason));
        } catch (IOException e) {
            LOG.error("The journal can't be written: {}", e.toString());
        }
        permits.news();
    }

    private Map<String, FeatureJar> withPrevious(Map<String, FeatureJar> previous) {
        Map<String, FeatureJar> all = new HashMap<>(features.jars());
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
}
