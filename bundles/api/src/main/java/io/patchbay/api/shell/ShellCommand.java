package io.patchbay.api.shell;

import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A command of the patchbay client and of the Gogo shell; a service. The agent finds the command whose {@link #name} words
 * begin the user's words, the longest first.
 */
@ConsumerType
public interface ShellCommand {
    /** {@code service list}. */
    String name();

    /** One line for help. */
    String summary();

    /** Usage, options and examples, one string a line; begins with {@code Usage: …}. */
    List<String> help();

    /** Candidates for the last word, for completion. */
    default List<String> complete(List<String> words) {
        return List.of();
    }

    /**
     * Runs on a thread of its own.
     *
     * @return exit status: 0 success, 1 failure after one line on {@code err} that says what and what to do
     * @throws UsageException for wrong usage: the agent prints it with the usage line and exits 2
     */
    int run(ShellContext context) throws Exception;
}
