package io.patchbay.api.shell;

import java.io.InputStream;
import java.io.PrintStream;
import java.util.List;
import java.util.Map;
import org.osgi.annotation.versioning.ProviderType;

/** One call of a command. */
@ProviderType
public interface ShellContext {
    /** Words after the command's name, options included. */
    List<String> arguments();

    /** The caller's standard input; reading asks the client for it. */
    InputStream in();

    PrintStream out();

    PrintStream err();

    /** TERM, COLUMNS and what the client passes on. */
    Map<String, String> environment();

    /** True once the caller has gone or pressed Ctrl-C; long-running commands look, or {@link #onCancel}. */
    boolean cancelled();

    /** Runs when the caller goes. */
    void onCancel(Runnable action);
}
