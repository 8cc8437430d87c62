package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.bpf.BpfException;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.Rcu;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The generations of a node: builds them, switches to them, closes their windows. One change at a time. */
final class Generations implements Pipeline, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Generations.class);
    private static final String RECORD = "generation-";

    private final Core core;
    private final MapCatalog catalog;
    private final KernelFeatures kernel;
    private final Supplier<Map<Hook, Long>> deviceDrops;
    private final Path state;
    private final LedgerFile ledgers;
    private final Counters counters;
    private final Semaphore change = new Semaphore(1, true);
    /** How long a change waits for the one before it. */
    private volatile Duration patience = Duration.ofMinutes(1);
    /** Who has the right to change, for whom it is refused. */
    private volatile String holder = "";
    /** Handles of maps that were exchanged: features may still hold them. */
    private final List<CatalogMap> handedOut = new ArrayList<>();
    private volatile Optional<GenerationRecord> current;

    Generations(Core core, MapCatalog catalog, KernelFeatures kernel, Supplier<Map<Hook, Long>> deviceDrops, Path state) {
        this.core = core;
        this.catalog = catalog;
        this.kernel = kernel;
        this.deviceDrops = deviceDrops;
        this.state = state;
        this.ledgers = new LedgerFile(state.resolve("ledgers"));
        this.counters = core.counters();
        this.current = adopt();
        current.ifPresent(r -> catalog.owners(r.owners()));
    }

    private Path record(long epoch) {
        return state.resolve(RECORD + epoch + ".json");
    }

    /** The kernel's epoch says which generation is in charge; what belongs to any other is left over from a kill. */
    private Optional<GenerationRecord> adopt() {
        long epoch = core.epoch();
        Optional<GenerationRecord> found = epoch == 0 ? Optional.empty() : Durable.read(record(epoch), GenerationRecord::of, "the kernel's generation stays in charge");
        if (epoch != 0 && found.isEmpty()) {
            LOG.error("generation {} is in charge but has no record in {}: it goes on working; the next change writes one", epoch, state);
            found = Optional.of(new GenerationRecord(new Generation(epoch, List.of(), List.of()), Map.of(), Counters.Reading.ZERO, counters.unprocessed(),
                    Set.of()));
        }
        try {
            tidy(found);
        } catch (RuntimeException e) {
            LOG.error("what an interrupted change left can't be completed or removed; traffic goes on, the next change tries again", e);
        }
        return found;
    }

    /**
     * Completes and removes what an interrupted change left, whether a kill or a failure interrupted it. The generation in charge stays as it
     * is; its maps of a new layout take their names, with what the old ones still had.
     */
    private void tidy(Optional<GenerationRecord> found) {
        long epoch = core.epoch();
        List<Long> left = core.pinnedGenerations().stream().filter(g -> g != epoch).toList();
        if (!left.isEmpty()) {
            Rcu.grace();
            left.forEach(core::removeGeneration);
        }
        List<String> unfinished = new ArrayList<>();
        for (Map.Entry<String, Long> w : MapCatalog.waiting(core.mapPins())) {
            if (epoch != 0 && w.getValue() == epoch) {
                unfinished.add(w.getKey());
            } else {
                delete(catalog.waitingPin(w.getKey(), w.getValue()));
            }
        }
        if (epoch != 0) {
            finish(unfinished, found.map(GenerationRecord::copied).orElse(Set.of()), epoch);
            removeRecordsExcept(epoch);
        }
    }

    /** The new generation runs with these maps since the switch; what was missing is the last pass, or only the names. */
    private void finish(List<String> unfinished, Set<String> copied, long epoch) {
        boolean carrying = core.carrying() == epoch;
        for (String name : unfinished) {
            Path pin = catalog.waitingPin(name, epoch);
            LOG.warn("map {}: its change of layout was interrupted after the switch; completing it", name);
            BpfMap old = BpfMap.fromPin(catalog.pin(name));
            try (old; BpfMap fresh = BpfMap.fromPin(pin); CatalogMap oldView = new CatalogMap(name, old.duplicate())) {
                CatalogMap handle = catalog.get(name);
                handle.swap(fresh.duplicate());
                if (carrying && copied.contains(name)) {
                    LOG.warn("map {}: {}", name, new Migration(name, oldView, old, handle, fresh).onlyAbsent());
                }
            }
        }
        core.carrying(0);
        unfinished.forEach(name -> rename(name, epoch));
    }

    private void rename(String name, long epoch) {
        try {
            Files.move(catalog.waitingPin(name, epoch), catalog.pin(name), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException("map " + name + " can't take over its name", e);
        }
    }

    private void removeRecordsExcept(long epoch) {
        for (String name : Core.list(state)) {
            if (name.matches(RECORD + "\\d+\\.json(\\.new)?") && !name.equals(record(epoch).getFileName().toString())) {
                delete(state.resolve(name));
            }
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Epochs grow also over a reboot, so that ledgers stay in order. */
    private long nextEpoch() {
        long last = core.epoch();
        List<Ledger> past = ledgers.list();
        if (last == 0 && !past.isEmpty()) {
            last = past.get(past.size() - 1).toEpoch();
        }
        return last + 1;
    }

    @Override
    public Optional<Generation> current() {
        return current.map(GenerationRecord::generation);
    }

    @Override
    public MapHandle map(String name) {
        CatalogMap m = catalog.get(name);
        if (!CatalogMap.hasData(m.spec().type())) {
            throw new DatapathException("map " + name + " is a " + m.type() + ": it has no entries to read or write");
        }
        return m;
    }

    @Override
    public List<MapInfo> maps() {
        return catalog.list();
    }

    @Override
    public List<Ledger> ledgers() {
        return ledgers.list();
    }

    @Override
    public Prepared prepare(GenerationSpec spec) {
        long started = System.nanoTime();
        acquire();
        holder = "'" + spec.title() + "' (change " + spec.change() + "), which " + Thread.currentThread().getName() + " prepared at " + Instant.now();
        GenerationBuild build = null;
        try {
            tidy(current);
            long epoch = nextEpoch();
            core.removeGeneration(epoch);
            build = new GenerationBuild(core, catalog, spec, epoch);
            build.run(kernel);
            return new Ready(spec, build, epoch, started);
        } catch (RuntimeException | Error e) {
            // Errors too, such as no thread for the loaders: who keeps the right to change keeps it for good.
            try {
                if (build != null) {
                    build.undo();
                }
            } finally {
                change.release();
            }
            if (e instanceof BpfException) {
                throw new DatapathException(e.getMessage(), e);
            }
            throw e;
        }
    }

    private void acquire() {
        boolean mine;
        try {
            mine = change.tryAcquire(patience.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DatapathException("interrupted while waiting for " + holder, e);
        }
        if (!mine) {
            throw new DatapathException("another change is under way and was neither committed nor discarded within " + patience.toSeconds() + " s: " + holder);
        }
    }

    void patience(Duration atMost) {
        patience = atMost;
    }

    /** A built generation; holds the right to change until it is committed or discarded. */
    private final class Ready implements Prepared {
        private final GenerationSpec spec;
        private final GenerationBuild build;
        private final long epoch;
        private final long started;
        private boolean done;

        Ready(GenerationSpec spec, GenerationBuild build, long epoch, long started) {
            this.spec = spec;
            this.build = build;
            this.epoch = epoch;
            this.started = started;
        }

        @Override
        public long epoch() {
            return epoch;
        }

        @Override
        public MapHandle map(String name) {
            return build.replacements().stream().filter(r -> r.name().equals(name)).<MapHandle>map(GenerationBuild.Replacement::handle).findFirst()
                    .orElseGet(() -> Generations.this.map(name));
        }

        private void once() {
            if (done) {
                throw new IllegalStateException("generation " + epoch + " was committed or discarded already");
            }
            done = true;
        }

        @Override
        public synchronized void discard() {
            once();
            try {
                build.undo();
            } finally {
                change.release();
            }
        }

        @Override
        public synchronized Ledger commit() {
            once();
            try {
                return new Switch(spec, build, epoch, started).run();
            } finally {
                change.release();
            }
        }
    }

    /** The switch itself and the closing of its window. */
    private final class Switch {
        private final GenerationSpec spec;
        private final GenerationBuild build;
        private final long epoch;
        private final long started;
        private final int slot;
        private final Optional<GenerationRecord> before = current;
        private final long oldEpoch = core.epoch();
        private GenerationRecord next;
        /** What went wrong after the switch, when there was no way back any more. */
        private final List<String> failures = new ArrayList<>();

        Switch(GenerationSpec spec, GenerationBuild build, long epoch, long started) {
            this.spec = spec;
            this.build = build;
            this.epoch = epoch;
            this.started = started;
            this.slot = (int) (epoch & Counters.SLOTS - 1);
        }

        Ledger run() {
            Map<Hook, Long> drops;
            try {
                Set<String> copied = build.replacements().stream().filter(r -> r.migration().isPresent()).map(GenerationBuild.Replacement::name)
                        .collect(Collectors.toUnmodifiableSet());
                next = new GenerationRecord(new Generation(epoch, build.features(), List.copyOf(build.stages())), owners(), counters.atRest(slot),
                        before.map(GenerationRecord::unprocessed).orElseGet(counters::unprocessed), copied);
                drops = deviceDrops.get();
                build.replacements().forEach(r -> r.migration().ifPresent(Migration::first));
                keepObjects();
                Durable.write(record(epoch), next.toJson());
                // The slot was last read four epochs ago, and graces have passed since.
                for (Hook h : Hook.values()) {
                    build.entries().computeIfPresent(h, (hook, program) -> {
                        core.setEntry(hook, slot, program);
                        return program;
                    });
                }
                core.carrying(copied.isEmpty() ? 0 : epoch);
            } catch (RuntimeException | Error e) {
                try {
                    build.undo();
                } finally {
                    delete(record(epoch));
                    core.carrying(0);
                }
                if (e instanceof BpfException) {
                    throw new DatapathException(e.getMessage(), e);
                }
                throw e;
            }
            long nanos = core.store(epoch);
            // From here on the kernel runs the new generation, and nothing that fails makes that untrue.
            current = Optional.of(next);
            catalog.owners(next.owners());
            List<String> carried = new ArrayList<>();
            List<Ledger.Row> rows = account(drops, carried);
            after("the old generation is not removed", () -> {
                if (failures.isEmpty()) {
                    retire();
                }
            });
            build.release();
            String outcome = failures.isEmpty() ? "accepted" : "in charge, but incomplete (the next change completes it): " + String.join("; ", failures);
            Ledger ledger = new Ledger(spec.change(), spec.title(), oldEpoch, epoch, Instant.now(), nanos, System.nanoTime() - started, rows, carried, outcome);
            after("the ledger is not kept", () -> ledgers.add(ledger));
            LOG.info("generation {} took over from {}: {} faults, switch {} ns", epoch, oldEpoch, ledger.faults(), nanos);
            failures.forEach(f -> LOG.error("generation {} is in charge, but {}", epoch, f));
            return ledger;
        }

        private void after(String consequence, Runnable step) {
            try {
                step.run();
            } catch (RuntimeException e) {
                failures.add(consequence + ": " + e.getMessage());
                LOG.debug("after the switch to generation {}", epoch, e);
            }
        }

        /** Closes the window. @return its rows; none when the counters could not be read */
        private List<Ledger.Row> account(Map<Hook, Long> drops, List<String> carried) {
            List<Ledger.Row> rows = new ArrayList<>();
            after("its window is not closed", () -> {
                Rcu.grace();
                // Nobody runs the old generation any more: its counters are final.
                Counters.Reading old = oldEpoch == 0 ? Counters.Reading.ZERO : counters.atRest((int) (oldEpoch & Counters.SLOTS - 1));
                Map<Hook, Counters.Count> entered = counters.in(slot);
                after("not all state is carried over", () -> carry(carried));
                Rcu.grace();
                Counters.Reading now = counters.out(slot, entered);
                Map<Hook, Long> guards = next.unprocessed();
                Map<Hook, Long> guardsNow = counters.unprocessed();
                rows.addAll(rows(old, now, guards, guardsNow, drops));
                next = next.withUnprocessed(guardsNow);
                current = Optional.of(next);
                after("its record is that of before the switch", () -> Durable.write(record(epoch), next.toJson()));
            });
            return rows;
        }

        private Map<String, GenerationRecord.MapOwner> owners() {
            Map<String, GenerationRecord.MapOwner> all = new LinkedHashMap<>(build.owners());
            before.ifPresent(b -> b.owners().forEach((n, o) -> {
                if (!o.absent() && catalog.find(n).isPresent()) {
                    all.putIfAbsent(n, new GenerationRecord.MapOwner(o.feature(), o.schema(), o.digest(), true));
                }
            }));
            return all;
        }

        private void keepObjects() {
            build.mapObjects().forEach((digest, bytes) -> {
                Path file = state.resolve("objects").resolve(digest + ".o");
                if (!Files.exists(file)) {
                    try {
                        Files.createDirectories(file.getParent());
                        Path beside = Files.write(file.resolveSibling(digest + ".new"), bytes);
                        Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                    } catch (IOException e) {
                        throw new UncheckedIOException("can't keep " + file, e);
                    }
                }
            });
        }

        /** The names mean the new maps from here on; then everything that is missing there is brought over. */
        private void carry(List<String> lines) {
            try {
                for (GenerationBuild.Replacement r : build.replacements()) {
                    r.migration().filter(m -> m.key().isReversible()).ifPresent(m -> {
                        Consumer<byte[]> old = k -> r.old().delete(ByteBuffer.wrap(m.key().back(k)).order(ByteOrder.nativeOrder()));
                        catalog.get(r.name()).alsoDelete(old);
                        r.handle().alsoDelete(old);
                    });
                    catalog.get(r.name()).swap(r.fresh().duplicate());
                    handedOut.add(r.handle());
                }
                build.replacements().forEach(r -> lines.add(r.migration().map(Migration::second).orElse(r.name() + " rebuilt")));
                core.carrying(0);
                build.replacements().forEach(r -> rename(r.name(), epoch));
            } finally {
                build.replacements().forEach(r -> {
                    catalog.get(r.name()).alsoDelete(k -> { });
                    r.handle().alsoDelete(k -> { });
                });
            }
        }

        private List<Ledger.Row> rows(Counters.Reading old, Counters.Reading now, Map<Hook, Long> guards, Map<Hook, Long> guardsNow, Map<Hook, Long> drops) {
            Map<Hook, Long> dropsNow = deviceDrops.get();
            List<Ledger.Row> rows = new ArrayList<>();
            for (Hook h : Hook.values()) {
                Counters.HookCount was = old.of(h).minus(before.map(b -> b.baseline().of(h)).orElse(Counters.HookCount.ZERO));
                Counters.HookCount is = now.of(h).minus(next.baseline().of(h));
                // The new generation goes on while it is read: what left after its entries were read is no surplus.
                long lost = was.in().skbs() - was.out().skbs() + Math.max(0, is.in().skbs() - is.out().skbs());
                Counters.Count in = was.in().plus(is.in());
                rows.add(new Ledger.Row(h, in.skbs(), in.segments(), was.in().skbs(), is.in().skbs(), lost, was.hole() + is.hole(),
                        guardsNow.get(h) - guards.getOrDefault(h, 0L), was.mixed() + is.mixed(),
                        Math.max(0, dropsNow.getOrDefault(h, 0L) - drops.getOrDefault(h, 0L))));
            }
            return rows;
        }

        /** After the grace nobody is left in the old generation: its pins go, and with the last one its program array. */
        private void retire() {
            if (oldEpoch != 0) {
                int oldSlot = (int) (oldEpoch & Counters.SLOTS - 1);
                for (Hook h : Hook.values()) {
                    core.clearEntry(h, oldSlot);
                }
                core.removeGeneration(oldEpoch);
            }
            removeRecordsExcept(epoch);
            before.ifPresent(b -> b.owners().forEach((n, o) -> {
                if (o.absent() && !next.owners().containsKey(n)) {
                    catalog.remove(n);
                    delete(catalog.pin(n));
                }
            }));
        }
    }

    @Override
    public void close() {
        handedOut.forEach(CatalogMap::close);
    }
}
