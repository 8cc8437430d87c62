package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.feature.FeatureDescriptor.OwnedMap;
import io.patchbay.api.feature.FeatureDescriptor.UsedMap;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.status.Controllers;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/** One feature's {@link FeatureRuntime}, as long as its version, its configuration and its maps stay the same. */
final class Permit implements FeatureRuntime {
    private final FeatureJar jar;
    private final Map<String, String> config;
    private final Path stateDirectory;
    private final Controllers controllers;
    private final Runnable changed;
    private final Set<TaskScope> scopes = ConcurrentHashMap.newKeySet();
    private volatile Function<String, MapHandle> maps;
    private volatile boolean ready;
    private volatile String failure;
    private volatile boolean draining;
    private volatile boolean drained;

    /** @param maps of the generation that is being prepared, or of the one in charge @param changed called when the feature says something */
    Permit(FeatureJar jar, Map<String, String> config, Path stateDirectory, Controllers controllers, Function<String, MapHandle> maps, boolean draining,
           Runnable changed) {
        this.jar = jar;
        this.config = config;
        this.stateDirectory = stateDirectory;
        this.controllers = controllers;
        this.maps = maps;
        this.draining = draining;
        this.changed = changed;
        this.ready = !jar.components();
    }

    @Override
    public String feature() {
        return jar.name();
    }

    @Override
    public String version() {
        return jar.version();
    }

    @Override
    public MapHandle map(String name) {
        Set<String> known = new LinkedHashSet<>();
        jar.descriptor().maps().stream().map(OwnedMap::name).forEach(known::add);
        jar.descriptor().uses().stream().map(UsedMap::name).forEach(known::add);
        if (!known.contains(name)) {
            throw new DatapathException("feature " + feature() + " has no map '" + name + "'; its descriptor names "
                    + (known.isEmpty() ? "none" : String.join(", ", known)));
        }
        return maps.apply(name);
    }

    @Override
    public Map<String, String> config() {
        return config;
    }

    @Override
    public Path stateDirectory() {
        return stateDirectory;
    }

    @Override
    public Scope scope(String component) {
        TaskScope[] self = new TaskScope[1];
        self[0] = new TaskScope(feature() + "/" + component, controllers, () -> scopes.remove(self[0]));
        scopes.add(self[0]);
        return self[0];
    }

    @Override
    public void ready() {
        failure = null;
        ready = true;
        changed.run();
    }

    @Override
    public void failed(String reason) {
        failure = reason;
        changed.run();
    }

    @Override
    public boolean draining() {
        return draining;
    }

    @Override
    public void drained() {
        drained = true;
        changed.run();
    }

    FeatureJar jar() {
        return jar;
    }

    boolean isReady() {
        return ready;
    }

    String failure() {
        return failure;
    }

    boolean isDrained() {
        return drained;
    }

    void drain() {
        draining = true;
    }

    void undrain() {
        draining = false;
        drained = false;
    }

    /** The components are gone: the next ones have to say it again. */
    void stopped() {
        ready = !jar.components();
        failure = null;
    }

    /** The prepared generation is in charge now. */
    void maps(Function<String, MapHandle> inCharge) {
        maps = inCharge;
    }

    /** Closes what the components forgot. */
    void close() {
        scopes.forEach(TaskScope::close);
    }
}
