package io.patchbay.servicelb.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class ServiceStateTest {
    private final ServiceState state = new ServiceState();
    private final Map<LbKey, LbValue> kernel = new HashMap<>();

    private static ObjectKey name(String n) {
        return new ObjectKey("default", n);
    }

    private static Member member(int n, BackendState s) {
        return new Member(new BackendAddress(IpAddress.ofV4(0x0a000000 + n), 8080, Protocol.TCP), s, s == BackendState.ACTIVE);
    }

    private static ServicePlan plan(String service, int vip, int affinity, Member... members) {
        SetKey set = new SetKey(name(service), "", 80, Protocol.TCP, true);
        return new ServicePlan(List.of(new PlannedFrontend(frontend(vip), FrontendKind.CLUSTER_IP, set, affinity, 0)), Map.of(set, List.of(members)));
    }

    private static Frontend frontend(int vip) {
        return new Frontend(IpAddress.ofV4(0x0a600000 + vip), 80, Protocol.TCP);
    }

    private ServiceState.Delta set(String service, ServicePlan plan) {
        return set(state, service, plan);
    }

    private ServiceState.Delta set(ServiceState to, String service, ServicePlan plan) {
        ServiceState.Delta d = new ServiceState.Delta();
        to.set(name(service), plan, d);
        kernel.putAll(d.puts());
        kernel.keySet().removeAll(d.removes());
        return d;
    }

    /** Addresses that a frontend leads to, by the entries alone: {@code +} may be chosen. */
    private String seen(int vip) {
        LbValue.Service s = (LbValue.Service) kernel.get(frontend(vip));
        if (s == null) return "none";
        List<String> found = new ArrayList<>();
        for (int i = 0; i < s.total(); i++) {
            int id = ((LbValue.Slots) kernel.get(new LbKey.Slots(s.set(), i / 16))).backends()[i % 16];
            LbValue.Backend b = (LbValue.Backend) kernel.get(new LbKey.Backend(id));
            found.add((i < s.count() ? "+" : "-") + (b.address().address().v4Bits() & 0xffff));
        }
        return String.join(" ", found);
    }

    @Test
    void aChangedEndpointWritesItsServiceAlone() {
        set("a", plan("a", 1, 0, member(1, BackendState.ACTIVE), member(2, BackendState.ACTIVE)));
        set("b", plan("b", 2, 0, member(1, BackendState.ACTIVE), member(3, BackendState.ACTIVE)));
        assertEquals("+1 +2", seen(1));
        ServiceState.Delta d = set("a", plan("a", 1, 0, member(1, BackendState.ACTIVE), member(4, BackendState.ACTIVE)));
        assertEquals("+1 +4", seen(1));
        assertEquals("+1 +3", seen(2));
        assertTrue(d.puts().size() + d.removes().size() <= 5, d.toString());
        assertTrue(set("a", plan("a", 1, 0, member(1, BackendState.ACTIVE), member(4, BackendState.ACTIVE))).isEmpty());
    }

    @Test
    void whatTwoServicesShareGoesWithTheLast() {
        set("a", plan("a", 1, 0, member(1, BackendState.ACTIVE)));
        set("b", plan("b", 2, 0, member(1, BackendState.TERMINATING)));
        LbKey shared = kernel.keySet().stream().filter(LbKey.Backend.class::isInstance).findFirst().orElseThrow();
        assertEquals(BackendState.ACTIVE, ((LbValue.Backend) kernel.get(shared)).state());
        set("a", ServicePlan.NOTHING);
        assertEquals(BackendState.TERMINATING, ((LbValue.Backend) kernel.get(shared)).state());
        assertEquals("none", seen(1));
        assertEquals("-1", seen(2));
        set("b", ServicePlan.NOTHING);
        assertTrue(kernel.isEmpty(), kernel.toString());
    }

    @Test
    void aNumberThatWasGivenUpIsNotGivenToAnother() {
        set("a", plan("a", 1, 0, member(1, BackendState.ACTIVE)));
        int before = ((LbValue.Slots) kernel.values().stream().filter(LbValue.Slots.class::isInstance).findFirst().orElseThrow()).backends()[0];
        set("a", plan("a", 1, 0, member(2, BackendState.ACTIVE)));
        int after = ((LbValue.Slots) kernel.values().stream().filter(LbValue.Slots.class::isInstance).findFirst().orElseThrow()).backends()[0];
        assertNotEquals(before, after);
    }

    @Test
    void numbersStayOverARestart() {
        for (int i = 0; i < 50; i++) set("s" + i, plan("s" + i, i, 0, member(i, BackendState.ACTIVE), member(i + 1, BackendState.ACTIVE)));
        for (int i = 0; i < 50; i += 3) set("s" + i, ServicePlan.NOTHING);
        Map<LbKey, LbValue> before = Map.copyOf(kernel);
        ServiceState again = new ServiceState();
        Map<Frontend, LbValue.Service> services = new HashMap<>();
        Map<Integer, BackendAddress> backends = new HashMap<>();
        before.forEach((k, v) -> {
            if (k instanceof Frontend f) services.put(f, (LbValue.Service) v);
            if (k instanceof LbKey.Backend b) backends.put(b.id(), ((LbValue.Backend) v).address());
        });
        again.restore(services, backends);
        kernel.clear();
        for (int i = 49; i >= 0; i--) {
            if (i % 3 != 0) set(again, "s" + i, plan("s" + i, i, 0, member(i, BackendState.ACTIVE), member(i + 1, BackendState.ACTIVE)));
        }
        assertEquals(before, kernel);
    }

    @Test
    void whatIsRememberedIsKnownForAffinityOnly() {
        set("a", plan("a", 1, 60, member(1, BackendState.ACTIVE), member(2, BackendState.TERMINATING), member(3, BackendState.QUARANTINED)));
        assertEquals(1, kernel.values().stream().filter(v -> v == LbValue.Membership.NEW).count());
        assertEquals(1, kernel.values().stream().filter(v -> v == LbValue.Membership.KEEP).count());
        assertEquals(LbValue.FLAG_AFFINITY, ((LbValue.Service) kernel.get(frontend(1))).flags());
        set("a", plan("a", 1, 0, member(1, BackendState.ACTIVE)));
        assertFalse(kernel.values().stream().anyMatch(LbValue.Membership.class::isInstance));
    }

    @Test
    void theFirstServiceKeepsAnAddressThatAnotherWantsToo() {
        set("a", plan("a", 1, 0, member(1, BackendState.ACTIVE)));
        set("b", plan("b", 1, 0, member(2, BackendState.ACTIVE)));
        assertEquals("+1", seen(1));
        set("a", ServicePlan.NOTHING);
        assertEquals("+2", seen(1));
        assertEquals(name("b"), state.owners().get(frontend(1)));
    }

    /** Whatever the order of changes: what the entries lead to is what the plans say, and nothing else is left. */
    @Test
    void anyOrderOfChangesEndsAsThePlansSay() {
        Random random = new Random(7);
        Map<String, Set<Integer>> wanted = new HashMap<>();
        for (int step = 0; step < 3000; step++) {
            int s = random.nextInt(12);
            String service = "s" + s;
            if (random.nextInt(5) == 0) {
                wanted.remove(service);
                set(service, ServicePlan.NOTHING);
            } else {
                Set<Integer> members = new TreeSet<>();
                for (int n = random.nextInt(40); n > 0; n--) members.add(random.nextInt(60));
                wanted.put(service, members);
                set(service, plan(service, s, random.nextInt(2) * 60, members.stream().map(n -> member(n, BackendState.ACTIVE)).toArray(Member[]::new)));
            }
        }
        for (int s = 0; s < 12; s++) {
            Set<Integer> members = wanted.get("s" + s);
            String expected = members == null ? "none" : String.join(" ", members.stream().map(n -> "+" + n).toList());
            assertEquals(expected, seen(s));
        }
        Set<Integer> all = new TreeSet<>();
        wanted.values().forEach(all::addAll);
        assertEquals(all.size(), kernel.keySet().stream().filter(LbKey.Backend.class::isInstance).count());
        assertEquals(wanted.values().stream().mapToInt(m -> (m.size() + 15) / 16).sum(), kernel.keySet().stream().filter(LbKey.Slots.class::isInstance).count());
    }
}
