package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;

/** Who follows the endpoints; each on an executor of its own. Calls come under the caller's lock, so that all see one order. */
final class Subscribers {
    private record One(Executor executor, Endpoints.Listener listener) {
    }

    private final List<One> all = new CopyOnWriteArrayList<>();

    AutoCloseable add(Executor executor, Endpoints.Listener listener, Collection<Endpoint> now, Endpoint host) {
        One one = new One(executor, listener);
        all.add(one);
        for (Endpoint e : now) run(one, l -> l.put(e));
        if (host != null) run(one, l -> l.host(host));
        return () -> all.remove(one);
    }

    void put(Endpoint e) {
        all.forEach(one -> run(one, l -> l.put(e)));
    }

    void removed(Endpoint e) {
        all.forEach(one -> run(one, l -> l.removed(e)));
    }

    void host(Endpoint node) {
        all.forEach(one -> run(one, l -> l.host(node)));
    }

    private static void run(One one, Consumer<Endpoints.Listener> call) {
        try {
            one.executor.execute(() -> call.accept(one.listener));
        } catch (RejectedExecutionException e) {
            // its feature is stopping, and follows anew when it comes back
            return;
        }
    }
}
