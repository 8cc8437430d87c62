package io.patchbay.api.shell;

import org.osgi.annotation.versioning.ProviderType;

/** A call whose caller may sit at a terminal. */
@ProviderType
public interface TerminalContext extends ShellContext {
    /** Whether standard output is a terminal. */
    boolean isTerminal();

    int rows();

    int columns();

    /** Runs when the window has changed. */
    void onResize(Runnable action);

    /** Raw: every key arrives as it is pressed. The client restores its terminal on every way out. */
    void rawMode(boolean on);
}
