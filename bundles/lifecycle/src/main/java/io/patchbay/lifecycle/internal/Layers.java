package io.patchbay.lifecycle.internal;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Configuration: shipped default, node file, cluster, operator, in rising order. Keys are {@code feature.key}. Thread-safe.
 */
final class Layers {
    private static final Logger LOG = LoggerFactory.getLogger(Layers.class);

    enum Layer { DEFAULT, NODE, CLUSTER, OPERATOR }

    /** @param layer that the value comes from */
    record Value(String value, Layer layer) {
    }

    private final Path operatorFile;
    private final Map<Layer, Map<String, String>> layers = new java.util.EnumMap<>(Layer.class);

    /**
     * @param directory state directory: {@code config.properties} is the node's, {@code operator.properties} is written here
     * @param given     of the node layer, by the launcher; win over the file
     */
    Layers(Path directory, Map<String, String> given) throws IOException {
        operatorFile = directory.resolve("operator.properties");
        Map<String, String> node = new TreeMap<>(load(directory.resolve("config.properties")));
        node.putAll(given);
        layers.put(Layer.NODE, node);
        layers.put(Layer.CLUSTER, new TreeMap<>());
        layers.put(Layer.OPERATOR, new TreeMap<>(load(operatorFile)));
    }

    private static Map<String, String> load(Path file) throws IOException {
        Properties p = new Properties();
        if (Files.exists(file)) {
            try (Reader in = Files.newBufferedReader(file)) {
                p.load(in);
            } catch (IllegalArgumentException e) {
                LOG.error("{} is damaged and not used: {}", file, e.getMessage());
            }
        }
        Map<String, String> all = new TreeMap<>();
        p.stringPropertyNames().forEach(k -> all.put(k, p.getProperty(k)));
        return all;
    }

    /** The shipped keys with their effective values. */
    synchronized Map<String, Value> effective(String feature, Map<String, String> shipped) {
        Map<String, Value> all = new TreeMap<>();
        shipped.forEach((key, value) -> {
            Value v = new Value(value, Layer.DEFAULT);
            for (Layer l : new Layer[] {Layer.NODE, Layer.CLUSTER, Layer.OPERATOR}) {
                String own = layers.get(l).get(feature + "." + key);
                v = own == null ? v : new Value(own, l);
            }
            all.put(key, v);
        });
        return all;
    }

    Map<String, String> values(String feature, Map<String, String> shipped) {
        Map<String, String> all = new LinkedHashMap<>();
        effective(feature, shipped).forEach((k, v) -> all.put(k, v.value()));
        return Map.copyOf(all);
    }

    /** Keys of a layer that begin with {@code feature.} and that the feature does not have. */
    synchronized Map<String, Layer> unknown(String feature, Map<String, String> shipped) {
        Map<String, Layer> all = new TreeMap<>();
        layers.forEach((layer, values) -> values.keySet().stream().filter(k -> k.startsWith(feature + "."))
                .filter(k -> !shipped.containsKey(k.substring(feature.length() + 1))).forEach(k -> all.put(k, layer)));
        return all;
    }

    /** Replaces the cluster layer. */
    synchronized void cluster(Map<String, String> values) {
        layers.put(Layer.CLUSTER, new TreeMap<>(values));
    }

    /** Sets, or with an empty value takes away, an operator's value, on disk first. */
    synchronized void operator(String key, Optional<String> value) throws IOException {
        Map<String, String> changed = new TreeMap<>(layers.get(Layer.OPERATOR));
        value.ifPresentOrElse(v -> changed.put(key, v), () -> changed.remove(key));
        StringBuilder text = new StringBuilder("# Written by 'config set'; the highest layer.\n");
        changed.forEach((k, v) -> text.append(escaped(k)).append('=').append(escaped(v)).append('\n'));
        Texts.write(operatorFile, text.toString().getBytes(StandardCharsets.UTF_8));
        layers.put(Layer.OPERATOR, changed);
    }

    private static String escaped(String s) {
        StringBuilder out = new StringBuilder();
        for (char c : s.toCharArray()) {
            switch (c) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\\', '=', ':', '#', '!', ' ' -> out.append('\\').append(c);
                default -> out.append(c);
            }
        }
        return out.toString();
    }
}
