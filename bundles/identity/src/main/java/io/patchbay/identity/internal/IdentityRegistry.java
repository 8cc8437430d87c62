package io.patchbay.identity.internal;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.Prefix;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Label sets and numbers. A number is known when it is reserved, when a CiliumIdentity row names it, when this node has claimed it (its
 * row may come later), or when it is a prefix' own. Thread-safe; listeners are called on their executors, in order.
 *
 * <p>{@link #settled} is done for a number once all listeners have applied it: addresses get an identity in the ipcache only then.
 */
final class IdentityRegistry {
    private static final Logger LOG = LoggerFactory.getLogger(IdentityRegistry.class);
    private static final int MOST_CONFLICTS = 64;
    /** Who requires the prefixes of API servers outside the cluster. */
    static final String API_SERVER = "kube-apiserver";

    private final Executor executor;
    private final Supplier<IdentityClaims> claims;
    private final LocalPrefixes prefixes;
    private boolean dualStack;
    private final Map<Integer, LabelSet> known = new TreeMap<>(ReservedIdentity.all());
    private final Map<LabelSet, Integer> numbers = new HashMap<>();
    /** Since when a number of the cluster has had the labels that it has, {@link System#nanoTime}. */
    private final Map<Integer, Long> since = new HashMap<>();
    private final Set<Integer> rows = new HashSet<>();
    private final Map<Integer, Integer> references = new HashMap<>();
    private final Map<LabelSet, CompletableFuture<Integer>> claiming = new HashMap<>();
    private final List<Follower> followers = new ArrayList<>();
    private final Map<Integer, CompletableFuture<?>> settling = new HashMap<>();

    /** Somebody who subscribed, and what it has not applied yet. */
    private record Follower(Executor executor, Identities.Listener listener, Set<CompletableFuture<Object>> pending) {
    }

    /** @param claims gives null while the cluster's source offers none */
    IdentityRegistry(Executor executor, Supplier<IdentityClaims> claims, LocalPrefixes prefixes, boolean dualStack) {
        this.executor = executor;
        this.claims = claims;
        this.prefixes = prefixes;
        this.dualStack = dualStack;
        ReservedIdentity.all().forEach((n, l) -> numbers.put(l, n));
        prefixes.numbers().forEach((p, n) -> known.put(n, labelsOf(p)));
        known.put(ReservedIdentity.HOST, labelsOfHost());
        numbers.put(labelsOfHost(), ReservedIdentity.HOST);
    }

    /** Whether the world is told apart by family; prefixes change their labels with it. */
    synchronized void dualStack(boolean on) {
        if (on == dualStack) return;
        dualStack = on;
        Map<Integer, Optional<LabelSet>> changes = new LinkedHashMap<>();
        prefixes.numbers().forEach((p, n) -> {
            known.put(n, labelsOf(p));
            changes.put(n, Optional.of(labelsOf(p)));
        });
        tell(changes);
    }

    synchronized boolean dualStack() {
        return dualStack;
    }

    private LabelSet labelsOf(Prefix prefix) {
        LabelSet labels = IdentityLabels.ofPrefix(prefix.toString(), dualStack);
        return prefixes.of(API_SERVER).contains(prefix) ? ReservedIdentity.withApiServer(labels) : labels;
    }

    private LabelSet labelsOfHost() {
        LabelSet labels = ReservedIdentity.all().get(ReservedIdentity.HOST);
        return prefixes.apiServerHere() ? ReservedIdentity.withApiServer(labels) : labels;
    }

    /** Whether the API server runs on this node, whose identity then stands for it too. Durable. */
    synchronized void apiServerHere(boolean here) throws IOException {
        if (here == prefixes.apiServerHere()) return;
        prefixes.apiServerHere(here);
        known.put(ReservedIdentity.HOST, labelsOfHost());
        numbers.put(labelsOfHost(), ReservedIdentity.HOST);
        tell(Map.of(ReservedIdentity.HOST, Optional.of(labelsOfHost())));
    }

    // ---- cluster rows ----

    void rowsAre(Collection<CiliumIdentity> all) {
        Map<Integer, Optional<LabelSet>> changes = new LinkedHashMap<>();
        synchronized (this) {
            Set<Integer> now = new HashSet<>();
            for (CiliumIdentity row : all) {
                if (!IdentityNumbers.isCluster(row.id())) continue;
                now.add((int) row.id());
                row(row, changes);
            }
            for (int gone : Set.copyOf(rows)) if (!now.contains(gone)) forget(gone, changes);
            tell(changes);
        }
    }

    void rowChanged(long number, CiliumIdentity after) {
        if (!IdentityNumbers.isCluster(number)) return;
        Map<Integer, Optional<LabelSet>> changes = new LinkedHashMap<>();
        synchronized (this) {
            if (after != null) row(after, changes);
            else forget((int) number, changes);
            tell(changes);
        }
    }

    private void row(CiliumIdentity row, Map<Integer, Optional<LabelSet>> changes) {
        int number = (int) row.id();
        rows.add(number);
        know(number, row.labels(), changes);
    }

    private void know(int number, LabelSet labels, Map<Integer, Optional<LabelSet>> changes) {
        LabelSet before = known.put(number, labels);
        if (labels.equals(before)) return;
        since.put(number, System.nanoTime());
        if (before != null) numbers.remove(before, number);
        // several numbers for one set can only come from elsewhere; the lowest is used everywhere
        numbers.merge(labels, number, Math::min);
        changes.put(number, Optional.of(labels));
    }

    /** A number in use here stays known: its pods carry it. */
    private void forget(int number, Map<Integer, Optional<LabelSet>> changes) {
        rows.remove(number);
        if (references.getOrDefault(number, 0) > 0) return;
        LabelSet labels = known.remove(number);
        since.remove(number);
        if (labels == null) return;
        numbers.remove(labels, number);
        changes.put(number, Optional.empty());
    }

    // ---- use ----

    CompletableFuture<Integer> acquire(LabelSet labels) {
        CompletableFuture<Integer> result;
        synchronized (this) {
            Integer number = numbers.get(labels);
            if (number != null) {
                references.merge(number, 1, Integer::sum);
                return settled(number).thenApply(x -> number);
            }
            result = claiming.get(labels);
            if (result == null) {
                result = new CompletableFuture<>();
                claiming.put(labels, result);
                CompletableFuture<Integer> claim = result;
                executor.execute(() -> claim(labels, claim));
            }
        }
        return result.thenCompose(number -> {
            synchronized (this) {
                references.merge(number, 1, Integer::sum);
            }
            return settled(number).thenApply(x -> number);
        });
    }

    private void claim(LabelSet labels, CompletableFuture<Integer> done) {
        try {
            int number = claim(labels);
            synchronized (this) {
                claiming.remove(labels);
                Map<Integer, Optional<LabelSet>> changes = new LinkedHashMap<>();
                know(number, labels, changes);
                tell(changes);
            }
            done.complete(number);
        } catch (Identities.ClaimException | RuntimeException e) {
            synchronized (this) {
                claiming.remove(labels);
            }
            done.completeExceptionally(e);
        }
    }

    private int claim(LabelSet labels) throws Identities.ClaimException {
        IdentityClaims source = claims.get();
        if (source == null) throw new Identities.ClaimException("no identity for " + labels + ": the cluster's source is not there to claim one");
        int number = IdentityNumbers.propose(labels);
        for (int i = 0; i < MOST_CONFLICTS; i++) {
            synchronized (this) {
                Integer other = numbers.get(labels); // its row has come meanwhile
                if (other != null) return other;
            }
            IdentityClaims.Result result = source.claim(number, labels);
            if (result instanceof IdentityClaims.Claimed) return number;
            if (result instanceof IdentityClaims.Unavailable u) {
                throw new Identities.ClaimException("no identity for " + labels + ": " + u.reason());
            }
            LOG.info("Identity {} stands for {}; {} tries the next", number, ((IdentityClaims.TakenBy) result).labels(), labels);
            number = IdentityNumbers.after(number);
        }
        throw new Identities.ClaimException("no identity for " + labels + ": " + MOST_CONFLICTS + " numbers in a row stand for others");
    }

    void release(int number) {
        Map<Integer, Optional<LabelSet>> changes = new LinkedHashMap<>();
        synchronized (this) {
            int left = references.getOrDefault(number, 0) - 1;
            if (left > 0) {
                references.put(number, left);
                return;
            }
            references.remove(number);
            // a claimed number stands for its labels for good; one whose row has gone, or never came, is forgotten
            if (IdentityNumbers.isCluster(number) && !rows.contains(number)) {
                forget(number, changes);
                tell(changes);
            }
        }
    }

    synchronized Optional<LabelSet> labels(int number) {
        return Optional.ofNullable(known.get(number));
    }

    /** Empty: nobody has claimed one, or the row has not come yet. */
    synchronized Optional<Integer> number(LabelSet labels) {
        return Optional.ofNullable(numbers.get(labels));
    }

    synchronized Map<Integer, LabelSet> all() {
        return new TreeMap<>(known);
    }

    synchronized Duration knownFor(int number) {
        Long begin = since.get(number);
        return begin == null ? Duration.ZERO : Duration.ofNanos(System.nanoTime() - begin);
    }

    synchronized int references(int number) {
        return references.getOrDefault(number, 0);
    }

    // ---- prefixes ----

    /** Durable; the ipcache is the caller's. */
    LocalPrefixes.Changed require(String user, Set<Prefix> wanted) throws IOException {
        synchronized (this) {
            LocalPrefixes.Changed changed = prefixes.require(user, wanted);
            Map<Integer, Optional<LabelSet>> changes = new LinkedHashMap<>();
            // a prefix that policies had required already is relabelled when it becomes an API server's, and when it no longer is
            (user.equals(API_SERVER) ? prefixes.numbers() : changed.added()).forEach((p, n) -> {
                LabelSet labels = labelsOf(p);
                if (!labels.equals(known.put(n, labels))) changes.put(n, Optional.of(labels));
            });
            tell(changes);
            return changed;
        }
    }

    /** After the ipcache has let go of them. */
    void forgetPrefixes(Map<Prefix, Integer> removed) {
        synchronized (this) {
            Map<Integer, Optional<LabelSet>> changes = new LinkedHashMap<>();
            removed.values().forEach(n -> {
                if (known.remove(n) != null) changes.put(n, Optional.empty());
            });
            tell(changes);
        }
    }

    synchronized Map<Prefix, Integer> prefixes() {
        return prefixes.numbers();
    }

    // ---- listeners ----

    AutoCloseable subscribe(Executor on, Identities.Listener listener) {
        Follower follower = new Follower(on, listener, java.util.concurrent.ConcurrentHashMap.newKeySet());
        synchronized (this) {
            Map<Integer, Optional<LabelSet>> all = new LinkedHashMap<>();
            known.forEach((n, l) -> all.put(n, Optional.of(l)));
            followers.add(follower);
            hand(follower, all);
        }
        return () -> {
            synchronized (this) {
                followers.remove(follower);
            }
            follower.pending.forEach(f -> f.complete(null)); // its feature has stopped: nobody waits for it
        };
    }

    /** Under the lock, so that each follower gets the changes in order. */
    private void tell(Map<Integer, Optional<LabelSet>> changes) {
        if (changes.isEmpty()) return;
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (Follower f : followers) all.add(hand(f, changes));
        CompletableFuture<?> done = CompletableFuture.allOf(all.toArray(CompletableFuture[]::new));
        changes.forEach((number, labels) -> {
            if (labels.isEmpty()) settling.remove(number);
            else if (!done.isDone()) settling.put(number, done);
        });
        done.whenComplete((x, error) -> {
            if (error != null) return; // settled() tries again
            synchronized (this) {
                settling.values().removeIf(f -> f == done);
            }
        });
    }

    private CompletableFuture<?> hand(Follower follower, Map<Integer, Optional<LabelSet>> changes) {
        CompletableFuture<Object> done = new CompletableFuture<>();
        follower.pending.add(done);
        done.whenComplete((x, error) -> follower.pending.remove(done));
        try {
            follower.executor.execute(() -> {
                try {
                    follower.listener.apply(changes).whenComplete((x, error) -> finish(done, changes, error));
                } catch (RuntimeException e) {
                    finish(done, changes, e);
                }
            });
        } catch (RuntimeException gone) {
            done.complete(null); // its executor is closed: its feature has stopped
        }
        return done;
    }

    private static void finish(CompletableFuture<Object> done, Map<Integer, Optional<LabelSet>> changes, Throwable error) {
        if (error == null) {
            done.complete(null);
            return;
        }
        LOG.error("Identities {} could not be put in force: no address gets them until then", changes.keySet(), error);
        done.completeExceptionally(error);
    }

    /** Done when everybody who told the kernel about identities has told it about this one. */
    synchronized CompletableFuture<?> settled(int number) {
        CompletableFuture<?> f = settling.get(number);
        if (f != null && f.isCompletedExceptionally()) {
            settling.remove(number);
            tell(Map.of(number, labels(number)));
            f = settling.get(number);
        }
        return f == null ? CompletableFuture.completedFuture(null) : f;
    }
}
