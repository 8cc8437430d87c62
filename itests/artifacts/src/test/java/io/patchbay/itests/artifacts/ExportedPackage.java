package io.patchbay.itests.artifacts;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.Attributes;
import java.util.jar.Manifest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * A package that a bundle exports.
 *
 * @param file       where what it promises is committed
 * @param version    of the package
 * @param signatures public and protected members, a line each, beginning with their class; sorted
 */
record ExportedPackage(String name, Path file, String version, List<String> signatures) {
    private static final Pattern EXPORT = Pattern.compile("(io\\.patchbay\\.[a-z0-9.]+);version=\"([0-9.]+)\"");

    static Path root() {
        return Path.of(System.getProperty("patchbay.root"));
    }

    /** Of all bundles, as they were built last. */
    static List<ExportedPackage> all() throws IOException {
        List<ExportedPackage> all = new ArrayList<>();
        try (DirectoryStream<Path> bundles = Files.newDirectoryStream(root().resolve("bundles"))) {
            for (Path bundle : bundles) {
                Path classes = bundle.resolve("target/classes");
                Path manifest = classes.resolve("META-INF/MANIFEST.MF");
                if (!Files.exists(manifest)) {
                    continue;
                }
                String exports;
                try (InputStream in = Files.newInputStream(manifest)) {
                    exports = new Manifest(in).getMainAttributes().getValue(new Attributes.Name("Export-Package"));
                }
                Matcher m = EXPORT.matcher(exports == null ? "" : exports);
                while (m.find()) {
                    all.add(new ExportedPackage(m.group(1), bundle.resolve("api").resolve(m.group(1) + ".txt"), m.group(2), signatures(classes, m.group(1))));
                }
            }
        }
        return all;
    }

    private static List<String> signatures(Path classes, String name) throws IOException {
        List<String> command = new ArrayList<>(List.of("-protected", "-constants", "-cp", classes.toString()));
        try (Stream<Path> files = Files.list(classes.resolve(name.replace('.', '/')))) {
            files.map(Path::toString).filter(f -> f.endsWith(".class") && !f.endsWith("package-info.class") && !f.matches(".*\\$\\d+.*")).sorted().forEach(command::add);
        }
        StringWriter out = new StringWriter();
        ToolProvider.findFirst("javap").orElseThrow().run(new PrintWriter(out), new PrintWriter(out), command.toArray(String[]::new));
        Map<String, String> sorted = new TreeMap<>();
        String type = null;
        for (String line : out.toString().lines().toList()) {
            if (line.endsWith("{")) {
                // Package-private classes are printed too.
                type = line.startsWith("public ") || line.startsWith("protected ") ? line.replaceFirst(" \\{$", "").replace(name + ".", "") : null;
                if (type != null) {
                    sorted.put(typeName(type), type);
                }
            } else if (type != null && line.startsWith("  ")) {
                String member = line.strip().replace(name + ".", "");
                sorted.put(typeName(type) + " " + member, typeName(type) + ": " + member);
            }
        }
        return List.copyOf(sorted.values());
    }

    private static String typeName(String header) {
        Matcher m = Pattern.compile("(?:class|interface) ([\\w$.]+)").matcher(header);
        return m.find() ? m.group(1) : header;
    }

    String text() {
        return "version " + version + "\n" + String.join("\n", signatures) + "\n";
    }
}
