package io.patchbay.identity.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.Prefix;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IdentityRegistryTest {
    private static final LabelSet WEB = LabelSet.parse("k8s:app=web", "k8s:io.kubernetes.pod.namespace=default");
    private static final LabelSet DB = LabelSet.parse("k8s:app=db", "k8s:io.kubernetes.pod.namespace=default");
    @TempDir
    Path dir;

    /** What all nodes share. */
    private final Map<Long, LabelSet> cluster = new HashMap<>();

    private IdentityClaims.Result claim(long number, LabelSet labels) {
        LabelSet holder = cluster.putIfAbsent(number, labels);
        return holder == null || holder.equals(labels) ? new IdentityClaims.Claimed() : new IdentityClaims.TakenBy(holder);
    }

    private IdentityRegistry node(String name) {
        return new IdentityRegistry(Runnable::run, () -> this::claim, new LocalPrefixes(dir.resolve(name)), false);
    }

    @Test
    void nodesAgreeWhateverTheySawFirst() throws Exception {
        IdentityRegistry a = node("a");
        IdentityRegistry b = node("b");
        int web = a.acquire(WEB).get();
        int db = b.acquire(DB).get();
        assertEquals(db, a.acquire(DB).get());
        assertEquals(web, b.acquire(WEB).get());
        assertTrue(web >= 256 && web <= 65535);
        assertEquals(Optional.of(WEB), b.labels(web));
        assertEquals(1, b.references(web));
    }

    @Test
    void aNumberThatStandsForOthersIsPassedOver() throws Exception {
        long proposal = IdentityNumbers.propose(WEB);
        cluster.put(proposal, DB);
        assertEquals(IdentityNumbers.after((int) proposal), node("a").acquire(WEB).get());
        assertEquals(256, IdentityNumbers.after(65535));
    }

    @Test
    void aRowThatIsThereIsUsedAndNothingClaimed() throws Exception {
        IdentityRegistry a = node("a");
        a.rowsAre(List.of(new CiliumIdentity(4711, WEB)));
        assertEquals(4711, a.acquire(WEB).get());
        assertTrue(cluster.isEmpty());
        a.rowChanged(4711, null);
        assertEquals(Optional.of(WEB), a.labels(4711), "in use here");
        a.release(4711);
        assertEquals(Optional.empty(), a.labels(4711));
    }

    @Test
    void withoutAClaimThereIsNoNumber() {
        IdentityRegistry a = new IdentityRegistry(Runnable::run, () -> (n, l) -> new IdentityClaims.Unavailable("the folder is read-only"),
                new LocalPrefixes(dir.resolve("p")), false);
        ExecutionException e = assertThrows(ExecutionException.class, () -> a.acquire(WEB).get());
        assertInstanceOf(Identities.ClaimException.class, e.getCause());
        assertTrue(e.getCause().getMessage().endsWith("the folder is read-only"), e.getCause().getMessage());
        IdentityRegistry none = new IdentityRegistry(Runnable::run, () -> null, new LocalPrefixes(dir.resolve("q")), false);
        assertThrows(ExecutionException.class, () -> none.acquire(WEB).get());
    }

    @Test
    void anIdentityIsInForceBeforeAnybodyGetsIt() throws Exception {
        IdentityRegistry a = node("a");
        List<CompletableFuture<Object>> asked = new ArrayList<>();
        AutoCloseable listener = a.subscribe(Runnable::run, new Identities.Listener() {
            @Override
            public void changed(Map<Integer, Optional<LabelSet>> changes) {
            }

            @Override
            public CompletableFuture<?> apply(Map<Integer, Optional<LabelSet>> changes) {
                CompletableFuture<Object> f = new CompletableFuture<>();
                asked.add(f);
                return f;
            }
        });
        asked.remove(0).complete(null); // the snapshot
        CompletableFuture<Integer> web = a.acquire(WEB);
        assertFalse(web.isDone());
        asked.remove(0).completeExceptionally(new IllegalStateException("full"));
        assertTrue(web.isCompletedExceptionally());
        CompletableFuture<Integer> again = a.acquire(WEB);
        assertFalse(again.isDone(), "applied anew");
        asked.remove(0).complete(null);
        assertTrue(again.isDone());
        CompletableFuture<Integer> db = a.acquire(DB);
        assertFalse(db.isDone());
        listener.close();
        assertTrue(db.isDone(), "a feature that stopped keeps nobody waiting");
    }

    @Test
    void prefixesKeepTheirNumbersOverRestartsAndUsers() throws Exception {
        IdentityRegistry a = node("a");
        Prefix ten = Prefix.parse("10.0.0.0/8");
        Prefix net = Prefix.parse("192.0.2.0/24");
        int number = a.require("policy", Set.of(ten, net)).added().get(ten);
        assertTrue(IdentityNumbers.isLocal(number));
        assertEquals("cidr:10.0.0.0/8,reserved:world", a.labels(number).orElseThrow().toString());
        LocalPrefixes again = new LocalPrefixes(dir.resolve("a"));
        again.load(Map.of());
        IdentityRegistry b = new IdentityRegistry(Runnable::run, () -> null, again, false);
        assertEquals(number, b.prefixes().get(ten));
        b.require("other", Set.of(ten));
        assertEquals(Set.of(net), b.require("policy", Set.of()).removed().keySet());
        assertEquals(Set.of(ten), b.prefixes().keySet());
    }

    @Test
    void prefixesAreTheWorldOfTheirFamilyInDualStack() throws Exception {
        IdentityRegistry a = node("dual");
        Map<Prefix, Integer> numbers = a.require("policy", Set.of(Prefix.parse("2001:db8::/32"))).added();
        int number = numbers.values().iterator().next();
        Map<Integer, Optional<LabelSet>> told = new HashMap<>();
        a.subscribe(Runnable::run, told::putAll);
        assertTrue(a.labels(number).orElseThrow().isReserved("world"));
        a.dualStack(true);
        assertTrue(told.get(number).orElseThrow().isReserved("world-ipv6"), told.toString());
        assertEquals(numbers, a.prefixes(), "the number stays");
        assertTrue(a.require("policy", Set.of(Prefix.parse("10.0.0.0/8"))).added().values().stream().allMatch(n -> a.labels(n).orElseThrow().isReserved("world-ipv4")));
    }

    @Test
    void anApiServerIsPartOfWhatAnAddressStandsFor() throws Exception {
        LabelSet outside = LabelSet.parse("cidr:203.0.113.7/32", "reserved:kube-apiserver", "reserved:world");
        LabelSet prefix = LabelSet.parse("cidr:203.0.113.7/32", "reserved:world");
        Set<Prefix> at = Set.of(Prefix.parse("203.0.113.7/32"));
        IdentityRegistry a = node("a");
        Map<Integer, LabelSet> told = new HashMap<>();
        a.subscribe(Runnable::run, changes -> changes.forEach((n, labels) -> told.put(n, labels.orElse(null))));
        a.apiServerHere(true);
        assertEquals(LabelSet.parse("reserved:host", "reserved:kube-apiserver"), told.get(ReservedIdentity.HOST));
        a.require("policy", at);
        int number = a.prefixes().get(Prefix.parse("203.0.113.7/32"));
        assertEquals(prefix, told.get(number));
        a.require(IdentityRegistry.API_SERVER, at);
        assertEquals(outside, told.get(number), "what a policy had required already");

        // after a restart at once: tables in the kernel name them
        LocalPrefixes file = new LocalPrefixes(dir.resolve("a"));
        file.load(Map.of());
        IdentityRegistry again = new IdentityRegistry(Runnable::run, () -> this::claim, file, false);
        assertEquals(Optional.of(outside), again.labels(number));
        assertEquals(Optional.of(LabelSet.parse("reserved:host", "reserved:kube-apiserver")), again.labels(ReservedIdentity.HOST));

        a.require(IdentityRegistry.API_SERVER, Set.of());
        assertEquals(prefix, told.get(number), "the policy still needs it");
        a.apiServerHere(false);
        assertEquals(LabelSet.parse("reserved:host"), told.get(ReservedIdentity.HOST));
        LocalPrefixes last = new LocalPrefixes(dir.resolve("a"));
        last.load(Map.of());
        assertFalse(last.apiServerHere());
    }
}
