package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Every service's plan as entries of the maps, under stable numbers. A change costs what its service has. Not thread-safe: one thread
 * changes it.
 */
final class ServiceState {
    private static final Logger LOG = LoggerFactory.getLogger(ServiceState.class);

    /** Entries to write and to remove. */
    record Delta(Map<LbKey, LbValue> puts, Set<LbKey> removes) {
        Delta() {
            this(new HashMap<>(), new HashSet<>());
        }

        void put(LbKey key, LbValue value) {
            puts.put(key, value);
            if (!removes.isEmpty()) removes.remove(key);
        }

        void remove(LbKey key) {
            removes.add(key);
            puts.remove(key);
        }

        boolean isEmpty() {
            return puts.isEmpty() && removes.isEmpty();
        }
    }

    /** What is left of a plan once its sets are written. */
    private record Known(List<PlannedFrontend> frontends, List<SetKey> sets, boolean maglev) {
    }

    /**
     * A set as it was written.
     *
     * @param members  those that are eligible first
     * @param states   theirs by ordinal; null: all are active
     * @param eligible how many get new connections
     */
    private record Written(int id, BackendTable.Use[] members, byte[] states, int eligible, boolean remembers, int table) {
        BackendState state(int i) {
            return states == null ? BackendState.ACTIVE : STATES[states[i]];
        }

        boolean has(List<Member> others) {
            if (members.length != others.size() || eligible != ServiceState.eligible(others)) return false;
            for (int i = 0; i < members.length; i++) {
                Member m = others.get(i);
                if (m.state() != state(i) || !m.backend().equals(members[i].address)) return false;
            }
            return true;
        }
    }

    private static final BackendState[] STATES = BackendState.values();

    private static int eligible(List<Member> members) {
        int n = 0;
        while (n < members.size() && members.get(n).eligible()) n++;
        return n;
    }

    private static byte[] states(List<Member> members) {
        byte[] states = null;
        for (int i = 0; i < members.size(); i++) {
            if (members.get(i).state() == BackendState.ACTIVE) continue;
            if (states == null) states = new byte[members.size()];
            states[i] = (byte) members.get(i).state().ordinal();
        }
        return states;
    }

    private final Map<ObjectKey, Known> plans = new HashMap<>();
    /** Read by commands, too. */
    private final Map<Frontend, ObjectKey> owners = new ConcurrentHashMap<>();
    private final Map<Frontend, TreeSet<ObjectKey>> waiting = new HashMap<>();
    /** Source ranges that frontends have, those that have any. */
    private final Map<Frontend, List<Prefix>> ranges = new HashMap<>();
    private final Map<SetKey, Written> sets = new HashMap<>();
    private final BackendTable backends = new BackendTable();
    private final Ids<Frontend> frontendIds = new Ids<>();
    private final Ids<SetKey> setIds = new Ids<>();
    private final Map<Frontend, LbValue.Service> seeds = new HashMap<>();
    private boolean departures;

    /** Numbers that the kernel's maps have, before the first change. */
    void restore(Map<Frontend, LbValue.Service> services, Map<Integer, BackendAddress> numbers) {
        services.forEach((f, s) -> {
            seeds.put(f, s);
            frontendIds.claim(f, s.id());
            setIds.avoid(s.set());
        });
        numbers.forEach((id, a) -> backends.seed(a, id));
    }

    /** Which service each frontend leads to; the state's own, safe to read by any thread. */
    Map<Frontend, ObjectKey> owners() {
        return owners;
    }

    Set<ObjectKey> services() {
        return plans.keySet();
    }

    /** Whether a backend has left a set, or stopped to serve in it, since the last call. */
    boolean takeDepartures() {
        boolean any = departures;
        departures = false;
        return any;
    }

    /**
     * Whether a backend serves what the frontend's service has connected to it. The call may have named an address of loopback or of
     * another node, for which the row of all addresses stands.
     */
    boolean serves(Frontend asked, BackendAddress backend) {
        IpAddress any = IpAddress.parse(asked.address().isV4() ? "0.0.0.0" : "::");
        for (IpAddress address : List.of(asked.address(), any)) {
            for (boolean inside : new boolean[] {true, false}) {
                Frontend frontend = new Frontend(address, asked.port(), asked.protocol(), inside);
                ObjectKey owner = owners.get(frontend);
                Known known = owner == null ? null : plans.get(owner);
                if (known == null) continue;
                return known.frontends.stream().filter(f -> f.frontend().equals(frontend)).map(f -> sets.get(f.set()))
                        .anyMatch(set -> set != null && serves(set, backend));
            }
        }
        return false;
    }

