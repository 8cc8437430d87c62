package io.patchbay.policy.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.PolicyAnnouncer;
import io.patchbay.api.cluster.Table;
import io.patchbay.api.cluster.TableListener;
import io.patchbay.api.cluster.TableSnapshot;
import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.datapath.Grace;
import io.patchbay.api.datapath.MapFullException;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.EndpointStep;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.endpoint.PolicyEnforcement;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.node.Launch;
import io.patchbay.api.node.LocalNode;
import io.patchbay.api.policy.PolicyRules;
import io.patchbay.api.status.Controllers;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import io.patchbay.policy.internal.control.PeerFact;
import io.patchbay.policy.internal.control.PolicyControl;
import io.patchbay.policy.internal.control.PolicyControl.InForce;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.kernel.TableReader;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.RuleOrigin;
import io.patchbay.policy.internal.table.Cookies;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;
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
 * The feature: connects {@link PolicyControl} with the cluster's tables, identities, endpoints and the kernel. Its state belongs to the scope's
 * thread; what commands and other features ask is answered from immutable snapshots and from the kernel.
 */
@Component(service = {EndpointStep.class, PolicyEnforcement.class, PolicyRules.class, StatusSource.class, PolicyFeature.class}, immediate = true,
        property = "patchbay.feature=policy")
public final class PolicyFeature implements EndpointStep, PolicyEnforcement, PolicyRules, StatusSource {
    private static final Logger LOG = LoggerFactory.getLogger(PolicyFeature.class);
    // enum pb_ep_flags
    private static final int AUDIT_IN = 4;
    private static final int AUDIT_OUT = 8;
    /** Both directions. */
    static final int AUDIT = AUDIT_IN | AUDIT_OUT;
    private static final Duration FIRST_RETRY = Duration.ofMillis(500);
    private static final Duration LAST_RETRY = Duration.ofSeconds(30);
    private static final int ROW = StatusRow.Order.HOST_FIREWALL + 1;

    private final FeatureRuntime runtime;
    private final ClusterTables tables;
    private final Identities identities;
    private final Ipcache ipcache;
    private final Endpoints endpoints;
    private final Grace grace;
    private final Scope scope;
    private final Executor executor;
    private final PolicyOptions options;
    private final boolean audit;
    private final Cookies cookies;
    private final KernelTables kernel;
    private final PolicyControl control;
    private final ClusterFacts facts;
    private final Controllers.Controller controller;
    private final BlockingQueue<Runnable> graced = new LinkedBlockingQueue<>();
    private Duration retry = FIRST_RETRY;
    /** Whether the node itself has the audit mode of the configuration. */
    private volatile boolean auditSettled = true;
    private volatile LocalNode node;
    private volatile PolicyAnnouncer announcer;
    /** What this node has said of policies that it can't enforce; null: nothing in this run. Of the scope's thread. */
    private Map<PolicyObject.Key, String> announced;
    private volatile long refused;
    private volatile String problem = "";
    private volatile String summary = "";
    private volatile Room room;
    private volatile long failures;

    @Activate
    public PolicyFeature(@Reference(target = "(patchbay.feature=policy)") FeatureRuntime runtime, @Reference ClusterTables tables,
            @Reference Identities identities, @Reference Ipcache ipcache, @Reference Endpoints endpoints, @Reference Grace grace,
            @Reference Controllers controllers, BundleContext context) {
        this.runtime = runtime;
        this.tables = tables;
        this.identities = identities;
        this.ipcache = ipcache;
        this.endpoints = endpoints;
        this.grace = grace;
        Map<String, String> config = runtime.config();
        this.options = options(config);
        this.audit = Boolean.parseBoolean(config.getOrDefault("policy-audit-mode", "false"));
        this.facts = new ClusterFacts(tables, identities, context.getProperty(Launch.NODE_NAME));
        this.scope = runtime.scope("policy");
        this.executor = scope.executor();
        this.controller = scope.closing(controllers.register("policy-tables"));
        this.kernel = new KernelTables(runtime.map("policy"), runtime.map("policy_sets"), runtime.map("policy_dirs"), runtime.map("policy_known"), runtime.map("policy_select"), runtime.map("policy_sealed"), grace, options.sctp());
        this.cookies = new Cookies(kernel.lastCookie());
        this.control = new PolicyControl(new Node(), executor, kernel, options, cookies, ipcache.classes());
        this.room = room();
    }

