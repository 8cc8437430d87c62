package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Texts;
import io.patchbay.cluster.decode.Tree;
import io.patchbay.cluster.decode.Trees;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;

/**
 * The records of all services, in 256 files by a hash of their names: ten thousand services must not be ten thousand files to write and to read,
 * nor one of them all of them. A file holds {@code {"services": [record, …]}}, or, as it once was, one record. Not thread-safe.
 */
final class ServiceRecords {
    private final Path directory;
    private final FileCache<List<ServiceRecord>> files;
    /** By file, the last that could be read: an address must not be lost with the file it is kept in. */
    private final Map<String, List<ServiceRecord>> good = new HashMap<>();

    ServiceRecords(Path directory, String shown) {
        this.directory = directory;
        this.files = new FileCache<>(directory, shown, n -> n.endsWith(".json"), ServiceRecords::parse);
    }

    private static List<ServiceRecord> parse(String file, byte[] text, Problems problems) {
        return Trees.each(file, text, problems, (document, into) -> {
            Fields f = document.fields();
            if (!f.names().contains("services")) {
                into.add(ServiceRecord.read(f));
                return;
            }
            for (Tree item : f.list("services")) into.add(ServiceRecord.read(item.fields()));
            f.end();
        });
    }

    long version() {
        return files.version();
    }

    /** Files that differ from the last call's: name to records, none for a file that is gone. */
    Map<String, List<ServiceRecord>> read(Problems problems) throws IOException {
        SortedMap<String, FileCache.Entry<List<ServiceRecord>>> now = files.read();
        Map<String, List<ServiceRecord>> changed = new HashMap<>();
        now.forEach((name, entry) -> {
            entry.problems().forEach(problems::add);
            if (entry.value() != null && good.get(name) != entry.value()) changed.put(name, entry.value());
        });
        good.keySet().forEach(name -> {
            if (!now.containsKey(name)) changed.put(name, List.of());
        });
        return changed;
    }

    /** What {@link #read} found, by service; null: no record any more. */
    Map<ObjectKey, ServiceRecord> difference(Map<String, List<ServiceRecord>> changed) {
        Map<ObjectKey, ServiceRecord> records = new LinkedHashMap<>();
        changed.keySet().forEach(name -> good.getOrDefault(name, List.of()).forEach(r -> records.put(r.key(), null)));
        changed.values().forEach(list -> list.forEach(r -> records.put(r.key(), r)));
        return records;
    }

    /** From now on this is known. */
    void accept(Map<String, List<ServiceRecord>> changed) {
        changed.forEach((name, list) -> {
            if (list.isEmpty()) good.remove(name);
            else good.put(name, list);
        });
    }

    /** Writes changed records (null: none any more); the caller holds the folder's lock and has read before. */
    void write(Map<ObjectKey, ServiceRecord> changed) throws IOException {
        Map<ObjectKey, String> where = new HashMap<>();
        good.forEach((name, list) -> list.forEach(r -> where.put(r.key(), name)));
        Map<String, SortedMap<ObjectKey, ServiceRecord>> texts = new TreeMap<>();
        for (String name : new TreeSet<>(changed.keySet().stream().map(ServiceRecords::fileOf).toList())) texts.put(name, contents(name));
        changed.forEach((key, record) -> {
            String old = where.get(key);
            if (old != null) texts.computeIfAbsent(old, this::contents).remove(key);
            if (record != null) texts.get(fileOf(key)).put(key, record);
        });
        Map<Path, Supplier<String>> files = new LinkedHashMap<>();
        texts.forEach((name, records) -> files.put(directory.resolve(name), records.isEmpty() ? null : () -> text(records)));
        FolderFiles.write(files);
    }

    private SortedMap<ObjectKey, ServiceRecord> contents(String name) {
        SortedMap<ObjectKey, ServiceRecord> records = new TreeMap<>();
        good.getOrDefault(name, List.of()).forEach(r -> records.put(r.key(), r));
        return records;
    }

    private static String text(SortedMap<ObjectKey, ServiceRecord> records) {
        List<String> lines = new ArrayList<>();
        records.values().forEach(r -> lines.add(Texts.compactJson(r.toMap())));
        return "{\"services\": [\n" + String.join(",\n", lines) + "\n]}\n";
    }

    private static String fileOf(ObjectKey key) {
        int h = key.toString().hashCode() * 0x9E3779B9;
        return String.format("%02x.json", h >>> 24);
    }
}