    private static boolean serves(Written set, BackendAddress backend) {
        for (int i = 0; i < set.members.length; i++) {
            if (set.members[i].address.equals(backend) && set.state(i).serves()) return true;
        }
        return false;
    }

    /** Whether any service has the backend and it serves. */
    boolean serves(BackendAddress backend) {
        BackendTable.Use use = backends.find(backend);
        BackendState state = use == null ? null : use.state();
        return state != null && state.serves();
    }

    private static boolean departed(Written before, List<Member> now) {
        Set<BackendAddress> serving = new HashSet<>();
        now.forEach(m -> {
            if (m.state().serves()) serving.add(m.backend());
        });
        for (int i = 0; i < before.members.length; i++) {
            if (before.state(i).serves() && !serving.contains(before.members[i].address)) return true;
        }
        return false;
    }

    private boolean isKnown(Known before, ServicePlan plan) {
        return before.maglev == plan.maglev() && before.frontends.equals(plan.frontends()) && before.sets.size() == plan.sets().size()
                && before.sets.stream().allMatch(key -> plan.sets().containsKey(key) && sets.get(key).has(plan.sets().get(key)));
    }

    /** Puts a service's plan in the place of its last one. NOTHING removes it. */
    void set(ObjectKey service, ServicePlan plan, Delta delta) {
        Known before = plans.get(service);
        if (before == null ? plan.frontends().isEmpty() : isKnown(before, plan)) return;
        if (plan.frontends().isEmpty()) plans.remove(service);
        else plans.put(service, new Known(plan.frontends(), List.copyOf(plan.sets().keySet()), plan.maglev()));
        List<ObjectKey> heirs = new ArrayList<>();
        if (before != null) {
            Set<Frontend> wanted = new HashSet<>();
            plan.frontends().forEach(f -> wanted.add(f.frontend()));
            for (PlannedFrontend f : before.frontends) {
                if (!wanted.contains(f.frontend())) release(service, f.frontend(), heirs, delta);
            }
        }
        plan.sets().forEach((key, members) -> write(key, members, remembers(plan, key), plan.maglev(), delta));
        plan.frontends().forEach(f -> own(service, f, delta));
        if (before != null) {
            before.sets.forEach(key -> {
                if (!plan.sets().containsKey(key)) drop(key, delta);
            });
        }
        for (ObjectKey heir : heirs) {
            Known p = plans.get(heir);
            if (p != null) p.frontends.forEach(f -> own(heir, f, delta));
        }
    }

    private static boolean remembers(ServicePlan plan, SetKey key) {
        return key.protocol() == Protocol.UDP || plan.frontends().stream().anyMatch(f -> f.set().equals(key) && f.affinitySeconds() > 0);
    }

    private void own(ObjectKey service, PlannedFrontend f, Delta delta) {
        ObjectKey owner = owners.putIfAbsent(f.frontend(), service);
        if (owner != null && !owner.equals(service)) {
            if (waiting.computeIfAbsent(f.frontend(), k -> new TreeSet<>()).add(service)) {
                LOG.warn("Service {} wants {}, which {} has: it is not served until that goes", service, f.frontend(), owner);
            }
            return;
        }
        Written set = sets.get(f.set());
        int id = frontendIds.get(f.frontend());
        allow(f.frontend(), id, f.ranges(), delta);
        int flags = f.flags() | (f.affinitySeconds() > 0 ? LbValue.FLAG_AFFINITY : 0) | (f.ranges().isEmpty() ? 0 : LbValue.FLAG_SOURCE_RANGES);
        delta.put(f.frontend(), new LbValue.Service(id, set.id, set.eligible, set.members.length, flags, f.kind().number(),
                set.table > 0 ? LbValue.MAGLEV : LbValue.RANDOM, f.affinitySeconds(), set.table));
    }

    private void allow(Frontend frontend, int id, List<Prefix> wanted, Delta delta) {
        List<Prefix> before = wanted.isEmpty() ? ranges.remove(frontend) : ranges.put(frontend, wanted);
        if (before != null) before.forEach(p -> delta.remove(new LbKey.Range(id, p)));
        wanted.forEach(p -> delta.put(new LbKey.Range(id, p), LbValue.Allowed.YES));
    }

    private void release(ObjectKey service, Frontend frontend, List<ObjectKey> heirs, Delta delta) {
        TreeSet<ObjectKey> queue = waiting.get(frontend);
        if (owners.remove(frontend, service)) {
            allow(frontend, frontendIds.get(frontend), List.of(), delta);
            frontendIds.release(frontend);
            delta.remove(frontend);
            if (queue != null) heirs.add(queue.pollFirst());
        } else if (queue != null) {
            queue.remove(service);
        }
        if (queue != null && queue.isEmpty()) waiting.remove(frontend);
    }

