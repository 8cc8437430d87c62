package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.EventSource;
import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.metrics.MetricSource;
import io.patchbay.bpf.BpfFs;
import io.patchbay.netlink.LinkEvent;
import io.patchbay.netlink.LinkMonitor;
import io.patchbay.netlink.NetNs;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The datapath of one node without OSGi: opens what is pinned, or makes it. Closing gives up descriptors and threads alone;
 * programs, maps, links and filters go on working.
 */
public final class Node implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Node.class);
    private static final int CHECK_SECONDS = 5;
    private static final long SOON_MILLIS = 50;
    private static final long SAVE_MILLIS = 100;

    private final Deque<AutoCloseable> closing = new ArrayDeque<>();
    private final DeviceAttachments attachments;
    private final Generations generations;
    private final EventRing events;
    private final KernelProbes kernel;
    private final PacketMetrics metrics;
    private final ScheduledThreadPoolExecutor checks;
    private final AtomicBoolean checkIsDue = new AtomicBoolean();
    /** Devices of which the kernel has told something since the last check. */
    private final Set<Integer> touched = ConcurrentHashMap.newKeySet();

    private Node(Path pins, Path state, Optional<Path> netns) {
        BpfFs.ensureMounted();
        Path own = state.resolve("datapath");
        Home home = new Home(netns);
        boolean done = false;
        try {
            Core core = closing(new Core(pins, own));
            metrics = new PacketMetrics(core.counters());
            kernel = new KernelProbes(home);
            MapCatalog catalog = closing(new MapCatalog(core.mapPins()));
            checks = new ScheduledThreadPoolExecutor(1, r -> {
                Thread t = new Thread(r, "attachments");
                t.setDaemon(true);
                return t;
            });
            attachments = new DeviceAttachments(core, home, kernel.probe("tcx").available(), own,
                    work -> checks.schedule(work, SAVE_MILLIS, TimeUnit.MILLISECONDS));
            closing(() -> {
                stopChecks(); // what was to be saved is
                attachments.close();
            });
            generations = closing(new Generations(core, catalog, kernel, attachments::drops, own));
            events = closing(new EventRing(core, core.objects().spec("preamble").btf()));
            closing(monitor(netns));
            checks.scheduleWithFixedDelay(this::check, CHECK_SECONDS, CHECK_SECONDS, TimeUnit.SECONDS);
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    /** In the namespace of the calling thread. */
    public static Node open(Path pins, Path state) {
        return new Node(pins, state, Optional.empty());
    }

    /** For a node whose devices are in another namespace, such as {@code /run/netns/NAME}. */
    public static Node open(Path pins, Path state, Path netns) {
        return new Node(pins, state, Optional.of(netns));
    }

    private <T extends AutoCloseable> T closing(T resource) {
        closing.push(resource);
        return resource;
    }

    private LinkMonitor monitor(Optional<Path> netns) {
        if (netns.isEmpty()) {
            return LinkMonitor.startRemovals(this::changed);
        }
        try (NetNs ns = NetNs.open(netns.get())) {
            return LinkMonitor.startRemovals(ns, this::changed);
        }
    }

    /** Many events, one check, of the devices they are about. */
    private void changed(LinkEvent event) {
        if (event instanceof LinkEvent.FiltersRemoved f && attachments.isKept(f.linkIndex())) {
            checkAfter(0, f.linkIndex());
        } else if (event instanceof LinkEvent.Removed r && attachments.isKept(r.link().index())) {
            // who took it away says so as well, and sooner
            checkAfter(SOON_MILLIS, r.link().index());
        } else if (event instanceof LinkEvent.Overrun) {
            checks.execute(this::check);
        }
    }

    private void checkAfter(long millis, int ifindex) {
        touched.add(ifindex);
        if (checkIsDue.compareAndSet(false, true)) {
            checks.schedule(this::checkTouched, millis, TimeUnit.MILLISECONDS);
        }
    }

    private void checkTouched() {
        checkIsDue.set(false);
        for (Integer ifindex : touched) {
            touched.remove(ifindex);
            check(() -> attachments.reconcile(ifindex));
        }
    }

    private void check() {
        check(attachments::reconcile);
    }

    private static void check(IntSupplier part) {
        try {
            part.getAsInt();
        } catch (RuntimeException e) {
            LOG.error("attachments can't be put back: {}", e.getMessage());
        }
    }

    /** Puts back at once what someone removed. @return how much was */
    public int reconcile() {
        return attachments.reconcile();
    }

    private void stopChecks() throws InterruptedException {
        checks.shutdown();
        if (!checks.awaitTermination(10, TimeUnit.SECONDS)) {
            LOG.error("the check of attachments does not end");
        }
    }

    public Pipeline pipeline() {
        return generations;
    }

    public Attachments attachments() {
        return attachments;
    }

    public EventSource events() {
        return events;
    }

    public KernelFeatures kernel() {
        return kernel;
    }

    public MetricSource metrics() {
        return metrics;
    }

    @Override
    public void close() {
        while (!closing.isEmpty()) {
            try {
                closing.pop().close();
            } catch (Exception e) {
                LOG.error("closing the datapath", e);
            }
        }
    }
}
