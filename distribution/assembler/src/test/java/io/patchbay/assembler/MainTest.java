package io.patchbay.assembler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A project in miniature: one distribution of one core bundle and one feature. */
class MainTest {
    @TempDir
    Path root;
    private Path jars;

    @BeforeEach
    void project() throws IOException {
        jars = Files.createDirectories(root.resolve("jars"));
        Files.createDirectories(root.resolve("distribution/bin"));
        Files.writeString(root.resolve("distribution/bin/patchbay-agent"), "#!/bin/sh\n");
        Files.writeString(root.resolve("distribution/small.bndrun"), "-runrequires: bnd.identity;id=io.patchbay.api,patchbay.feature;filter:='(patchbay.feature=paint)'\n");
        bundle("io.patchbay.api", "1.0.0", "Export-Package", "io.patchbay.paint;version=1.0.0");
        feature("1.0.0", "");
    }

    private void bundle(String name, String version, String attribute, String value) throws IOException {
        jar(name, version, attribute, value, "");
    }

    private void feature(String version, String more) throws IOException {
        jar("io.patchbay.paint", version, "Provide-Capability", "patchbay.feature;patchbay.feature=paint",
                "{\"name\": \"paint\", \"version\": \"" + version + "\", \"summary\": \"a test\"" + more + "}");
    }

    private void jar(String name, String version, String attribute, String value, String descriptor) throws IOException {
        Manifest m = new Manifest();
        Attributes a = m.getMainAttributes();
        a.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        a.putValue("Bundle-ManifestVersion", "2");
        a.putValue("Bundle-SymbolicName", name);
        a.putValue("Bundle-Version", version);
        a.putValue(attribute, value);
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jars.resolve(name + ".jar")), m)) {
            if (!descriptor.isEmpty()) {
                out.putNextEntry(new JarEntry("META-INF/patchbay/feature.json"));
                out.write(descriptor.getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    /** As the build calls it, in a Java machine of its own: a framework starts in it. @return the problems that it names */
    private List<String> assemble(boolean update) throws Exception {
        Process p = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1", "-cp",
                System.getProperty("java.class.path"), Main.class.getName(), root.toString(), jars.toString(), update ? "write" : "compare").redirectErrorStream(true).start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        List<String> problems = said.lines().filter(l -> l.startsWith("  ")).map(String::strip).toList();
        assertEquals(problems.isEmpty() ? 0 : 1, p.waitFor(), said);
        return problems;
    }

    @Test
    void aSetIsWrittenOnceItsResolutionIsCommitted() throws Exception {
        List<String> first = assemble(false);
        assertTrue(first.get(0).startsWith("small.resolved is missing") && first.get(0).contains("-Dpatchbay.resolution=write"), first.toString());
        assertEquals(List.of(), assemble(true));
        assertEquals(List.of("io.patchbay.api 1.0.0", "io.patchbay.paint 1.0.0"),
                Files.readAllLines(root.resolve("distribution/small.resolved")).stream().filter(l -> !l.startsWith("#")).toList());
        assertEquals(List.of(), assemble(false));
        assertTrue(Files.exists(root.resolve("distribution/target/small/features/paint.json")));
    }

    @Test
    void aChangedResolutionFailsAndNamesWhatChanged() throws Exception {
        assemble(true);
        feature("1.1.0", "");
        assertEquals("small.resolved: io.patchbay.paint was 1.0.0 and is 1.1.0", assemble(false).get(0));
        jar("io.patchbay.brush", "2.0.0", "Provide-Capability", "patchbay.feature;patchbay.feature=brush", "{\"name\": \"brush\", \"version\": \"2.0.0\", \"summary\": \"a test\"}");
        feature("1.0.0", ", \"requires\": [\"brush\"]");
        assertEquals("small.resolved: io.patchbay.brush 2.0.0 has come", assemble(false).get(0));
        assertEquals(List.of(), assemble(true));
        feature("1.0.0", "");
        assertEquals("small.resolved: io.patchbay.brush 2.0.0 is gone", assemble(false).get(0));
    }

    @Test
    void anInconsistentSetFailsAndNamesWhatIsMissing() throws Exception {
        feature("1.0.0", ", \"requires\": [\"brush\"]");
        assertEquals(List.of("small: feature paint requires patchbay.feature (patchbay.feature=brush), which no bundle provides"), assemble(false));
        feature("1.0.0", "");
        bundle("io.patchbay.api", "1.0.0", "Import-Package", "com.example.absent;version=\"[1,2)\"");
        List<String> said = assemble(false);
        assertTrue(said.get(0).contains("io.patchbay.api requires osgi.wiring.package") && said.get(0).contains("com.example.absent"), said.toString());
        Files.writeString(root.resolve("distribution/small.bndrun"), "-runrequires: bnd.identity;id=io.patchbay.absent\n");
        assertTrue(assemble(false).get(0).contains("small.bndrun requires osgi.identity (osgi.identity=io.patchbay.absent)"), assemble(false).toString());
    }
}
