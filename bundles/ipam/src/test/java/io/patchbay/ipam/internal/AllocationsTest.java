package io.patchbay.ipam.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.ipam.AddressPool.ExhaustedException;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AllocationsTest {
    @TempDir
    Path dir;
    private final AtomicLong now = new AtomicLong(1_000_000);
    private final Set<IpAddress> kernel = ConcurrentHashMap.newKeySet();

    private Allocations open(String cidr) throws Exception {
        Allocations a = new Allocations(dir.resolve("allocations"), () -> Instant.ofEpochMilli(now.get()), Duration.ofSeconds(30), kernel::contains);
        a.load(List.copyOf(kernel));
        a.ranges(List.of(Prefix.parse(cidr)));
        return a;
    }

    private static IpAddress ip(String text) {
        return IpAddress.parse(text);
    }

    @Test
    void neverGivesNetworkRouterOrBroadcastAndSaysWhenExhausted() throws Exception {
        try (Allocations a = open("10.0.0.0/28")) {
            Set<IpAddress> given = new HashSet<>();
            for (int i = 0; i < 13; i++) given.addAll(a.allocate("default/p" + i + ":eth0@c" + i));
            assertEquals(13, given.size());
            for (String never : List.of("10.0.0.0", "10.0.0.1", "10.0.0.15")) assertFalse(given.contains(ip(never)), never);
            ExhaustedException e = assertThrows(ExhaustedException.class, () -> a.allocate("default/more:eth0@x"));
            assertEquals("no address left in 10.0.0.0/28: 13 of 13 in use (13 pods)", e.getMessage());
            a.release("default/p0:eth0@c0");
            e = assertThrows(ExhaustedException.class, () -> a.allocate("default/more:eth0@x"));
            assertEquals("no address left in 10.0.0.0/28: 13 of 13 in use (12 pods, 1 resting, the first for 30 s more)", e.getMessage());
        }
    }

    @Test
    void sameOwnerSameAddressAlsoAfterARestart() throws Exception {
        List<IpAddress> first;
        try (Allocations a = open("10.0.0.0/24")) {
            first = a.allocate("default/a:eth0@1");
            assertEquals(first, a.allocate("default/a:eth0@1"));
            assertFalse(first.equals(a.allocate("default/b:eth0@2")));
        }
        try (Allocations a = open("10.0.0.0/24")) {
            assertEquals(first, a.allocate("default/a:eth0@1"));
            assertFalse(first.equals(a.allocate("default/c:eth0@3")));
        }
    }

    @Test
    void releasedOnesRestForATimeAndAsLongAsTheKernelHasThem() throws Exception {
        try (Allocations a = open("10.0.0.0/29")) {
            for (int i = 0; i < 5; i++) a.allocate("o" + i);
            IpAddress released = a.allocate("o2").get(0);
            kernel.add(released);
            a.release("o2");
            a.release("o2");
            now.addAndGet(30_001);
            assertThrows(ExhaustedException.class, () -> a.allocate("n"), "still in the kernel");
            kernel.clear();
            assertEquals(released, a.allocate("n").get(0));
        }
    }

    @Test
    void restOutlastsARestart() throws Exception {
        try (Allocations a = open("10.0.0.0/29")) {
            for (int i = 0; i < 5; i++) a.allocate("o" + i);
            a.release("o0");
        }
        try (Allocations a = open("10.0.0.0/29")) {
            assertThrows(ExhaustedException.class, () -> a.allocate("n"));
            now.addAndGet(30_001);
            a.allocate("n");
        }
    }

    @Test
    void halfALastLineIsForgottenSilently() throws Exception {
        List<IpAddress> first;
        try (Allocations a = open("10.0.0.0/24")) {
            first = a.allocate("a");
        }
        Files.writeString(dir.resolve("allocations"), "1234abcd A b 10.0", StandardOpenOption.APPEND);
        try (Allocations a = open("10.0.0.0/24")) {
            assertEquals("", a.notice());
            assertEquals(first, a.allocate("a"));
        }
    }

    @Test
    void damagedFileIsSetAsideAndTheKernelsAddressesAreHeld() throws Exception {
        IpAddress lost;
        try (Allocations a = open("10.0.0.0/24")) {
            a.allocate("a");
            lost = a.allocate("b").get(0);
        }
        byte[] bytes = Files.readAllBytes(dir.resolve("allocations"));
        int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("A b");
        bytes[at + 2] = 'X';
        Files.write(dir.resolve("allocations"), bytes);
        kernel.add(lost);
        try (Allocations a = open("10.0.0.0/24")) {
            assertTrue(a.notice().contains("damaged in line 2"), a.notice());
            assertTrue(a.notice().contains(dir.resolve("allocations.damaged-").toString()), a.notice());
            for (int i = 0; i < 252; i++) {
                if (a.owners().size() == 253) break;
                assertFalse(a.allocate("n" + i).contains(lost));
            }
            kernel.clear();
            a.reap();
            assertTrue(a.resting().containsKey(lost));
            a.reap();
            assertEquals("", a.notice());
        }
    }

    @Test
    void parallelCallersNeverShareAnAddress() throws Exception {
        Set<IpAddress> given = ConcurrentHashMap.newKeySet();
        try (Allocations a = open("10.1.0.0/16")) {
            ExecutorService pool = Executors.newFixedThreadPool(8);
            for (int i = 0; i < 400; i++) {
                String owner = "o" + i;
                pool.submit(() -> given.addAll(a.allocate(owner)));
            }
            pool.shutdown();
            assertTrue(pool.awaitTermination(60, TimeUnit.SECONDS));
            assertEquals(400, given.size());
        }
        try (Allocations a = open("10.1.0.0/16")) {
            assertEquals(400, a.owners().size());
        }
    }

    @Test
    void smallAndLargePrefixes() {
        assertEquals(0, PodRange.of(Prefix.parse("10.0.0.0/32")).size());
        assertEquals(0, PodRange.of(Prefix.parse("10.0.0.0/31")).size());
        assertEquals(1, PodRange.of(Prefix.parse("10.0.0.0/30")).size());
        assertEquals(253, PodRange.of(Prefix.parse("10.0.0.0/24")).size());
        assertEquals("254", PodRange.of(Prefix.parse("10.0.0.0/24")).usableWithRouter().toString());
        assertEquals("1", PodRange.of(Prefix.parse("10.0.0.0/32")).usableWithRouter().toString());
        assertEquals(253, PodRange.of(Prefix.parse("fd00::/120")).size());
        assertEquals("254", PodRange.of(Prefix.parse("fd00::/120")).usableWithRouter().toString());
        PodRange large = PodRange.of(Prefix.parse("fd00:1::/64"));
        assertEquals("18446744073709551614", large.usableWithRouter().toString());
        assertTrue(large.contains(ip("fd00:1::2")));
        assertFalse(large.contains(ip("fd00:1::1")), "the router's");
        assertFalse(PodRange.of(Prefix.parse("fd00:1::/32")).contains(ip("fd00:1:5::2")), "not one of those that are given out");
    }

    /** A day's churn in one prefix of 2^64: each address comes from behind the last, none is looked for from the beginning. */
    @Test
    void aLargePrefixIsNeverScanned() {
        PodRange range = PodRange.of(Prefix.parse("fd00:1::/64"));
        Set<IpAddress> taken = new HashSet<>();
        IpAddress last = null;
        int[] looked = {0};
        for (int i = 0; i < 100_000; i++) {
            last = range.next(last, a -> {
                looked[0]++;
                return taken.contains(a);
            }).orElseThrow();
            taken.add(last);
        }
        assertEquals(100_000, looked[0]);
        assertEquals(ip("fd00:1::1:86a1"), last);
    }

    @Test
    void aPodHasAnAddressOfEachFamilyAndGetsTheSameAfterARestart() throws Exception {
        List<Prefix> both = List.of(Prefix.parse("10.0.0.0/24"), Prefix.parse("fd00:1::/64"));
        List<IpAddress> first;
        try (Allocations a = open("10.0.0.0/24")) {
            a.ranges(both);
            assertEquals(List.of(ip("10.0.0.2"), ip("fd00:1::2")), a.allocate("default/a:eth0@1"));
            first = a.allocate("default/b:eth0@2");
            a.release("default/a:eth0@1");
            assertEquals(Set.of(ip("10.0.0.2"), ip("fd00:1::2")), a.resting().keySet());
        }
        try (Allocations a = open("10.0.0.0/24")) {
            a.ranges(both);
            assertEquals(first, a.allocate("default/b:eth0@2"));
            List<IpAddress> next = a.allocate("default/c:eth0@3");
            assertFalse(next.contains(ip("10.0.0.2")) || next.contains(ip("fd00:1::2")), "still resting: " + next);
            now.addAndGet(30_001);
            a.reap();
            assertEquals(Set.of(), a.resting().keySet());
        }
    }

    @Test
    void oneFamilyUsedUpGivesNothingOfTheOther() throws Exception {
        try (Allocations a = open("10.0.0.0/30")) {
            a.ranges(List.of(Prefix.parse("10.0.0.0/30"), Prefix.parse("fd00:1::/64")));
            a.allocate("default/a:eth0@1");
            ExhaustedException e = assertThrows(ExhaustedException.class, () -> a.allocate("default/b:eth0@2"));
            assertTrue(e.getMessage().startsWith("no address left in 10.0.0.0/30"), e.getMessage());
            assertEquals(1, a.owners().size());
        }
    }
}
