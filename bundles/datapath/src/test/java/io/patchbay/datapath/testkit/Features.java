package io.patchbay.datapath.testkit;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.feature.FeatureDescriptor;
import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonObject;
import jakarta.json.JsonReader;
import jakarta.json.JsonString;
import jakarta.json.JsonValue;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Real features as parts of a test's generation. Reads descriptors as they are meant to be; the strict reader is lifecycle's. */
public final class Features {
    private Features() {
    }

    /** The feature of this repository, its objects compiled from {@code bpf/NAME} now. */
    public static GenerationSpec.Part of(String name) {
        try {
            Path root = Compiled.root();
            Path out = Files.createTempDirectory("pbt-" + name);
            Shell.run(root.resolve("bpf/build").toString(), name, out.toString());
            return part(root.resolve("bundles").resolve(name).resolve("src/main/resources/META-INF/patchbay/feature.json"), out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param objects directory that the descriptor's {@code bpf/} stands for, such as {@code target/classes/bpf} */
    public static GenerationSpec.Part part(Path descriptor, Path objects) {
        FeatureDescriptor d = read(descriptor);
        Map<String, Path> files = new LinkedHashMap<>();
        d.stages().forEach(s -> files.put(s.object(), objects.resolve(Path.of(s.object()).getFileName())));
        d.maps().forEach(m -> files.put(m.object(), objects.resolve(Path.of(m.object()).getFileName())));
        return new GenerationSpec.Part(d, "test", files, false);
    }

    static FeatureDescriptor read(Path file) {
        JsonObject j;
        try (JsonReader r = Json.createReader(new StringReader(Files.readString(file)))) {
            j = r.readObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        List<Stage> stages = objects(j, "stages").stream().map(s -> new Stage(s.getString("object"), s.getString("program"), Hook.ofText(s.getString("hook")),
                s.getInt("order", 0))).toList();
        List<FeatureDescriptor.OwnedMap> maps = objects(j, "maps").stream().map(m -> new FeatureDescriptor.OwnedMap(m.getString("name"), m.getString("object"),
                m.getString("schema", "1.0"), FeatureDescriptor.Migration.valueOf(m.getString("migration", "refuse").toUpperCase(Locale.ROOT)),
                m.getInt("maxEntries", 0))).toList();
        List<FeatureDescriptor.UsedMap> uses = objects(j, "uses").stream().map(u -> new FeatureDescriptor.UsedMap(u.getString("name"), u.getString("schema", ""))).toList();
        return new FeatureDescriptor(j.getString("name"), j.getString("version"), j.getString("summary", ""), j.getString("datapathAbi", ""), stages, maps, uses,
                texts(j, "kernel"), FeatureDescriptor.Disable.valueOf(j.getString("disable", "instant").toUpperCase(Locale.ROOT)), texts(j, "requires"),
                texts(j, "commands"), j.getBoolean("onAddPath", false));
    }

    private static List<JsonObject> objects(JsonObject j, String name) {
        JsonArray a = j.getJsonArray(name);
        return a == null ? List.of() : a.stream().map(JsonValue::asJsonObject).toList();
    }

    private static List<String> texts(JsonObject j, String name) {
        JsonArray a = j.getJsonArray(name);
        return a == null ? List.of() : a.stream().map(v -> ((JsonString) v).getString()).toList();
    }
}
