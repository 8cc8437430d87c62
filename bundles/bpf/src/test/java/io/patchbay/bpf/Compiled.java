package io.patchbay.bpf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The C sources of the tests, compiled once each as the build does. */
final class Compiled {
    private static final Map<String, byte[]> DONE = new ConcurrentHashMap<>();

    private Compiled() { }

    /** @param name of a source in src/test/bpf, without its suffix */
    static byte[] object(String name, String... defines) {
        return DONE.computeIfAbsent(name + List.of(defines), key -> compile(Path.of("src/test/bpf", name + ".bpf.c"), defines));
    }

    static ObjectSpec spec(String name, String... defines) {
        return ObjectSpec.parse(object(name, defines));
    }

    private static byte[] compile(Path source, String... defines) {
        try {
            Path out = Files.createTempFile("pbt-", ".o");
            try {
                List<String> command = new ArrayList<>(List.of("clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror",
                        "-I/usr/include/" + System.getProperty("os.arch").replace("amd64", "x86_64") + "-linux-gnu"));
                for (String define : defines) {
                    command.add("-D" + define);
                }
                command.addAll(List.of("-c", source.toString(), "-o", out.toString()));
                run(command);
                run(List.of("llvm-strip", "-g", out.toString()));
                return Files.readAllBytes(out);
            } finally {
                Files.delete(out);
            }
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Runs a command to its end and answers its output. */
    static String run(List<String> command) {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String output = new String(process.getInputStream().readAllBytes());
            if (process.waitFor() != 0) {
                throw new IllegalStateException(String.join(" ", command) + "\n" + output);
            }
            return output;
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(String.join(" ", command), e);
        }
    }
}
