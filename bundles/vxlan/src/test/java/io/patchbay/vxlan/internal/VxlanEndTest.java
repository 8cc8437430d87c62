package io.patchbay.vxlan.internal;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Subscription;
import io.patchbay.api.cluster.Table;
import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.reconcile.Reconciler;
import io.patchbay.api.reconcile.Reconcilers;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class VxlanEndTest {
    private final Deque<AutoCloseable> closing = new ArrayDeque<>();
    private Callable<?> task;
    private Thread worker;

    @SuppressWarnings("unchecked")
    private static <T> T fake(Class<? super T> type, InvocationHandler calls) {
        return (T) Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, args) -> method.isDefault()
                ? InvocationHandler.invokeDefault(proxy, method, args) : calls.invoke(proxy, method, args));
    }

    /** As the real one: it has begun a task when it is closed, and waits for its end. */
    private Object scope(String method, Object[] args) throws Exception {
        switch (method) {
            case "closing" -> {
                closing.push((AutoCloseable) args[0]);
                return args[0];
            }
            case "every" -> task = (Callable<?>) args[2];
            case "close" -> {
                worker = new Thread(() -> {
                    try {
                        task.call();
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                });
                worker.start();
                worker.join(TimeUnit.SECONDS.toMillis(5));
                for (AutoCloseable c : closing) c.close();
            }
            default -> { }
        }
        return null;
    }

    @Test
    void theScopeDoesNotWaitForATaskThatWaitsForTheComponent() {
        Scope scope = fake(Scope.class, (proxy, method, args) -> scope(method.getName(), args));
        FeatureRuntime runtime = fake(FeatureRuntime.class, (proxy, method, args) -> switch (method.getName()) {
            case "scope" -> scope;
            case "config" -> Map.of();
            default -> null;
        });
        Reconciler<?, ?> reconciler = fake(Reconciler.class, (proxy, method, args) -> null);
        Subscription subscription = fake(Subscription.class, (proxy, method, args) -> null);
        Table<?, ?> table = fake(Table.class, (proxy, method, args) -> subscription);
        ClusterTables tables = fake(ClusterTables.class, (proxy, method, args) -> table);
        Reconcilers reconcilers = fake(Reconcilers.class, (proxy, method, args) -> reconciler);
        Attachments attachments = fake(Attachments.class, (proxy, method, args) -> null);
        VxlanComponent component = new VxlanComponent(runtime, tables, reconcilers, attachments, (LocalNode) null);
        assertNotNull(task);
        component.deactivate();
        assertFalse(worker.isAlive(), "its task still waits for the lock that deactivate() held while it waited for the task");
    }
}
