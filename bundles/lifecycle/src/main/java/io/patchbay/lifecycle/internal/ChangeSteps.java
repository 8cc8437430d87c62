package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.lifecycle.internal.Record.Desired;
import io.patchbay.lifecycle.internal.StateFiles.Step;
import java.io.IOException;
import java.time.Duration;
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
    private final Repository repository;
    private final StateFiles files;
    private final Supplier<Duration> patience;

    /** @param patience how long features may take to fill their maps */
    ChangeSteps(FeatureSet features, Pipeline pipeline, Permits permits, Bundles bundles, Repository repository, StateFiles files, Supplier<Duration> patience) {
        this.features = features;
        this.pipeline = pipeline;
        this.permits = permits;
        this.bundles = bundles;
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
        long begun = System.nanoTime();
        try {
            number = Math.max(number, files.newest().map(e -> e.number() + 1).orElse(1L));
        } catch (IOException e) {
            throw new ChangeRefused("the journal can't be read: " + e, e);
        }
        Record after = new Record(number, asked.features());
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
                bundles.libraries(j.name(), repository);
                bundles.bring(j);
                bundles.start(j.name());
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
        features.failed().keySet().retainAll(after.features().keySet().stream().filter(f -> !features.jars().containsKey(f)).toList());
        for (String f : permits.names()) {
            if (!after.features().containsKey(f) || after.features().get(f).desired() == Desired.DISABLED) {
                permits.withdraw(f);
            }
        }
        permits.news();
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
                      Map<String, FeatureJar> previous, Map<String, Map<String, Integer>> sizes, Exception reason) {
        LOG.warn("Change {} ({}) is undone: {}", journal.number(), journal.title(), reason.getMessage());
        try {
            if (switched) {
                Pipeline.Prepared back = pipeline.prepare(new GenerationSpec(features.parts(before, withPrevious(previous), sizes), journal.number(),
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
                    features.jars().remove(f);
                    bundles.remove(f);
                } else {
                    features.jars().put(f, old);
                    boolean enabled = before.features().containsKey(f) && before.features().get(f).desired() != Desired.DISABLED;
                    if (enabled) {
                        bundles.bring(old);
                        bundles.start(f);
                        permits.publish(old, pipeline::map, features.isDraining(f));
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
