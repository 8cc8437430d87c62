package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.feature.Features.FeatureStatus;
import io.patchbay.api.feature.Features.State;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/** {@code feature …} and {@code config …}. */
final class Commands {
    private Commands() {
    }

    static List<ShellCommand> all(Engine engine, Changes changes) {
        Supplier<List<String>> names = () -> engine.states().list().stream().map(s -> s.descriptor().name()).toList();
        return List.of(
                new Command("feature list", "Features of this node, their versions and states",
                        List.of("Usage: feature list [-o table|json]"), List::of, c -> list(engine, c)),
                new Command("feature enable", "Enable a feature, or bring back the bundle of one that is Frozen",
                        List.of("Usage: feature enable FEATURE"), names, c -> {
                            String f = one(c, Set.of(), "feature enable FEATURE").words().get(0);
                            return show(c, changes.run(() -> engine.enable(f)), f + " enabled");
                        }),
                new Command("feature disable", "Take a feature out of the datapath",
                        List.of("Usage: feature disable FEATURE [--now] [--override]",
                                "  --now       don't wait until its state has drained; what still uses it breaks",
                                "  --override  disable what keeps this node closed"), names, c -> {
                            Options o = one(c, Set.of("--now", "--override"), "feature disable FEATURE");
                            String f = o.words().get(0);
                            Ledger l = changes.run(() -> engine.disable(f, o.has("--now"), o.has("--override")));
                            boolean draining = engine.drainingFeatures().contains(f);
                            if (draining) {
                                changes.watchDrain(f);
                            }
                            return show(c, l, draining ? f + " takes nothing new and leaves once it is empty, after "
                                    + engine.keys().seconds("drain-seconds").toSeconds() + " s at the latest" : f + " disabled");
                        }),
                new Command("feature update", "Replace features by other versions, as one change",
                        List.of("Usage: feature update [--one-way] JAR...", "  --one-way  consent to a change of state that can't be rolled back",
                                "A jar of a feature that this node does not have is added and enabled."), List::of,
                        c -> update(engine, changes, c)),
                new Command("feature rollback", "Return to a feature's previous version",
                        List.of("Usage: feature rollback FEATURE"), names, c -> {
                            String f = one(c, Set.of(), "feature rollback FEATURE").words().get(0);
                            return show(c, changes.run(() -> engine.rollback(f)), f + " rolled back");
                        }),
                new Command("feature add", "Add a feature of the distribution, with what it requires",
                        List.of("Usage: feature add FEATURE | JAR..."), () -> repository(engine), c -> {
                            if (c.arguments().stream().anyMatch(a -> a.endsWith(".jar"))) {
                                return update(engine, changes, c);
                            }
                            String f = one(c, Set.of(), "feature add FEATURE").words().get(0);
                            return show(c, changes.run(() -> engine.add(f)), f + " added");
                        }),
                new Command("feature ledger", "What changes cost, counted in the datapath",
                        List.of("Usage: feature ledger [CHANGE]   (the last one by default)"),
                        () -> engine.ledgers().stream().map(l -> String.valueOf(l.change())).toList(), c -> ledger(engine, c)),
                new Command("config get", "Effective configuration, and the layer each value comes from",
                        List.of("Usage: config get [FEATURE | FEATURE.KEY] [-o table|json]"), () -> List.copyOf(engine.keys().values().keySet()), c -> get(engine, c)),
                new Command("config set", "Set a value in the operator's layer",
                        List.of("Usage: config set FEATURE.KEY=VALUE", "       config set FEATURE.KEY --unset"),
                        () -> List.copyOf(engine.keys().values().keySet()), c -> set(engine, changes, c)));
    }

    private static List<String> repository(Engine engine) {
        try {
            return engine.repository().names();
        } catch (IOException e) {
            return List.of();
        }
    }

    private static Options one(ShellContext c, Set<String> flags, String usage) throws UsageException {
        Options o = Options.parse(c.arguments(), flags, Set.of());
        if (o.words().size() != 1) {
            throw new UsageException("Usage: " + usage);
        }
        return o;
    }

