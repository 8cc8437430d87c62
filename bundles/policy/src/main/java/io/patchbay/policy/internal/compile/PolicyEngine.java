package io.patchbay.policy.internal.compile;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.compile.ResolvedRule.Grant;
import io.patchbay.policy.internal.compile.ResolvedRule.L4;
import io.patchbay.policy.internal.compile.SelectorCache.Selection;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.PortName;
import io.patchbay.policy.internal.model.RuleOrigin;
import io.patchbay.policy.internal.model.ServiceFacts;
import io.patchbay.policy.internal.model.SubjectClass;
import io.patchbay.policy.internal.table.Cookies;
import io.patchbay.policy.internal.table.DirectionTable;
import io.patchbay.policy.internal.table.PeerNumbers;
import io.patchbay.policy.internal.table.PolicyEntry;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The compiler: from policies, identities and subject classes to one {@link PolicyMap} a class, and from each change to what it changes.
 *
 * <p>Two ways of changing. Rules and classes: {@link #apply} and {@link #addClass} give whole new tables, to be swapped in one step. Peers that come
 * and go: {@link #addMembers} and {@link #removeMembers} give entries to add to and remove from the tables in force. A policy change that needs
 * new prefixes or peer classes goes: {@link #demandAfter}, have the members allocated, {@code addMembers}, write, publish them in the ipcache
 * (under the rules in force a longer prefix has the verdict of the one around it, so this changes no verdict), {@code apply}, swap; then withdraw
 * what {@link #demand} no longer names and {@code removeMembers}.
 *
 * <p>No I/O and no clock: same calls, same results. Not thread-safe; the maps it returns are its own and must not be changed.
 */
public final class PolicyEngine {
    /** A grant with its selections. */
    private static final class LiveGrant {
        final Grant grant;
        final int cookie;
        final List<Selection> peers = new ArrayList<>();
        /** Classes that a rule of this grant selects. */
        final Set<Integer> classes = new HashSet<>();

        LiveGrant(Grant grant, int cookie) {
            this.grant = grant;
            this.cookie = cookie;
        }
    }

    private static final class LiveRule {
        final ResolvedRule rule;
        final List<LiveGrant> grants = new ArrayList<>();

        LiveRule(ResolvedRule rule) {
            this.rule = rule;
        }
    }

    private static final class LiveClass {
        final SubjectClass subject;
        PolicyMap map;
        Set<LiveRule> rules = Set.of();

        LiveClass(SubjectClass subject) {
            this.subject = subject;
        }
    }

    private record LiveObject(PolicyObject object, List<LiveRule> rules) {
    }

    private final PolicyOptions options;
    private final Cookies cookies;
    private final SelectorCache cache = new SelectorCache();
    private final SortedMap<PolicyObject.Key, LiveObject> objects = new TreeMap<>();
    private final SortedMap<Integer, LiveClass> classes = new TreeMap<>();
    private final Map<Selection, Set<LiveGrant>> grantsBySelection = new HashMap<>();
    /** Grants of egress rules that open named ports to anyone: they look at every peer class. */
    private final Set<LiveGrant> namedToAnyone = new LinkedHashSet<>();
    private List<ServiceFacts> services = List.of();
    private List<CidrGroup> groups = List.of();

    public PolicyEngine(PolicyOptions options, Cookies cookies) {
        this.options = options;
        this.cookies = cookies;
    }

    /**
     * A change of what is enforced.
     *
     * @param put      new and changed objects
     * @param removed  objects that are gone
     * @param services all services; null for no change
     * @param groups   all CIDR groups; null for no change
     */
    public record Change(Collection<PolicyObject> put, Collection<PolicyObject.Key> removed, Collection<ServiceFacts> services,
            Collection<CidrGroup> groups) {
        public static Change policies(Collection<PolicyObject> put) {
            return new Change(put, List.of(), null, null);
        }
    }

    /** Whether an object's meaning changes with services or CIDR groups. */
    public static boolean dependsOnServicesOrGroups(PolicyObject object) {
        return RuleResolver.dependsOnServicesOrGroups(object);
    }

    // ---- rules -----------------------------------------------------------------------------------------------------

    /** What the ipcache must tell apart under the rules in force. */
    public AddressDemand demand() {
        List<ResolvedRule> all = new ArrayList<>();
        for (LiveObject object : objects.values()) for (LiveRule rule : object.rules) all.add(rule.rule);
        return demand(all);
    }

    /** What it must tell apart while the change is made: what the rules need before and after it. */
    public AddressDemand demandAfter(Change change) {
        RuleResolver resolver = resolver(change);
        List<ResolvedRule> all = new ArrayList<>();
        for (PolicyObject object : change.put) all.addAll(resolver.resolve(object));
        boolean reresolve = change.services != null || change.groups != null;
        for (LiveObject object : objects.values()) {
            for (LiveRule rule : object.rules) all.add(rule.rule);
            if (reresolve && RuleResolver.dependsOnServicesOrGroups(object.object)) all.addAll(resolver.resolve(object.object));
        }
        return demand(all);
    }

    private static AddressDemand demand(Collection<ResolvedRule> rules) {
        Set<Prefix> prefixes = new HashSet<>();
        Set<Prefix> blocks = new HashSet<>();
        Set<PortName> ports = new HashSet<>();
        boolean nodes = false;
        for (ResolvedRule rule : rules) {
            for (Grant grant : rule.grants()) {
                for (PeerSelector peer : grant.peers()) {
                    nodes |= peer instanceof PeerSelector.ByNode;
                    if (!(peer instanceof PeerSelector.ByPrefix p)) continue;
                    prefixes.add(p.cidr());
                    prefixes.addAll(p.except());
                    if (!p.everyone()) continue;
                    blocks.add(p.cidr());
                    blocks.addAll(p.except());
                }
                if (grant.direction() != Direction.EGRESS) continue;
                for (L4 l4 : grant.ports()) if (l4 instanceof L4.Named named) ports.add(named.name());
            }
        }
        return new AddressDemand(prefixes, blocks, ports, nodes);
    }

    private RuleResolver resolver(Change change) {
        return new RuleResolver(options, change.services == null ? services : change.services, change.groups == null ? groups : change.groups);
    }

    /**
     * Makes a change.
     *
     * @return the new tables of every class that the change concerns, by class number
     */
    public Map<Integer, PolicyMap> apply(Change change) {
        RuleResolver resolver = resolver(change);
        Set<PolicyObject> todo = new LinkedHashSet<>(change.put);
        if (change.services != null || change.groups != null) {
            Set<PolicyObject.Key> named = new HashSet<>(change.removed);
            for (PolicyObject object : change.put) named.add(object.key());
            for (LiveObject object : objects.values()) {
                if (!named.contains(object.object.key()) && RuleResolver.dependsOnServicesOrGroups(object.object)) todo.add(object.object);
            }
        }
        if (change.services != null) services = List.copyOf(change.services);
        if (change.groups != null) groups = List.copyOf(change.groups);
        Set<Integer> touched = new HashSet<>();
        for (PolicyObject.Key key : change.removed) drop(key, touched);
        for (PolicyObject object : todo) {
            LiveObject old = objects.get(object.key());
            List<ResolvedRule> rules = resolver.resolve(object);
            if (old != null && old.rules.stream().map(r -> r.rule).toList().equals(rules)) {
                objects.put(object.key(), new LiveObject(object, old.rules));
                continue;
            }
            // the new one first, so that selections which both use aren't computed again
            LiveObject fresh = new LiveObject(object, rules.stream().map(this::live).toList());
            drop(object.key(), touched);
            objects.put(object.key(), fresh);
            for (Map.Entry<Integer, LiveClass> e : classes.entrySet()) {
                for (LiveRule rule : fresh.rules) if (concerns(rule.rule, e.getValue().subject)) touched.add(e.getKey());
            }
        }
        Map<Integer, PolicyMap> tables = new LinkedHashMap<>();
        touched.stream().sorted().forEach(number -> tables.put(number, build(number, classes.get(number))));
        return tables;
    }

    private LiveRule live(ResolvedRule rule) {
        LiveRule live = new LiveRule(rule);
        for (Grant grant : rule.grants()) {
            LiveGrant g = new LiveGrant(grant, cookies.of(grant.origin()));
            for (PeerSelector peer : grant.peers()) {
                Selection selection = cache.acquire(peer);
                g.peers.add(selection);
                grantsBySelection.computeIfAbsent(selection, k -> new LinkedHashSet<>()).add(g);
            }
            if (grant.anyPeer() && grant.direction() == Direction.EGRESS && grant.ports().stream().anyMatch(p -> p instanceof L4.Named)) {
                namedToAnyone.add(g);
            }
            live.grants.add(g);
        }
        return live;
    }

    private void drop(PolicyObject.Key key, Set<Integer> touched) {
        LiveObject old = objects.remove(key);
        if (old == null) return;
        for (LiveRule rule : old.rules) {
            for (LiveGrant grant : rule.grants) {
                for (Selection selection : grant.peers) {
                    Set<LiveGrant> users = grantsBySelection.get(selection);
                    users.remove(grant);
                    if (users.isEmpty()) grantsBySelection.remove(selection);
                    cache.release(selection);
                }
                namedToAnyone.remove(grant);
            }
        }
        for (Map.Entry<Integer, LiveClass> e : classes.entrySet()) {
            for (LiveRule rule : old.rules) if (e.getValue().rules.contains(rule)) touched.add(e.getKey());
        }
    }

    // ---- classes ---------------------------------------------------------------------------------------------------

    /**
     * Adds a class under a number of the caller's.
     *
     * @return its table
     */
    public PolicyMap addClass(int number, SubjectClass subject) {
        LiveClass live = new LiveClass(subject);
        if (classes.putIfAbsent(number, live) != null) throw new IllegalArgumentException("class " + number + " is there already");
        return build(number, live);
    }

    public void removeClass(int number) {
        LiveClass gone = classes.remove(number);
        if (gone == null) return;
        for (LiveRule rule : gone.rules) for (LiveGrant grant : rule.grants) grant.classes.remove(number);
    }

    /** The table of a class as it is now; null if there is no such class. */
    public PolicyMap table(int number) {
        LiveClass live = classes.get(number);
        return live == null ? null : live.map;
    }

    private boolean concerns(ResolvedRule rule, SubjectClass subject) {
        if (rule.host() != subject.host()) return false;
        if (subject.host() && !options.hostFirewall()) return false;
        return rule.subject().matches(subject.labels());
    }

    private PolicyMap build(int number, LiveClass live) {
        for (LiveRule rule : live.rules) for (LiveGrant grant : rule.grants) grant.classes.remove(number);
        live.map = new PolicyMap();
        live.rules = new LinkedHashSet<>();
        if (options.mode() == PolicyOptions.Mode.NEVER) return live.map;
        boolean closed = !live.subject.host() && (options.mode() == PolicyOptions.Mode.ALWAYS || live.subject.labels().isReserved("init"));
        for (Direction direction : Direction.values()) live.map.table(direction).enforced(closed);
        for (LiveObject object : objects.values()) {
            for (LiveRule rule : object.rules) {
                if (!concerns(rule.rule, live.subject)) continue;
                live.rules.add(rule);
                for (Direction direction : rule.rule.closes()) live.map.table(direction).enforced(true);
                for (LiveGrant grant : rule.grants) {
                    grant.classes.add(number);
                    write(grant, live);
                }
            }
        }
        DirectionTable ingress = live.map.table(Direction.INGRESS);
        if (options.allowLocalhost() && !live.subject.host() && ingress.enforced()) {
            ingress.put(PeerNumbers.HOST, 0, 0, 0, false, Cookies.LOCALHOST);
        }
        return live.map;
    }

    private void write(LiveGrant live, LiveClass to) {
        DirectionTable table = to.map.table(live.grant.direction());
        Grant grant = live.grant;
        boolean deny = grant.deny();
        if (deny && grant.peers().stream().anyMatch(p -> p instanceof PeerSelector.ByLabels)) table.denyLabels();
        if (grant.ports().isEmpty()) {
            if (grant.anyPeer()) table.put(0, 0, 0, 0, deny, live.cookie);
            for (Selection s : live.peers) s.members.forEach(peer -> table.put(peer, 0, 0, 0, deny, live.cookie));
            return;
        }
        for (L4 l4 : grant.ports()) {
            if (l4 instanceof L4.Named named && grant.direction() == Direction.EGRESS) {
                if (grant.anyPeer()) {
                    for (PeerMember m : cache.members()) if (m.peerClass()) writeNamed(table, m, named, deny, live.cookie);
                }
                for (Selection s : live.peers) s.named.forEach(n -> writeNamed(table, cache.member(n), named, deny, live.cookie));
                continue;
            }
            L4.Block block = block(l4, to.subject);
            if (block == null) continue;
            if (grant.anyPeer()) table.put(0, block.protocol(), block.portBits(), block.port(), deny, live.cookie);
            for (Selection s : live.peers) {
                s.members.forEach(peer -> table.put(peer, block.protocol(), block.portBits(), block.port(), deny, live.cookie));
            }
        }
    }

    private static void writeNamed(DirectionTable table, PeerMember member, L4.Named named, boolean deny, int cookie) {
        Integer port = member.ports().get(named.name());
        if (port != null) table.put(member.number(), named.name().protocol(), 16, port, deny, cookie);
    }

    /** A block as such; a named port of an ingress rule as the subject's own number, null if it has none. */
    private static L4.Block block(L4 l4, SubjectClass subject) {
        if (l4 instanceof L4.Block block) return block;
        PortName name = ((L4.Named) l4).name();
        Integer port = subject.ports().get(name);
        return port == null ? null : new L4.Block(name.protocol(), port, 16);
    }

    // ---- peers -----------------------------------------------------------------------------------------------------

    /**
     * Takes in peers that no packet carries yet; the node itself and the other reserved identities once, before the first class. Cost is proportional to the classes whose rules select them.
     *
     * @return the entries to write into the tables in force before the peers are published
     */
    public TableDelta addMembers(Collection<PeerMember> fresh) {
        Map<Integer, List<PolicyEntry>> add = new HashMap<>();
        for (PeerMember member : fresh) {
            // the localhost entry stands under its number in every table: it can't be "a peer that no packet carries yet"
            if (member.number() == PeerNumbers.HOST && !classes.isEmpty()) throw new IllegalArgumentException("the node itself comes before classes");
            for (Selection selection : cache.add(member)) {
                for (LiveGrant grant : grantsBySelection.getOrDefault(selection, Set.of())) {
                    for (int number : grant.classes) {
                        keys(grant, selection, member, classes.get(number).subject, (table, block) -> put(number, table, member, block, grant, add));
                    }
                }
            }
            if (!member.peerClass() || member.ports().isEmpty()) continue;
            for (LiveGrant grant : namedToAnyone) {
                for (int number : grant.classes) {
                    named(grant.grant, member, block -> put(number, grant.grant.direction(), member, block, grant, add));
                }
            }
        }
        // one key may have come twice, first as an allow: what the table says now is what counts
        add.replaceAll((number, list) -> list.stream().map(e -> classes.get(number).map.table(e.direction())
                .get(e.peer(), e.protocol(), e.portBits(), e.port())).distinct().sorted(Comparator.comparing(e -> !e.deny())).toList());
        return new TableDelta(add, Map.of());
    }

    /**
     * Forgets peers that no packet can carry any more.
     *
     * @return the entries to remove
     */
    public TableDelta removeMembers(Collection<Integer> gone) {
        Map<Integer, List<PolicyEntry>> remove = new HashMap<>();
        for (int memberNumber : gone) {
            if (memberNumber == PeerNumbers.HOST) throw new IllegalArgumentException("the node itself never goes; see replaceMember");
            PeerMember member = cache.member(memberNumber);
            if (member == null) continue;
            for (Selection selection : cache.remove(memberNumber)) {
                for (LiveGrant grant : grantsBySelection.getOrDefault(selection, Set.of())) {
                    for (int number : grant.classes) {
                        keys(grant, selection, member, classes.get(number).subject, (table, block) -> take(number, table, member, block, remove));
                    }
                }
            }
            if (!member.peerClass() || member.ports().isEmpty()) continue;
            for (LiveGrant grant : namedToAnyone) {
                for (int number : grant.classes) {
                    named(grant.grant, member, block -> take(number, grant.grant.direction(), member, block, remove));
                }
            }
        }
        return new TableDelta(Map.of(), remove);
    }

    /**
     * The labels of an identity changed under its number (a node that becomes an API server): all tables that had or get it, anew.
     */
    public Map<Integer, PolicyMap> replaceMember(PeerMember member) {
        Set<Integer> touched = new HashSet<>();
        List<Selection> selections = new ArrayList<>(cache.remove(member.number()));
        selections.addAll(cache.add(member));
        for (Selection s : selections) for (LiveGrant g : grantsBySelection.getOrDefault(s, Set.of())) touched.addAll(g.classes);
        if (member.peerClass()) for (LiveGrant g : namedToAnyone) touched.addAll(g.classes);
        Map<Integer, PolicyMap> tables = new LinkedHashMap<>();
        touched.stream().sorted().forEach(number -> tables.put(number, build(number, classes.get(number))));
        return tables;
    }

    private interface KeySink {
        void accept(Direction direction, L4.Block block);
    }

    private static final L4.Block EVERYTHING = new L4.Block(0, 0, 0);

    private static void keys(LiveGrant live, Selection selection, PeerMember member, SubjectClass subject, KeySink sink) {
        Grant grant = live.grant;
        if (selection.selector.selects(member)) {
            if (grant.ports().isEmpty()) sink.accept(grant.direction(), EVERYTHING);
            for (L4 l4 : grant.ports()) {
                if (l4 instanceof L4.Named && grant.direction() == Direction.EGRESS) continue;
                L4.Block block = block(l4, subject);
                if (block != null) sink.accept(grant.direction(), block);
            }
        }
        if (selection.selector.selectsForNamedPort(member)) named(grant, member, block -> sink.accept(grant.direction(), block));
    }

    private static void named(Grant grant, PeerMember member, java.util.function.Consumer<L4.Block> sink) {
        if (grant.direction() != Direction.EGRESS) return;
        for (L4 l4 : grant.ports()) {
            if (!(l4 instanceof L4.Named named)) continue;
            Integer port = member.ports().get(named.name());
            if (port != null) sink.accept(new L4.Block(named.name().protocol(), port, 16));
        }
    }

    private void put(int number, Direction direction, PeerMember member, L4.Block block, LiveGrant grant, Map<Integer, List<PolicyEntry>> add) {
        DirectionTable table = classes.get(number).map.table(direction);
        if (!table.put(member.number(), block.protocol(), block.portBits(), block.port(), grant.grant.deny(), grant.cookie)) return;
        add.computeIfAbsent(number, k -> new ArrayList<>()).add(new PolicyEntry(direction, member.number(), block.protocol(), block.port(),
                block.portBits(), grant.grant.deny(), grant.cookie));
    }

    private void take(int number, Direction direction, PeerMember member, L4.Block block, Map<Integer, List<PolicyEntry>> remove) {
        DirectionTable table = classes.get(number).map.table(direction);
        PolicyEntry entry = table.get(member.number(), block.protocol(), block.portBits(), block.port());
        if (entry == null) return;
        table.remove(member.number(), block.protocol(), block.portBits(), block.port());
        remove.computeIfAbsent(number, k -> new ArrayList<>()).add(entry);
    }

    // ---- whole computations ----------------------------------------------------------------------------------------

    /** Everything at once, as a pure function: the tables of all classes. */
    public static Map<Integer, PolicyMap> compile(PolicyOptions options, Cookies cookies, Collection<PolicyObject> policies,
            Collection<ServiceFacts> services, Collection<CidrGroup> groups, Collection<PeerMember> members, Map<Integer, SubjectClass> classes) {
        PolicyEngine engine = new PolicyEngine(options, cookies);
        engine.addMembers(members);
        engine.apply(new Change(policies, List.of(), services, groups));
        Map<Integer, PolicyMap> tables = new TreeMap<>();
        classes.forEach((number, subject) -> tables.put(number, engine.addClass(number, subject)));
        return tables;
    }

    /** Selectors, members, objects and classes, for status. */
    public String describe() {
        return objects.size() + " policies, " + classes.size() + " classes, " + cache.members().size() + " peers, " + cache.selectors() + " selectors";
    }

    /** The rules that select a class, for {@code endpoint get}: origins of their grants. */
    public List<RuleOrigin> rulesOf(int number) {
        List<RuleOrigin> all = new ArrayList<>();
        LiveClass live = classes.get(number);
        if (live != null) for (LiveRule rule : live.rules) for (LiveGrant grant : rule.grants) all.add(grant.grant.origin());
        return all;
    }
}
