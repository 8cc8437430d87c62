package io.patchbay.node.internal;

import io.patchbay.api.feature.Features;
import io.patchbay.api.node.RouteMtu;
import java.io.IOException;
import java.io.Reader;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Collection;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Bytes that features take from each packet between nodes, by feature. A feature whose bundle stops still encapsulates, so its figure
 * stays until the feature is disabled, over restarts too. Thread-safe.
 */
final class Overheads {
    private static final Logger LOG = LoggerFactory.getLogger(Overheads.class);

    private final Path file;
    private final Map<String, Integer> known = new TreeMap<>();
    private final Map<String, RouteMtu> present = new TreeMap<>();

    Overheads(Path directory) {
        this.file = directory.resolve("overheads.properties");
        Properties p = new Properties();
        if (Files.exists(file)) {
            try (Reader in = Files.newBufferedReader(file)) {
                p.load(in);
                p.forEach((k, v) -> known.put((String) k, Integer.parseInt((String) v)));
            } catch (IOException | IllegalArgumentException e) {
                // only matters until the features that encapsulate have said it again
                known.clear();
                LOG.warn("{} can't be read: {}; it is written anew", file, e.toString());
            }
        }
    }

    synchronized void add(String feature, RouteMtu mtu) {
        present.put(feature, mtu);
    }

    synchronized void remove(String feature, RouteMtu mtu) {
        present.remove(feature, mtu);
    }

    /** @param state of a feature by its name; null: nothing known of it, say because lifecycle is not there */
    synchronized Collection<Integer> current(Function<String, Features.State> state) throws IOException {
        Map<String, Integer> now = new TreeMap<>(known);
        now.keySet().removeIf(name -> !present.containsKey(name) && state.apply(name) == Features.State.DISABLED);
        present.forEach((name, mtu) -> now.put(name, mtu.overhead()));
        if (!now.equals(known)) {
            known.clear();
            known.putAll(now);
            save();
        }
        return now.values();
    }

    private void save() throws IOException {
        Properties p = new Properties();
        known.forEach((k, v) -> p.setProperty(k, v.toString()));
        Files.createDirectories(file.getParent());
        Path next = file.resolveSibling(file.getFileName() + ".new");
        try (Writer out = Files.newBufferedWriter(next)) {
            p.store(out, null);
        }
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