    private static int show(ShellContext c, Ledger ledger, String text) {
        LedgerText.print(ledger, c.out());
        c.out().println(text);
        return 0;
    }

    private static int list(Engine engine, ShellContext c) throws UsageException {
        Options o = Options.parseOnly(c.arguments(), Set.of(), Set.of("-o|--output"));
        List<FeatureStatus> all = engine.states().list();
        if (o.output("table", "json").equals("json")) {
            JsonArrayBuilder json = Texts.JSON.createArrayBuilder();
            for (FeatureStatus s : all) {
                json.add(Texts.JSON.createObjectBuilder().add("name", s.descriptor().name()).add("version", s.descriptor().version()).add("state", title(s.state()))
                        .add("since", s.since().toString()).add("detail", s.detail()).add("digest", s.digest())
                        .add("earlierVersions", Texts.JSON.createArrayBuilder(s.earlierVersions())).add("summary", s.descriptor().summary())
                        .add("disable", s.descriptor().disable().name().toLowerCase(Locale.ROOT)));
            }
            c.out().print(Texts.pretty(json.build()));
            return 0;
        }
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {"FEATURE", "VERSION", "STATE", "SINCE", "EARLIER", "DETAIL"});
        for (FeatureStatus s : all) {
            rows.add(new String[] {s.descriptor().name(), s.descriptor().version(), title(s.state()), ago(s.since()),
                    s.earlierVersions().isEmpty() ? "-" : String.join(",", s.earlierVersions()), s.detail().isEmpty() ? s.descriptor().summary() : s.detail()});
        }
        table(rows, c.out());
        return 0;
    }

    private static int ledger(Engine engine, ShellContext c) throws UsageException {
        Options o = Options.parse(c.arguments(), Set.of(), Set.of());
        List<Ledger> all = engine.ledgers();
        String wanted = o.words().isEmpty() ? "" : o.words().get(0);
        if (o.words().size() > 1 || !wanted.matches("[0-9]*")) {
            throw new UsageException("Usage: feature ledger [CHANGE]");
        }
        List<Ledger> found = wanted.isEmpty() ? all.subList(Math.max(0, all.size() - 1), all.size())
                : all.stream().filter(l -> String.valueOf(l.change()).equals(wanted)).toList();
        if (found.isEmpty()) {
            c.err().println(all.isEmpty() ? "there was no change yet" : "there is no ledger of change " + wanted + "; there are: "
                    + String.join(" ", all.stream().map(l -> String.valueOf(l.change())).toList()));
            return 1;
        }
        found.forEach(l -> LedgerText.print(l, c.out()));
        return 0;
    }

    private static int update(Engine engine, Changes changes, ShellContext c) throws Exception {
        Options o = Options.parse(c.arguments(), Set.of("--one-way"), Set.of());
        if (o.words().isEmpty()) {
            throw new UsageException("Usage: feature update [--one-way] JAR...");
        }
        // A file of the agent's own namespace; the client makes paths absolute by PWD, which it passes on.
        Path base = Path.of(c.environment().getOrDefault("PWD", "/"));
        List<FeatureJar> jars = new ArrayList<>();
        for (String word : o.words()) {
            Path file = base.resolve(word);
            if (!Files.isRegularFile(file)) {
                throw new ChangeRefused("there is no file " + file);
            }
            try (InputStream in = Files.newInputStream(file)) {
                jars.add(engine.take(in, file.getFileName().toString()));
            } catch (IllegalArgumentException e) {
                throw new ChangeRefused(e.getMessage(), e);
            } catch (java.util.zip.ZipException e) {
                throw new ChangeRefused(file + " is no jar: " + e.getMessage(), e);
            }
        }
        return show(c, changes.run(() -> engine.update(jars, o.has("--one-way"))), "updated");
    }

    private static int get(Engine engine, ShellContext c) throws UsageException {
        Options o = Options.parse(c.arguments(), Set.of(), Set.of("-o|--output"));
        if (o.words().size() > 1) {
            throw new UsageException("Usage: config get [FEATURE | FEATURE.KEY] [-o table|json]");
        }
        String wanted = o.words().isEmpty() ? "" : o.words().get(0);
        List<Map.Entry<String, Layers.Value>> found = engine.keys().values().entrySet().stream()
                .filter(e -> wanted.isEmpty() || e.getKey().equals(wanted) || e.getKey().startsWith(wanted + ".")).toList();
        if (found.isEmpty()) {
            c.err().println("there is no key or feature '" + wanted + "'; 'config get' shows all");
            return 1;
        }
        if (o.output("table", "json").equals("json")) {
            JsonObjectBuilder json = Texts.JSON.createObjectBuilder();
            Map<String, Setting> settings = engine.keys().settings();
            found.forEach(e -> json.add(e.getKey(), Texts.JSON.createObjectBuilder().add("value", e.getValue().value()).add("layer", layer(e.getValue()))
                    .add("default", settings.get(e.getKey()).standard()).add("form", settings.get(e.getKey()).form())
                    .add("description", settings.get(e.getKey()).description())));
            c.out().print(Texts.pretty(json.build()));
            return 0;
        }
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {"KEY", "VALUE", "LAYER", "FORM", "DESCRIPTION"});
        Map<String, Setting> settings = engine.keys().settings();
        found.forEach(e -> rows.add(new String[] {e.getKey(), e.getValue().value().isEmpty() ? "\"\"" : e.getValue().value(), layer(e.getValue()),
                settings.get(e.getKey()).form(), settings.get(e.getKey()).description()}));
        table(rows, c.out());
        return 0;
    }

    private static int set(Engine engine, Changes changes, ShellContext c) throws Exception {
        Options o = one(c, Set.of("--unset"), "config set FEATURE.KEY=VALUE");
        String word = o.words().get(0);
        int eq = word.indexOf('=');
        if (eq <= 0 != o.has("--unset")) {
            throw new UsageException("Usage: config set FEATURE.KEY=VALUE | config set FEATURE.KEY --unset");
        }
        String key = eq > 0 ? word.substring(0, eq) : word;
        changes.run(() -> {
            engine.keys().set(key, eq > 0 ? Optional.of(word.substring(eq + 1)) : Optional.empty());
            return null;
        });
        Layers.Value v = engine.keys().values().get(key);
        c.out().println(key + " = " + v.value() + " (" + layer(v) + ")");
        return 0;
    }

    private static String layer(Layers.Value v) {
        return v.layer().name().toLowerCase(Locale.ROOT);
    }

    private static String title(State s) {
        return s.name().charAt(0) + s.name().substring(1).toLowerCase(Locale.ROOT);
    }

    private static String ago(Instant at) {
        long s = Math.max(0, Duration.between(at, Instant.now()).toSeconds());
        return s < 120 ? s + "s" : s < 7200 ? s / 60 + "m" : s < 172_800 ? s / 3600 + "h" : s / 86_400 + "d";
    }

    private static void table(List<String[]> rows, PrintStream out) {
        int[] widths = new int[rows.get(0).length];
        for (String[] r : rows) {
            for (int i = 0; i < r.length; i++) {
                widths[i] = Math.max(widths[i], r[i].length());
            }
        }
        for (String[] r : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < r.length; i++) {
                line.append(r[i]).append(i + 1 == r.length ? "" : " ".repeat(widths[i] - r[i].length() + 3));
            }
            out.println(line.toString().stripTrailing());
        }
    }

    private interface Body {
        int run(ShellContext context) throws Exception;
    }

    private record Command(String name, String summary, List<String> help, Supplier<List<String>> candidates, Body body) implements ShellCommand {
        @Override
        public List<String> complete(List<String> words) {
            return words.size() == 1 ? candidates.get() : List.of();
        }

        @Override
        public int run(ShellContext context) throws Exception {
            try {
                return body.run(context);
            } catch (ChangeRefused e) {
                context.err().println(e.getMessage());
                return 1;
            }
        }
    }
}
