package io.patchbay.hubble.internal;

import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.FlowSource;
import io.patchbay.api.flow.FlowSource.Stats;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import io.patchbay.api.shell.UsageException;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code hubble list nodes} and {@code hubble list namespaces}: of this node. */
@Component(service = ShellCommand.class)
public final class HubbleListCommand implements ShellCommand {
    private static final Duration SEEN_WITHIN = Duration.ofHours(1);

    private final FlowSource flows;

    @Activate
    public HubbleListCommand(@Reference FlowSource flows) {
        this.flows = flows;
    }

    @Override
    public String name() {
        return "hubble list";
    }

    @Override
    public String summary() {
        return "Nodes that give flows, namespaces that had some";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: hubble list nodes|namespaces [-o table|json]", "", "Namespaces are those of the last hour's flows that are still held.");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? List.of("nodes", "namespaces") : List.of();
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of("-o|--output"));
        boolean json = options.output("table", "json").equals("json");
        String what = options.words().size() == 1 ? options.words().get(0) : "";
        switch (what) {
            case "nodes", "node" -> nodes(context, json);
            case "namespaces", "namespace", "ns" -> namespaces(context, json);
            default -> throw new UsageException("list what? nodes or namespaces");
        }
        return 0;
    }

    private void nodes(ShellContext context, boolean json) {
        Stats s = flows.stats();
        if (json) {
            context.out().println(Json.createArrayBuilder().add(Json.createObjectBuilder().add("name", flows.nodeName()).add("state", "NODE_CONNECTED")
                    .add("uptime_ns", Long.toString(s.uptime().toNanos())).add("num_flows", Integer.toString(s.current()))
                    .add("max_flows", Integer.toString(s.max())).add("seen_flows", Long.toString(s.seen()))).build());
            return;
        }
        new TextTable("NAME", "STATUS", "AGE", "FLOWS/S", "CURRENT/MAX-FLOWS").row(flows.nodeName(), "Connected", Times.text(s.uptime()),
                String.format(Locale.ROOT, "%.2f", s.perSecond()),
                String.format(Locale.ROOT, "%d/%d (%6.2f%%)", s.current(), s.max(), 100.0 * s.current() / s.max())).print(context.out());
    }

    private void namespaces(ShellContext context, boolean json) {
        Instant from = Instant.now().minus(SEEN_WITHIN);
        Set<String> seen = new TreeSet<>();
        for (Iterator<FlowEvent> i = flows.backwards(flows.next()); i.hasNext();) {
            FlowEvent event = i.next();
            if (event.time().isBefore(from)) break;
            if (event instanceof Flow f) {
                seen.add(f.source().namespace());
                seen.add(f.destination().namespace());
            }
        }
        seen.remove("");
        if (json) {
            JsonArrayBuilder all = Json.createArrayBuilder();
            seen.forEach(n -> all.add(Json.createObjectBuilder().add("namespace", n)));
            context.out().println(all.build());
            return;
        }
        TextTable table = new TextTable("NAMESPACE");
        seen.forEach(table::row);
        table.print(context.out());
    }
}