    private static PolicyOptions options(Map<String, String> config) {
        PolicyOptions.Mode mode = PolicyOptions.Mode.valueOf(config.getOrDefault("enable-policy", "default").toUpperCase(Locale.ROOT));
        return new PolicyOptions(config.getOrDefault("cluster-name", "default"), flag(config, "policy-default-local-cluster", true), mode,
                flag(config, "allow-localhost", true), flag(config, "enable-host-firewall", false), config.getOrDefault("network-policy", "kubernetes").equals("cilium"),
                flag(config, "enable-sctp", false));
    }

    private static boolean flag(Map<String, String> config, String key, boolean otherwise) {
        return Boolean.parseBoolean(config.getOrDefault(key, Boolean.toString(otherwise)));
    }

    @Activate
    void activate() {
        scope.thread("policy-grace", this::graces);
        scope.closing(identities.subscribe(executor, new Identities.Listener() {
            @Override
            public void changed(Map<Integer, Optional<LabelSet>> changes) {
                apply(changes);
            }

            @Override
            public CompletableFuture<?> apply(Map<Integer, Optional<LabelSet>> changes) {
                try {
                    return control.identities(changes);
                } catch (RuntimeException e) {
                    failed(e);
                    return CompletableFuture.failedFuture(e);
                } finally {
                    room = room();
                }
            }
        }));
        executor.execute(() -> control.endpointsAre(endpoints.list()));
        scope.closing(endpoints.subscribe(executor, new Endpoints.Listener() {
            @Override
            public void put(Endpoint endpoint) {
                guarded(() -> control.endpoint(endpoint));
            }

            @Override
            public void removed(Endpoint endpoint) {
                guarded(() -> control.endpointGone(endpoint.id()));
            }

            @Override
            public void host(Endpoint node) {
                guarded(() -> PolicyFeature.this.host(node));
            }
        }));
        control.opened().thenRun(runtime::ready);
        control.opened().thenRun(() -> scope.untilDone("policy-audit-mode", () -> {
            auditAll();
            return null;
        }));
        Runnable rules = control::wake;
        follow(tables.policies(), rules);
        follow(tables.cidrGroups(), rules);
        follow(tables.services(), rules);
        follow(tables.endpointSlices(), rules);
        follow(tables.identities(), rules);
        Runnable addresses = () -> {
            control.wake();
            control.addressesChanged();
        };
        follow(tables.namespaces(), addresses);
        follow(tables.nodes(), addresses);
        follow(tables.pods(), addresses);
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindNode(LocalNode now) {
        node = now;
    }

    void unbindNode(LocalNode gone) {
        if (node == gone) node = null;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void bindAnnouncer(PolicyAnnouncer now) {
        announcer = now;
        scope.executor().execute(this::announce);
    }

    void unbindAnnouncer(PolicyAnnouncer gone) {
        if (announcer == gone) announcer = null;
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    /**
     * A node's audit mode that has changed since the last run holds for every endpoint that there is, and undoes what was set for one of them; one that has not
     * leaves them alone. New endpoints get it when they are prepared.
     */
    private void auditAll() throws IOException {
        Path file = runtime.stateDirectory().resolve("audit-mode");
        boolean before = Files.exists(file);
        auditSettled = before == audit;
        if (auditSettled) return;
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (Endpoint e : endpoints.list()) all.add(endpoints.setFlags(e.id(), audit ? AUDIT : 0, audit ? 0 : AUDIT));
        CompletableFuture.allOf(all.toArray(CompletableFuture[]::new)).join();
        executor.execute(() -> guarded(this::auditHost));
        if (audit) Files.write(file, new byte[0]);
        else Files.delete(file);
    }

    /** The node itself, which may become known later. */
    private void auditHost() {
        if (auditSettled || endpoints.host().isEmpty()) return;
        auditSettled = true;
        endpoints.setFlags(Endpoint.HOST, audit ? AUDIT : 0, audit ? 0 : AUDIT);
    }

    /** With a host firewall the node is an endpoint as others; without, a class that an earlier configuration gave it is taken away. */
    private void host(Endpoint node) {
        auditHost();
        if (options.hostFirewall()) {
            control.endpoint(node);
        } else if (node.policyId() != 0) {
            endpoints.setPolicy(Map.of(Endpoint.HOST, 0)).whenComplete((x, error) -> {
                if (error != null) failed(error);
            });
        }
    }

    private <K, R> void follow(Table<K, R> table, Runnable changed) {
        scope.closing(table.subscribe(executor, new TableListener<K, R>() {
            @Override
            public void onSnapshot(TableSnapshot<K, R> snapshot) {
                guarded(changed);
            }

            @Override
            public void onChanges(TableSnapshot<K, R> now, List<Change<K, R>> changes) {
                guarded(changed);
            }
        }));
    }

    private void guarded(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException e) {
            failed(e);
            new Node().wakeLater();
        } finally {
            room = room();
        }
    }

    private void failed(Throwable e) {
        failures++;
        if (e instanceof MapFullException) refused++;
        problem = e.getMessage() == null ? e.toString() : e.getMessage();
        controller.failed(e);
        LOG.error("Policy: {}", problem, e);
    }

    /** Tells with the policies themselves what doesn't fit here; said once, and again when it is other. */
    private void announce() {
        PolicyAnnouncer to = announcer;
        if (to == null || !control.opened().isDone()) return;
        Map<PolicyObject.Key, String> now = new TreeMap<>();
        if (!problem.isEmpty()) for (PolicyObject.Key key : facts.notInForce(control.inForce())) now.put(key, problem);
        if (now.equals(announced)) return;
        try {
            to.announcePolicies(now);
            announced = now;
        } catch (IOException e) {
            LOG.warn("The policies' status could not be published, it is tried again: {}", e.toString());
            scope.later(FIRST_RETRY, () -> executor.execute(this::announce));
        }
    }

    /** Runs what waits for packets under way; one grace period serves all that came before it. */
    private void graces() {
        try {
            while (true) {
                List<Runnable> batch = new ArrayList<>(List.of(graced.take()));
                graced.drainTo(batch);
                grace.await();
                executor.execute(() -> batch.forEach(this::guarded));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // the scope closes
        }
    }

    /** The node around the control. */
    private final class Node implements PolicyControl.World {
        @Override
        public Optional<PolicyControl.Sources> sources() {
            return facts.sources();
        }

        @Override
        public Set<Integer> cluster() {
            return facts.identities();
        }

        @Override
        public Map<IpAddress, PeerFact> facts() {
            return facts.addresses();
        }

        @Override
        public Endpoint whole(Endpoint found) {
            return facts.whole(found);
        }

        @Override
        public CompletableFuture<?> requirePrefixes(Set<Prefix> prefixes) {
            return identities.requirePrefixes("policy", prefixes);
        }

        @Override
        public CompletableFuture<?> classify(Map<IpAddress, Integer> classes) {
            return ipcache.classify(classes);
        }

        @Override
        public CompletableFuture<?> setPolicy(Map<Integer, Integer> policyIds) {
            return endpoints.setPolicy(policyIds);
        }

        @Override
        public void afterGrace(Runnable task) {
            graced.add(task);
        }

        @Override
        public void changed(Throwable error) {
            room = room();
            summary = control.describe();
            if (error != null) {
                failed(error);
            } else {
                problem = "";
                retry = FIRST_RETRY;
                controller.succeeded();
            }
            executor.execute(PolicyFeature.this::announce);
        }

        @Override
        public void wakeLater() {
            scope.later(retry, () -> executor.execute(() -> guarded(control::wake)));
            retry = retry.multipliedBy(2).compareTo(LAST_RETRY) > 0 ? LAST_RETRY : retry.multipliedBy(2);
        }
    }

    // ---- endpoints -------------------------------------------------------------------------------------------------

    @Override
    public CompletableFuture<Endpoint> prepare(Endpoint endpoint) {
        return control.prepare(endpoint).thenApply(number -> endpoint.withPolicy(number).withFlags(audit && endpoint.policyId() == 0 ? AUDIT : 0, 0));
    }

    @Override
    public void forget(Endpoint endpoint) {
        executor.execute(() -> guarded(() -> control.endpointGone(endpoint.id())));
    }

    // ---- answers ---------------------------------------------------------------------------------------------------

    /** From the kernel. */
    @Override
    public Optional<Directions> of(int policyId) {
        return dir(policyId).map(d -> new Directions(d.ingress().closed(), d.egress().closed()));
    }

    /** A class as the directory in force has it, read from the kernel. */
    Optional<KernelTables.Dir> dir(int policyId) {
        return reader().dir(policyId);
    }

    /** What the kernel has. */
    TableReader reader() {
        return new TableReader(runtime.map("policy"), runtime.map("policy_sets"), runtime.map("policy_dirs"), runtime.map("policy_select"));
    }

    @Override
    public Optional<Rule> byCookie(int cookie) {
        return cookies.origin(cookie).map(PolicyFeature::rule);
    }

    private static Rule rule(RuleOrigin o) {
        if (o.object() == null) return new Rule("", "", "allow-localhost", "", o.toString(), "");
        return new Rule(o.object().kind().text(), o.object().namespace(), o.object().name(), o.uid(), o.toString(), o.log());
    }

    @Override
    public long revision() {
        return control.inForce().revision();
    }

    InForce inForce() {
        return control.inForce();
    }

    /** Whether it is an endpoint of this node whose denied packets pass in this direction: audit mode. */
    boolean audits(IpAddress endpoint, Direction direction) {
        int flag = direction == Direction.INGRESS ? AUDIT_IN : AUDIT_OUT;
        return Stream.concat(endpoints.list().stream(), endpoints.host().stream()).anyMatch(e -> (e.flags() & flag) != 0 && e.addresses().contains(endpoint));
    }

    /** Objects of the cluster that the tables in force don't have, or in another version: those being put in force, or that don't fit. */
    List<String> notInForce() {
        return facts.notInForce(control.inForce()).stream().map(Object::toString).toList();
    }

    /** @param done   changes of rules that are in force @param failed attempts that left in force what was */
    record Changes(long done, long failed) {
    }

    Changes changes() {
        return new Changes(control.inForce().revision(), failures);
    }

    /** What the tables take of the maps. */
    record Room(int entries, int entryCapacity, int sets, int setCapacity) {
    }

    private Room room() {
        return new Room(kernel.used(), kernel.capacity(), kernel.usedSets(), kernel.setCapacity());
    }

    Room taken() {
        return room;
    }

    /** Why the last change could not be put in force; empty if it could. */
    String problem() {
        return problem;
    }

    PolicyOptions options() {
        return options;
    }

    Cluster cluster() {
        return facts.cluster(identities.worldByFamily());
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        List<StatusRow> rows = new ArrayList<>(List.of(hostRow()));
        if (!verbose && problem.isEmpty()) return rows;
        InForce now = control.inForce();
        Room taken = room;
        String text = now.revision() == 0 ? "waiting for the cluster's state" : "revision " + now.revision() + ", " + now.policies().size() + " policies";
        List<String> details = new ArrayList<>();
        List<String> waiting = notInForce();
        if (!problem.isEmpty()) details.add("  last good tables stay in force: " + problem);
        for (String object : waiting) details.add("  not in force: " + object);
        if (verbose && !summary.isEmpty()) details.add("  " + summary);
        rows.add(new StatusRow(ROW, "Policy", List.of(problem.isEmpty() ? "Ok" : "Failing", text, taken.entries + "/" + taken.entryCapacity + " entries",
                taken.sets + "/" + taken.setCapacity + " sets of peers"), details,
                problem.isEmpty(), Map.of("revision", now.revision(), "policies", now.policies().size(), "entries", taken.entries, "capacity", taken.entryCapacity, "peerSets", taken.sets,
                        "mode", options.mode().name().toLowerCase(Locale.ROOT), "audit", audit, "problem", problem, "notInForce", waiting,
                        "changesThatDidNotFit", refused)));
        return rows;
    }

    private StatusRow hostRow() {
        LocalNode now = node;
        List<String> devices = now == null ? List.of() : now.netdevs().stream().map(LocalNode.Device::name).toList();
        boolean on = options.hostFirewall();
        return new StatusRow(StatusRow.Order.HOST_FIREWALL, "Host firewall", on ? List.of("Enabled", devices.toString()) : List.of("Disabled"), List.of(), true,
                Map.of("enabled", on, "devices", devices));
    }
}
