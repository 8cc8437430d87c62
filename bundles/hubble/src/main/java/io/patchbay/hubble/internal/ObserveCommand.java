package io.patchbay.hubble.internal;

import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.FlowCursor;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.FlowSource;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code hubble observe}: flows of this node, by the hubble CLI's flags. */
@Component(service = ShellCommand.class)
public final class ObserveCommand implements ShellCommand {
    /** Events of different CPUs may stand in the ring a little out of order. */
    private static final Duration DISORDER = Duration.ofSeconds(1);
    private static final Duration LOOK = Duration.ofSeconds(1);
    private static final int CHUNK = 16384;

    private final FlowSource flows;

    @Activate
    public ObserveCommand(@Reference FlowSource flows) {
        this.flows = flows;
    }

    @Override
    public String name() {
        return "hubble observe";
    }

    @Override
    public String summary() {
        return "Flows of this node: who talked to whom, and what became of it";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: hubble observe [options]",
                "",
                "  --last N, --first N, --all      how many; the last 20 when nothing else says how many",
                "  -f, --follow                    go on with new flows until interrupted",
                "  --since T, --until T            5m (ago), 2006-01-02T15:04:05Z or 2006-01-02",
                "  --pod [NS/]PREFIX               pods; without NS those of --namespace, else of \"default\"; /PREFIX: of any",
                "  -n, --namespace NS              -A, --all-namespaces: pods without NS are those of any",
                "  --ip ADDRESS|PREFIX, --port N, --identity N|NAME, -l, --label SELECTOR, --service [NS/]PREFIX, --workload [KIND/]NAME",
                "                                  all of these also as --from-... and --to-...",
                "  --verdict FORWARDED|DROPPED|AUDIT|TRANSLATED, --protocol tcp|udp|sctp|icmp|icmpv4|icmpv6, --tcp-flags SYN,ACK",
                "  -t, --type drop|trace[:to-endpoint...]|policy-verdict|trace-sock, --drop-reason-desc POLICY_DENIED",
                "  --traffic-direction ingress|egress, --reply[=false], -4, --ipv4, -6, --ipv6, --snat-ip ADDRESS, --node-name NAME",
                "  --not                           leaves out what the next filter matches",
                "  -o compact|table|dict|json      table: aligned columns, not with --follow; json: Hubble's, one object a line",
                "  --numeric                       addresses instead of names; --print-node-name: the node too",
                "  --print-policy-names            verdicts name the policy that decided; -o json always does",
                "",
                "Values of one filter are alternatives, different filters must all match, and those about one end must match at the same end.",
                "Examples:",
                "  hubble observe --last 10 -o table",
                "  hubble observe --follow --verdict DROPPED --pod default/web",
                "  hubble observe --since 5m --from-namespace shop --to-port 53 --protocol udp -o json");
    }

    @Override
    public List<String> complete(List<String> words) {
        String before = words.size() < 2 ? "" : words.get(words.size() - 2);
        return switch (before) {
            case "-o", "--output" -> ObserveRequest.OUTPUTS;
            case "--verdict" -> List.of("FORWARDED", "DROPPED", "AUDIT", "TRANSLATED");
            case "--protocol" -> List.of("tcp", "udp", "sctp", "icmp", "icmpv4", "icmpv6");
            case "-t", "--type" -> List.of("drop", "trace", "policy-verdict", "trace-sock");
            default -> ObserveRequest.options();
        };
    }

    @Override
    public int run(ShellContext context) throws Exception {
        ObserveRequest request = ObserveRequest.parse(context.arguments(), flows.nodeName(), Instant.now());
        FlowPrinter.Look look = new FlowPrinter.Look(request.names(), request.printNode() ? flows.nodeName() : null, request.printPolicies());
        FlowPrinter printer = switch (request.output()) {
            case "table" -> FlowPrinter.table(look);
            case "dict" -> FlowPrinter.dict(look);
            case "json" -> FlowPrinter.json(flows.nodeName());
            default -> FlowPrinter.compact(look);
        };
        long head = flows.next();
        StringBuilder text = new StringBuilder();
        for (FlowEvent event : past(request, head)) {
            printer.print(event, text);
            if (text.length() > CHUNK && write(context, text)) return 0;
        }
        if (request.follow()) {
            follow(request, head, printer, text, context);
        }
        printer.end(text);
        write(context, text);
        return 0;
    }

    /** What the ring holds of it, the oldest first. */
    private Iterable<FlowEvent> past(ObserveRequest request, long head) {
        Deque<FlowEvent> chosen = new ArrayDeque<>();
        if (request.follow() && request.number() == 0 && request.since() == null) {
            return chosen;
        }
        long matched = 0;
        for (Iterator<FlowEvent> i = flows.backwards(head); i.hasNext();) {
            FlowEvent event = i.next();
            if (request.since() != null && event.time().isBefore(request.since())) {
                if (event.time().isBefore(request.since().minus(DISORDER))) break;
                continue;
            }
            if (request.until() != null && event.time().isAfter(request.until())) continue;
            boolean flow = event instanceof Flow;
            if (flow && !request.filter().test((Flow) event)) continue;
            if (flow && request.number() > 0 && matched == request.number()) {
                if (!request.first()) break;
                // Going backwards, the first N are known when all have been seen.
                while (!(chosen.pollLast() instanceof Flow)) {
                    continue;
                }
                matched--;
            }
            chosen.addFirst(event);
            if (flow) matched++;
            if (!request.first() && request.number() > 0 && matched == request.number()) break;
        }
        return chosen;
    }

    private void follow(ObserveRequest request, long head, FlowPrinter printer, StringBuilder text, ShellContext context) throws InterruptedException {
        try (FlowCursor cursor = flows.follow(head)) {
            context.onCancel(cursor::close);
            while (!context.cancelled() && !cursor.closed()) {
                Optional<FlowEvent> event = cursor.next(text.length() > 0 ? Duration.ZERO : LOOK);
                event.filter(e -> !(e instanceof Flow f) || request.filter().test(f)).ifPresent(e -> printer.print(e, text));
                if ((event.isEmpty() || text.length() > CHUNK) && write(context, text)) return;
            }
        }
    }

    /** @return true when there is nobody to read it any more */
    private static boolean write(ShellContext context, StringBuilder text) {
        if (text.length() > 0) {
            context.out().print(text);
            context.out().flush();
            text.setLength(0);
        }
        return context.cancelled() || context.out().checkError();
    }
}
