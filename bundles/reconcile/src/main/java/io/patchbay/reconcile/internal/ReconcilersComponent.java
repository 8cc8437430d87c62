package io.patchbay.reconcile.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.reconcile.Codec;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import io.patchbay.api.reconcile.Target;
import io.patchbay.api.status.Controllers;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * Makes reconcilers, which share a few threads. The threads are started here and never by a feature's call: a thread keeps what
 * its starter could see, class loaders included, for as long as it lives.
 */
@Component(service = Reconcilers.class, immediate = true)
public final class ReconcilersComponent implements Reconcilers {
    /** Targets wait for netlink and for RCU; two that wait must not stop the others. */
    private static final int THREADS = 4;

    private final Controllers controllers;
    private final ThreadPoolExecutor workers;
    private final ScheduledThreadPoolExecutor timer;

    @Activate
    public ReconcilersComponent(@Reference Controllers controllers) {
        this.controllers = controllers;
        workers = new ThreadPoolExecutor(THREADS, THREADS, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), named("reconcile-"));
        workers.prestartAllCoreThreads();
        timer = new ScheduledThreadPoolExecutor(1, named("reconcile-timer-"));
        timer.setRemoveOnCancelPolicy(true);
        timer.prestartAllCoreThreads();
    }

    @Deactivate
    void deactivate() {
        timer.shutdownNow();
        workers.shutdown();
    }

    @Override
    public <K, V> Reconciler<K, V> create(String name, Target<K, V> target) {
        return new StateReconciler<>(name, target, controllers.register(name), workers, timer, Backoff.DEFAULT);
    }

    @Override
    public <K, V> Reconciler<K, V> forMap(String name, MapHandle map, Codec<K> keys, Codec<V> values) {
        return create(name, mapTarget(map, keys, values));
    }

    @Override
    public <K, V> Target<K, V> mapTarget(MapHandle map, Codec<K> keys, Codec<V> values) {
        return new MapTarget<>(map, keys, values);
    }

    private static ThreadFactory named(String prefix) {
        AtomicInteger number = new AtomicInteger();
        return work -> {
            Thread t = new Thread(work, prefix + number.incrementAndGet());
            t.setDaemon(true);
            t.setContextClassLoader(null);
            return t;
        };
    }
}
