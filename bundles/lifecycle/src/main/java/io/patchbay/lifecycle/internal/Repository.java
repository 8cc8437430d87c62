package io.patchbay.lifecycle.internal;

import io.patchbay.api.feature.FeatureDescriptor;
import jakarta.json.JsonException;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;

/** The distribution's features: one OSGi Feature JSON each, generated when it was assembled. Nothing is resolved here: the lists are complete. */
final class Repository {
    /** @param feature its name when the bundle is a feature; else null: another bundle that it needs */
    record Item(Path jar, String digest, String feature) {
    }

    /** Of the configuration of a feature, followed by its name. */
    static final String PID = "io.patchbay.";

    private final Path distribution;

    Repository(Path distribution) {
        this.distribution = distribution;
    }

    /**
     * {@code config/defaults.json}: what the distribution sets above the features' own defaults, in the Configurator's format: an object for each
     * PID {@code io.patchbay.FEATURE}.
     *
     * @return {@code feature.key} to value
     */
    Map<String, String> defaults() throws IOException {
        Path file = distribution.resolve("config/defaults.json");
        Map<String, String> all = new TreeMap<>();
        if (!Files.exists(file)) {
            return all;
        }
        read(file).forEach((pid, values) -> {
            if (pid.startsWith(":configurator:")) {
                return;
            }
            if (!pid.startsWith(PID) || !(values instanceof JsonObject o)) {
                throw new IllegalArgumentException(file + ": '" + pid + "' must be an object with a name " + PID + "FEATURE");
            }
            o.forEach((key, value) -> {
                if (!key.startsWith(":configurator:")) {
                    all.put(pid.substring(PID.length()) + "." + key, value instanceof JsonString s ? s.getString() : value.toString());
                }
            });
        });
        return all;
    }

    /** Features that this distribution enables on a new node, in an order in which each comes after what it requires. */
    List<Item> initial() throws IOException {
        Path file = distribution.resolve("distribution.json");
        return Files.exists(file) ? items(file).stream().filter(i -> i.feature != null).toList() : List.of();
    }

    /** Names of all features that can be added. */
    List<String> names() throws IOException {
        List<String> all = new ArrayList<>();
        Path features = distribution.resolve("features");
        if (Files.isDirectory(features)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(features, "*.json")) {
                files.forEach(f -> all.add(f.getFileName().toString().replace(".json", "")));
            }
        }
        all.sort(null);
        return all;
    }

    /** What a feature says of itself. */
    FeatureDescriptor descriptor(String feature) throws IOException {
        for (Item i : items(distribution.resolve("features").resolve(feature + ".json"))) {
            if (!feature.equals(i.feature)) {
                continue;
            }
            try (JarFile file = new JarFile(i.jar.toFile()); InputStream in = file.getInputStream(file.getEntry(Descriptors.ENTRY))) {
                return Descriptors.parse(in.readAllBytes(), i.jar.getFileName().toString()).descriptor();
            }
        }
        throw new IOException(feature + ".json of the distribution names no bundle of the feature; unpack the distribution again");
    }

    /** The bundles of a feature, and of those it requires, each once, what is needed first. */
    List<Item> of(String feature) throws IOException {
        Map<Path, Item> all = new LinkedHashMap<>();
        collect(feature, all, new TreeMap<>());
        return List.copyOf(all.values());
    }

    private void collect(String feature, Map<Path, Item> all, Map<String, Boolean> seen) throws IOException {
        if (seen.put(feature, true) != null) {
            return;
        }
        Path file = distribution.resolve("features").resolve(feature + ".json");
        if (!feature.matches("[a-z][a-z0-9-]*") || !Files.exists(file)) {
            throw new IllegalArgumentException("the distribution has no feature '" + feature + "'; it has: " + String.join(", ", names()));
        }
        JsonObject json = read(file);
        JsonObject extensions = json.getJsonObject("extensions");
        if (extensions != null && extensions.containsKey("patchbay-requires")) {
            for (var r : extensions.getJsonObject("patchbay-requires").getJsonObject("json").getJsonArray("requires").getValuesAs(JsonString.class)) {
                collect(r.getString(), all, seen);
            }
        }
        items(file).forEach(i -> all.put(i.jar, i));
    }

    private List<Item> items(Path file) throws IOException {
        return read(file).getJsonArray("bundles").getValuesAs(v -> {
            JsonObject o = v.asJsonObject();
            return new Item(distribution.resolve(o.getString("path")), o.getString("hash").replace("sha256:", ""), o.getString("feature", null));
        });
    }

    private static JsonObject read(Path file) throws IOException {
        try {
            return Texts.parse(Files.readAllBytes(file));
        } catch (JsonException e) {
            throw new IOException(file + " is damaged (" + e.getMessage() + "); unpack the distribution again", e);
        }
    }

    /** Copies the jar into the store. @throws IOException when it is not what the list says */
    static String store(Item item, Store store) throws IOException {
        if (store.has(item.digest)) {
            return item.digest;
        }
        try (InputStream in = Files.newInputStream(item.jar)) {
            String digest = store.put(in);
            if (!digest.equals(item.digest)) {
                throw new IOException(item.jar + " is not the jar that the distribution was assembled with; unpack the distribution again");
            }
            return digest;
        }
    }
}
