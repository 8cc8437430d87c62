package io.patchbay.assembler;

import aQute.bnd.osgi.Domain;
import aQute.bnd.osgi.resource.ResourceBuilder;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Properties;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import org.osgi.framework.Version;
import org.osgi.resource.Resource;

/**
 * One jar that may be resolved from.
 *
 * @param id       Maven coordinates {@code group:artifact:version}; {@code name:version} when the jar doesn't say
 * @param digest   SHA-256 of the file, hexadecimal
 * @param feature  its META-INF/patchbay/feature.json; null when it is no feature
 * @param resource what its manifest provides and requires
 */
record Candidate(Path jar, String name, Version version, String id, String digest, JsonObject feature, Resource resource) {
    /** @return null when the jar is no bundle */
    static Candidate read(Path jar) throws IOException {
        try (JarFile file = new JarFile(jar.toFile())) {
            Manifest manifest = file.getManifest();
            String name = manifest == null ? null : manifest.getMainAttributes().getValue("Bundle-SymbolicName");
            if (name == null) {
                return null;
            }
            name = name.replaceFirst(";.*", "").strip();
            Version version = Version.parseVersion(manifest.getMainAttributes().getValue("Bundle-Version"));
            ResourceBuilder builder = new ResourceBuilder();
            builder.addManifest(Domain.domain(manifest));
            JsonObject feature = null;
            JarEntry descriptor = file.getJarEntry("META-INF/patchbay/feature.json");
            if (descriptor != null) {
                try (JsonReader reader = Json.createReader(file.getInputStream(descriptor))) {
                    feature = reader.readObject();
                } catch (RuntimeException e) {
                    throw new IOException(jar.getFileName() + ": META-INF/patchbay/feature.json: " + e.getMessage(), e);
                }
            }
            return new Candidate(jar, name, version, coordinates(file, name + ":" + version), digest(jar), feature, builder.build());
        }
    }

    String featureName() {
        return feature == null ? null : feature.getString("name");
    }

    private static String coordinates(JarFile file, String otherwise) throws IOException {
        JarEntry found = file.stream().filter(e -> e.getName().startsWith("META-INF/maven/") && e.getName().endsWith("/pom.properties"))
                .findFirst().orElse(null);
        if (found == null) {
            return otherwise;
        }
        Properties p = new Properties();
        try (InputStream in = file.getInputStream(found)) {
            p.load(new ByteArrayInputStream(in.readAllBytes()));
        }
        return p.getProperty("groupId") + ":" + p.getProperty("artifactId") + ":" + p.getProperty("version");
    }

    static String digest(Path file) throws IOException {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
