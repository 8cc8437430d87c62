package io.patchbay.itests.variants;

import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObject;
import jakarta.json.JsonReader;
import jakarta.json.JsonString;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;

/**
 * A feature's jar on its way to becoming another version of itself. Starts as what the jar holds; each method changes one thing and returns this.
 * Not thread-safe.
 */
public final class FeatureVariant {
    private static final String DESCRIPTOR = "META-INF/patchbay/feature.json";
    private static final String PAYLOAD = "io/patchbay/itests/variants/payload/";

    private final Manifest manifest;
    private final Map<String, byte[]> entries = new TreeMap<>();

    private FeatureVariant(Manifest manifest) {
        this.manifest = manifest;
    }

    /** @param jar of a feature as it was built */
    public static FeatureVariant of(Path jar) throws IOException {
        try (JarFile file = new JarFile(jar.toFile())) {
            FeatureVariant v = new FeatureVariant(file.getManifest());
            for (Enumeration<JarEntry> e = file.entries(); e.hasMoreElements();) {
                JarEntry entry = e.nextElement();
                if (!entry.isDirectory() && !entry.getName().equals(JarFile.MANIFEST_NAME)) {
                    try (InputStream in = file.getInputStream(entry)) {
                        v.entries.put(entry.getName(), in.readAllBytes());
                    }
                }
            }
            return v;
        }
    }

    /** Another version of the same code; the summary that {@code feature list} shows says so too. */
    public FeatureVariant version(String version) {
        attribute("Bundle-Version", version);
        JsonObject now = descriptor();
        return descriptor(Json.createObjectBuilder(now).add("version", version)
                .add("summary", ((JsonString) now.get("summary")).getString() + " (" + version + ")").build());
    }

    /** Compiles the feature's datapath again, with its sources changed, and puts the objects into the jar. */
    public FeatureVariant datapath(Path root, String feature, Map<String, UnaryOperator<String>> sources, String... flags) throws IOException, InterruptedException {
        Datapath.compile(root, feature, sources, flags).forEach((name, bytes) -> entries.put("bpf/" + name, bytes));
        return this;
    }

    /** Needs that of the kernel as well, {@code helper:NAME}, {@code map:TYPE}, {@code qdisc:KIND}, …. */
    public FeatureVariant needing(String kernel) {
        JsonObject now = descriptor();
        JsonArrayBuilder needs = now.containsKey("kernel") ? Json.createArrayBuilder(now.getJsonArray("kernel")) : Json.createArrayBuilder();
        return descriptor(Json.createObjectBuilder(now).add("kernel", needs.add(kernel)).build());
    }

    /** One of its maps with room for so many entries. */
    public FeatureVariant room(String map, int entries) {
        JsonObject now = descriptor();
        JsonArrayBuilder maps = Json.createArrayBuilder();
        boolean found = false;
        for (JsonObject m : now.getJsonArray("maps").getValuesAs(JsonObject.class)) {
            boolean it = m.getString("name").equals(map);
            found |= it;
            maps.add(it ? Json.createObjectBuilder(m).add("maxEntries", entries).build() : m);
        }
        if (!found) {
            throw new IllegalArgumentException("no map " + map + " in " + now.get("maps"));
        }
        return descriptor(Json.createObjectBuilder(now).add("maps", maps).build());
    }

    /** Needs a package that nobody exports. */
    public FeatureVariant importing(String packageName) {
        String imports = manifest.getMainAttributes().getValue("Import-Package");
        attribute("Import-Package", (imports == null ? "" : imports + ",") + packageName + ";version=\"[1,2)\"");
        return this;
    }

    /** Its bundle can't be started. */
    public FeatureVariant throwingActivator() throws IOException {
        payload("ThrowingActivator");
        String imports = manifest.getMainAttributes().getValue("Import-Package");
        if (imports == null || !imports.contains("org.osgi.framework")) {
            attribute("Import-Package", (imports == null ? "" : imports + ",") + "org.osgi.framework;version=\"[1,2)\"");
        }
        attribute("Bundle-Activator", PAYLOAD.replace('/', '.') + "ThrowingActivator");
        return this;
    }

    /** Its only component throws. */
    public FeatureVariant throwingComponent() throws IOException {
        return only("ThrowingComponent");
    }

    /** Its only component does not come to the end of its activation. */
    public FeatureVariant hangingComponent() throws IOException {
        return only("HangingComponent");
    }

    /** Its only component never says that it is ready. */
    public FeatureVariant neverReady() throws IOException {
        return only("SilentComponent");
    }

    /** Writes the jar and returns its path. */
    public Path write(Path to) throws IOException {
        Files.createDirectories(to.getParent());
        try (OutputStream file = Files.newOutputStream(to); JarOutputStream out = new JarOutputStream(file, manifest)) {
            for (Map.Entry<String, byte[]> e : entries.entrySet()) {
                out.putNextEntry(new JarEntry(e.getKey()));
                out.write(e.getValue());
                out.closeEntry();
            }
        }
        return to;
    }

    private FeatureVariant only(String component) throws IOException {
        payload(component);
        String file = "OSGI-INF/" + component + ".xml";
        entries.put(file, ("<scr:component xmlns:scr=\"http://www.osgi.org/xmlns/scr/v1.3.0\" name=\"" + component + "\" immediate=\"true\"><implementation class=\""
                + PAYLOAD.replace('/', '.') + component + "\"/></scr:component>").getBytes(StandardCharsets.UTF_8));
        attribute("Service-Component", file);
        return this;
    }

    private void payload(String name) throws IOException {
        String path = PAYLOAD + name + ".class";
        try (InputStream in = FeatureVariant.class.getClassLoader().getResourceAsStream(path)) {
            ByteArrayOutputStream copy = new ByteArrayOutputStream();
            in.transferTo(copy);
            entries.put(path, copy.toByteArray());
        }
    }

    private JsonObject descriptor() {
        try (JsonReader r = Json.createReader(new ByteArrayInputStream(entries.get(DESCRIPTOR)))) {
            return r.readObject();
        }
    }

    private FeatureVariant descriptor(JsonObject o) {
        entries.put(DESCRIPTOR, o.toString().getBytes(StandardCharsets.UTF_8));
        return this;
    }

    private void attribute(String name, String value) {
        manifest.getMainAttributes().put(new Attributes.Name(name), value);
    }
}
