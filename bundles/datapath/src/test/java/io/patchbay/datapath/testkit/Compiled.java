package io.patchbay.datapath.testkit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** C sources of tests, compiled as the build does, once each. */
public final class Compiled {
    private static final Map<String, Path> DONE = new ConcurrentHashMap<>();

    private Compiled() {
    }

    /** A datapath object from {@code src/test/bpf/NAME.c}, against this repository's headers. */
    public static Path object(String name, String... defines) {
        return DONE.computeIfAbsent(name + List.of(defines), k -> {
            List<String> command = new ArrayList<>(List.of("clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror",
                    "-I" + root().resolve("bpf/include"), "-I/usr/include/" + System.getProperty("os.arch").replace("amd64", "x86_64") + "-linux-gnu"));
            for (String d : defines) {
                command.add("-D" + d);
            }
            Path out = out(name, ".o");
            command.addAll(List.of("-c", "src/test/bpf/" + name + ".c", "-o", out.toString()));
            Shell.run(command);
            Shell.run(List.of("llvm-strip", "-g", out.toString()));
            return out;
        });
    }

    /** A program of this machine from a C source. */
    public static Path tool(Path source) {
        return DONE.computeIfAbsent(source.toString(), k -> {
            Path out = out(source.getFileName().toString(), "");
            Shell.run(List.of("cc", "-O2", "-Wall", "-o", out.toString(), source.toString()));
            return out;
        });
    }

    private static Path out(String name, String suffix) {
        try {
            Path p = Files.createTempFile("pbt-" + name, suffix);
            p.toFile().deleteOnExit();
            return p;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The repository: the nearest directory upwards that holds the headers. */
    public static Path root() {
        Path p = Path.of("").toAbsolutePath();
        while (p != null && !Files.isDirectory(p.resolve("bpf/include/patchbay"))) {
            p = p.getParent();
        }
        if (p == null) {
            throw new IllegalStateException("no bpf/include above " + Path.of("").toAbsolutePath());
        }
        return p;
    }
}
