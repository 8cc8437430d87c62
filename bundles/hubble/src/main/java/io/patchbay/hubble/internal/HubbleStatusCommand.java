package io.patchbay.hubble.internal;

import io.patchbay.api.flow.FlowSource;
import io.patchbay.api.flow.FlowSource.Stats;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import jakarta.json.Json;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code hubble status}, as the hubble CLI prints it. */
@Component(service = ShellCommand.class)
public final class HubbleStatusCommand implements ShellCommand {
    private final FlowSource flows;

    @Activate
    public HubbleStatusCommand(@Reference FlowSource flows) {
        this.flows = flows;
    }

    @Override
    public String name() {
        return "hubble status";
    }

    @Override
    public String summary() {
        return "How full the flow buffer is, and how fast flows come";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: hubble status [-o compact|dict|json|table]", "", "Flows/s is of the last minute.");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parseOnly(context.arguments(), Set.of(), Set.of("-o|--output"));
        Stats s = flows.stats();
        PrintStream out = context.out();
        switch (options.output("compact", "dict", "json", "jsonpb", "table")) {
            case "compact" -> {
                out.println("Healthcheck (via agent): Ok");
                out.printf(Locale.US, "Current/Max Flows: %,d/%,d (%.2f%%)%n", s.current(), s.max(), 100.0 * s.current() / s.max());
                out.printf(Locale.ROOT, "Flows/s: %.2f%n", s.perSecond());
                if (s.kernelLost() > 0) out.printf(Locale.US, "Events lost in the kernel's ring: %,d%n", s.kernelLost());
                if (s.readersLost() > 0) out.printf(Locale.US, "Flows missed by slow readers: %,d%n", s.readersLost());
            }
            case "dict" -> {
                String[] labels = labels();
                String[] cells = cells(s);
                for (int i = 0; i < labels.length; i++) out.println(" ".repeat(19 - labels[i].length()) + labels[i] + ": " + cells[i]);
            }
            case "table" -> new TextTable(labels()).row(cells(s)).print(out);
            default -> out.println(Json.createObjectBuilder().add("num_flows", Integer.toString(s.current())).add("max_flows", Integer.toString(s.max()))
                    .add("seen_flows", Long.toString(s.seen())).add("uptime_ns", Long.toString(s.uptime().toNanos()))
                    .add("flows_rate", s.perSecond()).build());
        }
        return 0;
    }

    private static String[] labels() {
        return new String[] {"NUM FLOWS", "MAX FLOWS", "SEEN FLOWS", "FLOWS PER SECOND", "UPTIME", "NUM CONNECTED NODES", "NUM UNAVAIL. NODES"};
    }

    /** Other nodes are a relay's to know. */
    private static String[] cells(Stats s) {
        return new String[] {String.format(Locale.US, "%,d", s.current()), String.format(Locale.US, "%,d", s.max()),
                String.format(Locale.US, "%,d", s.seen()), String.format(Locale.ROOT, "%.2f", s.perSecond()), Times.text(s.uptime()), "N/A", "N/A"};
    }
}
