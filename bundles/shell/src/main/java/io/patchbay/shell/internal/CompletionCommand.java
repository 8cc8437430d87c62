package io.patchbay.shell.internal;

import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.shell.Commands;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code completion}: what the Gogo shell completes, for bash. The running agent is asked each time, so names of pods, maps and features are complete. */
@Component
public final class CompletionCommand implements ShellCommand {
    private final Commands commands;

    @Activate
    public CompletionCommand(@Reference(target = "(" + FeatureRuntime.FEATURE + "=shell)") FeatureRuntime runtime, @Reference Commands commands) {
        this.commands = commands;
    }

    @Override
    public String name() {
        return "completion";
    }

    @Override
    public String summary() {
        return "Completion of these commands in bash";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: completion bash            prints a script for bash to read", "       completion words -- WORD... prints the candidates for the last word, one a line", "",
                "Example: source <(patchbay completion bash)");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? List.of("bash", "words") : List.of();
    }

    @Override
    public int run(ShellContext c) throws Exception {
        List<String> a = c.arguments();
        if (a.equals(List.of("bash"))) {
            c.out().print(script());
            return 0;
        }
        if (a.size() > 2 && a.get(0).equals("words") && a.get(1).equals("--")) {
            commands.complete(a.subList(2, a.size())).forEach(c.out()::println);
            return 0;
        }
        throw new UsageException(a.isEmpty() ? "bash or words is missing" : "'" + String.join(" ", a) + "' is not known");
    }

    private static String script() throws IOException {
        try (InputStream in = CompletionCommand.class.getResourceAsStream("completion.bash")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
