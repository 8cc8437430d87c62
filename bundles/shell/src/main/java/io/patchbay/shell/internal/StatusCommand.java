package io.patchbay.shell.internal;

import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Features;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.status.Controllers;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** {@code status}: a row from everyone who has one, in the order that Cilium's users know. */
@Component
public final class StatusCommand implements ShellCommand {
    private static final Logger LOG = LoggerFactory.getLogger(StatusCommand.class);

    private final List<StatusSource> sources = new CopyOnWriteArrayList<>();
    private final Features features;
    private final Controllers controllers;

    @Activate
    public StatusCommand(@Reference(target = "(" + FeatureRuntime.FEATURE + "=shell)") FeatureRuntime runtime, @Reference Features features,
                         @Reference Controllers controllers) {
        this.features = features;
        this.controllers = controllers;
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void addSource(StatusSource source) {
        sources.add(source);
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    volatile Pipeline pipeline;

    void removeSource(StatusSource source) {
        sources.remove(source);
    }

    @Override
    public String name() {
        return "status";
    }

    @Override
    public String summary() {
        return "State of this node's agent, datapath and features";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: status [--verbose] [--brief] [-o json]",
                "  --verbose   more of every row: addresses, controllers, features, services",
                "  --brief     OK, or what is wrong, in one line",
                "  -o json     for tools",
                "Exit status 1 when a row is not well. A controller that fails is tried again and named, here and in --brief; that alone is 0.");
    }

    @Override
    public int run(ShellContext c) throws Exception {
        Options o = Options.parseOnly(c.arguments(), Set.of("--verbose", "--brief"), Set.of("-o|--output"));
        String output = o.output("text", "json");
        boolean verbose = o.has("--verbose");
        List<StatusRow> rows = rows(verbose || output.equals("json"));
        boolean healthy = rows.stream().allMatch(StatusRow::healthy);
        if (o.has("--brief")) {
            c.out().println(brief(rows));
        } else if (output.equals("json")) {
            Map<String, Object> all = new LinkedHashMap<>();
            all.put("healthy", healthy);
            for (StatusRow r : rows) {
                Map<String, Object> row = new LinkedHashMap<>();
                row.put("text", String.join("   ", r.cells()));
                row.put("healthy", r.healthy());
                if (!r.details().isEmpty()) {
                    row.put("details", r.details());
                }
                row.putAll(r.data());
                all.put(r.label(), row);
            }
            c.out().println(Json.text(all));
        } else {
            Table t = new Table(2, 3);
            List<List<String>> details = new ArrayList<>();
            for (StatusRow r : rows) {
                List<String> cells = new ArrayList<>(List.of(r.label() + ":"));
                cells.addAll(r.cells());
                t.row(cells);
                details.add(r.details());
            }
            List<String> lines = t.lines();
            for (int i = 0; i < lines.size(); i++) {
                c.out().println(lines.get(i));
                details.get(i).forEach(c.out()::println);
            }
        }
        return healthy ? 0 : 1;
    }

    /**
     * The first row that is not well; else the first controller that fails, which is said and, as with Cilium, is no failure of the node: it is tried again, and a probe that
     * restarts an agent would not mend it.
     */
    private String brief(List<StatusRow> rows) {
        return rows.stream().filter(r -> !r.healthy()).findFirst().map(r -> "error in " + r.label() + ": " + String.join(" ", r.cells()))
                .or(() -> controllers.list().stream().filter(s -> !s.healthy()).findFirst().map(s -> "error in controller " + s.name() + ": " + s.message()))
                .orElse("OK");
    }

    private List<StatusRow> rows(boolean verbose) {
        List<StatusRow> rows = new ArrayList<>();
        rows.add(agent());
        rows.add(controllers(verbose));
        rows.add(features(verbose));
        rows.add(ModulesRow.of(features.list(), controllers.list()));
        if (verbose) {
            rows.addAll(datapath());
        }
        for (StatusSource s : sources) {
            try {
                rows.addAll(s.rows(verbose));
            } catch (RuntimeException e) {
                // One source that fails must not hide the others, and must not look healthy.
                LOG.warn("a status source failed", e);
                rows.add(new StatusRow(StatusRow.Order.AGENT + 1, s.getClass().getSimpleName(), List.of("Failure", String.valueOf(e.getMessage())),
                        List.of(), false, Map.of()));
            }
        }
        // Who does not run can't give its row; it is there all the same and says so.
        Set<String> present = new java.util.HashSet<>();
        rows.forEach(r -> present.add(r.label()));
        for (Features.FeatureStatus f : features.list()) {
            rows.addAll(AbsentRows.of(f, present));
        }
        AbsentRows.withoutFeature(features, present, rows);
        rows.sort(Comparator.comparingInt(StatusRow::order));
        return rows;
    }

    /** What a datapath has whatever its features are. */
    private List<StatusRow> datapath() {
        Pipeline p = pipeline;
        if (p == null) {
            return List.of();
        }
        Table t = new Table(5, 3);
        t.row(List.of("  Name", "Size"));
        List<Pipeline.MapInfo> maps = p.maps();
        maps.forEach(m -> t.row(List.of("  " + m.name(), Integer.toString(m.maxEntries()))));
        return List.of(StatusRow.of(StatusRow.Order.MASQUERADING + 1, "Clock Source for BPF", "ktime"),
                new StatusRow(StatusRow.Order.FEATURES - 1, "BPF Maps", List.of("dynamic sizing: off"), t.lines(), true,
                        Map.of("maps", maps.stream().map(m -> Map.of("name", m.name(), "size", m.maxEntries())).toList())));
    }

    /** Named as Cilium's users know it: the row that says whether the agent as a whole is well. */
    private StatusRow agent() {
        List<String> missing = features.missingForAdd();
        String state = missing.isEmpty() ? "Ok" : "Warning";
        String text = missing.isEmpty() ? "OK" : "new pods wait for: " + String.join("; ", missing);
        return new StatusRow(StatusRow.Order.AGENT, "Cilium", List.of(state, text), List.of(), missing.isEmpty(),
                Map.of("state", state, "version", Version.text()));
    }

    private StatusRow controllers(boolean verbose) {
        List<Controllers.State> all = controllers.list();
        long healthy = all.stream().filter(Controllers.State::healthy).count();
        List<String> details = new ArrayList<>();
        Table t = new Table(5, 3);
        t.row(List.of("  Name", "Last success", "Last error", "Count", "Message"));
        boolean any = false;
        for (Controllers.State s : all) {
            if (verbose || !s.healthy()) {
                any = true;
                t.row(List.of("  " + s.name(), Ago.text(s.lastSuccess()), Ago.text(s.lastError()), Integer.toString(s.failures()),
                        s.healthy() ? "no error" : s.message()));
            }
        }
        if (any) {
            details.addAll(t.lines());
        }
        return new StatusRow(StatusRow.Order.CONTROLLERS, "Controller Status", List.of(healthy + "/" + all.size() + " healthy"), details, true,
                Map.of("healthyCount", healthy, "count", all.size(), "failing",
                        all.stream().filter(s -> !s.healthy()).map(s -> Map.of("name", s.name(), "message", s.message(), "failures", s.failures())).toList()));
    }

    private StatusRow features(boolean verbose) {
        List<Features.FeatureStatus> all = features.list();
        long running = all.stream().filter(f -> f.state() == Features.State.RUNNING).count();
        List<String> details = new ArrayList<>();
        Table t = new Table(5, 3);
        for (Features.FeatureStatus f : all) {
            if (verbose || f.state() != Features.State.RUNNING && f.state() != Features.State.DISABLED) {
                t.row(List.of("  " + f.descriptor().name(), f.descriptor().version(), f.state().name(), Ago.text(f.since()), f.detail()));
            }
        }
        details.addAll(t.lines());
        // What the kernel lacks is no failure of the node; where pods need it, the agent's own row says so.
        boolean ok = all.stream().allMatch(f -> Set.of(Features.State.RUNNING, Features.State.DISABLED, Features.State.DRAINING, Features.State.UNAVAILABLE).contains(f.state()));
        return new StatusRow(StatusRow.Order.FEATURES, "Features", List.of(running + "/" + all.size() + " running"), details, ok,
                Map.of("features", all.stream().map(f -> Map.of("name", f.descriptor().name(), "version", f.descriptor().version(),
                        "state", f.state().name(), "detail", f.detail())).toList()));
    }
}
