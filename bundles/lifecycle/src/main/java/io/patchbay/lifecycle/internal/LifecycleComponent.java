package io.patchbay.lifecycle.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.ConfigMap;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Subscription;
import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.Features;
import io.patchbay.api.node.Launch;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.status.Controllers;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.ServiceRegistration;
import org.osgi.framework.SynchronousBundleListener;
import org.osgi.service.cm.ConfigurationAdmin;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import org.osgi.service.metatype.MetaTypeProvider;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Ties the engine to the framework: one thread for all that changes, bundle events, permits as services, commands, the cluster's layer. */
@Component(service = Features.class, immediate = true)
public final class LifecycleComponent implements Features, Changes {
    private static final Logger LOG = LoggerFactory.getLogger(LifecycleComponent.class);
    private static final long DRAIN_POLL_MILLIS = 250;
    private static final long UPDATE_ENDS_MILLIS = 2000;
    /** How long a change waits for those before it. */
    private static final Duration TURN = Duration.ofSeconds(60);
    private static final Duration END = Duration.ofSeconds(10);
    /** ConfigMap of the cluster layer. Keys {@code feature.key}; {@code NODE/feature.key} for one node wins. */
    private static final ObjectKey CLUSTER_CONFIG = new ObjectKey("kube-system", "patchbay-config");

    private final BundleContext context;
    private final String nodeName;
    private final Engine engine;
    private final ChangeQueue queue;
    private final ScheduledThreadPoolExecutor thread;
    private final SynchronousBundleListener bundleListener;
    private final List<ServiceRegistration<?>> commands = new ArrayList<>();
    private final AtomicBoolean looking = new AtomicBoolean();
    private final ConfigurationAdmin configurations;
    private final Set<String> updatedByHand = ConcurrentHashMap.newKeySet();
    private Subscription clusterConfig;
    private final Forms forms;
    /** Of the lifecycle's thread. */
    private ServiceRegistration<MetaTypeProvider> formsService;
    private List<String> formsShown = List.of();

    @Activate
    public LifecycleComponent(BundleContext context, @Reference Pipeline pipeline, @Reference KernelFeatures kernel, @Reference Controllers controllers,
                              @Reference ServiceComponentRuntime components, @Reference ConfigurationAdmin configurations) throws IOException {
        this.context = context;
        Path state = Path.of(required(Launch.STATE_DIR));
        nodeName = required(Launch.NODE_NAME);
        Bundles bundles = new Bundles(context, components);
        this.configurations = configurations;
        Repository repository = new Repository(Path.of(required(Launch.DISTRIBUTION_DIR)));
        engine = new Engine(pipeline, kernel, controllers, bundles, new ServiceRegistry(), state, repository, new Layers(state, given(), shipped(repository)), this::bringBack);
        queue = new ChangeQueue(TURN, engine::underWay);
        thread = queue.executor();
        engine.observer(this::look);
        bundleListener = event -> {
            String feature = bundles.featureOf(event.getBundle());
            if (feature != null) {
                if (event.getType() == BundleEvent.STOPPED || event.getType() == BundleEvent.UNINSTALLED) {
                    engine.bundleStopped(feature);
                } else {
                    engine.news();
                    if (event.getType() == BundleEvent.UPDATED && !queue.isOwnThread() && !Outside.isOurs()) {
                        updatedByHand.add(feature);
                        enter(feature, event.getBundle(), UPDATE_ENDS_MILLIS);
                    } else if (event.getType() == BundleEvent.STARTED) {
                        enter(feature, event.getBundle(), 0);
                    }
                }
            }
        };
        context.addBundleListener(bundleListener);
        for (ShellCommand c : Commands.all(engine, this)) {
            commands.add(context.registerService(ShellCommand.class, c, null));
        }
        forms = new Forms(engine.keys()::settings);
        // Activation does not wait for the kernel.
        thread.execute(this::begin);
    }

    /** A damaged file of the distribution costs its values, not the node. */
    private static Map<String, String> shipped(Repository repository) {
        try {
            return repository.defaults();
        } catch (IOException | IllegalArgumentException e) {
            LOG.error("The distribution's defaults are not used: {}", e.getMessage());
            return Map.of();
        }
    }

    private String required(String property) {
        String v = context.getProperty(property);
        if (v == null) {
            throw new IllegalStateException("the framework property " + property + " is not set: start the agent with its launcher");
        }
        return v;
    }

    /** What the launcher was given as {@code --set}. */
    private static Map<String, String> given() {
        Map<String, String> all = new TreeMap<>();
        System.getProperties().forEach((k, v) -> {
            if (k.toString().startsWith(Launch.SET)) {
                all.put(k.toString().substring(Launch.SET.length()), v.toString());
            }
        });
        return all;
    }

    private void begin() {
        try {
            engine.start();
            engine.drainingFeatures().forEach(this::watchDrain);
            engine.prune();
        } catch (IOException | RuntimeException e) {
            LOG.error("The features of this node can't be set up; the datapath stays as it is: {}", e.getMessage(), e);
        }
    }

    @Deactivate
    void deactivate() {
        context.removeBundleListener(bundleListener);
        commands.forEach(ServiceRegistration::unregister);
        if (!queue.close(END)) {
            LOG.warn("A change is still running; the journal tells the next start how far it came");
        }
        engine.close();
    }

