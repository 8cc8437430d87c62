package io.patchbay.hubble.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.datapath.EventSource;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.flow.FlowCursor;
import io.patchbay.api.flow.FlowEvent;
import io.patchbay.api.flow.FlowSource;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.node.Launch;
import io.patchbay.api.policy.PolicyRules;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Listens to the datapath's events and keeps the last of them as flows. The names come from the cluster's tables, and from the features
 * endpoint and identity while they run: when one is swapped, what it told stays, and flows go on.
 */
@Component(service = {FlowSource.class, StatusSource.class}, immediate = true)
public final class HubbleFeature implements FlowSource, StatusSource {
    private static final Logger LOG = LoggerFactory.getLogger(HubbleFeature.class);
    static final String BUFFER_SIZE = "flow-buffer-size";

    private final Scope scope;
    private final Executor executor;
    private final EventSource events;
    private final FlowStore store;
    private volatile Ipcache ipcache;
    private volatile PolicyRules rules;
    private AutoCloseable endpointNews;
    private AutoCloseable identityNews;

    @Activate
    public HubbleFeature(@Reference(target = "(" + FeatureRuntime.FEATURE + "=hubble)") FeatureRuntime runtime, @Reference EventSource events,
                         @Reference ClusterTables tables, BundleContext context) {
        this.events = events;
        this.store = store(runtime, nodeName(context));
        this.scope = runtime.scope("flows");
        this.executor = scope.executor();
        scope.closing((AutoCloseable) store::close);
        scope.closing(tables.pods().subscribe(executor, store.names().pods()));
        scope.closing(tables.services().subscribe(executor, store.names().services()));
        scope.every("hubble-losses", Duration.ofSeconds(1), () -> {
            store.look();
            return null;
        });
        scope.closing(events.subscribe("hubble", store::event));
        runtime.ready();
    }

    private FlowStore store(FeatureRuntime runtime, String node) {
        String size = runtime.config().getOrDefault(BUFFER_SIZE, "4095");
        try {
            return new FlowStore(node, Integer.parseInt(size.strip()), events::lost, this::identityOf, this::ruleOf, ThreadLocalRandom.current().nextLong());
        } catch (IllegalArgumentException e) {
            String why = BUFFER_SIZE + "=" + size + ": " + (e instanceof NumberFormatException ? "not a number" : e.getMessage());
            runtime.failed(why);
            throw new IllegalArgumentException(why, e);
        }
    }

    private static String nodeName(BundleContext context) {
        String given = context.getProperty(Launch.NODE_NAME);
        if (given != null && !given.isBlank()) return given;
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            throw new IllegalStateException("this node has no name: start the agent with one", e);
        }
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    private int identityOf(IpAddress address) {
        Ipcache now = ipcache;
        return now == null ? 0 : now.lookup(address).map(Ipcache.Entry::identity).orElse(0);
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    synchronized void setEndpoints(Endpoints endpoints) {
        close(endpointNews);
        // A replacement may know less than the one before, and tells only of those that it has.
        store.names().endpointsAre(endpoints.list());
        endpointNews = endpoints.subscribe(executor, store.names().endpoints());
    }

    synchronized void unsetEndpoints(Endpoints endpoints) {
        close(endpointNews);
        endpointNews = null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    synchronized void setIdentities(Identities identities) {
        close(identityNews);
        identityNews = identities.subscribe(executor, store.names()::identities);
    }

    synchronized void unsetIdentities(Identities identities) {
        close(identityNews);
        identityNews = null;
    }

    private Optional<PolicyRules.Rule> ruleOf(int cookie) {
        PolicyRules now = rules;
        return now == null ? Optional.empty() : now.byCookie(cookie);
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void setRules(PolicyRules replacement) {
        rules = replacement;
    }

    void unsetRules(PolicyRules gone) {
        if (rules == gone) rules = null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void setIpcache(Ipcache replacement) {
        ipcache = replacement;
    }

    void unsetIpcache(Ipcache gone) {
        if (ipcache == gone) ipcache = null;
    }

    private static void close(AutoCloseable news) {
        if (news == null) return;
        try {
            news.close();
        } catch (Exception e) {
            // Its feature is going away; there is nothing left to do about it.
            LOG.debug("a subscription did not close", e);
        }
    }

    @Override
    public String nodeName() {
        return store.nodeName();
    }

    @Override
    public long next() {
        return store.next();
    }

    @Override
    public Iterator<FlowEvent> backwards(long sequence) {
        return store.backwards(sequence);
    }

    @Override
    public FlowCursor follow(long sequence) {
        return store.follow(sequence);
    }

    @Override
    public Stats stats() {
        return store.stats();
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        return StatusRows.of(store.stats(), events.ringBytes(), store.unknown());
    }
}
