package io.patchbay.lifecycle.internal;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Configuration: the feature's default, the distribution's, node file, cluster, operator, in rising order. Keys are {@code feature.key}. A value
 * that its key does not allow counts for nothing: the one below it holds. Thread-safe.
 */
final class Layers {
    private static final Logger LOG = LoggerFactory.getLogger(Layers.class);

    enum Layer { DEFAULT, DISTRIBUTION, NODE, CLUSTER, OPERATOR }

    /** @param layer that the value comes from */
    record Value(String value, Layer layer) {
    }

    private final Path operatorFile;
    private final Map<Layer, Map<String, String>> layers = new java.util.EnumMap<>(Layer.class);

    /**
     * @param directory state directory: {@code config.properties} is the node's, {@code operator.properties} is written here
     * @param given     of the node layer, by the launcher; win over the file
     * @param shipped   of the distribution
     */
    Layers(Path directory, Map<String, String> given, Map<String, String> shipped) throws IOException {
        layers.put(Layer.DISTRIBUTION, Map.copyOf(shipped));
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
    synchronized Map<String, Value> effective(String feature, Map<String, Setting> shipped) {
        Map<String, Value> all = new TreeMap<>();
        shipped.forEach((key, setting) -> {
            Value v = new Value(setting.standard(), Layer.DEFAULT);
            for (Map.Entry<Layer, Map<String, String>> l : layers.entrySet()) {
                String own = l.getValue().get(feature + "." + key);
                v = own == null || setting.problem(own).isPresent() ? v : new Value(own, l.getKey());
            }
            all.put(key, v);
        });
        return all;
    }

    Map<String, String> values(String feature, Map<String, Setting> shipped) {
        Map<String, String> all = new LinkedHashMap<>();
        effective(feature, shipped).forEach((k, v) -> all.put(k, v.value()));
        return Map.copyOf(all);
    }

    /** What is said in some layer about a feature and has no effect, each with the reason. */
    synchronized List<String> ineffective(String feature, Map<String, Setting> shipped) {
        List<String> all = new ArrayList<>();
        layers.forEach((layer, values) -> {
            String place = " (layer " + layer.name().toLowerCase(Locale.ROOT) + ")";
            all.addAll(problems(values, feature, shipped).stream().map(p -> p + place).toList());
        });
        return all;
    }

    /** What is wrong in these values as far as they are about this feature. */
    static List<String> problems(Map<String, String> values, String feature, Map<String, Setting> shipped) {
        List<String> all = new ArrayList<>();
        values.forEach((k, v) -> {
            if (k.startsWith(feature + ".")) {
                Setting s = shipped.get(k.substring(feature.length() + 1));
                if (s == null) {
                    all.add(k + " is no key of feature " + feature + "; known: " + String.join(", ", new TreeSet<>(shipped.keySet())));
                } else {
                    s.problem(v).ifPresent(p -> all.add(k + ": " + p));
                }
            }
        });
        return all;
    }

    /** Replaces the cluster layer. */
    synchronized void cluster(Map<String, String> values) {
        layers.put(Layer.CLUSTER, new TreeMap<>(values));
    }

    synchronized Map<String, String> cluster() {
        return Map.copyOf(layers.get(Layer.CLUSTER));
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
