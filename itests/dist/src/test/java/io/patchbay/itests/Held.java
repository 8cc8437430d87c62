package io.patchbay.itests;

import io.patchbay.bpf.BpfException;
import io.patchbay.bpf.BpfIds;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfProgram;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What an agent and its node's datapath hold, by kind. Of the kernel's BPF objects only the node's own are counted, which are known by its pins: others
 * load programs on this machine as they like.
 */
record Held(Map<String, Long> amounts) {
    private static final String LOADERS = "class loaders of bundles";
    private static final String THREADS = "threads";
    private static final String DESCRIPTORS = "descriptors";
    private static final String BY_DESCRIPTOR = "BPF objects by descriptor";
    private static final String PINS = "pins";
    private static final String PROGRAMS = "programs in the kernel";
    private static final String MAPS = "maps in the kernel";
    /** What the last update left is held before as well; pools may have a few threads and descriptors more or less; none of them grows. */
    private static final Map<String, Long> SLACK = Map.of(LOADERS, 4L, THREADS, 4L, DESCRIPTORS, 8L, BY_DESCRIPTOR, 4L, PINS, 0L, PROGRAMS, 0L, MAPS, 0L);

    static Held by(Lab lab, String node) {
        long pid = lab.agentPid(node);
        Map<String, Long> held = new TreeMap<>();
        // The histogram collects garbage first; twice, because what is finalised goes with the second.
        Run.of("jcmd", String.valueOf(pid), "GC.run").ok();
        Run.of("jcmd", String.valueOf(pid), "GC.run").ok();
        held.put(LOADERS, Run.of("jcmd", String.valueOf(pid), "GC.class_histogram").ok().lines()
                .filter(l -> l.contains("BundleWiringImpl$BundleClassLoader")).mapToLong(l -> Long.parseLong(l.trim().split("\\s+")[1])).sum());
        held.put(THREADS, (long) Lab.list(Path.of("/proc/" + pid + "/task")).size());
        held.put(DESCRIPTORS, (long) Lab.list(Path.of("/proc/" + pid + "/fd")).size());
        held.put(BY_DESCRIPTOR, (long) ids(pid).size());
        List<Path> pins = pins(Path.of(lab.node(node).getString("pinDirectory")));
        held.put(PINS, (long) pins.size());
        Set<Integer> own = pinnedMaps(pins);
        Set<Integer> reached = new HashSet<>(own);
        long programs = 0;
        for (int id : BpfIds.list(BpfIds.Kind.PROGRAM)) {
            try (BpfProgram p = BpfProgram.fromId(id)) {
                List<Integer> maps = p.info().mapIds();
                if (maps.stream().anyMatch(own::contains)) {
                    programs++;
                    reached.addAll(maps);
                }
            } catch (BpfException e) {
                // It went meanwhile: not one of the node's, at which nothing changes now.
                continue;
            }
        }
        held.put(PROGRAMS, programs);
        held.put(MAPS, (long) reached.size());
        return new Held(held);
    }

    private static List<Path> pins(Path directory) {
        try (Stream<Path> all = Files.walk(directory)) {
            return all.filter(p -> !Files.isDirectory(p)).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Set<Integer> pinnedMaps(List<Path> pins) {
        Set<Integer> ids = new HashSet<>();
        for (Path pin : pins) {
            if (pin.getParent().getFileName().toString().equals("maps")) {
                try (BpfMap map = BpfMap.fromPin(pin)) {
                    ids.add(map.info().id());
                }
            }
        }
        return ids;
    }

    private static Set<String> ids(long pid) {
        Set<String> ids = new HashSet<>();
        for (String fd : Lab.list(Path.of("/proc/" + pid + "/fdinfo"))) {
            try {
                Files.readAllLines(Path.of("/proc/" + pid + "/fdinfo/" + fd)).stream().filter(l -> l.matches("(prog|map|link|btf)_id:.*")).forEach(ids::add);
            } catch (NoSuchFileException e) {
                // Closed meanwhile.
                continue;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return ids;
    }

    /** @param after of what, for the message */
    void assertNoMoreThan(Held before, String after) {
        List<String> more = new ArrayList<>();
        before.amounts.forEach((what, n) -> {
            if (amounts.get(what) > n + SLACK.get(what)) {
                more.add(what + ": " + n + " before, " + amounts.get(what) + " after " + after);
            }
        });
        if (!more.isEmpty()) {
            throw new AssertionError(more + "; before " + before.amounts + ", after " + amounts);
        }
    }
}
