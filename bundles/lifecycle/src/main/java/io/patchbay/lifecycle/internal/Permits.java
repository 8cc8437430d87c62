package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.status.Controllers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.osgi.framework.BundleException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The permits that are out, and how their features are. They are published and withdrawn on the lifecycle's thread; everything else is
 * thread-safe.
 */
final class Permits {
    /** Where the permits go: the service registry. */
    interface Registry {
        /** @return withdraws it */
        Runnable publish(Permit permit);

        /** Effective values of a feature, before its permit. @param values Long, Boolean and String */
        void configure(String feature, Map<String, Object> values) throws IOException;
    }

    private record Live(Permit permit, Runnable withdraw) {
    }

    private static final Logger LOG = LoggerFactory.getLogger(Permits.class);

    private final Bundles bundles;
    private final Outside outside;
    private final Registry registry;
    private final Controllers controllers;
    private final Layers layers;
    private final Path stateDirectory;
    private final Map<String, Live> live = new ConcurrentHashMap<>();
    private final Object news = new Object();
    private volatile Runnable observer = () -> { };

    /** @param stateDirectory holds a directory of each feature's own */
    Permits(Bundles bundles, Outside outside, Registry registry, Controllers controllers, Layers layers, Path stateDirectory) {
        this.bundles = bundles;
        this.outside = outside;
        this.registry = registry;
        this.controllers = controllers;
        this.layers = layers;
        this.stateDirectory = stateDirectory;
    }

    /** The permit of a feature; null: it has none. */
    Permit get(String feature) {
        Live l = live.get(feature);
        return l == null ? null : l.permit;
    }

    boolean has(String feature) {
        return live.containsKey(feature);
    }

    /** Features that have one, as of now. */
    List<String> names() {
        return List.copyOf(live.keySet());
    }

    List<Permit> all() {
        return live.values().stream().map(Live::permit).toList();
    }

    /**
     * Lets its components run.
     *
     * @param maps of the generation that is being prepared, or of the one in charge
     * @throws ChangeRefused they do not begin in time
     */
    void publish(FeatureJar jar, Function<String, MapHandle> maps, boolean draining) throws ChangeRefused, BundleException, IOException {
        String feature = jar.name();
        Path own = Files.createDirectories(stateDirectory.resolve("features").resolve(feature));
        Map<String, String> values = layers.values(feature, jar.config());
        Map<String, Object> typed = new TreeMap<>();
        values.forEach((k, v) -> typed.put(k, jar.config().get(k).typed(v)));
        Permit permit = new Permit(jar, values, own, controllers, maps, draining, this::news);
        Runnable withdraw = outside.call(feature, "starting its components", () -> {
            registry.configure(feature, typed);
            return registry.publish(permit);
        }, unwanted -> {
            unwanted.run();
            permit.close();
        });
        live.put(feature, new Live(permit, withdraw));
        news();
    }

    /** Ends its components, and closes what they forgot. @throws ChangeRefused they do not end in time */
    void withdraw(String feature) throws ChangeRefused {
        Live l = live.remove(feature);
        try {
            if (l != null) {
                outside.call(feature, "ending its components", () -> {
                    l.withdraw.run();
                    l.permit.close();
                    return null;
                });
            }
        } catch (BundleException | IOException e) {
            throw new ChangeRefused(feature + ": ending its components failed: " + e, e);
        } finally {
            news();
        }
    }

    /** The same where there is no way back: what goes wrong is logged. */
    void end(String feature) {
        try {
            withdraw(feature);
        } catch (ChangeRefused | RuntimeException e) {
            LOG.error("Feature {} is to have no components any more: {}", feature, e.getMessage(), e);
        }
    }

    /** Something has changed that states are computed from. */
    void news() {
        synchronized (news) {
            news.notifyAll();
        }
        observer.run();
    }

    /** Called, on any thread and under anybody's lock, when states may have changed: it may only take note. */
    void observer(Runnable o) {
        observer = o;
    }

    /** A bundle event. The framework's thread, before the bundle's components are gone or come. */
    void bundleStopped(String feature) {
        Live l = live.get(feature);
        if (l != null) {
            l.permit.stopped();
        }
        news();
    }

    void close() {
        live.forEach((f, l) -> l.withdraw.run());
        live.values().forEach(l -> l.permit.close());
        live.clear();
    }

    /** Waits until each has said that its maps are filled, or says why it won't. */
    void awaitReady(Set<String> features, Duration deadline) throws ChangeRefused, InterruptedException {
        long end = System.nanoTime() + deadline.toNanos();
        for (String f : features) {
            while (true) {
                Live l = live.get(f);
                if (isReady(f)) {
                    break;
                }
                if (l != null && l.permit.failure() != null) {
                    throw new ChangeRefused(f + " says that it can't work: " + l.permit.failure());
                }
                String broken = bundles.activationFailure(f);
                if (broken != null) {
                    throw new ChangeRefused(f + ": its activation failed: " + broken);
                }
                long left = end - System.nanoTime();
                if (left <= 0) {
                    String waits = bundles.waitingFor(f);
                    throw new ChangeRefused(f + " was not ready within " + deadline.toSeconds() + " s" + (waits.isEmpty() ? "" : ": " + waits));
                }
                synchronized (news) {
                    // Not every reason comes with an event: SCR doesn't report an activation that threw.
                    news.wait(Math.max(1, Math.min(50, left / 1_000_000)));
                }
            }
        }
    }

    /** A feature with no part in the datapath has no maps to fill: it is ready when its components run. */
    boolean isReady(String f) {
        Live l = live.get(f);
        if (l == null || !bundles.active(f)) {
            return false;
        }
        FeatureDescriptor d = l.permit.jar().descriptor();
        return l.permit.isReady()
                || d.stages().isEmpty() && d.maps().isEmpty() && bundles.activationFailure(f) == null && bundles.waitingFor(f).isEmpty();
    }
}
