package io.patchbay.itests.artifacts;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The same sources, in two folders, with other clocks and languages: the same jars. */
@Tag("dist")
@Timeout(300)
class ReproducibleIT {
    /** One without and two with a datapath, one that is another's. */
    private static final String MODULES = "bundles/api,bundles/lifecycle,bundles/conntrack,bundles/vxlan,distribution/vendor-kit/vendor-headers";
    private static final Set<String> LEFT_OUT = Set.of("target", ".git");

    @Test
    void jarsDependOnSourcesAlone(@TempDir Path folder) throws Exception {
        Map<String, String> one = build(folder.resolve("one"), Map.of("TZ", "UTC", "LC_ALL", "C"));
        Map<String, String> two = build(folder.resolve("another/place"), Map.of("TZ", "Asia/Tokyo", "LC_ALL", "C.UTF-8", "USER", "somebody"));
        assertFalse(one.isEmpty());
        assertEquals(one, two);
    }

    /** @return digests of what a build makes: jars, and entries of the jars, which tell what differs */
    private static Map<String, String> build(Path to, Map<String, String> environment) throws Exception {
        copy(Path.of(System.getProperty("patchbay.root")), to);
        ProcessBuilder b = new ProcessBuilder("mvn", "-B", "-q", "-o", "-Dmaven.repo.local=" + System.getProperty("patchbay.repository"), "package",
                "-Dmaven.test.skip=true", "-pl", MODULES).directory(to.toFile()).redirectErrorStream(true);
        b.environment().putAll(environment);
        Process p = b.start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), said);
        Map<String, String> digests = new TreeMap<>();
        try (Stream<Path> all = Files.walk(to)) {
            for (Path f : all.filter(f -> f.getParent().endsWith("target") && f.toString().endsWith(".jar") || f.toString().matches(".*/target/classes/.*\\.(o|class|MF)")).toList()) {
                digests.put(to.relativize(f).toString(), digest(Files.readAllBytes(f)));
            }
        }
        return digests;
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.walkFileTree(from, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path d, BasicFileAttributes a) throws IOException {
                if (LEFT_OUT.contains(String.valueOf(d.getFileName()))) {
                    return FileVisitResult.SKIP_SUBTREE;
                }
                Files.createDirectories(to.resolve(from.relativize(d).toString()));
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path f, BasicFileAttributes a) throws IOException {
                Path copy = to.resolve(from.relativize(f).toString());
                Files.copy(f, copy);
                copy.toFile().setExecutable(Files.isExecutable(f));
                return FileVisitResult.CONTINUE;
            }
        });
    }

    private static String digest(byte[] bytes) throws NoSuchAlgorithmException {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }
}
