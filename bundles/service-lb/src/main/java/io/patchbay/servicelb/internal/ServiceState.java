package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
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
            this(new LinkedHashMap<>(), new HashSet<>());
        }

        void put(LbKey key, LbValue value) {
            puts.put(key, value);
            removes.remove(key);
        }

        void remove(LbKey key) {
            removes.add(key);
            puts.remove(key);
        }

        boolean isEmpty() {
            return puts.isEmpty() && removes.isEmpty();
        }
    }

    /** How many sets have a backend in each state. */
    private static final class Use {
        final int[] states = new int[BackendState.values().length];

        boolean isUnused() {
            for (int n : states) {
                if (n != 0) return false;
            }
            return true;
        }

        /** The most willing. */
        BackendState state() {
            for (BackendState s : BackendState.values()) {
                if (states[s.ordinal()] > 0) return s;
            }
            throw new IllegalStateException("nobody uses it");
        }
    }

    /** A set as it was written. */
    private record Written(int id, List<Member> members, boolean remembers) {
        int count() {
            int n = 0;
            while (n < members.size() && members.get(n).eligible()) n++;
            return n;
        }
    }

    private final Map<ObjectKey, ServicePlan> plans = new HashMap<>();
    /** Read by commands, too. */
    private final Map<Frontend, ObjectKey> owners = new ConcurrentHashMap<>();
    private final Map<Frontend, TreeSet<ObjectKey>> waiting = new HashMap<>();
    private final Map<SetKey, Written> sets = new HashMap<>();
    private final Map<BackendAddress, Use> uses = new HashMap<>();
    private final Ids<Frontend> frontendIds = new Ids<>();
    private final Ids<SetKey> setIds = new Ids<>();
    private final Ids<BackendAddress> backendIds = new Ids<>();
    private final Map<Frontend, LbValue.Service> seeds = new HashMap<>();

    /** Numbers that the kernel's maps have, before the first change. */
    void restore(Map<Frontend, LbValue.Service> services, Map<Integer, BackendAddress> backends) {
        services.forEach((f, s) -> {
            seeds.put(f, s);
            frontendIds.claim(f, s.id());
            setIds.avoid(s.set());
        });
        backends.forEach((id, a) -> backendIds.claim(a, id));
    }

    /** Which service each frontend leads to; the state's own, safe to read by any thread. */
    Map<Frontend, ObjectKey> owners() {
        return owners;
    }

    Set<ObjectKey> services() {
        return plans.keySet();
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
        plan.sets().forEach((key, members) -> write(key, members, remembers(plan, key), delta));
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
        delta.put(f.frontend(), new LbValue.Service(frontendIds.get(f.frontend()), set.id, set.count(), set.members.size(),
                f.flags() | (f.affinitySeconds() > 0 ? LbValue.FLAG_AFFINITY : 0), f.kind().number(), 0, f.affinitySeconds()));
    }

    private void release(ObjectKey service, Frontend frontend, List<ObjectKey> heirs, Delta delta) {
        TreeSet<ObjectKey> queue = waiting.get(frontend);
        if (owners.remove(frontend, service)) {
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

    private void write(SetKey key, List<Member> members, boolean remembers, Delta delta) {
        Written before = sets.get(key);
        if (before != null && before.members.equals(members) && before.remembers == remembers) return;
        int id = before != null ? before.id : setId(key, plans.get(key.service()));
        Written now = new Written(id, members, remembers);
        sets.put(key, now);
        Set<BackendAddress> touched = new HashSet<>();
        count(members, 1, touched);
        if (before != null) count(before.members, -1, touched);
        int[] numbers = new int[members.size()];
        for (int i = 0; i < numbers.length; i++) numbers[i] = backendIds.get(members.get(i).backend());
        chunks(id, numbers, before == null ? 0 : before.members.size(), delta);
        if (before != null && before.remembers) {
            before.members.forEach(m -> delta.remove(new LbKey.MemberOf(id, backendIds.get(m.backend()))));
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
        chunks(before.id, new int[0], before.members.size(), delta);
        if (before.remembers) {
            before.members.forEach(m -> delta.remove(new LbKey.MemberOf(before.id, backendIds.get(m.backend()))));
        }
        Set<BackendAddress> touched = new HashSet<>();
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

    private void count(List<Member> members, int by, Set<BackendAddress> touched) {
        for (Member m : members) {
            uses.computeIfAbsent(m.backend(), a -> new Use()).states[m.state().ordinal()] += by;
            touched.add(m.backend());
        }
    }

    private void settle(Set<BackendAddress> touched, Delta delta) {
        for (BackendAddress a : touched) {
            Use use = uses.get(a);
            if (use.isUnused()) {
                uses.remove(a);
                delta.remove(new LbKey.Backend(backendIds.release(a)));
            } else {
                delta.put(new LbKey.Backend(backendIds.get(a)), new LbValue.Backend(a, use.state()));
            }
        }
    }
}
