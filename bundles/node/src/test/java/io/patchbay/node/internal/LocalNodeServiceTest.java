package io.patchbay.node.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.api.node.LocalNode;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;

@Timeout(30)
class LocalNodeServiceTest {
    private final List<String> calls = new CopyOnWriteArrayList<>();
    private final CountDownLatch registering = new CountDownLatch(1);
    private volatile CountDownLatch let = new CountDownLatch(0);
    private int number;
    private final LocalNodeService service = new LocalNodeService((BundleContext) Proxy.newProxyInstance(BundleContext.class.getClassLoader(),
            new Class<?>[] {BundleContext.class}, (proxy, method, args) -> register()));

    private ServiceRegistration<?> register() throws InterruptedException {
        int mine = ++number;
        calls.add("register " + mine);
        registering.countDown();
        let.await();
        return (ServiceRegistration<?>) Proxy.newProxyInstance(ServiceRegistration.class.getClassLoader(), new Class<?>[] {ServiceRegistration.class},
                (proxy, method, args) -> calls.add(method.getName() + " " + mine) ? null : null);
    }

    private static LocalNode node() {
        return null;
    }

    @Test
    void nobodyIsWithoutWhileItIsReplaced() {
        service.publish(node());
        service.publish(node());
        service.close();
        assertEquals(List.of("register 1", "register 2", "unregister 1", "unregister 2"), calls);
    }

    /** Those who refer to it may take their time to begin; a component that ends meanwhile does not wait for them. */
    @Test
    void closingDoesNotWaitForThoseWhoBegin() throws Exception {
        let = new CountDownLatch(1);
        Thread publishing = new Thread(() -> service.publish(node()));
        publishing.start();
        registering.await();
        service.close();
        assertEquals(List.of("register 1"), calls);
        let.countDown();
        publishing.join(TimeUnit.SECONDS.toMillis(20));
        assertEquals(List.of("register 1", "unregister 1"), calls, "it leaves nothing behind");
    }
}
