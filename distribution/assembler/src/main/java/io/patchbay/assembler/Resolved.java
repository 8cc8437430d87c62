package io.patchbay.assembler;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a distribution resolved to when somebody last looked at it, committed as {@code distribution/NAME.resolved}: a bundle and its version a line, in the order in
 * which they start. A resolution that differs is a change of what runs on nodes, and is not to come about by chance.
 */
final class Resolved {
    private static final String UPDATE = "mvn -o install -DskipTests -pl distribution/assembled -Dpatchbay.resolution=write";

    private Resolved() {
    }

    static List<String> lines(List<Candidate> set) {
        return set.stream().map(c -> c.name() + " " + c.version()).toList();
    }

    /** @return what has changed, each line naming it; empty when nothing has */
    static List<String> differences(Path file, List<String> now) throws IOException {
        String name = file.getFileName().toString();
        if (!Files.exists(file)) {
            return List.of(name + " is missing: " + UPDATE);
        }
        Map<String, String> before = versions(Files.readAllLines(file));
        Map<String, String> after = versions(now);
        List<String> found = new ArrayList<>();
        after.forEach((bundle, version) -> {
            String old = before.get(bundle);
            if (old == null) {
                found.add(name + ": " + bundle + " " + version + " has come");
            } else if (!old.equals(version)) {
                found.add(name + ": " + bundle + " was " + old + " and is " + version);
            }
        });
        before.forEach((bundle, version) -> {
            if (!after.containsKey(bundle)) {
                found.add(name + ": " + bundle + " " + version + " is gone");
            }
        });
        if (found.isEmpty()) {
            List<String> old = List.copyOf(before.keySet());
            List<String> order = List.copyOf(after.keySet());
            for (int i = 0; i < order.size(); i++) {
                if (!order.get(i).equals(old.get(i))) {
                    found.add(name + ": the order has changed: " + order.get(i) + " starts where " + old.get(i) + " did");
                    break;
                }
            }
        }
        if (!found.isEmpty()) {
            found.add("if that is wanted: " + UPDATE);
        }
        return found;
    }

    static void write(Path file, List<String> now) throws IOException {
        List<String> lines = new ArrayList<>(List.of("# What " + file.getFileName().toString().replace(".resolved", ".bndrun")
                + " resolves to, in the order in which it starts. Written and compared by the build: docs/packaging.md."));
        lines.addAll(now);
        Files.write(file, lines);
    }

    private static Map<String, String> versions(List<String> lines) {
        Map<String, String> all = new LinkedHashMap<>();
        lines.stream().filter(l -> !l.isBlank() && !l.startsWith("#")).map(l -> l.trim().split(" ", 2)).forEach(w -> all.put(w[0], w.length > 1 ? w[1] : ""));
        return all;
    }
}
