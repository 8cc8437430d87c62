package io.patchbay.shell.internal;

import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.shell.Commands;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TerminalContext;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.felix.service.command.CommandProcessor;
import org.apache.felix.service.command.CommandSession;
import org.jline.reader.Candidate;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Attributes;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.impl.ExternalTerminal;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code shell}: Gogo on the running agent, with completion at a terminal, or line by line from a pipe. */
@Component
public final class InteractiveShell implements ShellCommand {
    private final Commands commands;
    private final CommandProcessor processor;

    @Activate
    public InteractiveShell(@Reference(target = "(" + FeatureRuntime.FEATURE + "=shell)") FeatureRuntime runtime, @Reference Commands commands,
                            @Reference CommandProcessor processor) {
        this.commands = commands;
        this.processor = processor;
    }

    @Override
    public String name() {
        return "shell";
    }

    @Override
    public String summary() {
        return "Gogo shell on the agent: these commands and Felix's own";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: shell [COMMAND LINE]", "  Without a line: interactive, with completion (Tab) and history; ends with Ctrl-D or exit.",
                "  With one, or lines on standard input: runs them. Felix's own: lb, start, stop, update, services, headers, scr:list…");
    }

    @Override
    public int run(ShellContext c) throws Exception {
        if (!c.arguments().isEmpty()) {
            try (CommandSession session = processor.createSession(c.in(), c.out(), c.err())) {
                return execute(session, String.join(" ", c.arguments()), c);
            }
        }
        if (c instanceof TerminalContext t && t.isTerminal()) {
            return interactive(t);
        }
        int exit = 0;
        try (CommandSession session = processor.createSession(c.in(), c.out(), c.err());
             BufferedReader lines = new BufferedReader(new InputStreamReader(c.in(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null && !line.equals("exit"); line = lines.readLine()) {
                if (!line.isBlank()) {
                    exit = execute(session, line, c);
                }
            }
        }
        return exit;
    }

    private static int execute(CommandSession session, String line, ShellContext c) {
        session.put(GogoCommands.EXIT, 0);
        try {
            Object result = session.execute(line);
            if (result != null) {
                c.out().println(session.format(result, org.apache.felix.service.command.Converter.INSPECT));
            }
            c.out().flush();
            return session.get(GogoCommands.EXIT) instanceof Integer exit ? exit : 0;
        } catch (Exception e) {
            c.out().flush();
            c.err().println("gogo: " + (e.getMessage() == null ? e.toString() : e.getMessage()));
            c.err().flush();
            return 1;
        }
    }

    private int interactive(TerminalContext c) throws Exception {
        c.rawMode(true);
        try (Terminal terminal = new ExternalTerminal("patchbay", c.environment().getOrDefault("TERM", "xterm"), c.in(), new Flushing(c.out()),
                StandardCharsets.UTF_8)) {
            Attributes a = terminal.getAttributes();
            terminal.setAttributes(a);
            terminal.setSize(new Size(c.columns(), c.rows()));
            c.onResize(() -> {
                terminal.setSize(new Size(c.columns(), c.rows()));
                terminal.raise(Terminal.Signal.WINCH);
            });
            try (CommandSession session = processor.createSession(terminal.input(), terminal.output(), terminal.output())) {
                LineReader reader = LineReaderBuilder.builder().terminal(terminal).appName("patchbay")
                        .completer((r, line, candidates) -> complete(session, line.words().subList(0, line.wordIndex() + 1)).forEach(
                                w -> candidates.add(new Candidate(w)))).build();
                for (;;) {
                    String line;
                    try {
                        line = reader.readLine("patchbay> ");
                    } catch (UserInterruptException e) {
                        continue;
                    } catch (EndOfFileException e) {
                        return 0;
                    }
                    if (line.strip().equals("exit")) {
                        return 0;
                    }
                    if (!line.isBlank()) {
                        try {
                            Object result = session.execute(line);
                            if (result != null) {
                                terminal.writer().println(session.format(result, org.apache.felix.service.command.Converter.INSPECT));
                            }
                        } catch (Exception e) {
                            terminal.writer().println("gogo: " + (e.getMessage() == null ? e.toString() : e.getMessage()));
                        }
                        terminal.flush();
                    }
                }
            }
        } finally {
            c.rawMode(false);
        }
    }

    private List<String> complete(CommandSession session, List<String> words) {
        Set<String> all = new LinkedHashSet<>(commands.complete(words));
        if (words.size() == 1 && session.get(".commands") instanceof Set<?> known) {
            List<String> names = new ArrayList<>();
            known.forEach(n -> names.add(String.valueOf(n)));
            names.stream().filter(n -> n.startsWith(words.get(0)) && !n.startsWith("patchbay:")).sorted().forEach(all::add);
        }
        return List.copyOf(all);
    }

    /** A terminal shows each write at once. */
    private static final class Flushing extends java.io.FilterOutputStream {
        Flushing(java.io.OutputStream out) {
            super(out);
        }

        @Override
        public void write(byte[] b, int off, int len) throws java.io.IOException {
            out.write(b, off, len);
            out.flush();
        }

        @Override
        public void write(int b) throws java.io.IOException {
            out.write(b);
            out.flush();
        }
    }
}