    private int setId(SetKey key, Known plan) {
        if (!setIds.knows(key) && plan != null) {
            // The number that the kernel has for it, unless another service has taken over the address meanwhile.
            for (PlannedFrontend f : plan.frontends) {
                LbValue.Service seed = f.set().equals(key) ? seeds.remove(f.frontend()) : null;
                if (seed != null && setIds.claim(key, seed.set())) break;
            }
        }
        return setIds.get(key);
    }

    private void write(SetKey key, List<Member> members, boolean remembers, boolean maglev, Delta delta) {
        Written before = sets.get(key);
        int eligible = eligible(members);
        int table = maglev && eligible > 0 ? Maglev.size(eligible) : 0;
        if (before != null && before.remembers == remembers && before.table == table && before.has(members)) return;
        if (before != null && !departures) departures = departed(before, members);
        int id = before != null ? before.id : setId(key, plans.get(key.service()));
        List<BackendTable.Use> touched = new ArrayList<>(members.size());
        BackendTable.Use[] uses = new BackendTable.Use[members.size()];
        for (int i = 0; i < uses.length; i++) {
            uses[i] = backends.get(members.get(i).backend());
            count(uses[i], members.get(i).state(), 1, touched);
        }
        Written now = new Written(id, uses, states(members), eligible, remembers, table);
        sets.put(key, now);
        if (before != null) discount(before, touched);
        chunks(id, uses, before == null ? 0 : before.members.length, delta);
        places(now, before == null ? 0 : before.table, delta);
        if (before != null) forget(before, delta);
        if (remembers) {
            for (int i = 0; i < uses.length; i++) {
                if (i < eligible) delta.put(new LbKey.MemberOf(id, uses[i].id), LbValue.Membership.NEW);
                else if (now.state(i) == BackendState.TERMINATING) delta.put(new LbKey.MemberOf(id, uses[i].id), LbValue.Membership.KEEP);
            }
        }
        settle(touched, delta);
    }

    private static void forget(Written set, Delta delta) {
        if (!set.remembers) return;
        for (BackendTable.Use use : set.members) delta.remove(new LbKey.MemberOf(set.id, use.id));
    }

    private void drop(SetKey key, Delta delta) {
        Written before = sets.remove(key);
        if (before == null) return;
        if (!departures) departures = departed(before, List.of());
        chunks(before.id, NONE, before.members.length, delta);
        places(new Written(before.id, NONE, null, 0, false, 0), before.table, delta);
        forget(before, delta);
        List<BackendTable.Use> touched = new ArrayList<>();
        discount(before, touched);
        settle(touched, delta);
        setIds.release(key);
    }

    private static final BackendTable.Use[] NONE = {};

    private static void chunks(int set, BackendTable.Use[] members, int before, Delta delta) {
        int size = LbValue.Slots.SIZE;
        int chunks = (members.length + size - 1) / size;
        for (int c = 0; c < chunks; c++) {
            int[] slots = new int[size];
            for (int i = 0; i < size && c * size + i < members.length; i++) slots[i] = members[c * size + i].id;
            delta.put(new LbKey.Slots(set, c), new LbValue.Slots(slots));
        }
        for (int c = chunks; c < (before + size - 1) / size; c++) delta.remove(new LbKey.Slots(set, c));
    }

    /** Maglev's table of the set in the place of one as wide as {@code before}. */
    private static void places(Written set, int before, Delta delta) {
        int size = LbValue.Maglev.SIZE;
        int parts = (set.table + size - 1) / size;
        if (set.table > 0) {
            MaglevTable made = new MaglevTable(set.table, set.members, set.eligible);
            for (int p = 0; p < parts; p++) delta.put(new LbKey.Maglev(set.id, p), new LbValue.Maglev(made, p));
        }
        for (int p = parts; p < (before + size - 1) / size; p++) delta.remove(new LbKey.Maglev(set.id, p));
    }

    private static void count(BackendTable.Use use, BackendState state, int by, List<BackendTable.Use> touched) {
        use.add(state, by);
        if (!use.touched) {
            use.touched = true;
            touched.add(use);
        }
    }

    private static void discount(Written set, List<BackendTable.Use> touched) {
        for (int i = 0; i < set.members.length; i++) count(set.members[i], set.state(i), -1, touched);
    }

    private void settle(List<BackendTable.Use> touched, Delta delta) {
        for (BackendTable.Use use : touched) {
            use.touched = false;
            BackendState now = use.state();
            if (now == null) {
                backends.remove(use);
                delta.remove(new LbKey.Backend(use.id));
            } else {
                delta.put(new LbKey.Backend(use.id), new LbValue.Backend(use.address, now));
            }
        }
    }
}
