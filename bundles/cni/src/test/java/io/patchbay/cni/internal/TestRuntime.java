package io.patchbay.cni.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The permit of one feature, without lifecycle. */
final class TestRuntime {
    private TestRuntime() {
    }

    static FeatureRuntime of(String feature, Path state, Map<String, MapHandle> maps, Map<String, String> config, Runnable ready) {
        InvocationHandler handler = (proxy, method, arguments) -> switch (method.getName()) {
            case "feature" -> feature;
            case "version" -> "0.1.0";
            case "map" -> maps.get((String) arguments[0]);
            case "config" -> config;
            case "stateDirectory" -> directory(state.resolve(feature));
            case "scope" -> new TestScope(feature + "/" + arguments[0]);
            case "ready" -> {
                ready.run();
                yield null;
            }
            default -> method.isDefault() ? InvocationHandler.invokeDefault(proxy, method, arguments) : null;
        };
        return (FeatureRuntime) Proxy.newProxyInstance(TestRuntime.class.getClassLoader(), new Class<?>[] {FeatureRuntime.class}, handler);
    }

    private static Path directory(Path p) {
        try {
            return Files.createDirectories(p);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static final class TestScope implements Scope {
        private final ScheduledThreadPoolExecutor tasks;
        private final Deque<AutoCloseable> closing = new ArrayDeque<>();

        TestScope(String name) {
            tasks = new ScheduledThreadPoolExecutor(1, work -> {
                Thread t = new Thread(work, name);
                t.setDaemon(true);
                return t;
            });
            tasks.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
            tasks.prestartAllCoreThreads();
        }

        private void submit(Runnable work, long millis) {
            try {
                tasks.schedule(work, millis, TimeUnit.MILLISECONDS);
            } catch (RejectedExecutionException closed) {
                return;
            }
        }

        @Override
        public Executor executor() {
            return work -> submit(work, 0);
        }

        @Override
        public void every(String controller, Duration period, Callable<?> task) {
            submit(new Runnable() {
                @Override
                public void run() {
                    try {
                        task.call();
                    } catch (Exception e) {
                        System.err.println(controller + ": " + e);
                    }
                    submit(this, period.toMillis());
                }
            }, 0);
        }

        @Override
        public CompletableFuture<Void> untilDone(String controller, Callable<?> task) {
            CompletableFuture<Void> done = new CompletableFuture<>();
            submit(new Runnable() {
                @Override
                public void run() {
                    try {
                        task.call();
                        done.complete(null);
                    } catch (Exception e) {
                        System.err.println(controller + ": " + e);
                        submit(this, 100);
                    }
                }
            }, 0);
            return done;
        }

        @Override
        public void later(Duration delay, Runnable task) {
            submit(task, delay.toMillis());
        }

        @Override
        public void thread(String name, Runnable body) {
            Thread t = new Thread(body, name);
            t.setDaemon(true);
            t.start();
            closing(() -> {
                t.interrupt();
                t.join(5000);
            });
        }

        @Override
        public synchronized <T extends AutoCloseable> T closing(T resource) {
            closing.push(resource);
            return resource;
        }

        @Override
        public synchronized void close() {
            tasks.shutdown();
            try {
                tasks.awaitTermination(5, TimeUnit.SECONDS);
                while (!closing.isEmpty()) closing.pop().close();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
