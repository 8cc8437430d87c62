package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Service;
import io.patchbay.reconcile.internal.ControllersComponent;
import io.patchbay.reconcile.internal.ReconcilersComponent;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * How long services take from synced tables into the kernel's maps, and one changed endpoint until the map shows it. Run by hand:
 * {@code ProgrammingBench [services [backends [rounds [random|maglev]]]]}. Round 1 is a cold JVM, as at an agent's start.
 */
public final class ProgrammingBench {
    private ProgrammingBench() {
    }

    public static void main(String[] args) {
        try {
            measure(args);
            System.exit(0);
        } catch (Throwable e) {
            // Threads of the feature would keep the process.
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static void measure(String[] args) throws Exception {
        int services = args.length > 0 ? Integer.parseInt(args[0]) : 10_000;
        int backends = args.length > 1 ? Integer.parseInt(args[1]) : 10;
        int rounds = args.length > 2 ? Integer.parseInt(args[2]) : 5;
        Map<String, String> config = Map.of("algorithm", args.length > 3 ? args[3] : "random");
        for (int round = 1; round <= rounds; round++) {
            try (TestFeature feature = new TestFeature(Map.of(), config); Cluster cluster = new Cluster()) {
                List<Service> all = new ArrayList<>();
                List<EndpointSlice> slices = new ArrayList<>();
                for (int s = 0; s < services; s++) {
                    int first = s * backends;
                    all.add(Cluster.service(s + 1));
                    slices.add(Cluster.slice(s + 1, java.util.stream.IntStream.range(first, first + backends).toArray()));
                }
                cluster.put(all, slices);
                cluster.synced();
                ReconcilersComponent reconcilers = new ReconcilersComponent(new ControllersComponent());
                long start = System.nanoTime();
                Duration cpu = cpu();
                Services under = new Services(feature, cluster.cluster(), reconcilers, "n1");
                feature.ready.get(60, TimeUnit.SECONDS);
                double initial = (System.nanoTime() - start) / 1e6;
                double spent = cpu().minus(cpu).toNanos() / 1e6;
                double[] changes = new double[200];
                Random random = new Random(round);
                for (int i = 0; i < changes.length; i++) {
                    int s = random.nextInt(services);
                    int[] members = java.util.stream.IntStream.range(s * backends, s * backends + backends).toArray();
                    members[0] = services * backends + round * changes.length + i;
                    Frontend frontend = new Frontend(Cluster.service(s + 1).clusterIps().get(0), 80, io.patchbay.api.net.Protocol.TCP);
                    LbValue.Service row = read(feature, frontend);
                    LbValue.Slots before = slots(feature, row).orElseThrow();
                    long t = System.nanoTime();
                    cluster.put(List.of(), List.of(Cluster.slice(s + 1, members)));
                    // A lookup that meets the exchange of an entry may find neither the old nor the new one.
                    while (slots(feature, row).filter(now -> !now.equals(before)).isEmpty()) LockSupport.parkNanos(50_000); // the CPU is for who does the work
                    changes[i] = (System.nanoTime() - t) / 1e6;
                }
                Arrays.sort(changes);
                System.out.printf("round %d: %d services x %d backends in %.0f ms (%.0f ms of CPU, compilers included); one changed endpoint p50 %.2f ms, p99 %.2f ms, max %.2f ms; heap %d MiB, kernel memory %d MiB, %s%n", round,
                        services, backends, initial, spent, changes[changes.length / 2], changes[changes.length * 99 / 100], changes[changes.length - 1], heap(), kernel(), config.get("algorithm"));
                under.deactivate();
            }
        }
    }

    private static LbValue.Service read(TestFeature feature, Frontend f) {
        var key = new io.patchbay.api.datapath.Struct(feature.map("lb_services").key());
        LbTarget.FRONTEND.encode(f, key);
        return LbTarget.SERVICE.decode(feature.map("lb_services").lookup(key).orElseThrow());
    }

    private static Optional<LbValue.Slots> slots(TestFeature feature, LbValue.Service row) {
        var key = new io.patchbay.api.datapath.Struct(feature.map("lb_slots").key());
        LbTarget.SLOTS_KEY.encode(new LbKey.Slots(row.set(), 0), key);
        return feature.map("lb_slots").lookup(key).map(LbTarget.SLOTS::decode);
    }

    /** What the kernel says that this process's maps take, MiB. */
    private static long kernel() throws IOException {
        long bytes = 0;
        try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of("/proc/self/fdinfo"))) {
            for (Path fd : all) {
                List<String> lines;
                try {
                    lines = Files.readAllLines(fd);
                } catch (IOException e) {
                    continue; // the directory's own, which is closed by now
                }
                if (lines.stream().anyMatch(l -> l.startsWith("map_type:"))) {
                    bytes += lines.stream().filter(l -> l.startsWith("memlock:")).mapToLong(l -> Long.parseLong(l.substring(8).strip())).sum();
                }
            }
        }
        return bytes >> 20;
    }

    private static Duration cpu() {
        return ProcessHandle.current().info().totalCpuDuration().orElseThrow();
    }

    private static long heap() {
        System.gc();
        return (Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory()) >> 20;
    }
}
