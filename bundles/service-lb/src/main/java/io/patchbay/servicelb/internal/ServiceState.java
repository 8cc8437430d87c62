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

    /** A backend that somebody uses: its number, and how many sets have it in each state. */
    private static final class Use {
        final int id;
        boolean touched;
        /** Sets that have it active, which is what nearly all backends are. */
        private int active;
        /** By state; null: none in another state. */
        private int[] others;

        Use(int id) {
            this.id = id;
        }

        /** The most willing; null: nobody uses it. */
        BackendState state() {
            if (active > 0) return BackendState.ACTIVE;
            for (int i = 0; others != null && i < others.length; i++) {
                if (others[i] > 0) return STATES[i];
            }
            return null;
        }

        void add(BackendState state, int by) {
            if (state == BackendState.ACTIVE) {
                active += by;
                return;
            }
            if (others == null) others = new int[STATES.length];
            others[state.ordinal()] += by;
        }
    }

    private static final BackendState[] STATES = BackendState.values();

    /** A set as it was written. */
    private record Written(int id, List<Member> members, boolean remembers, int table) {
        int count() {
            return eligible(members);
        }
    }

    private static int eligible(List<Member> members) {
        int n = 0;
        while (n < members.size() && members.get(n).eligible()) n++;
        return n;
    }

    private final Map<ObjectKey, ServicePlan> plans = new HashMap<>();
    /** Read by commands, too. */
    private final Map<Frontend, ObjectKey> owners = new ConcurrentHashMap<>();
    private final Map<Frontend, TreeSet<ObjectKey>> waiting = new HashMap<>();
    /** Source ranges that frontends have, those that have any. */
    private final Map<Frontend, List<Prefix>> ranges = new HashMap<>();
    private final Map<SetKey, Written> sets = new HashMap<>();
    private final Map<BackendAddress, Use> uses = new HashMap<>();
    private final Ids<Frontend> frontendIds = new Ids<>();
    private final Ids<SetKey> setIds = new Ids<>();
    /** Numbers of backends that the kernel knows and nobody has asked for yet. */
    private final Map<BackendAddress, Integer> backendSeeds = new HashMap<>();
    private int lastBackend;
    private boolean backendsWrapped;
    private final Map<Frontend, LbValue.Service> seeds = new HashMap<>();
    private boolean departures;

    /** Numbers that the kernel's maps have, before the first change. */
    void restore(Map<Frontend, LbValue.Service> services, Map<Integer, BackendAddress> backends) {
        services.forEach((f, s) -> {
            seeds.put(f, s);
            frontendIds.claim(f, s.id());
            setIds.avoid(s.set());
        });
        backends.forEach((id, a) -> {
            backendSeeds.put(a, id);
            lastBackend = Math.max(lastBackend, id);
        });
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
                ServicePlan plan = owner == null ? null : plans.get(owner);
                if (plan == null) continue;
                return plan.frontends().stream().filter(f -> f.frontend().equals(frontend)).map(f -> sets.get(f.set()))
                        .anyMatch(set -> set != null && set.members.stream().anyMatch(m -> m.backend().equals(backend) && m.state().serves()));
            }
        }
        return false;
    }

    /** Whether any service has the backend and it serves. */
    boolean serves(BackendAddress backend) {
        Use use = uses.get(backend);
        BackendState state = use == null ? null : use.state();
        return state != null && state.serves();
    }

    private static boolean departed(List<Member> before, List<Member> now) {
        Set<BackendAddress> serving = new HashSet<>();
        now.forEach(m -> {
            if (m.state().serves()) serving.add(m.backend());
        });
        return before.stream().anyMatch(m -> m.state().serves() && !serving.contains(m.backend()));
    }

    /** Puts a service's plan in the place of its last one. NOTHING removes it. */
    void set(ObjectKey service, ServicePlan plan, Delta delta) {
        ServicePlan before = plan.frontends().isEmpty() ? plans.remove(service) : plans.put(service, plan);
        if (plan.equals(before)) return;
        Set<Frontend> wanted = new HashSet<>();
        plan.frontends().forEach(f -> wanted.add(f.frontend()));
        List<ObjectKey> heirs = new ArrayList<>();
        if (before != null) {
            for (PlannedFrontend f : before.frontends()) {
                if (!wanted.contains(f.frontend())) release(service, f.frontend(), heirs, delta);
            }
        }
        plan.sets().forEach((key, members) -> write(key, members, remembers(plan, key), plan.maglev(), delta));
        plan.frontends().forEach(f -> own(service, f, delta));
        if (before != null) {
            before.sets().keySet().forEach(key -> {
                if (!plan.sets().containsKey(key)) drop(key, delta);
            });
        }
        for (ObjectKey heir : heirs) {
            ServicePlan p = plans.get(heir);
            if (p != null) p.frontends().forEach(f -> own(heir, f, delta));
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
        delta.put(f.frontend(), new LbValue.Service(id, set.id, set.count(), set.members.size(), flags, f.kind().number(),
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

    private int setId(SetKey key, ServicePlan plan) {
        if (!setIds.knows(key) && plan != null) {
            // The number that the kernel has for it, unless another service has taken over the address meanwhile.
            for (PlannedFrontend f : plan.frontends()) {
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
        if (before != null && before.members.equals(members) && before.remembers == remembers && before.table == table) return;
        if (before != null && !departures) departures = departed(before.members, members);
        int id = before != null ? before.id : setId(key, plans.get(key.service()));
        Written now = new Written(id, members, remembers, table);
        sets.put(key, now);
        List<Member> touched = new ArrayList<>(members.size());
        int[] numbers = count(members, 1, touched);
        if (before != null) count(before.members, -1, touched);
        chunks(id, numbers, before == null ? 0 : before.members.size(), delta);
        places(id, table, numbers, members, before == null ? 0 : before.table, delta);
        if (before != null && before.remembers) {
            before.members.forEach(m -> delta.remove(new LbKey.MemberOf(id, uses.get(m.backend()).id)));
        }
        if (remembers) {
            for (int i = 0; i < numbers.length; i++) {
                Member m = members.get(i);
                if (m.eligible()) delta.put(new LbKey.MemberOf(id, numbers[i]), LbValue.Membership.NEW);
                else if (m.state() == BackendState.TERMINATING) delta.put(new LbKey.MemberOf(id, numbers[i]), LbValue.Membership.KEEP);
            }
        }
        settle(touched, delta);
    }

    private void drop(SetKey key, Delta delta) {
        Written before = sets.remove(key);
        if (before == null) return;
        if (!departures) departures = departed(before.members, List.of());
        chunks(before.id, new int[0], before.members.size(), delta);
        places(before.id, 0, new int[0], List.of(), before.table, delta);
        if (before.remembers) {
            before.members.forEach(m -> delta.remove(new LbKey.MemberOf(before.id, uses.get(m.backend()).id)));
        }
        List<Member> touched = new ArrayList<>();
        count(before.members, -1, touched);
        settle(touched, delta);
        setIds.release(key);
    }

    private static void chunks(int set, int[] numbers, int before, Delta delta) {
        int size = LbValue.Slots.SIZE;
        int chunks = (numbers.length + size - 1) / size;
        for (int c = 0; c < chunks; c++) {
            int[] slots = new int[size];
            System.arraycopy(numbers, c * size, slots, 0, Math.min(size, numbers.length - c * size));
            delta.put(new LbKey.Slots(set, c), new LbValue.Slots(slots));
        }
        for (int c = chunks; c < (before + size - 1) / size; c++) delta.remove(new LbKey.Slots(set, c));
    }

    /** Maglev's table of the set, as wide as {@code table}, in the place of one as wide as {@code before}. */
    private static void places(int set, int table, int[] numbers, List<Member> members, int before, Delta delta) {
        int size = LbValue.Maglev.SIZE;
        int parts = (table + size - 1) / size;
        if (table > 0) {
            MaglevTable made = new MaglevTable(table, members.subList(0, eligible(members)), numbers);
            for (int p = 0; p < parts; p++) delta.put(new LbKey.Maglev(set, p), new LbValue.Maglev(made, p));
        }
        for (int p = parts; p < (before + size - 1) / size; p++) delta.remove(new LbKey.Maglev(set, p));
    }

    /** @return the backends' numbers */
    private int[] count(List<Member> members, int by, List<Member> touched) {
        int[] numbers = new int[members.size()];
        for (int i = 0; i < numbers.length; i++) {
            Member m = members.get(i);
            Use use = uses.get(m.backend());
            if (use == null) {
                Integer known = backendSeeds.remove(m.backend());
                use = new Use(known != null ? known : nextBackend());
                uses.put(m.backend(), use);
            }
            use.add(m.state(), by);
            numbers[i] = use.id;
            if (!use.touched) {
                use.touched = true;
                touched.add(m);
            }
        }
        return numbers;
    }

    /** A number that was given up is not given out again for a long time: a slot or a flow may name it until it is rewritten. */
    private int nextBackend() {
        int number = lastBackend == Integer.MAX_VALUE ? 1 : lastBackend + 1;
        backendsWrapped |= number < lastBackend;
        while (backendsWrapped && isTaken(number)) number = number == Integer.MAX_VALUE ? 1 : number + 1;
        lastBackend = number;
        return number;
    }

    private boolean isTaken(int number) {
        return backendSeeds.containsValue(number) || uses.values().stream().anyMatch(u -> u.id == number);
    }

    private void settle(List<Member> touched, Delta delta) {
        for (Member m : touched) {
            Use use = uses.get(m.backend());
            use.touched = false;
            BackendState now = use.state();
            if (now == null) {
                uses.remove(m.backend());
                delta.remove(new LbKey.Backend(use.id));
            } else {
                delta.put(new LbKey.Backend(use.id), new LbValue.Backend(m.backend(), now));
            }
        }
    }
}
