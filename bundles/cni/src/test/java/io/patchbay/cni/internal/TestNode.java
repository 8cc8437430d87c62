package io.patchbay.cni.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.endpoint.EndpointStep;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Features;
import io.patchbay.api.ipam.AddressPool;
import io.patchbay.api.node.Launch;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.node.RouteMtu;
import io.patchbay.endpoint.internal.EndpointComponent;
import io.patchbay.identity.internal.IdentityComponent;
import io.patchbay.ipam.internal.IpamComponent;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.node.internal.NodeComponent;
import io.patchbay.reconcile.internal.ControllersComponent;
import io.patchbay.reconcile.internal.ReconcilersComponent;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;

/** The five components of a node in the calling thread's namespace, put together as the framework would. */
final class TestNode implements AutoCloseable {
    private final List<Object> components = new ArrayList<>();
    private final ReconcilersComponent reconcilers = new ReconcilersComponent(new ControllersComponent());
    private final ClusterTables tables;
    private final Path state;
    private final Map<String, MapHandle> maps;
    /** Names of the features that said they are ready. */
    final Set<String> ready = ConcurrentHashMap.newKeySet();
    /** Pod devices that were up when the datapath was put on them. */
    final List<Integer> attachedTooLate = new CopyOnWriteArrayList<>();
    private final List<String> missing;
    private final CountDownLatch nodeIsThere = new CountDownLatch(1);
    private final List<Object> followers = new CopyOnWriteArrayList<>();
    private volatile LocalNode local;
    final EndpointComponent endpoints;
    final IdentityComponent identity;
    final AddressPool pool;
    final CniComponent cni;
    private final NodeComponent node;

    /** @param missing features of which it says that they don't run; may change */
    TestNode(ClusterTables tables, Path state, Map<String, MapHandle> maps, IdentityClaims claims, RouteMtu mtu, EndpointStep step, List<String> missing) throws Exception {
        this.missing = missing;
        this.tables = tables;
        this.state = state;
        this.maps = maps;
        Attachments attachments = new RecordedAttachments();
        BundleContext context = context();
        node = add(new NodeComponent(runtime("node"), tables, reconcilers, attachments, context));
        call(node, "bindMtu", mtu, Map.of(FeatureRuntime.FEATURE, "vxlan"));
        if (!nodeIsThere.await(20, TimeUnit.SECONDS)) throw new AssertionError("no LocalNode: " + node.rows(true));
        identity = add(new IdentityComponent(runtime("identity"), tables, reconcilers, context));
        call(identity, "bindClaims", claims);
        call(identity, "bindFeatures", features());
        IpamComponent ipam = add(new IpamComponent(runtime("ipam")));
        pool = ipam;
        endpoints = add(new EndpointComponent(runtime("endpoint"), tables, identity, identity, reconcilers, attachments));
        call(endpoints, "bindPool", ipam);
        call(endpoints, "bindStep", step, Map.of());
        call(endpoints, "bindFeatures", features());
        cni = add(new CniComponent(runtime("cni"), tables, endpoints, ipam, context));
        call(cni, "bindMtu", mtu);
        call(cni, "bindFeatures", features());
        for (Object o : List.of(identity, ipam, endpoints, cni)) {
            followers.add(o);
            call(o, "bindNode", local);
        }
        for (Object o : List.of(identity, ipam, endpoints, cni)) call(o, "activate");
    }

    List<io.patchbay.api.status.StatusRow> rows() {
        List<io.patchbay.api.status.StatusRow> all = new ArrayList<>(node.rows(true));
        all.addAll(((IpamComponent) pool).rows(true));
        return all;
    }

    private <T> T add(T component) {
        components.add(component);
        return component;
    }

    private FeatureRuntime runtime(String feature) {
        return TestRuntime.of(feature, state, maps, Map.of("pod-wait", "1s", "quarantine", "1s", "identity-grace", "1s"), () -> ready.add(feature));
    }

    private BundleContext context() {
        return (BundleContext) Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] {BundleContext.class}, (p, method, arguments) -> {
            if (method.getName().equals("getProperty")) return Launch.NODE_NAME.equals(arguments[0]) ? "n1" : null;
            if (method.getName().equals("registerService")) {
                local = (LocalNode) arguments[1];
                for (Object o : followers) call(o, "bindNode", local);
                nodeIsThere.countDown();
                return Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] {ServiceRegistration.class}, (q, m, a) -> null);
            }
            return null;
        });
    }

    private Features features() {
        return (Features) Proxy.newProxyInstance(TestNode.class.getClassLoader(), new Class<?>[] {Features.class},
                (p, method, arguments) -> switch (method.getName()) {
                    case "get" -> java.util.Optional.empty();
                    case "missingForAdd" -> List.copyOf(missing);
                    default -> List.of();
                });
    }

    private static void call(Object component, String method, Object... arguments) throws Exception {
        for (Method m : component.getClass().getDeclaredMethods()) {
            if (!m.getName().equals(method) || m.getParameterCount() != arguments.length) continue;
            m.setAccessible(true);
            try {
                m.invoke(component, arguments);
            } catch (InvocationTargetException e) {
                throw new AssertionError(component.getClass().getSimpleName() + "." + method, e.getCause());
            }
            return;
        }
        throw new AssertionError("no " + method + " in " + component.getClass());
    }

    @Override
    public void close() throws Exception {
        for (int i = components.size() - 1; i >= 0; i--) call(components.get(i), "deactivate");
        Method m = ReconcilersComponent.class.getDeclaredMethod("deactivate");
        m.setAccessible(true);
        m.invoke(reconcilers);
    }

    private final class RecordedAttachments implements Attachments {
        private final NetlinkSocket netlink = NetlinkSocket.open();
        private final Set<Attachment> all = ConcurrentHashMap.newKeySet();

        @Override
        public void attach(Hook hook, int ifindex) {
            boolean isNew = all.add(new Attachment(hook, "clsact", "", ifindex, true, 0));
            if (isNew && hook == Hook.POD_EGRESS && ready.contains("endpoint") && netlink.links().get(ifindex).isUp()) attachedTooLate.add(ifindex);
        }

        @Override
        public void detach(Hook hook, int ifindex) {
            all.removeIf(a -> a.hook() == hook && a.ifindex() == ifindex);
        }

        @Override
        public void attachCgroup(String path) {
        }

        @Override
        public void detachCgroup(String path) {
        }

        @Override
        public List<Attachment> list() {
            return List.copyOf(all);
        }

        @Override
        public List<Other> others() {
            return List.of();
        }
    }
}
