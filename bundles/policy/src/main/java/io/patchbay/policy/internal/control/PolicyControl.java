package io.patchbay.policy.internal.control;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import io.patchbay.policy.internal.compile.AddressDemand;
import io.patchbay.policy.internal.compile.PeerMember;
import io.patchbay.policy.internal.compile.PolicyEngine;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.ServiceFacts;
import io.patchbay.policy.internal.model.SubjectClass;
import io.patchbay.policy.internal.table.Cookies;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Keeps the kernel's tables at what the policies say: the order of steps that {@link PolicyEngine} asks for, carried out. All methods are for one
 * thread, that of {@code executor}, but for those that say otherwise; futures of others continue there.
 *
 * <p>One change of rules at a time: what comes meanwhile makes the next one. Until the first is in force ({@link #opened}), what an earlier run left
 * in the kernel stays in charge and nothing of it is deleted.
 */
public final class PolicyControl {
    private static final AddressDemand NOTHING = new AddressDemand(Set.of(), Set.of(), Set.of(), false);
    /** How long an identity may wait for the first tables; longer, and it is published with what the tables found in the kernel say. */
    private static final long FIRST_TABLES_SECONDS = 10;

    /** What the control needs of the rest of the node. */
    public interface World {
        /** Policies, services and groups as they are now; empty while a source has not synced. */
        Optional<Sources> sources();

        /** Numbers of the pods' identities that the cluster has; of those that nobody has told {@link #identities} yet too. Called when the sources have synced. */
        Set<Integer> cluster();

        /** Addresses of pods and nodes, from the cluster's tables. */
        Map<IpAddress, PeerFact> facts();

        /**
         * An endpoint that was found at a start and says nothing of its pod yet: with the labels that its identity stands for, and its pod's named ports.
         * Unchanged if nobody knows them. Called when the sources have synced.
         */
        Endpoint whole(Endpoint found);

        CompletableFuture<?> requirePrefixes(Set<Prefix> prefixes);

        /** @return done when the kernel has these, and those of earlier calls */
        CompletableFuture<?> classify(Map<IpAddress, Integer> classes);

        CompletableFuture<?> setPolicy(Map<Integer, Integer> policyIds);

        /** Runs on the control's thread, after every packet that is under way has gone. */
        void afterGrace(Runnable task);

        /** A change is in force (null), or could not be put in force: what was stays, and the control tries again. */
        void changed(Throwable problem);

        /** Calls {@link #wake} after a while. */
        void wakeLater();
    }

    /** The rules' sources. @param services all of them, computed when asked for */
    public record Sources(Collection<PolicyObject> policies, java.util.function.Supplier<List<ServiceFacts>> services, List<CidrGroup> groups) {
    }

    /** What is in force, for commands. Immutable. */
    public record InForce(long revision, List<PolicyObject> policies, List<ServiceFacts> services, List<CidrGroup> groups) {
    }

    private record Next(PolicyEngine.Change change, Map<PolicyObject.Key, PolicyObject> policies, List<ServiceFacts> services, List<CidrGroup> groups) {
        boolean isNothing() {
            return change.put().isEmpty() && change.removed().isEmpty() && change.services() == null && change.groups() == null;
        }
    }

    private final World world;
    private final Executor executor;
    private final KernelTables kernel;
    private final PolicyEngine engine;
    private final PeerClasses peers;
    private final CompletableFuture<Void> opened = new CompletableFuture<>();
    private final Map<Integer, LabelSet> members = new HashMap<>();
    private final Set<Prefix> prefixes = new HashSet<>();
    /** Peers that nobody carries any more, until the grace has passed. */
    private final Set<Integer> leaving = new HashSet<>();
    private final Map<Integer, Endpoint> endpoints = new TreeMap<>();
    /** What each endpoint's entry in the kernel names, or is being told to. */
    private final Map<Integer, Integer> classOf = new HashMap<>();
    /** What an endpoint will have when its owner has written what it was prepared to be: until then it goes on under the class that it has. */
    private final Map<Integer, Integer> prepared = new HashMap<>();
    /** Classes that endpoints had until a write that is on its way, one for each of them. */
    private final List<Integer> named = new ArrayList<>();
    private final Map<SubjectClass, Integer> classes = new HashMap<>();
    private final Map<Integer, SubjectClass> subjects = new TreeMap<>();
    /** Class numbers whose last packets may still be under way. */
    private final Set<Integer> resting = new HashSet<>();
    private Map<PolicyObject.Key, PolicyObject> policies = Map.of();
    private List<ServiceFacts> services = List.of();
    private List<CidrGroup> groups = List.of();
    private AddressDemand demand = NOTHING;
    private Runnable onPrefixes = () -> { };
    /** Whether the tables in force are this control's: then they speak of all {@link #members}. */
    private boolean ruling;
    private boolean membersKnown;
    private boolean endpointsKnown;
    private boolean changing;
    /** Whether there are still prefixes and peer classes that were found and that perhaps nobody needs. */
    private boolean hasFound = true;
    /** Whether the last change could not be enforced. */
    private boolean failing;
    private boolean again;
    private int lastClass;
    private volatile InForce inForce = new InForce(0, List.of(), List.of(), List.of());

    /** @param found peer classes that the kernel's ipcache has */
    public PolicyControl(World world, Executor executor, KernelTables kernel, PolicyOptions options, Cookies cookies, Map<IpAddress, Integer> found) {
        this.world = world;
        this.executor = executor;
        this.kernel = kernel;
        this.engine = new PolicyEngine(options, cookies);
        this.peers = new PeerClasses(found);
    }

    /** Any thread. */
    public InForce inForce() {
        return inForce;
    }

    /** Done when the first tables are in force and every endpoint of that time has its class. Any thread. */
    public CompletableFuture<Void> opened() {
        return opened;
    }

    /** One line for status. */
    public String describe() {
        return engine.describe();
    }

    // ---- peers -----------------------------------------------------------------------------------------------------

    /** Identities that came, changed or went. @return done when addresses may get them */
    public CompletableFuture<?> identities(Map<Integer, Optional<LabelSet>> changes) {
        List<PeerMember> fresh = new ArrayList<>();
        List<PeerMember> relabelled = new ArrayList<>();
        changes.forEach((number, labels) -> {
            if (labels.isEmpty()) {
                if (members.containsKey(number)) leave(number);
                return;
            }
            leaving.remove(number);
            LabelSet before = members.get(number);
            if (labels.get().equals(before)) return;
            (before == null ? fresh : relabelled).add(member(number, labels.get()));
        });
        add(fresh);
        fresh.forEach(m -> {
            members.put(m.number(), m.labels());
            m.cidr().ifPresent(prefixes::add);
        });
        if (ruling) kernel.know(fresh.stream().map(PeerMember::number).toList());
        for (PeerMember m : relabelled) relabel(m);
        boolean first = !membersKnown;
        membersKnown = true;
        onPrefixes.run();
        if (!opened.isDone()) wake();
        return first || opened.isDone() ? CompletableFuture.completedFuture(null)
                : opened.copy().completeOnTimeout(null, FIRST_TABLES_SECONDS, TimeUnit.SECONDS);
    }

    /** Writes the entries of new peers into the tables in force; all or nothing. */
    private void add(List<PeerMember> fresh) {
        boolean done = false;
        try {
            kernel.add(engine.addMembers(fresh));
            done = true;
        } finally {
            if (!done) engine.removeMembers(fresh.stream().map(PeerMember::number).toList());
        }
    }

    private void relabel(PeerMember m) {
        Map<Integer, PolicyMap> tables = engine.replaceMember(m);
        boolean done = false;
        try {
            retire(kernel.install(tables, List.of()));
            done = true;
            members.put(m.number(), m.labels());
        } finally {
            if (!done) engine.replaceMember(member(m.number(), members.get(m.number()))).forEach(kernel::follow);
        }
    }

    private void leave(int number) {
        leaving.add(number);
        world.afterGrace(() -> {
            if (!leaving.remove(number)) return;
            LabelSet labels = members.remove(number);
            if (labels != null) cidr(labels).ifPresent(prefixes::remove);
            kernel.forget(List.of(number));
            kernel.remove(engine.removeMembers(List.of(number)));
        });
    }

    private static PeerMember member(int number, LabelSet labels) {
        return cidr(labels).map(p -> PeerMember.cidr(number, labels, p)).orElseGet(() -> PeerMember.identity(number, labels));
    }

    /** The prefix that an identity outside the cluster stands for: its label says it (IdentityLabels.ofPrefix). */
    static Optional<Prefix> cidr(LabelSet labels) {
        for (Label l : labels) {
            if (l.source().equals("cidr")) return Optional.of(Prefix.parse(l.key().replace('-', ':')));
        }
        if (labels.isReserved("world") || labels.isReserved("world-ipv4")) return Optional.of(Prefix.parse("0.0.0.0/0"));
        if (labels.isReserved("world-ipv6")) return Optional.of(Prefix.parse("::/0"));
        return Optional.empty();
    }

    /** Gives addresses the peer classes that the demand asks for. @return done when the kernel has them */
    private CompletableFuture<?> refine() {
        Map<IpAddress, PeerFact> facts = Map.of();
        if (demand.classes()) {
            facts = new HashMap<>(world.facts());
            for (Endpoint e : endpoints.values()) {
                if (!e.isHost()) for (IpAddress a : e.addresses()) facts.put(a, new PeerFact(e.labels(), ports(e)));
            }
        }
        PeerClasses.Plan plan = opened.isDone() ? peers.plan(facts, demand) : peers.begin(facts, demand);
        boolean done = false;
        try {
            add(plan.fresh());
            kernel.alias(plan.like());
            done = true;
        } finally {
            if (!done) peers.undo(plan);
        }
        plan.fresh().forEach(m -> leaving.remove(m.number()));
        if (plan.changed().isEmpty() && !(demand.classes() && opened.isDone())) return CompletableFuture.completedFuture(null);
        // Without a change too: what an earlier call has planned may still be on its way to the kernel. At the start there was no earlier one, and the ipcache waits for the tables.
        return world.classify(plan.changed()).thenRunAsync(() -> plan.unused().forEach(this::leave), executor);
    }

    /** Pods, nodes or their labels have changed. */
    public void addressesChanged() {
        if (opened.isDone() && demand.classes()) report(refine());
    }

    private void report(CompletableFuture<?> work) {
        work.whenComplete((x, error) -> {
            if (error != null) world.changed(error);
        });
    }

    // ---- endpoints -------------------------------------------------------------------------------------------------

    /** All endpoints at the start. */
    public void endpointsAre(Collection<Endpoint> all) {
        all.forEach(e -> endpoints.put(e.id(), e));
        endpointsKnown = true;
        wake();
    }

    /** A new endpoint. @return its class; done when the kernel has all of its table */
    public CompletableFuture<Integer> prepare(Endpoint e) {
        return opened.thenComposeAsync(x -> {
            endpoints.put(e.id(), e);
            int number = classFor(subject(e));
            Integer earlier = prepared.put(e.id(), number);
            if (earlier != null) release(earlier);
            return refine().thenApply(y -> number);
        }, executor);
    }

    public void endpoint(Endpoint now) {
        Endpoint e = whole(now);
        Endpoint before = endpoints.put(e.id(), e);
        if (!opened.isDone()) return;
        if (before == null || !before.addresses().equals(e.addresses()) || !before.labels().equals(e.labels())
                || !before.namedPorts().equals(e.namedPorts())) addressesChanged();
        if (isBlank(e)) return;
        boolean live = e.policyId() != 0 || e.state() == Endpoint.State.READY || e.state() == Endpoint.State.NOT_READY;
        if (!live) return;
        int number = classFor(subject(e));
        if (e.policyId() == number) prepared.remove(e.id(), number);
        Integer old = classOf.put(e.id(), number);
        if (e.policyId() == number && (old == null || old == number)) return;
        // The kernel's entry may name these until it is written, whatever the endpoint says of itself by now.
        List<Integer> left = Stream.of(e.policyId(), old == null ? number : old).distinct().filter(n -> n != number && n != 0).toList();
        named.addAll(left);
        world.setPolicy(e.policyId() == number ? Map.of() : Map.of(e.id(), number)).whenCompleteAsync((x, error) -> {
            if (error != null) {
                world.changed(error); // and they stay: nobody knows which of them the kernel has
                return;
            }
            for (Integer n : left) named.remove(n);
            left.forEach(this::release);
        }, executor);
    }

    /** Without labels no policy would select it: it is what it was, until it says what it is. */
    private Endpoint whole(Endpoint e) {
        if (!isBlank(e)) return e;
        Endpoint before = endpoints.get(e.id());
        if (before != null && !isBlank(before) && before.identity() == e.identity()) return e.withIdentity(e.identity(), before.labels()).withPod(e.annotations(), before.namedPorts());
        return world.sources().isPresent() ? world.whole(e) : e;
    }

    private static boolean isBlank(Endpoint e) {
        return !e.isHost() && e.labels().isEmpty();
    }

    public void endpointGone(int id) {
        endpoints.remove(id);
        Stream.of(Optional.ofNullable(classOf.remove(id)), Optional.ofNullable(prepared.remove(id))).flatMap(Optional::stream).distinct().forEach(this::release);
        addressesChanged();
    }

    private static Map<PortName, Integer> ports(Endpoint e) {
        Map<PortName, Integer> ports = new HashMap<>();
        e.namedPorts().forEach((name, port) -> {
            int slash = name.indexOf('/');
            ports.put(new PortName(name.substring(slash + 1).toLowerCase(Locale.ROOT), Protocol.ofName(name.substring(0, slash)).number()), port);
        });
        return ports;
    }

    static SubjectClass subject(Endpoint e) {
        return new SubjectClass(e.labels(), e.isHost(), ports(e));
    }

    private int classFor(SubjectClass subject) {
        Integer known = classes.get(subject);
        if (known != null) return known;
        int number = freeNumber();
        boolean done = false;
        PolicyMap map = engine.addClass(number, subject);
        try {
            kernel.addClass(number, map);
            done = true;
        } finally {
            if (!done) engine.removeClass(number);
        }
        classes.put(subject, number);
        subjects.put(number, subject);
        return number;
    }

    private int freeNumber() {
        for (int i = 1; i < kernel.maxClasses(); i++) {
            int number = 1 + (lastClass + i - 1) % (kernel.maxClasses() - 1);
            if (subjects.containsKey(number) || resting.contains(number) || kernel.inForce(number)) continue;
            lastClass = number;
            return number;
        }
        throw new IllegalStateException("all " + kernel.maxClasses() + " policy classes are in use");
    }

    private boolean isInUse(int number) {
        return classOf.containsValue(number) || prepared.containsValue(number) || named.contains(number);
    }

    /** A class that may have lost its last endpoint. */
    private void release(int number) {
        if (isInUse(number)) return;
        world.afterGrace(() -> {
            SubjectClass subject = subjects.get(number);
            if (subject == null || isInUse(number)) return;
            subjects.remove(number);
            classes.remove(subject, number);
            engine.removeClass(number);
            List<Integer> retired = kernel.removeClass(number);
            resting.add(number);
            world.afterGrace(() -> {
                kernel.discard(retired);
                resting.remove(number);
            });
        });
    }

    // ---- rules -----------------------------------------------------------------------------------------------------

    /** Something that rules are made of may have changed. */
    public void wake() {
        if (changing) {
            again = true;
            return;
        }
        if (!membersKnown || !endpointsKnown) return;
        Optional<Sources> sources = world.sources();
        // The first tables have an entry for each peer of the old ones that is still there: what the cluster's table says of identities comes here by another way than rules.
        if (sources.isPresent() && !opened.isDone() && !members.keySet().containsAll(world.cluster())) return;
        Next next = sources.map(this::next).orElse(null);
        // After a change that could not be enforced there may be nothing to change any more, but prefixes to let go and a problem to take back.
        if (next == null || opened.isDone() && next.isNothing() && !failing) return;
        if (!opened.isDone()) endpoints.replaceAll((id, e) -> whole(e));
        changing = true;
        again = false;
        demand = engine.demandAfter(next.change);
        prefixesFor(demand).thenComposeAsync(x -> refine(), executor).thenRunAsync(() -> enforce(next), executor)
                .whenCompleteAsync((x, error) -> finished(error), executor);
    }

    private Next next(Sources sources) {
        Map<PolicyObject.Key, PolicyObject> now = new TreeMap<>();
        for (PolicyObject o : sources.policies()) now.put(o.key(), o);
        List<PolicyObject> put = now.values().stream().filter(o -> !o.equals(policies.get(o.key()))).toList();
        List<PolicyObject.Key> removed = policies.keySet().stream().filter(k -> !now.containsKey(k)).toList();
        boolean needed = now.values().stream().anyMatch(PolicyEngine::dependsOnServicesOrGroups);
        List<ServiceFacts> newServices = needed ? sources.services().get() : services;
        List<CidrGroup> newGroups = needed ? sources.groups() : groups;
        return new Next(new PolicyEngine.Change(put, removed, newServices.equals(services) ? null : newServices, newGroups.equals(groups) ? null : newGroups),
                now, newServices, newGroups);
    }

    /** Done when tables may name these prefixes. At the start numbers suffice: the ipcache waits for the tables. */
    private CompletableFuture<?> prefixesFor(AddressDemand d) {
        Set<Prefix> wanted = wanted(d);
        if (opened.isDone()) return world.requirePrefixes(wanted);
        // Those found stay: the tables in force speak of them.
        for (Prefix p : prefixes) if (p.length() > 0) wanted.add(p);
        CompletableFuture<?> published = world.requirePrefixes(wanted);
        CompletableFuture<Void> numbered = new CompletableFuture<>();
        onPrefixes = () -> {
            if (prefixes.containsAll(wanted)) numbered.complete(null);
        };
        onPrefixes.run();
        return CompletableFuture.anyOf(published, numbered);
    }

    private static Set<Prefix> wanted(AddressDemand d) {
        Set<Prefix> wanted = new HashSet<>(d.prefixes());
        wanted.removeIf(p -> p.length() == 0); // the world's own identities
        return wanted;
    }

    private void enforce(Next next) {
        boolean first = !opened.isDone();
        Map<Integer, PolicyMap> tables = new TreeMap<>(engine.apply(next.change));
        boolean done = false;
        try {
            if (first) firstClasses(tables);
            retire(kernel.install(tables, List.of()));
            done = true;
        } finally {
            if (!done) undo(next, first);
        }
        if (!ruling) kernel.knowOnly(members.keySet());
        ruling = true;
        policies = next.policies;
        services = next.services;
        groups = next.groups;
        inForce = new InForce(inForce.revision + 1, List.copyOf(policies.values()), services, groups);
    }

    /** Endpoints keep the class numbers that they have, where these still mean one class each. */
    private void firstClasses(Map<Integer, PolicyMap> tables) {
        Set<Integer> taken = new HashSet<>();
        for (Endpoint e : endpoints.values()) if (e.policyId() != 0) taken.add(e.policyId());
        for (Endpoint e : endpoints.values()) {
            if (isBlank(e)) continue; // nobody knows what it is: it has no table, and neither sends nor receives
            SubjectClass subject = subject(e);
            Integer number = classes.get(subject);
            if (number == null) {
                boolean keeps = e.policyId() > 0 && e.policyId() < kernel.maxClasses() && !subjects.containsKey(e.policyId());
                number = keeps ? (Integer) e.policyId() : freeNumber(taken);
                classes.put(subject, number);
                subjects.put(number, subject);
                tables.put(number, engine.addClass(number, subject));
            }
            classOf.put(e.id(), number);
        }
    }

    private int freeNumber(Set<Integer> taken) {
        int number;
        do number = freeNumber(); while (taken.contains(number));
        return number;
    }

    /** Back to the rules in force, which is what the kernel still has. */
    private void undo(Next next, boolean first) {
        if (first) {
            subjects.keySet().forEach(engine::removeClass);
            subjects.clear();
            classes.clear();
            classOf.clear();
        }
        List<PolicyObject> put = new ArrayList<>();
        List<PolicyObject.Key> removed = new ArrayList<>();
        for (PolicyObject o : next.change.put()) {
            if (policies.containsKey(o.key())) put.add(policies.get(o.key()));
            else removed.add(o.key());
        }
        for (PolicyObject.Key key : next.change.removed()) put.add(policies.get(key));
        engine.apply(new PolicyEngine.Change(put, removed, next.change.services() == null ? null : services, next.change.groups() == null ? null : groups))
                .forEach(kernel::follow);
    }

    private void retire(List<Integer> tables) {
        long flips = kernel.flips();
        world.afterGrace(() -> {
            kernel.quiet(flips);
            kernel.discard(tables);
        });
    }

    private void finished(Throwable error) {
        changing = false;
        failing = error != null;
        onPrefixes = () -> { };
        if (error != null) {
            world.changed(error instanceof CompletionException && error.getCause() != null ? error.getCause() : error);
            world.wakeLater();
            return;
        }
        if (!opened.isDone()) {
            firstTablesInForce();
            return;
        }
        world.changed(null);
        if (again) {
            again = false;
            wake();
        }
        if (!changing) tidy();
    }

    private void firstTablesInForce() {
        Map<Integer, Integer> moved = new HashMap<>();
        endpoints.values().forEach(e -> {
            int number = classOf.getOrDefault(e.id(), 0);
            if (number != 0 && number != e.policyId()) moved.put(e.id(), number);
        });
        changing = true; // endpoints first: then what they had may go
        (moved.isEmpty() ? CompletableFuture.completedFuture(null) : world.setPolicy(moved)).whenCompleteAsync((x, error) -> {
            changing = false;
            if (error != null) {
                world.changed(error);
                world.wakeLater();
                return;
            }
            world.afterGrace(this::dropFound);
            opened.complete(null);
            world.changed(null);
            for (Endpoint e : List.copyOf(endpoints.values())) endpoint(e);
            again = false;
            wake();
            if (!changing) tidy();
        }, executor);
    }

    /** What an earlier run left and no endpoint names. */
    private void dropFound() {
        List<Integer> gone = kernel.inForce().keySet().stream().filter(n -> !subjects.containsKey(n)).toList();
        List<Integer> tables = new ArrayList<>();
        gone.forEach(n -> tables.addAll(kernel.removeClass(n)));
        tables.addAll(kernel.leftovers());
        resting.addAll(gone);
        world.afterGrace(() -> {
            kernel.discard(tables);
            resting.removeAll(gone);
        });
    }

    /** Gives back prefixes and peer classes that the rules in force don't name. */
    private void tidy() {
        AddressDemand needed = engine.demand();
        if (needed.equals(demand) && !hasFound) return;
        hasFound = false;
        demand = needed;
        // A packet under way may have chosen the tables of before, which name classes.
        world.afterGrace(() -> report(refine()));
        report(world.requirePrefixes(wanted(needed)));
    }
}
