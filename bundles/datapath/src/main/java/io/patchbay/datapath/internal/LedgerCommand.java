package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code ledger [CHANGE]}: what changes cost, counted by the datapath. */
@Component
public final class LedgerCommand implements ShellCommand {
    private final Pipeline pipeline;

    @Activate
    public LedgerCommand(@Reference Pipeline pipeline) {
        this.pipeline = pipeline;
    }

    @Override
    public String name() {
        return "ledger";
    }

    @Override
    public String summary() {
        return "What each change cost in packets, counted in the datapath";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: ledger [CHANGE] [-o json]", "", "Without CHANGE: the last one. `ledger all` lists every one that is kept.", "",
                "  in             packets (skbs / segments) that the preambles admitted in the window",
                "  by N           how many each generation took",
                "  lost           admitted and never given a verdict; hole: met an empty place of the pipeline",
                "  unprocessed    seen by the guard without the pipeline; mixed: met a stage of another generation",
                "  device drops   of devices and queues, after the verdict");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? Stream.concat(pipeline.ledgers().stream().map(l -> Long.toString(l.change())).distinct(), Stream.of("all")).toList() : List.of();
    }

    @Override
    public int run(ShellContext c) throws Exception {
        Options o = Options.parse(c.arguments(), Set.of(), Set.of("-o|--output"));
        boolean json = o.output("text", "json").equals("json");
        List<Ledger> all = pipeline.ledgers();
        if (o.words().size() > 1) {
            throw new UsageException("ledger takes one change");
        }
        List<Ledger> shown;
        if (o.words().isEmpty()) {
            shown = all.isEmpty() ? List.of() : all.subList(all.size() - 1, all.size());
        } else if (o.words().get(0).equals("all")) {
            shown = all;
        } else {
            long change;
            try {
                change = Long.parseLong(o.words().get(0));
            } catch (NumberFormatException e) {
                throw new UsageException(o.words().get(0) + " is no number of a change, nor 'all'");
            }
            shown = all.stream().filter(l -> l.change() == change).toList();
            if (shown.isEmpty()) {
                c.err().println("there is no ledger of change " + change + "; kept are " + all.stream().map(Ledger::change).distinct().toList());
                return 1;
            }
        }
        if (json) {
            JsonArrayBuilder b = Json.createArrayBuilder();
            shown.forEach(l -> b.add(LedgerFile.toJson(l)));
            c.out().println(b.build());
            return 0;
        }
        if (shown.isEmpty()) {
            c.out().println("There was no change yet.");
        }
        for (Ledger l : shown) {
            print(l, c.out());
        }
        return 0;
    }

    static void print(Ledger l, PrintStream out) {
        out.println(String.format(Locale.ROOT, "change %d: %s   epoch %d -> %d   switch %.1f us   %s after %.1f s", l.change(), l.title(), l.fromEpoch(), l.toEpoch(),
                l.switchNanos() / 1000.0, l.outcome(), l.acceptedNanos() / 1e9));
        Columns t = new Columns().row("hook", "in (skbs/segments)", "by " + l.fromEpoch(), "by " + l.toEpoch(), "lost", "hole", "unprocessed", "mixed",
                "device drops");
        boolean any = false;
        for (Ledger.Row r : l.rows()) {
            if (r.in() + r.lost() + r.hole() + r.unprocessed() + r.mixed() + r.deviceDrops() != 0) {
                any = true;
                t.row(r.hook().text(), n(r.in()) + " / " + n(r.inSegments()), n(r.byOld()), n(r.byNew()), n(r.lost()), n(r.hole()), n(r.unprocessed()),
                        n(r.mixed()), n(r.deviceDrops()));
            }
        }
        if (any) {
            t.print(out, "  ", true);
        } else {
            out.println("  no hook saw a packet meanwhile");
        }
        if (!l.carried().isEmpty()) {
            out.println("  state carried over: " + String.join("; ", l.carried()));
        }
    }

    private static String n(long v) {
        return String.format(Locale.ROOT, "%,d", v);
    }
}
