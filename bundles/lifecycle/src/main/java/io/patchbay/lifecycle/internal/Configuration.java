package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.Pipeline;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.osgi.framework.BundleException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The keys of all features: what they are set to, and setting them. What changes something is called on the lifecycle's one thread. */
final class Configuration {
    private static final Logger LOG = LoggerFactory.getLogger(Configuration.class);

    private final FeatureSet features;
    private final Layers layers;
    private final Pipeline pipeline;
    private final Permits permits;
    private final ChangeSteps changes;

    Configuration(FeatureSet features, Layers layers, Pipeline pipeline, Permits permits, ChangeSteps changes) {
        this.features = features;
        this.layers = layers;
        this.pipeline = pipeline;
        this.permits = permits;
        this.changes = changes;
    }

    static final String SELF = "lifecycle";
    static final String REQUIRE_SIGNATURES = "require-signatures";
    static final String TRUSTED_CERTIFICATES = "trusted-certificates";
    /** Who may write to the cluster is not therefore one who may say what code runs on the node. */
    private static final Set<String> NOT_BY_CLUSTER = Set.of(SELF + "." + REQUIRE_SIGNATURES, SELF + "." + TRUSTED_CERTIFICATES);
    static final Map<String, Setting> OWN_KEYS = Map.of(
            "ready-seconds", Setting.whole("20", 0, 3600, "how long an update waits until its features have filled their maps"),
            "bundle-seconds", Setting.whole("30", 1, 3600, "how long a change waits for a feature's code, when its bundle or its components begin or end"),
            REQUIRE_SIGNATURES, new Setting("false", Setting.Type.BOOL, null, null, List.of(), "", "whether 'feature update' takes only jars signed by somebody who is trusted", List.of()),
            TRUSTED_CERTIFICATES, new Setting("", Setting.Type.TEXT, null, null, List.of(), "", "file with the certificates (PEM) of those whose features this node takes", List.of()),
            "drain-seconds", Setting.whole("300", 0, 86_400, "how long a feature that is being disabled keeps what still uses it"));

    /** Values of lifecycle's own keys. */
    Map<String, String> own() {
        return layers.values(SELF, OWN_KEYS);
    }

    Duration seconds(String key) {
        return seconds(layers, key);
    }

    static Duration seconds(Layers layers, String key) {
        return Duration.ofSeconds(Long.parseLong(layers.values(SELF, OWN_KEYS).get(key)));
    }

    /** All keys as they are declared, {@code feature.key}. */
    Map<String, Setting> settings() {
        Map<String, Setting> all = new TreeMap<>();
        OWN_KEYS.forEach((k, s) -> all.put(SELF + "." + k, s));
        features.jars().forEach((f, j) -> j.config().forEach((k, s) -> all.put(f + "." + k, s)));
        return all;
    }

    /** All keys with value and layer, {@code feature.key}. */
    Map<String, Layers.Value> values() {
        Map<String, Layers.Value> all = new TreeMap<>();
        layers.effective(SELF, OWN_KEYS).forEach((k, v) -> all.put(SELF + "." + k, v));
        features.jars().forEach((f, j) -> layers.effective(f, j.config()).forEach((k, v) -> all.put(f + "." + k, v)));
        return all;
    }

    /** @param value empty: back to the layers below */
    void set(String key, Optional<String> value) throws ChangeRefused, IOException {
        Map<String, Layers.Value> known = values();
        if (!known.containsKey(key)) {
            String feature = key.contains(".") ? key.substring(0, key.indexOf('.')) : key;
            List<String> own = known.keySet().stream().filter(k -> k.startsWith(feature + ".")).toList();
            throw new ChangeRefused("there is no key '" + key + "'; " + (own.isEmpty() ? "features with keys: "
                    + known.keySet().stream().map(k -> k.substring(0, k.indexOf('.'))).distinct().collect(Collectors.joining(", "))
                    : "known: " + String.join(", ", own)));
        }
        Optional<String> problem = value.flatMap(settings().get(key)::problem);
        if (problem.isPresent()) {
            throw new ChangeRefused(key + ": " + problem.get());
        }
        Layers.Value before = known.get(key);
        layers.operator(key, value);
        try {
            reconfigured();
        } catch (ChangeRefused e) {
            layers.operator(key, before.layer() == Layers.Layer.OPERATOR ? Optional.of(before.value()) : Optional.empty());
            asBefore();
            throw e;
        }
    }

    /** The cluster's layer: taken whole, or with a value that its key does not allow not at all. @throws ChangeRefused naming these */
    void cluster(Map<String, String> values) throws ChangeRefused, IOException {
        Map<String, Setting> known = settings();
        List<String> forbidden = values.keySet().stream().filter(NOT_BY_CLUSTER::contains).sorted().toList();
        if (!forbidden.isEmpty()) {
            throw new ChangeRefused("the cluster may not set " + String.join(", ", forbidden) + "; that is for the node's own configuration");
        }
        List<String> wrong = values.entrySet().stream().filter(e -> known.containsKey(e.getKey()))
                .flatMap(e -> known.get(e.getKey()).problem(e.getValue()).map(p -> e.getKey() + ": " + p).stream()).toList();
        if (!wrong.isEmpty()) {
            throw new ChangeRefused(String.join("; ", wrong));
        }
        Map<String, String> before = layers.cluster();
        layers.cluster(values);
        try {
            reconfigured();
        } catch (ChangeRefused e) {
            layers.cluster(before);
            asBefore();
            throw e;
        }
    }

    /** What did not begin again with other values does with those that it had. */
    private void asBefore() {
        features.taking(features.record()).stream().filter(f -> !permits.has(f)).forEach(changes::bringBack);
    }

    /** A generation whose maps have the sizes that the configuration wants; their entries come with it. */
    private void resize() throws ChangeRefused {
        Set<String> resized = new TreeSet<>();
        for (String f : permits.names()) {
            if (!features.sizes().differences(Set.of(f)).isEmpty()) {
                resized.add(f);
            }
        }
        if (resized.isEmpty()) {
            return;
        }
        Map<String, FeatureJar> again = new LinkedHashMap<>();
        for (String f : resized) {
            FeatureJar jar = features.jars().get(f);
            again.put(f, jar);
            features.sizes().refuseLoss(jar);
        }
        String title = String.join(", ", resized) + ": " + String.join(", ", features.sizes().differences(resized));
        changes.run(title, features.record(), again, true);
    }

    /** Features whose values are others now get a new permit, so that their components start again with these. */
    private void reconfigured() throws IOException, ChangeRefused {
        resize();
        for (String f : permits.names()) {
            Permit permit = permits.get(f);
            if (!layers.values(f, permit.jar().config()).equals(permit.config())) {
                LOG.info("Configuration of {} has changed", f);
                try {
                    permits.withdraw(f);
                    permits.publish(features.jars().get(f), pipeline::map, features.isDraining(f));
                } catch (BundleException e) {
                    throw new ChangeRefused(f + " does not begin again with the new value: " + e.getMessage(), e);
                }
            }
            warnIneffective(f);
        }
    }

    /** Says in the log which values of a feature have no effect. */
    void warnIneffective(String f) {
        FeatureJar j = features.jars().get(f);
        if (j != null) {
            layers.ineffective(f, j.config()).forEach(problem -> LOG.warn("Configuration without effect: {}", problem));
        }
    }
}
