package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.EventSource;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code monitor}: drops, traces and verdicts as they happen. */
@Component
public final class MonitorCommand implements ShellCommand {
    private static final Set<String> TYPES = Set.of("drop", "trace", "policy-verdict", "trace-sock");
    private static final int QUEUE = 16384;

    private final EventSource events;

    @Activate
    public MonitorCommand(@Reference EventSource events) {
        this.events = events;
    }

    @Override
    public String name() {
        return "monitor";
    }

    @Override
    public String summary() {
        return "Drops, traces and policy verdicts as they happen";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: monitor [-t TYPE]... [--from ID] [--to ID] [--related-to ID] [-j]", "",
                "  -t, --type         drop, trace, policy-verdict or trace-sock; may be repeated or joined by commas",
                "      --from ID      source endpoint or identity", "      --to ID        destination identity", "      --related-to ID  either",
                "  -j, --json         one JSON object a line", "", "Ends with Ctrl-C.");
    }

    @Override
    public List<String> complete(List<String> words) {
        String before = words.size() < 2 ? "" : words.get(words.size() - 2);
        return before.equals("-t") || before.equals("--type") ? TYPES.stream().sorted().toList() : List.of();
    }

    private record Filter(Set<String> types, long from, long to, long related) {
        boolean wants(Struct e) {
            return (types.isEmpty() || types.contains(MonitorLine.typeName((int) e.get("type"))))
                    && (from < 0 || e.get("endpoint") == from || e.get("src_identity") == from) && (to < 0 || e.get("dst_identity") == to)
                    && (related < 0 || e.get("endpoint") == related || e.get("src_identity") == related || e.get("dst_identity") == related);
        }
    }

    private static Filter filter(Options o) throws UsageException {
        Set<String> types = o.values("--type").stream().flatMap(t -> List.of(t.split(",")).stream()).collect(Collectors.toSet());
        for (String t : types) {
            if (!TYPES.contains(t)) {
                throw new UsageException("there is no event type '" + t + "'; known: " + String.join(", ", TYPES.stream().sorted().toList()));
            }
        }
        return new Filter(types, id(o, "--from"), id(o, "--to"), id(o, "--related-to"));
    }

    private static long id(Options o, String name) throws UsageException {
        try {
            return Long.parseLong(o.value(name).orElse("-1"));
        } catch (NumberFormatException e) {
            throw new UsageException(name + " takes a number");
        }
    }

    @Override
    public int run(ShellContext c) throws Exception {
        Options o = Options.parse(c.arguments(), Set.of("-j|--json"), Set.of("-t|--type", "--from", "--to", "--related-to"));
        Filter filter = filter(o);
        boolean json = o.has("--json");
        BlockingQueue<Struct> queue = new ArrayBlockingQueue<>(QUEUE);
        AtomicLong dropped = new AtomicLong();
        long lost = events.lost();
        c.err().println("Listening for events on " + Runtime.getRuntime().availableProcessors() + " CPUs with " + events.ringBytes() / 4096
                + "x4096 of shared memory\nPress Ctrl-C to quit");
        try (AutoCloseable subscription = events.subscribe("monitor", e -> {
            if (filter.wants(e) && !queue.offer(e.copy())) {
                dropped.incrementAndGet();
            }
        })) {
            while (!c.cancelled()) {
                Struct e = queue.poll(200, TimeUnit.MILLISECONDS);
                if (e != null) {
                    c.out().println(json ? Decoded.json(e).toString() : MonitorLine.of(e, Long.toString(e.get("ifindex"))));
                }
                long gone = events.lost() - lost + dropped.getAndSet(0);
                if (gone > 0 && queue.isEmpty()) {
                    lost = events.lost();
                    c.err().println("Lost " + gone + " events");
                }
                if (c.out().checkError()) {
                    break;
                }
            }
        }
        return 0;
    }
}
