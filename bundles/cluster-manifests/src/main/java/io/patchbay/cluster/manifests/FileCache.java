package io.patchbay.cluster.manifests;

import io.patchbay.cluster.decode.Problem;
import io.patchbay.cluster.decode.Problems;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;

/** The parsed files of one directory; a file is read again only if its inode, size or time changed. Not thread-safe. */
final class FileCache<T> {
    /** Reads one file's text; what is wrong goes to the problems. */
    interface Parser<T> {
        T parse(String file, byte[] text, Problems problems);
    }

    /** @param value null if the file has problems */
    record Entry<T>(T value, List<Problem> problems, Object stamp) {
    }

    private record Stamp(Object key, long size, java.nio.file.attribute.FileTime modified) {
    }

    private final Path directory;
    private final String shown;
    private final Predicate<String> names;
    private final Parser<T> parser;
    private Map<String, Entry<T>> entries = new HashMap<>();
    private long version;

    /** @param shown how the directory is called in problems */
    FileCache(Path directory, String shown, Predicate<String> names, Parser<T> parser) {
        this.directory = directory;
        this.shown = shown;
        this.names = names;
        this.parser = parser;
    }

    /** Grows when {@link #read} found something changed. */
    long version() {
        return version;
    }

    /** All files, by name. */
    SortedMap<String, Entry<T>> read() throws IOException {
        Map<String, Entry<T>> now = new HashMap<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
            for (Path path : files) {
                String name = path.getFileName().toString();
                if (name.startsWith(".") || !names.test(name)) continue;
                Entry<T> entry = read(path, name);
                if (entry != null) now.put(name, entry);
            }
        } catch (NoSuchFileException e) {
            // a directory that isn't there is empty
        }
        // an entry of a file that didn't change is the same object
        if (!now.equals(entries)) version++;
        entries = now;
        return new TreeMap<>(now);
    }

    private Entry<T> read(Path path, String name) throws IOException {
        try {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            if (!attributes.isRegularFile()) return null;
            Stamp stamp = new Stamp(attributes.fileKey(), attributes.size(), attributes.lastModifiedTime());
            Entry<T> known = entries.get(name);
            if (known != null && known.stamp.equals(stamp)) return known;
            Problems problems = new Problems();
            String file = shown.isEmpty() ? name : shown + "/" + name;
            T value = parser.parse(file, Files.readAllBytes(path), problems);
            return new Entry<>(problems.isEmpty() ? value : null, problems.list(), stamp);
        } catch (NoSuchFileException e) {
            return null;
        }
    }
}
