package io.patchbay.api.shell;

import java.util.List;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** The commands that are there now; provided by the agent. Thread-safe. */
@ProviderType
public interface Commands {
    /** Sorted by name. */
    List<ShellCommand> list();

    /** The command whose name's words begin these words; the longest. */
    Optional<ShellCommand> find(List<String> words);

    /** Candidates for the last of these words. */
    List<String> complete(List<String> words);

    /**
     * Runs: finds the command, answers {@code --help}, explains wrong usage, says which feature would bring a command that
     * is not there.
     *
     * @param context its arguments are the whole line's words
     * @return exit status 0, 1 or 2
     */
    int run(ShellContext context);
}
