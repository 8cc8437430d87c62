package io.patchbay.ipam.internal;

import io.patchbay.api.ipam.AddressPool;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who has which address, in memory and in a file. An address that was given back rests: for a time, since others may still send to it or
 * have state about it, and for as long as the kernel's maps name it. Thread-safe.
 *
 * <p>The file has lines {@code A owner address,…} (allocated), {@code R until address,…} (rests, milliseconds since 1970), {@code F
 * address,…} (free). A damaged file is set aside; what it still says, and what the kernel's map of endpoints says, is held.
 */
final class Allocations implements AutoCloseable {
    /** Owners of addresses that only the kernel knew. */
    static final String RECOVERED = "recovered:";
    private static final Logger LOG = LoggerFactory.getLogger(Allocations.class);
    private static final int REWRITE_AT = 4096;

    private final AllocationFile file;
    private final InstantSource clock;
    private final Duration quarantine;
    private final Predicate<IpAddress> inUse;
    private List<PodRange> ranges = List.of();
    private final Map<String, List<IpAddress>> owners = new TreeMap<>();
    private final Map<IpAddress, String> taken = new HashMap<>();
    private final Map<IpAddress, Long> resting = new LinkedHashMap<>();
    private final Map<Prefix, IpAddress> last = new HashMap<>();
    private final Set<String> onDisk = new HashSet<>();
    private String notice = "";
    private boolean unwritten;

    /** @param inUse whether the kernel still has something for an address */
    Allocations(Path path, InstantSource clock, Duration quarantine, Predicate<IpAddress> inUse) {
        this.file = new AllocationFile(path);
        this.clock = clock;
        this.quarantine = quarantine;
        this.inUse = inUse;
    }

