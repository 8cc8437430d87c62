package io.patchbay.itests.variants;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** A feature's C, changed and compiled with the project's own recipe. */
final class Datapath {
    private Datapath() {
    }

    /** @param sources by file name, what becomes of its text @return objects by file name */
    static Map<String, byte[]> compile(Path root, String feature, Map<String, UnaryOperator<String>> sources, String... flags)
            throws IOException, InterruptedException {
        Path work = Files.createTempDirectory("pbt-variant");
        try {
            copy(root.resolve("bpf/build"), work.resolve("bpf/build"));
            work.resolve("bpf/build").toFile().setExecutable(true);
            copyAll(root.resolve("bpf/include"), work.resolve("bpf/include"));
            copyAll(root.resolve("bpf").resolve(feature), work.resolve("bpf").resolve(feature));
            for (Map.Entry<String, UnaryOperator<String>> e : sources.entrySet()) {
                Path file = work.resolve("bpf").resolve(feature).resolve(e.getKey());
                String before = Files.readString(file);
                String after = e.getValue().apply(before);
                if (after.equals(before)) {
                    throw new IllegalStateException("nothing in " + file + " was changed: the source has moved on from this test");
                }
                Files.writeString(file, after);
            }
            Path out = work.resolve("out");
            List<String> command = new ArrayList<>(List.of(work.resolve("bpf/build").toString(), feature, out.toString()));
            command.addAll(List.of(flags));
            Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
            String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (p.waitFor() != 0) {
                throw new IOException("the variant of " + feature + " does not compile:\n" + said);
            }
            Map<String, byte[]> objects = new TreeMap<>();
            try (Stream<Path> files = Files.list(out)) {
                for (Path f : files.toList()) {
                    objects.put(f.getFileName().toString(), Files.readAllBytes(f));
                }
            }
            return objects;
        } finally {
            try (Stream<Path> all = Files.walk(work)) {
                for (Path f : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(f);
                }
            }
        }
    }

    private static void copyAll(Path from, Path to) throws IOException {
        try (Stream<Path> all = Files.walk(from)) {
            for (Path f : all.filter(Files::isRegularFile).toList()) {
                copy(f, to.resolve(from.relativize(f).toString()));
            }
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to.getParent());
        Files.copy(from, to);
    }
}
