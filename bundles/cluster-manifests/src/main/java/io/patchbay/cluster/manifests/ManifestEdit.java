package io.patchbay.cluster.manifests;

import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Texts;
import io.patchbay.cluster.decode.Trees;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.function.Supplier;

/** What a user's objects make of the files of manifests: worked out first, so that it can be judged as a whole, then written. Not thread-safe. */
final class ManifestEdit {
    /** So many new objects of one apply get a file each; more come together, at most {@link #TOGETHER} to a file. */
    private static final int ALONE = 20;
    private static final int TOGETHER = 100;

    private final Path manifests;
    private final SortedMap<String, List<Manifest>> files;
    /** Files to write, in this order; null: to remove. */
    private final Map<String, Supplier<String>> texts = new LinkedHashMap<>();
    private final List<ManifestsFolder.Outcome> outcomes = new ArrayList<>();

    /**
     * @param manifests the folder
     * @param files     what is in it; becomes what will be
     */
    ManifestEdit(Path manifests, SortedMap<String, List<Manifest>> files) {
        this.manifests = manifests;
        this.files = files;
    }

    /** The manifests as they will be. */
    SortedMap<String, List<Manifest>> files() {
        return files;
    }

    /** What becomes of each object. */
    List<ManifestsFolder.Outcome> outcomes() {
        return outcomes;
    }

    /** An object of an input with its text, which is much smaller than the text's tree. */
    record Fresh(Manifest manifest, String json) {
        ManifestsFolder.Outcome outcome(String verb) {
            return new ManifestsFolder.Outcome(manifest.kind(), manifest.meta().namespace(), manifest.meta().name(), verb);
        }

        Object value() {
            return Trees.each("", json.getBytes(StandardCharsets.UTF_8), new Problems(), (document, into) -> into.add(document.value())).get(0);
        }
    }

    /** @throws DecodeException naming everything that is wrong with them, also that one object comes twice */
    static List<Fresh> decode(List<ManifestsFolder.Input> inputs) throws DecodeException {
        Problems problems = new Problems();
        List<Fresh> objects = new ArrayList<>();
        for (ManifestsFolder.Input input : inputs) {
            objects.addAll(ManifestsFolder.DECODER.decode(input.file(), input.text(), problems, d -> new Fresh(Manifest.of(d), Texts.compactJson(d.tree().value()))));
        }
        problems.throwIfAny();
        Map<String, Manifest> seen = new HashMap<>();
        for (Fresh object : objects) {
            Manifest other = seen.putIfAbsent(object.manifest.key(), object.manifest);
            if (other != null) ManifestIndex.problem(object.manifest, "metadata.name", object.manifest.key() + " is also in " + other.place(), problems);
        }
        problems.throwIfAny();
        return objects;
    }

    /** The objects are to be there as they are given. */
    void put(List<Fresh> objects) throws IOException {
        Map<String, String> where = where();
        Map<String, Map<String, Object>> old = new HashMap<>();
        Map<String, Map<String, Object>> rewritten = new LinkedHashMap<>();
        Map<String, List<Fresh>> made = new LinkedHashMap<>();
        long created = objects.stream().filter(o -> !where.containsKey(o.manifest.key())).count();
        String together = "";
        for (Fresh object : objects) {
            String key = object.manifest.key();
            String file = where.get(key);
            String verb = "created";
            if (file == null) {
                if (created <= ALONE) {
                    file = fileName(object.manifest, "") + ".yaml";
                } else {
                    if (made.getOrDefault(together, List.of()).size() % TOGETHER == 0) together = fileTogether(object.manifest);
                    file = together;
                }
                if (files.containsKey(file) && !made.containsKey(file)) {
                    // a file of that name has other objects, and this one joins them
                    rewrite(file, object, old, rewritten);
                } else {
                    made.computeIfAbsent(file, f -> new ArrayList<>()).add(object);
                    List<Fresh> content = made.get(file);
                    String name = file;
                    texts.put(file, () -> textOf(name, content));
                }
                List<Manifest> now = new ArrayList<>(files.getOrDefault(file, List.of()));
                now.add(object.manifest);
                files.put(file, now);
            } else {
                String name = file;
                Map<String, Object> contents = old.get(file);
                if (contents == null) old.put(file, contents = contents(manifests, file));
                verb = object.value().equals(contents.get(key)) ? "unchanged" : "configured";
                if (verb.equals("configured")) {
                    files.put(file, files.get(name).stream().map(m -> m.key().equals(key) ? object.manifest : m).toList());
                    rewrite(file, object, old, rewritten);
                }
            }
            outcomes.add(object.outcome(verb));
        }
    }

