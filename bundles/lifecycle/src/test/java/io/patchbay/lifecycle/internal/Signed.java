package io.patchbay.lifecycle.internal;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/**
 * Signs jars with keys made here, by the JDK's own keytool and jarsigner as docs/vendor-guide.md tells: {@code vendor}, whose certificate comes from an authority
 * that is trusted; {@code self}, self-signed and trusted; {@code late}, from that authority and expired; {@code stranger}, self-signed and unknown.
 */
final class Signed {
    private static final String PASSWORD = "changeit";
    private final Path directory;
    private final Path store;

    Signed(Path directory) throws IOException, InterruptedException {
        this.directory = directory;
        store = directory.resolve("keys.p12");
        generate("authority", "-ext", "bc:c");
        generate("self");
        generate("stranger");
        generate("vendor");
        generate("late");
        issue("vendor", "-10d", "365");
        issue("late", "-10d", "5");
        keytool("-exportcert", "-rfc", "-alias", "authority", "-file", directory.resolve("authority.pem").toString());
        keytool("-exportcert", "-rfc", "-alias", "self", "-file", directory.resolve("self.pem").toString());
        Files.writeString(trusted(), Files.readString(directory.resolve("authority.pem")) + Files.readString(directory.resolve("self.pem")));
    }

    /** Certificates of the authority and of {@code self}. */
    Path trusted() {
        return directory.resolve("trusted.pem");
    }

    byte[] by(String alias, byte[] jar) throws IOException, InterruptedException {
        Path file = Files.write(directory.resolve(alias + ".jar"), jar);
        run(tool("jarsigner"), "-keystore", store.toString(), "-storepass", PASSWORD, file.toString(), alias);
        return Files.readAllBytes(file);
    }

    private void generate(String alias, String... more) throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of("-genkeypair", "-alias", alias, "-dname", "CN=" + alias, "-keyalg", "EC", "-validity", "365"));
        words.addAll(List.of(more));
        keytool(words.toArray(String[]::new));
    }

    private void issue(String alias, String start, String days) throws IOException, InterruptedException {
        Path request = directory.resolve(alias + ".csr");
        Path certificate = directory.resolve(alias + ".pem");
        keytool("-certreq", "-alias", alias, "-file", request.toString());
        keytool("-gencert", "-alias", "authority", "-infile", request.toString(), "-outfile", certificate.toString(), "-rfc", "-startdate", start, "-validity", days);
        keytool("-importcert", "-noprompt", "-alias", alias, "-file", certificate.toString());
    }

    private void keytool(String... words) throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(List.of(tool("keytool"), "-keystore", store.toString(), "-storetype", "PKCS12", "-storepass", PASSWORD));
        all.addAll(1, List.of(words[0]));
        all.addAll(List.of(words).subList(1, words.length));
        run(all.toArray(String[]::new));
    }

    private static String tool(String name) {
        return Path.of(System.getProperty("java.home"), "bin", name).toString();
    }

    private static void run(String... words) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(words));
        command.addAll(1, List.of("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"));
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (p.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + ": " + said);
        }
    }

    /** The jar with another or one more entry. */
    static byte[] with(byte[] jar, String entry, String content) throws IOException {
        Map<String, byte[]> all = entries(jar);
        all.put(entry, content.getBytes(StandardCharsets.UTF_8));
        return zip(all);
    }

    static byte[] without(byte[] jar, String entry) throws IOException {
        Map<String, byte[]> all = entries(jar);
        all.remove(entry);
        return zip(all);
    }

    /** The jar with one more main attribute in its manifest, its other sections as they were. */
    static byte[] withManifest(byte[] jar, String attribute, String value) throws IOException {
        Map<String, byte[]> all = entries(jar);
        String text = new String(all.get(JarFile.MANIFEST_NAME), StandardCharsets.UTF_8);
        int end = text.indexOf("\r\n\r\n");
        all.put(JarFile.MANIFEST_NAME, (text.substring(0, end) + "\r\n" + attribute + ": " + value + text.substring(end)).getBytes(StandardCharsets.UTF_8));
        return zip(all);
    }

    private static Map<String, byte[]> entries(byte[] jar) throws IOException {
        Map<String, byte[]> all = new LinkedHashMap<>();
        try (ZipInputStream in = new ZipInputStream(new ByteArrayInputStream(jar))) {
            for (ZipEntry e = in.getNextEntry(); e != null; e = in.getNextEntry()) {
                all.put(e.getName(), in.readAllBytes());
            }
        }
        return all;
    }

    private static byte[] zip(Map<String, byte[]> entries) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream out = new ZipOutputStream(bytes)) {
            for (Map.Entry<String, byte[]> e : entries.entrySet()) {
                out.putNextEntry(new ZipEntry(e.getKey()));
                out.write(e.getValue());
            }
        }
        return bytes.toByteArray();
    }
}
