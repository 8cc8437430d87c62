package io.patchbay.itests.artifacts;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Until there is a release to compare with: what is exported is what was committed, and changes with its version. */
class ApiSignatureTest {
    private static final String WRITE = "mvn -o test -pl itests/artifacts -Dtest=ApiSignatureTest -Dpatchbay.api=write";

    @Test
    void exportedPackagesAreWhatWasCommitted() throws IOException {
        String mode = System.getProperty("patchbay.api", "compare");
        List<ExportedPackage> all = ExportedPackage.all();
        assertTrue(all.stream().anyMatch(p -> p.name().equals("io.patchbay.api.feature")), "nothing is built yet");
        List<String> problems = new ArrayList<>();
        Set<Path> known = new HashSet<>();
        for (ExportedPackage p : all) {
            known.add(p.file());
            String problem = problem(p);
            if (mode.equals("reset") || mode.equals("write") && (problem.isEmpty() || problem.startsWith("commit "))) {
                Files.createDirectories(p.file().getParent());
                Files.writeString(p.file(), p.text());
            } else if (!problem.isEmpty()) {
                problems.add(p.name() + ": " + problem);
            }
        }
        try (Stream<Path> files = Files.walk(ExportedPackage.root().resolve("bundles"), 3)) {
            for (Path f : files.filter(f -> f.getParent().endsWith("api") && f.getFileName().toString().matches("io\\.patchbay\\..*\\.txt")).toList()) {
                if (!known.contains(f)) {
                    problems.add(f + ": the package is not exported any more; delete this file");
                }
            }
        }
        assertEquals("", String.join("\n", problems));
    }

    /** Empty: none. */
    static String problem(ExportedPackage p) throws IOException {
        if (!Files.exists(p.file())) {
            return "commit what it promises: " + WRITE;
        }
        List<String> lines = Files.readAllLines(p.file());
        String was = lines.get(0).replace("version ", "");
        Set<String> added = new TreeSet<>(p.signatures());
        lines.subList(1, lines.size()).forEach(added::remove);
        Set<String> removed = new TreeSet<>(lines.subList(1, lines.size()));
        p.signatures().forEach(removed::remove);
        if (added.isEmpty() && removed.isEmpty()) {
            return was.equals(p.version()) ? "" : "commit its version " + p.version() + ": " + WRITE;
        }
        boolean enough = removed.isEmpty() ? compare(was, p.version(), 2) < 0 : compare(was, p.version(), 1) < 0;
        String difference = removed.stream().map(s -> "\n  - " + s).reduce("", String::concat) + added.stream().map(s -> "\n  + " + s).reduce("", String::concat);
        return enough ? "commit what it promises now: " + WRITE + difference
                : "raise the " + (removed.isEmpty() ? "minor" : "major") + " number of its version, " + p.version() + ", in package-info.java, then " + WRITE + difference;
    }

    /** Of the first {@code parts} numbers. */
    private static int compare(String a, String b, int parts) {
        String[] x = a.split("\\.");
        String[] y = b.split("\\.");
        for (int i = 0; i < parts; i++) {
            int c = Integer.compare(Integer.parseInt(x[i]), Integer.parseInt(y[i]));
            if (c != 0) {
                return c;
            }
        }
        return 0;
    }

    @Test
    void changeDemandsTheMatchingVersion() throws IOException {
        Path file = Files.createTempFile("pbt-api", ".txt");
        try {
            Files.writeString(file, new ExportedPackage("p", file, "1.2.0", List.of("A: a()", "A: b()")).text());
            assertEquals("", problem(new ExportedPackage("p", file, "1.2.0", List.of("A: a()", "A: b()"))));
            List<String> more = List.of("A: a()", "A: b()", "A: c()");
            assertTrue(problem(new ExportedPackage("p", file, "1.2.0", more)).startsWith("raise the minor number of its version, 1.2.0"));
            assertTrue(problem(new ExportedPackage("p", file, "1.3.0", more)).startsWith("commit what it promises now"));
            List<String> less = List.of("A: a()");
            assertTrue(problem(new ExportedPackage("p", file, "1.3.0", less)).startsWith("raise the major number of its version, 1.3.0"));
            assertTrue(problem(new ExportedPackage("p", file, "2.0.0", less)).startsWith("commit what it promises now"));
        } finally {
            Files.delete(file);
        }
    }
}
