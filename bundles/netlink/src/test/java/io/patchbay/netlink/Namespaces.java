package io.patchbay.netlink;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;

/** Named namespaces for tests, made as a person would make them; all start with {@code pbt-nl-}. */
final class Namespaces {

    static final String PREFIX = "pbt-nl-";

    private Namespaces() {
    }

    static Path add(String name) throws Exception {
        ip("netns", "add", PREFIX + name);
        return Path.of("/run/netns", PREFIX + name);
    }

    /** Also what an interrupted run left. */
    static void sweep() throws Exception {
        for (String line : ip("netns", "list").split("\n")) {
            String name = line.split(" ")[0];
            if (name.startsWith(PREFIX)) {
                ip("netns", "del", name);
            }
        }
    }

    /** Output of {@code ip}; fails with what it said. */
    static String ip(String... args) throws Exception {
        return run(Stream.concat(Stream.of("ip"), Arrays.stream(args)).toArray(String[]::new));
    }

    static String run(String... command) throws Exception {
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String out = new String(p.getInputStream().readAllBytes());
        if (p.waitFor() != 0) {
            throw new AssertionError(String.join(" ", command) + ": " + out);
        }
        return out;
    }
}
