package io.patchbay.datapath.testkit;

import java.io.IOException;
import java.util.List;

/** Commands that tests run. */
public final class Shell {
    private Shell() {
    }

    /** Output of a command; fails with it when the command fails. */
    public static String run(List<String> command) {
        try {
            Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
            String out = new String(p.getInputStream().readAllBytes());
            if (p.waitFor() != 0) {
                throw new IllegalStateException(String.join(" ", command) + "\n" + out);
            }
            return out;
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(String.join(" ", command), e);
        }
    }

    public static String run(String... command) {
        return run(List.of(command));
    }
}
