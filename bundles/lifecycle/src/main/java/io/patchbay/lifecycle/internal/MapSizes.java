package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Pipeline;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Maps whose number of entries the configuration says: what it wants, and what the kernel has. Thread-safe. */
final class MapSizes {
    private static final Logger LOG = LoggerFactory.getLogger(MapSizes.class);

    private final Pipeline pipeline;
    private final Layers layers;
    private final Map<String, FeatureJar> jars;

    /** @param jars of the features, as they are now; thread-safe */
    MapSizes(Pipeline pipeline, Layers layers, Map<String, FeatureJar> jars) {
        this.pipeline = pipeline;
        this.layers = layers;
        this.jars = jars;
    }

    /** By map, as the configuration says. */
    Map<String, Integer> wanted(FeatureJar jar) {
        return jar.sizes(layers.values(jar.name(), jar.config()));
    }

    /** Numbers of entries of the maps that the configuration sizes, as the kernel has them, by feature. */
    Map<String, Map<String, Integer>> inForce() {
        Map<String, Map<String, Integer>> all = new TreeMap<>();
        Set<String> there = pipeline.current().map(g -> g.features().stream().map(Pipeline.FeatureVersion::name).collect(Collectors.toSet())).orElse(Set.of());
        jars.forEach((f, jar) -> {
            if (there.contains(f)) {
                Map<String, Integer> sizes = new TreeMap<>();
                wanted(jar).keySet().forEach(m -> {
                    try {
                        sizes.put(m, pipeline.map(m).maxEntries());
                    } catch (DatapathException e) {
                        LOG.debug("Map {} of {} is not there yet", m, f);
                    }
                });
                all.put(f, sizes);
            }
        });
        return all;
    }

    /** What the configuration wants otherwise than the kernel has it: {@code lb_services 65536 -> 131072 entries}. */
    List<String> differences(Set<String> features) {
        Map<String, Map<String, Integer>> now = inForce();
        List<String> all = new ArrayList<>();
        for (String f : features) {
            wanted(jars.get(f)).forEach((m, wanted) -> {
                Integer has = now.getOrDefault(f, Map.of()).get(m);
                if (has != null && !has.equals(wanted)) {
                    all.add(m + " " + has + " -> " + wanted + " entries");
                }
            });
        }
        return all;
    }

    /** @throws ChangeRefused when a map holds more than it may have */
    void refuseLoss(FeatureJar jar) throws ChangeRefused {
        for (Map.Entry<String, Integer> wanted : wanted(jar).entrySet()) {
            MapHandle map = pipeline.map(wanted.getKey());
            // Of an LRU map the oldest may go, and an array is always full; of any other nothing.
            String type = map.type().toLowerCase(Locale.ROOT);
            boolean any = type.contains("lru") || type.contains("array");
            if (map.maxEntries() > wanted.getValue() && !any && map.count() > wanted.getValue()) {
                throw new ChangeRefused("map " + map.name() + " of " + jar.name() + " holds " + map.count() + " entries, for which " + wanted.getValue()
                        + " are too few");
            }
        }
    }
}
