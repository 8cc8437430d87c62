package io.patchbay.servicelb.internal;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Processes of the tests, in a namespace and a cgroup of their own. */
final class Children implements AutoCloseable {
    final String namespace;
    final Path cgroup;
    private final Path program;
    private final List<Process> running = new ArrayList<>();

    /** @param cgroup created here, removed at the end */
    Children(String namespace, Path cgroup) throws Exception {
        this.namespace = namespace;
        this.cgroup = cgroup;
        this.program = Files.createTempFile("pbt-sockets", "");
        sweep();
        run("ip", "netns", "add", namespace);
        run("ip", "-n", namespace, "link", "set", "lo", "up");
        Files.createDirectories(cgroup);
        run("cc", "-O1", "-Wall", "-pthread", "-o", program.toString(), "src/test/c/sockets.c");
    }

    Path netns() {
        return Path.of("/run/netns", namespace);
    }

    private void sweep() throws Exception {
        if (Files.exists(netns())) run("ip", "netns", "del", namespace);
        Files.deleteIfExists(cgroup);
    }

    static void run(String... command) throws Exception {
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(p.getInputStream().readAllBytes());
        if (p.waitFor() != 0) throw new IllegalStateException(String.join(" ", command) + "\n" + output);
    }

    /** A process that answers one line for each line that it is sent. */
    final class Child {
        private final PrintStream to;
        private final BufferedReader from;

        private Child(Process p) throws IOException {
            to = new PrintStream(p.getOutputStream(), true);
            from = new BufferedReader(new InputStreamReader(p.getInputStream()));
            String first = from.readLine();
            if (!"ready".equals(first)) throw new IllegalStateException("the child says " + first);
        }

        String ask(String line) throws IOException {
            to.println(line);
            return from.readLine();
        }
    }

    Child start(boolean inCgroup, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("sh", "-c",
                (inCgroup ? "echo 0 > '" + cgroup + "/cgroup.procs' && " : "") + "exec nsenter --net=" + netns() + " \"$@\"", "sh", program.toString()));
        command.addAll(List.of(arguments));
        Process p = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        running.add(p);
        return new Child(p);
    }

    @Override
    public void close() throws Exception {
        for (Process p : running) {
            p.getOutputStream().close();
            p.destroyForcibly().waitFor();
        }
        sweep();
        Files.deleteIfExists(program);
    }
}
