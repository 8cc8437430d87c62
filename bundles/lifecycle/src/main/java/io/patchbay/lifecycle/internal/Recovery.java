package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.Pipeline;
import io.patchbay.lifecycle.internal.Record.Desired;
import io.patchbay.lifecycle.internal.StateFiles.Step;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The record at the start: read, completed by a change that was cut short, or built anew. What the kernel runs decides. */
final class Recovery {
    private static final Logger LOG = LoggerFactory.getLogger(Recovery.class);
    /** Name under which a generation lists the stages of the core. */
    private static final String CORE = "datapath";

    private final Store store;
    private final StateFiles files;
    private final Repository repository;
    /** Empty: the kernel runs nothing of ours. */
    private final Optional<Pipeline.Generation> running;

    Recovery(Store store, StateFiles files, Repository repository, Optional<Pipeline.Generation> running) {
        this.store = store;
        this.files = files;
        this.repository = repository;
        this.running = running;
    }

    /** From the distribution, and from what the kernel runs: a lost record must not disable anything. */
    Record firstRecord() throws IOException {
        Map<String, Record.Entry> all = new TreeMap<>();
        for (Repository.Item item : repository.initial()) {
            FeatureJar jar = FeatureJar.read(store, Repository.store(item, store), item.jar().getFileName().toString());
            all.put(jar.name(), new Record.Entry(Desired.ENABLED, jar.version(), jar.digest(), List.of(), 0));
        }
        if (running.isPresent()) {
            for (Pipeline.FeatureVersion f : features(running.get())) {
                if (store.has(f.digest())) {
                    all.put(f.name(), new Record.Entry(Desired.ENABLED, f.version(), f.digest(), List.of(), running.get().epoch()));
                } else if (!all.containsKey(f.name()) && repository.names().contains(f.name())) {
                    for (Repository.Item item : repository.of(f.name())) {
                        if (f.name().equals(item.feature())) {
                            FeatureJar jar = FeatureJar.read(store, Repository.store(item, store), item.jar().getFileName().toString());
                            all.put(jar.name(), new Record.Entry(Desired.ENABLED, jar.version(), jar.digest(), List.of(), 0));
                        }
                    }
                }
            }
        }
        long change = files.newest().map(e -> e.number()).orElse(0L);
        return new Record(change, all);
    }

    /**
     * A change that was cut short: before the switch it is as if it had never been; after it, it is completed.
     *
     * @param record   as it was read
     * @param versions those that take part in a record's generation, by feature
     * @return the record in force
     */
    Record completed(Record record, Function<Record, Map<String, String>> versions) throws IOException {
        Optional<StateFiles.Entry> last = files.newest();
        if (last.isEmpty() || last.get().step() == Step.UNDONE) {
            return record;
        }
        StateFiles.Entry e = last.get();
        boolean accepted = e.step() == Step.ACCEPTED;
        if (accepted && record.change() >= e.number()) {
            return record;
        }
        boolean switched = running.isPresent() && running.get().epoch() > e.fromEpoch() && versions(running.get()).equals(versions.apply(e.after()));
        if (accepted || switched) {
            files.write(e.after());
            files.note(e, Step.ACCEPTED, "completed at the next start: the kernel had switched");
            LOG.info("Change {} ({}) was cut short after the switch and is complete now", e.number(), e.title());
            return e.after();
        } else {
            files.note(e, Step.UNDONE, "the agent ended before the switch");
            LOG.info("Change {} ({}) was cut short before the switch; it has changed nothing", e.number(), e.title());
            return record;
        }
    }

    /** Without the core's own stages: they change with the distribution, and enter with the next generation. */
    static List<Pipeline.FeatureVersion> features(Pipeline.Generation g) {
        return g.features().stream().filter(f -> !f.name().equals(CORE)).toList();
    }

    /** Version and digest of each. */
    static Map<String, String> versions(Pipeline.Generation g) {
        return features(g).stream().collect(Collectors.toMap(Pipeline.FeatureVersion::name, f -> f.version() + " " + f.digest(), (a, b) -> a));
    }
}
