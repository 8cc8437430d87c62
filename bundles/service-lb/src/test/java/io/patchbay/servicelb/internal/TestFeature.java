package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.LoadOptions;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.ObjectSpec;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** The feature's maps in the kernel, and its permit to run, without lifecycle. Maps outlive scopes, as pinned ones do. */
final class TestFeature implements FeatureRuntime, AutoCloseable {
    private final Map<String, BpfMap> maps = new HashMap<>();
    private final Map<String, MapHandle> handles = new HashMap<>();
    final CompletableFuture<Void> ready = new CompletableFuture<>();

    private final Map<String, String> config;

    /** @param sizes of maps that get another size */
    TestFeature(Map<String, Integer> sizes) throws IOException {
        this(sizes, Map.of());
    }

    TestFeature(Map<String, Integer> sizes, Map<String, String> config) throws IOException {
        this.config = config;
        for (String object : new String[] {"bpf/service.o", "bpf/nodeport.o", "bpf/sock.o"}) {
            try (InputStream in = TestFeature.class.getClassLoader().getResourceAsStream(object)) {
                for (MapSpec spec : ObjectSpec.parse(in.readAllBytes()).maps().values()) {
                    if (!spec.name().startsWith("lb_") || maps.containsKey(spec.name())) continue;
                    MapSpec sized = sizes.containsKey(spec.name()) ? spec.withMaxEntries(sizes.get(spec.name())) : spec;
                    BpfMap map = BpfMap.create(sized);
                    maps.put(spec.name(), map);
                    handles.put(spec.name(), new KernelMap(map));
                }
            }
        }
    }

    @Override
    public String feature() {
        return "service-lb";
    }

    @Override
    public String version() {
        return "0.1.0";
    }

    @Override
    public MapHandle map(String name) {
        return handles.get(name);
    }

    @Override
    public Map<String, String> config() {
        return config;
    }

    @Override
    public Path stateDirectory() {
        throw new UnsupportedOperationException("services keep nothing on disk");
    }

    @Override
    public Scope scope(String component) {
        return new OneThread();
    }

    @Override
    public void ready() {
        ready.complete(null);
    }

    @Override
    public void failed(String reason) {
        ready.completeExceptionally(new IllegalStateException(reason));
    }

    @Override
    public void close() {
        maps.values().forEach(BpfMap::close);
    }

    private static final class OneThread implements Scope {
        private final ExecutorService executor = Executors.newSingleThreadExecutor();
        private final Deque<AutoCloseable> resources = new ArrayDeque<>();

        @Override
        public Executor executor() {
            return executor;
        }

        @Override
        public void every(String controller, Duration period, Callable<?> task) {
            throw new UnsupportedOperationException();
        }

        @Override
        public CompletableFuture<Void> untilDone(String controller, Callable<?> task) {
            CompletableFuture<Void> done = new CompletableFuture<>();
            attempt(task, done);
            return done;
        }

        /** As lifecycle's: a failed attempt is made again after a while, on no thread of the feature's own. */
        private void attempt(Callable<?> task, CompletableFuture<Void> done) {
            try {
                task.call();
                done.complete(null);
            } catch (Exception e) {
                CompletableFuture.delayedExecutor(100, TimeUnit.MILLISECONDS).execute(() -> {
                    if (!executor.isShutdown()) attempt(task, done);
                });
            }
        }

        @Override
        public void later(Duration delay, Runnable task) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void thread(String name, Runnable body) {
            Thread t = new Thread(body, name);
            t.setDaemon(true);
            t.start();
        }

        @Override
        public <T extends AutoCloseable> T closing(T resource) {
            resources.push(resource);
            return resource;
        }

        @Override
        public void close() {
            try {
                while (!resources.isEmpty()) resources.pop().close();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
            executor.shutdownNow();
        }
    }
}