    /** Reads the file. @param kernel addresses of pods that the kernel knows */
    synchronized void load(Collection<IpAddress> kernel) throws IOException {
        AllocationFile.Content content = file.read();
        List<Integer> damaged = new ArrayList<>(content.damaged());
        int number = 0;
        for (String line : content.lines()) {
            number++;
            try {
                replay(line);
            } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
                damaged.add(number);
            }
        }
        if (!damaged.isEmpty()) {
            Path aside = file.path().resolveSibling(file.path().getFileName() + ".damaged-" + clock.millis());
            Files.copy(file.path(), aside, StandardCopyOption.REPLACE_EXISTING);
            notice = "the file of allocations was damaged in line " + damaged.get(0) + (damaged.size() > 1 ? " and " + (damaged.size() - 1) + " more" : "")
                    + " and is kept as " + aside + ": rebuilt from its other lines and from the kernel's endpoints";
            LOG.error("IPAM: {}", notice);
        }
        for (IpAddress a : kernel) {
            if (taken.containsKey(a)) continue;
            resting.remove(a);
            LOG.warn("IPAM: the kernel has a pod with {} that no allocation names; held until the pod is gone", a);
            take(RECOVERED + a, List.of(a));
        }
        long latest = clock.millis() + quarantine.toMillis();
        resting.replaceAll((a, until) -> Math.min(until, latest)); // a clock that was wrong
        rewrite();
    }

    private void replay(String line) {
        String[] words = line.split(" ");
        List<IpAddress> addresses = Arrays.stream(words[words.length - 1].split(",")).map(IpAddress::parse).toList();
        switch (words[0]) {
            case "A" -> {
                addresses.forEach(resting::remove);
                take(words[1], addresses);
            }
            case "R" -> {
                for (IpAddress a : addresses) {
                    drop(a);
                    resting.put(a, Long.parseLong(words[1]));
                }
            }
            case "F" -> addresses.forEach(resting::remove);
            default -> throw new IllegalArgumentException(line);
        }
    }

    private void take(String owner, List<IpAddress> addresses) {
        owners.put(owner, addresses);
        addresses.forEach(a -> taken.put(a, owner));
    }

    private void drop(IpAddress a) {
        String owner = taken.remove(a);
        if (owner != null) owners.remove(owner);
    }

    private static String text(Collection<IpAddress> addresses) {
        return addresses.stream().map(IpAddress::toString).collect(Collectors.joining(","));
    }

    private void rewrite() throws IOException {
        List<String> lines = new ArrayList<>();
        owners.forEach((owner, addresses) -> lines.add("A " + owner + " " + text(addresses)));
        resting.forEach((a, until) -> lines.add("R " + until + " " + a));
        file.rewrite(lines);
        onDisk.addAll(owners.keySet());
        unwritten = false;
    }

    synchronized void ranges(Collection<Prefix> podCidrs) {
        ranges = podCidrs.stream().map(PodRange::of).toList();
    }

    List<IpAddress> allocate(String owner) throws AddressPool.ExhaustedException {
        if (owner.isEmpty() || owner.chars().anyMatch(Character::isWhitespace)) throw new IllegalArgumentException("owner \"" + owner + "\"");
        long number;
        List<IpAddress> addresses;
        synchronized (this) {
            mend();
            addresses = owners.get(owner);
            if (addresses != null && onDisk.contains(owner)) return addresses;
            boolean isNew = addresses == null;
            if (isNew) addresses = choose();
            try {
                number = file.append("A " + owner + " " + text(addresses));
            } catch (IOException e) {
                unwritten = true;
                throw unwritable(e);
            }
            if (isNew) take(owner, addresses);
        }
        try {
            file.force(number);
        } catch (IOException e) {
            throw unwritable(e);
        }
        synchronized (this) {
            if (owners.containsKey(owner)) onDisk.add(owner);
        }
        return addresses;
    }

    private UncheckedIOException unwritable(IOException e) {
        return new UncheckedIOException("no address is given out, since " + file.path() + " can't be written: " + e.getMessage(), e);
    }

    /** After a failure the file may end in half a line: written anew before it is trusted again. */
    private void mend() {
        if (!unwritten && file.lines() < REWRITE_AT + owners.size() + resting.size()) return;
        try {
            rewrite();
        } catch (IOException e) {
            unwritten = true;
            throw unwritable(e);
        }
    }

    private List<IpAddress> choose() throws AddressPool.ExhaustedException {
        reap();
        if (ranges.isEmpty()) throw new AddressPool.ExhaustedException("this node has no pod CIDR yet");
        List<IpAddress> chosen = new ArrayList<>();
        for (boolean v4 : new boolean[] {true, false}) {
            List<PodRange> family = ranges.stream().filter(r -> r.prefix().address().isV4() == v4).toList();
            if (family.isEmpty()) continue;
            IpAddress found = null;
            for (PodRange range : family) {
                found = range.next(last.get(range.prefix()), a -> taken.containsKey(a) || resting.containsKey(a)).orElse(null);
                if (found == null) continue;
                last.put(range.prefix(), found);
                break;
            }
            if (found == null) throw exhausted(family);
            chosen.add(found);
        }
        return List.copyOf(chosen);
    }

    private AddressPool.ExhaustedException exhausted(List<PodRange> family) {
        long size = family.stream().mapToLong(PodRange::size).sum();
        long pods = taken.keySet().stream().filter(a -> family.stream().anyMatch(r -> r.contains(a))).count();
        List<Map.Entry<IpAddress, Long>> waiting = resting.entrySet().stream()
                .filter(e -> family.stream().anyMatch(r -> r.contains(e.getKey()))).toList();
        String rest = "";
        if (!waiting.isEmpty()) {
            long first = waiting.stream().mapToLong(Map.Entry::getValue).min().orElse(0) - clock.millis();
            rest = ", " + waiting.size() + " resting" + (first > 0 ? ", the first for " + (first + 999) / 1000 + " s more" : " until the kernel has dropped them");
        }
        return new AddressPool.ExhaustedException("no address left in " + family.stream().map(r -> r.prefix().toString()).collect(Collectors.joining(", "))
                + ": " + size + " of " + size + " in use (" + pods + (pods == 1 ? " pod" : " pods") + rest + ")");
    }

    void release(String owner) {
        long number;
        synchronized (this) {
            List<IpAddress> addresses = owners.get(owner);
            if (addresses == null) return;
            number = rest(addresses);
            onDisk.remove(owner);
        }
        try {
            file.force(number);
        } catch (IOException e) {
            throw new UncheckedIOException(file.path() + " can't be written: " + e.getMessage(), e);
        }
    }

    private long rest(List<IpAddress> addresses) {
        mend();
        long until = clock.millis() + quarantine.toMillis();
        long number;
        try {
            number = file.append("R " + until + " " + text(addresses));
        } catch (IOException e) {
            unwritten = true;
            throw new UncheckedIOException(file.path() + " can't be written: " + e.getMessage(), e);
        }
        for (IpAddress a : addresses) {
            drop(a);
            resting.put(a, until);
        }
        return number;
    }

    /** Frees what has rested, and lets rest what was only held for a pod that the kernel no longer has. */
    synchronized void reap() {
        long now = clock.millis();
        List<IpAddress> free = resting.entrySet().stream().filter(e -> e.getValue() <= now && !inUse.test(e.getKey())).map(Map.Entry::getKey).toList();
        if (!free.isEmpty()) {
            free.forEach(resting::remove);
            try {
                file.append("F " + text(free)); // not forced: read without it, they only rest again
            } catch (IOException e) {
                unwritten = true;
            }
        }
        List<String> held = owners.keySet().stream().filter(o -> o.startsWith(RECOVERED)).toList();
        for (String owner : held) {
            if (owners.get(owner).stream().noneMatch(inUse)) rest(owners.get(owner));
        }
        if (held.isEmpty()) notice = "";
    }

    synchronized Map<String, List<IpAddress>> owners() {
        return new TreeMap<>(owners);
    }

    synchronized Map<IpAddress, Long> resting() {
        return new TreeMap<>(resting);
    }

    synchronized List<PodRange> ranges() {
        return ranges;
    }

    synchronized long used(PodRange range) {
        return taken.keySet().stream().filter(range::contains).count();
    }

    /** What the operator should know; "" if all is well. */
    synchronized String notice() {
        return notice;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