    /** The objects are to go. @return those that aren't there */
    List<String> remove(List<Fresh> objects) throws IOException {
        List<String> missing = new ArrayList<>();
        Map<String, String> where = where();
        Map<String, Set<String>> gone = new LinkedHashMap<>();
        for (Fresh object : objects) {
            String file = where.get(object.manifest.key());
            if (file == null) {
                missing.add(object.manifest.key());
                continue;
            }
            gone.computeIfAbsent(file, f -> new HashSet<>()).add(object.manifest.key());
            outcomes.add(object.outcome("deleted"));
        }
        for (Map.Entry<String, Set<String>> file : gone.entrySet()) {
            List<Manifest> left = files.get(file.getKey()).stream().filter(m -> !file.getValue().contains(m.key())).toList();
            files.put(file.getKey(), left);
            Map<String, Object> contents = left.isEmpty() ? Map.of() : contents(manifests, file.getKey());
            contents.keySet().removeAll(file.getValue());
            texts.put(file.getKey(), left.isEmpty() ? null : () -> text(file.getKey(), contents.values()));
        }
        return missing;
    }

    void write() throws IOException {
        Map<Path, Supplier<String>> all = new LinkedHashMap<>();
        texts.forEach((file, text) -> all.put(manifests.resolve(file), text));
        FolderFiles.write(all);
    }

    private Map<String, String> where() {
        Map<String, String> where = new HashMap<>();
        files.forEach((file, content) -> content.forEach(m -> where.put(m.key(), file)));
        return where;
    }

    private void rewrite(String file, Fresh object, Map<String, Map<String, Object>> old, Map<String, Map<String, Object>> rewritten) throws IOException {
        Map<String, Object> contents = rewritten.get(file);
        if (contents == null) {
            if (!old.containsKey(file)) old.put(file, contents(manifests, file));
            contents = new LinkedHashMap<>(old.get(file));
            rewritten.put(file, contents);
        }
        contents.put(object.manifest.key(), object.value());
        Map<String, Object> now = contents;
        texts.put(file, () -> text(file, now.values()));
    }

    /** The objects of a file of manifests as plain values, by key. */
    static Map<String, Object> contents(Path manifests, String file) throws IOException {
        Map<String, Object> contents = new LinkedHashMap<>();
        ManifestsFolder.DECODER.decode(file, Files.readAllBytes(manifests.resolve(file)), new Problems(), d -> Map.entry(d.key(), d.tree().value()))
                .forEach(e -> contents.put(e.getKey(), e.getValue()));
        return contents;
    }

    /** Objects as a file of this name has them. */
    private static String text(String file, Collection<?> objects) {
        if (file.endsWith(".json")) return listText(objects.stream().map(Texts::compactJson).toList());
        StringBuilder text = new StringBuilder();
        for (Object object : objects) text.append(text.isEmpty() ? "" : "---\n").append(Texts.yaml(object));
        return text.toString();
    }

    private static String textOf(String file, List<Fresh> objects) {
        return file.endsWith(".json") ? listText(objects.stream().map(Fresh::json).toList()) : text(file, objects.stream().map(Fresh::value).toList());
    }

    private static String listText(List<String> objects) {
        return "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n" + String.join(",\n", objects) + "\n]}\n";
    }

    /** Names of objects have no underscore, so the parts can't run into each other. */
    private static String fileName(Manifest object, String suffix) {
        String namespace = object.meta().namespace();
        return object.kind().toLowerCase(Locale.ROOT) + "_" + (namespace.isEmpty() ? "" : namespace + "_") + object.meta().name() + suffix;
    }

    /** A file for an object and those that come with it. JSON: it is read ten times as fast. */
    private String fileTogether(Manifest first) {
        for (int n = 1;; n++) {
            String name = fileName(first, "_and-others" + (n == 1 ? "" : "-" + n) + ".json");
            if (!files.containsKey(name)) return name;
        }
    }
}
