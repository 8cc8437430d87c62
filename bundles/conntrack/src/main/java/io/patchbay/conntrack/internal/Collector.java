package io.patchbay.conntrack.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.IpAddress;
import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.function.Predicate;

/**
 * Takes expired entries out of the maps. The datapath honours expiry by itself, so this only makes room: it runs seldom when it finds
 * little, often when it finds much, and at once when a connection was refused because a map was full. Called by one thread at a time;
 * {@link #counts} by any.
 */
final class Collector {
    /**
     * What is known of a map since the last run.
     *
     * @param collected in all runs
     * @param refused   connections that found no room, since the map was made
     */
    record Count(int max, long collected, long refused) {
    }

    private static final double MUCH = 0.25;
    private static final double LITTLE = 0.05;

    private final List<MapHandle> maps;
    private final MapHandle refused;
    private final Duration shortest;
    private final Duration longest;
    private final LongSupplier clock;
    private final Map<String, Count> counts = new LinkedHashMap<>();
    private volatile long withoutPort;
    private Duration interval;
    private long due;
    private long refusedBefore = -1;

    /** @param clock CLOCK_MONOTONIC in ns */
    Collector(List<MapHandle> maps, MapHandle refused, Duration shortest, Duration longest, LongSupplier clock) {
        this.maps = maps;
        this.refused = refused;
        this.shortest = shortest;
        this.longest = longest;
        this.clock = clock;
        this.interval = shortest;
        this.due = clock.getAsLong();
    }

    /** Collects when it is due, or when connections were refused since the last call. */
    boolean tick() {
        long[] now = refusals();
        long total = 0;
        for (long r : now) total += r;
        boolean full = refusedBefore >= 0 && total > refusedBefore;
        refusedBefore = total;
        if (!full && clock.getAsLong() - due < 0) return false;
        collect(now);
        return true;
    }

    /** How long until the next run, unless a map gets full before. */
    Duration interval() {
        return interval;
    }

    private long[] refusals() {
        long[] all = new long[maps.size()];
        for (int i = 0; i < all.length; i++) all[i] = refusals(i);
        withoutPort = refusals(all.length);
        return all;
    }

    private long refusals(int at) {
        long sum = 0;
        for (Struct cpu : refused.lookupAll(new Struct(refused.key()).set("", at))) sum += cpu.get("skbs");
        return sum;
    }

    /** Connections refused because another one had their tuple and no other port was free, as the last {@link #tick} saw it. */
    long withoutPort() {
        return withoutPort;
    }

    private void collect(long[] refusals) {
        double share = 0;
        for (int i = 0; i < maps.size(); i++) {
            MapHandle map = maps.get(i);
            long now = clock.getAsLong();
            Removal removal = remove(map, (k, v) -> v.get("expires") - now <= 0);
            int gone = removal.gone;
            if (removal.met > 0) share = Math.max(share, (double) gone / removal.met);
            long refusedHere = refusals[i];
            synchronized (counts) {
                counts.merge(map.name(), new Count(map.maxEntries(), gone, refusedHere),
                        (old, n) -> new Count(n.max(), old.collected() + n.collected(), refusedHere));
            }
        }
        if (share > MUCH) interval = Duration.ofNanos(Math.max(shortest.toNanos(), (long) (interval.toNanos() * (1 - share))));
        else if (share < LITTLE) interval = Duration.ofNanos(Math.min(longest.toNanos(), interval.toNanos() * 3 / 2));
        due = clock.getAsLong() + interval.toNanos();
    }

    private interface Condition {
        boolean test(Struct key, Struct value);
    }

    private record Removal(int met, int gone) {
    }

    /**
     * Looks again right before each delete: between reading thousands of entries and deleting them a new connection may have taken an
     * expired one's place. What still slips between the two calls is made anew by the connection's next packet.
     */
    private static Removal remove(MapHandle map, Condition condition) {
        int[] met = {0};
        int[] gone = {0};
        map.forEach((key, value) -> {
            met[0]++;
            if (!condition.test(key, value)) return;
            if (map.lookup(key).filter(v -> condition.test(key, v)).isPresent() && map.delete(key)) gone[0]++;
        });
        return new Removal(met[0], gone[0]);
    }

    /** Removes the connections of pods that are gone: their addresses will be others'. */
    int purge(Set<IpAddress> addresses) {
        int gone = 0;
        Set<IpAddress> wanted = new HashSet<>(addresses);
        Predicate<Struct> theirs = key -> wanted.contains(Connection.address(key, "local"));
        for (MapHandle map : maps) gone += remove(map, (k, v) -> theirs.test(k)).gone;
        return gone;
    }

    /** What a map holds now, expired connections that wait to be collected among them. The last run may be half an hour ago. */
    int entries(String name) {
        return maps.stream().filter(m -> m.name().equals(name)).findFirst().map(MapHandle::count).orElse(0);
    }

    /** By map name. */
    Map<String, Count> counts() {
        synchronized (counts) {
            return new LinkedHashMap<>(counts);
        }
    }
}
