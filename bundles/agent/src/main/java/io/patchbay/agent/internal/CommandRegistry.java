package io.patchbay.agent.internal;

import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.Features;
import io.patchbay.api.shell.Commands;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListMap;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds and runs commands, whoever brings them. */
@Component(immediate = true)
public final class CommandRegistry implements Commands {
    private static final Logger LOG = LoggerFactory.getLogger(CommandRegistry.class);

    private final NavigableMap<String, ShellCommand> commands = new ConcurrentSkipListMap<>();

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    volatile Features features;

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void add(ShellCommand command) {
        commands.put(command.name(), command);
    }

    void remove(ShellCommand command) {
        commands.remove(command.name(), command);
    }

    @Override
    public List<ShellCommand> list() {
        return List.copyOf(commands.values());
    }

    @Override
    public Optional<ShellCommand> find(List<String> words) {
        return commands.values().stream().filter(c -> begins(words, c.name()))
                .max(Comparator.comparingInt(c -> words(c.name()).size()));
    }

    private static List<String> words(String name) {
        return List.of(name.split(" "));
    }

    private static boolean begins(List<String> words, String name) {
        List<String> own = words(name);
        return words.size() >= own.size() && words.subList(0, own.size()).equals(own);
    }

    @Override
    public List<String> complete(List<String> words) {
        List<String> before = words.subList(0, words.size() - 1);
        String last = words.get(words.size() - 1);
        TreeSet<String> candidates = new TreeSet<>();
        for (ShellCommand c : commands.values()) {
            List<String> own = words(c.name());
            if (own.size() > before.size() && own.subList(0, before.size()).equals(before)) {
                candidates.add(own.get(before.size()));
            }
        }
        find(before).ifPresent(c -> {
            HelpOptions options = HelpOptions.of(c.help());
            if (HelpOptions.isOutput(before.get(before.size() - 1)) && !options.outputs().isEmpty()) {
                candidates.addAll(options.outputs());
                return;
            }
            candidates.addAll(c.complete(words.subList(words(c.name()).size(), words.size())));
            // Options only to who has begun one, or where nothing else is expected.
            if (last.startsWith("-") || candidates.isEmpty()) {
                candidates.addAll(options.names());
                candidates.add("--help");
            }
        });
        candidates.removeIf(c -> !c.startsWith(last));
        return List.copyOf(candidates);
    }

    @Override
    public int run(ShellContext context) {
        List<String> words = context.arguments();
        if (words.isEmpty() || List.of("help", "--help", "-h").contains(words.get(0))) {
            return help(words.size() > 1 ? words.subList(1, words.size()) : List.of(), context);
        }
        Optional<ShellCommand> found = find(words);
        if (found.isEmpty()) {
            return missing(words, context);
        }
        ShellCommand command = found.get();
        List<String> rest = words.subList(words(command.name()).size(), words.size());
        int end = rest.indexOf("--");
        List<String> options = end < 0 ? rest : rest.subList(0, end);
        if (options.contains("--help") || options.equals(List.of("-h"))) {
            describe(command, context);
            return 0;
        }
        try {
            return command.run(new Within(context, List.copyOf(rest)));
        } catch (UsageException e) {
            boolean isUsage = e.getMessage().startsWith("Usage: ");
            context.err().println("patchbay " + command.name() + ": " + (isUsage ? "wrong usage" : e.getMessage()));
            (isUsage ? java.util.stream.Stream.of(e.getMessage()) : command.help().stream().limit(1)).forEach(context.err()::println);
            return 2;
        } catch (Exception e) {
            if (context.cancelled()) {
                return 130;
            }
            LOG.warn("command {} failed", command.name(), e);
            context.err().println("patchbay " + command.name() + ": " + reason(e));
            return 1;
        }
    }

    private static String reason(Throwable e) {
        Throwable t = e;
        while (t.getCause() != null && (t instanceof java.util.concurrent.ExecutionException || t instanceof java.util.concurrent.CompletionException)) {
            t = t.getCause();
        }
        return t.getMessage() == null ? t.getClass().getSimpleName() + " (see the agent's log)" : t.getMessage();
    }

    private int help(List<String> words, ShellContext context) {
        Optional<ShellCommand> one = words.isEmpty() ? Optional.empty() : find(words);
        if (one.isPresent()) {
            describe(one.get(), context);
            return 0;
        }
        List<ShellCommand> shown = commands.values().stream().filter(c -> words.isEmpty() || begins(words(c.name()), String.join(" ", words))).toList();
        if (shown.isEmpty()) {
            return missing(words, context);
        }
        int width = shown.stream().mapToInt(c -> c.name().length()).max().orElse(0);
        context.out().println("Commands (more about one: COMMAND --help):");
        shown.forEach(c -> context.out().printf("  %-" + width + "s  %s%n", c.name(), c.summary()));
        return 0;
    }

    private static void describe(ShellCommand c, ShellContext context) {
        context.out().println(c.summary());
        c.help().forEach(context.out()::println);
    }

    private int missing(List<String> words, ShellContext context) {
        String line = String.join(" ", words);
        Features f = features;
        if (f != null) {
            for (Features.FeatureStatus s : f.list()) {
                for (String c : s.descriptor().commands()) {
                    if (begins(words, c) || c.startsWith(line + " ") && s.state() != Features.State.RUNNING) {
                        long seconds = Duration.between(s.since(), Instant.now()).toSeconds();
                        context.err().println("patchbay: " + s.descriptor().name() + " is " + state(s.state()) + " (for " + seconds + " s"
                                + (s.detail().isEmpty() ? "" : "; " + s.detail()) + "), so '" + c + "' has no answer" + (s.state() == Features.State.RUNNING ? " yet: try again" : ""));
                        return 1;
                    }
                }
            }
        }
        if (f == null) {
            context.err().println("patchbay: '" + line + "' has no answer: the agent's core is not up; it is starting, or its log says why it can't");
            return 1;
        }
        for (FeatureDescriptor d : f.addable()) {
            for (String c : d.commands()) {
                if (begins(words, c) || c.startsWith(line + " ")) {
                    context.err().println("patchbay: '" + c + "' is a command of the feature " + d.name() + ", which this node has not: patchbay feature add " + d.name());
                    return 2;
                }
            }
        }
        List<ShellCommand> group = commands.values().stream().filter(c -> c.name().startsWith(words.get(0) + " ")).toList();
        if (!group.isEmpty()) {
            List<String> names = new ArrayList<>();
            group.forEach(c -> names.add(c.name()));
            context.err().println("patchbay: '" + line + "' is no command; there are: " + String.join(", ", names));
        } else {
            context.err().println("patchbay: '" + words.get(0) + "' is no command; 'patchbay help' lists them");
        }
        return 2;
    }

    private static String state(Features.State s) {
        String n = s.name();
        return n.charAt(0) + n.substring(1).toLowerCase(java.util.Locale.ROOT);
    }

    /** The same call with the command's own words taken off. */
    private record Within(ShellContext outer, List<String> arguments) implements ShellContext {
        @Override
        public java.io.InputStream in() {
            return outer.in();
        }

        @Override
        public java.io.PrintStream out() {
            return outer.out();
        }

        @Override
        public java.io.PrintStream err() {
            return outer.err();
        }

        @Override
        public Map<String, String> environment() {
            return outer.environment();
        }

        @Override
        public boolean cancelled() {
            return outer.cancelled();
        }

        @Override
        public void onCancel(Runnable action) {
            outer.onCancel(action);
        }
    }
}