    /**
     * What was updated by hand enters as a change, on our thread and not before the framework's update has ended: it needs locks that a change
     * would hold. A bundle that ran is started again by it, one that didn't gives no further sign.
     */
    private void enter(String feature, Bundle bundle, long afterMillis) {
        if (!updatedByHand.contains(feature)) {
            return;
        }
        try {
            thread.schedule(() -> {
                if (!updatedByHand.remove(feature)) {
                    return;
                }
                try {
                    engine.updatedByHand(feature, Bundles.content(bundle));
                } catch (ChangeRefused | IOException | RuntimeException e) {
                    LOG.warn("Feature {} was updated by hand and stays frozen: {}", feature, e.getMessage());
                }
            }, afterMillis, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("Stopping");
        }
    }

    private final class ServiceRegistry implements Permits.Registry {
        @Override
        public Runnable publish(Permit permit) {
            Hashtable<String, Object> properties = new Hashtable<>();
            properties.put(FeatureRuntime.FEATURE, permit.feature());
            properties.put("version", permit.version());
            ServiceRegistration<FeatureRuntime> r = context.registerService(FeatureRuntime.class, permit, properties);
            return () -> {
                try {
                    r.unregister();
                } catch (IllegalStateException e) {
                    LOG.debug("Permit of {} was gone already", permit.feature());
                }
            };
        }

        @Override
        public void configure(String feature, Map<String, Object> values) throws IOException {
            configurations.getConfiguration(Repository.PID + feature, "?").updateIfDifferent(new Hashtable<>(values));
        }
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    void bindTables(ClusterTables tables) {
        clusterConfig = tables.configMaps().subscribe(thread, new TableListener<>() {
            @Override
            public void onSnapshot(TableSnapshot<ObjectKey, ConfigMap> snapshot) {
                clusterLayer(snapshot);
            }

            @Override
            public void onChanges(TableSnapshot<ObjectKey, ConfigMap> now, List<Change<ObjectKey, ConfigMap>> changes) {
                clusterLayer(now);
            }
        });
    }

    /** The last known layer stays: a source that is away says nothing about what it would say. */
    void unbindTables(ClusterTables tables) {
        clusterConfig.close();
    }

    private void clusterLayer(TableSnapshot<ObjectKey, ConfigMap> snapshot) {
        if (!snapshot.isSynced()) {
            return;
        }
        Map<String, String> values = new TreeMap<>();
        Optional<ConfigMap> map = snapshot.get(CLUSTER_CONFIG);
        map.ifPresent(m -> {
            m.data().forEach((k, v) -> {
                if (!k.contains("/")) {
                    values.put(k, v);
                }
            });
            m.data().forEach((k, v) -> {
                if (k.startsWith(nodeName + "/")) {
                    values.put(k.substring(nodeName.length() + 1), v);
                }
            });
        });
        try {
            engine.keys().cluster(values);
        } catch (ChangeRefused e) {
            LOG.error("ConfigMap {} is refused whole, and what it said before stays: {}", CLUSTER_CONFIG, e.getMessage());
        } catch (IOException e) {
            LOG.error("The cluster's configuration can't be applied: {}", e.toString());
        }
    }

    /** Notes since when each state holds, on our own thread: whoever brought the news may hold locks. */
    private void look() {
        if (looking.compareAndSet(false, true)) {
            try {
                thread.execute(() -> {
                    looking.set(false);
                    engine.states().list();
                    showForms();
                });
            } catch (RejectedExecutionException e) {
                LOG.debug("Stopping");
            }
        }
    }

    /** Metatype asks a provider for the PIDs that its service names, which change with the features. */
    private void showForms() {
        List<String> pids = List.of(forms.pids());
        if (pids.equals(formsShown) || pids.isEmpty()) {
            return;
        }
        Hashtable<String, Object> properties = new Hashtable<>();
        properties.put(MetaTypeProvider.METATYPE_PID, pids.toArray(String[]::new));
        if (formsService == null) {
            formsService = context.registerService(MetaTypeProvider.class, forms, properties);
        } else {
            formsService.setProperties(properties);
        }
        formsShown = pids;
    }

    @Override
    public <T> T run(Callable<T> change) throws ChangeRefused, IOException {
        return queue.run(change);
    }

    private void bringBack(String feature) {
        try {
            thread.execute(() -> engine.bringBack(feature));
        } catch (RejectedExecutionException e) {
            LOG.debug("Stopping");
        }
    }

    @Override
    public void watchDrain(String feature) {
        watchDrain(feature, System.nanoTime() + engine.keys().seconds("drain-seconds").toNanos());
    }

    private void watchDrain(String feature, long end) {
        thread.schedule(() -> {
            if (!engine.drainingFeatures().contains(feature)) {
                return;
            }
            boolean drained = engine.isDrained(feature);
            if (!drained && System.nanoTime() < end) {
                watchDrain(feature, end);
                return;
            }
            try {
                engine.disable(feature, true, true);
                LOG.info("{} has left: {}", feature, drained ? "it had no state left" : "its deadline is over, and what it still had is cut off");
            } catch (ChangeRefused | RuntimeException e) {
                LOG.error("{} can't leave yet and goes on draining: {}", feature, e.getMessage());
                watchDrain(feature, System.nanoTime() + engine.keys().seconds("drain-seconds").toNanos());
            }
        }, DRAIN_POLL_MILLIS, TimeUnit.MILLISECONDS);
    }

    @Override
    public List<FeatureStatus> list() {
        return engine.states().list();
    }

    @Override
    public Optional<FeatureStatus> get(String name) {
        return engine.states().get(name);
    }

    @Override
    public List<String> missingForAdd() {
        return engine.states().missingForAdd();
    }

    @Override
    public List<FeatureDescriptor> addable() {
        return engine.states().addable();
    }
}
