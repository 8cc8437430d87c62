package io.patchbay.api.feature;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class FeatureRuntimeTest {
    private final List<String> said = new ArrayList<>();
    private final Deque<Runnable> later = new ArrayDeque<>();
    private final Scope scope = (Scope) Proxy.newProxyInstance(Scope.class.getClassLoader(), new Class<?>[] {Scope.class}, (proxy, method, args) -> {
        assertEquals("later", method.getName());
        later.add((Runnable) args[1]);
        return null;
    });
    private final FeatureRuntime runtime = (FeatureRuntime) Proxy.newProxyInstance(FeatureRuntime.class.getClassLoader(), new Class<?>[] {FeatureRuntime.class},
            (proxy, method, args) -> {
                if (method.isDefault()) return InvocationHandler.invokeDefault(proxy, method, args);
                said.add(method.getName());
                return null;
            });

    /** A map that could not be written for a moment is no reason never to say anything again. */
    @Test
    void readyComesAfterAllFailures() {
        CompletableFuture<Void> slow = new CompletableFuture<>();
        Deque<CompletableFuture<Void>> flushes = new ArrayDeque<>(List.of(CompletableFuture.failedFuture(new IllegalStateException("full")),
                CompletableFuture.failedFuture(new IllegalStateException("full")), slow));
        runtime.readyAfter(flushes::remove, scope);
        later.remove().run();
        later.remove().run();
        assertEquals(List.of(), said);
        slow.complete(null);
        assertEquals(List.of("ready"), said);
        assertEquals(0, later.size());
    }
}
