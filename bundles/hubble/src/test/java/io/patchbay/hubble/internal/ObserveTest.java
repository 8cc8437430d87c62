package io.patchbay.hubble.internal;

import static io.patchbay.hubble.internal.Events.drop;
import static io.patchbay.hubble.internal.Events.trace;
import static io.patchbay.hubble.internal.Events.verdict;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import io.patchbay.api.status.StatusRow;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The commands, from events to text. */
@Timeout(60)
class ObserveTest {
    private static final String WEB = "10.0.0.7";
    private static final String DB = "10.0.1.9";
    private static final String WORLD = "1.1.1.1";

    private final AtomicLong kernelLost = new AtomicLong();
    private final FlowStore store = new FlowStore("node1", 127, kernelLost::get, a -> 2, c -> java.util.Optional.empty(), 1);
    private final ObserveCommand command = new ObserveCommand(store);

    ObserveTest() {
        store.names().endpoints().put(Events.endpoint(7, "shop", "web-1", WEB, 700, "k8s:app=web"));
        store.names().pods().onChanges(null, List.of(Events.pod("data", "db-0", DB, Map.of("statefulset.kubernetes.io/pod-name", "db-0"))));
        store.names().identities(Events.identity(900, "k8s:app=db", "k8s:tier=back"));
        store.names().services().onChanges(null, List.of(Events.service("data", "db", "10.96.0.20", 5432, Protocol.TCP)));
        // Not measured here: the names were known before the events came.
        event(trace(Events.TO_OVERLAY, Events.NEW, WEB, 40001, DB, 5432, Protocol.TCP).set("tcp_flags", Events.SYN).set("dst_identity", 900)
                .set("svc_addr", io.patchbay.api.net.IpAddress.parse("10.96.0.20")).setPort("svc_port", 5432));
        event(trace(Events.TO_ENDPOINT, Events.REPLY, DB, 5432, WEB, 40002, Protocol.TCP).set("tcp_flags", Events.SYN | Events.ACK)
                .set("src_identity", 900));
        event(verdict(Events.DENY, 0, WEB, 40003, WORLD, 443, Protocol.TCP).set("tcp_flags", Events.SYN).set("dst_identity", 2));
        event(drop(133, WEB, 40003, WORLD, 443, Protocol.TCP).set("tcp_flags", Events.SYN).set("dst_identity", 2));
        event(trace(Events.TO_NETWORK, Events.NEW, WEB, 40004, WORLD, 53, Protocol.UDP).set("dst_identity", 2));
        event(trace(Events.TO_NETWORK, Events.NEW, WEB, 40005, WORLD, 0, Protocol.ICMP).set("icmp_type", 8).set("dst_identity", 2));
    }

    private void event(Struct event) {
        store.event(event.set("ts", System.nanoTime()));
    }

    private static final class Call implements ShellContext {
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        final List<Runnable> onCancel = new CopyOnWriteArrayList<>();
        final List<String> words;
        volatile boolean cancelled;

        Call(String line) {
            words = line.isEmpty() ? List.of() : Arrays.asList(line.split(" "));
        }

        void cancel() {
            cancelled = true;
            onCancel.forEach(Runnable::run);
        }

        String text() {
            return bytes.toString(StandardCharsets.UTF_8);
        }

        @Override
        public List<String> arguments() {
            return words;
        }

        @Override
        public InputStream in() {
            return InputStream.nullInputStream();
        }

        @Override
        public PrintStream out() {
            return out;
        }

        @Override
        public PrintStream err() {
            return out;
        }

        @Override
        public Map<String, String> environment() {
            return Map.of();
        }

        @Override
        public boolean cancelled() {
            return cancelled;
        }

        @Override
        public void onCancel(Runnable action) {
            onCancel.add(action);
        }
    }

    private static String run(ShellCommand command, String line) throws Exception {
        Call call = new Call(line);
        assertEquals(0, command.run(call));
        return call.text();
    }

    /** Which of the six flows of the constructor come out, by their number from 1. */
    private String chosen(String line) throws Exception {
        StringBuilder numbers = new StringBuilder();
        for (String row : run(command, line).split("\n")) {
            if (row.isEmpty()) continue;
            int n = row.contains(":40001") ? 1 : row.contains(":40002") ? 2 : row.contains("DENIED") ? 3 : row.contains("DROPPED") ? 4
                    : row.contains(":40004") ? 5 : row.contains("ICMPv4") ? 6 : 0;
            numbers.append(n);
        }
        return numbers.toString();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', ignoreLeadingAndTrailingWhitespace = true, value = {
        "-n shop | 123456", "--namespace=data | 12", "--from-namespace data | 2", "--to-namespace data | 1",
        "--pod shop/web | 123456", "--pod web | ''", "--pod web -n shop | 123456", "--pod web -A | 123456", "--pod /db | 12", "--pod data/ | 12",
        "--from-pod shop/web-1 --to-pod data/db-0 | 1", "--to-pod data/db --to-pod shop/web | 12", "--to-pod data/db,shop/web | 12",
        "--ip 10.0.0.7 | 123456", "--ip 1.1.1.0/24 | 3456", "--from-ip 10.0.1.0/24 | 2", "--to-ip 1.1.1.1 --not --protocol tcp | 56",
        "--port 5432 | 12", "--to-port 53 | 5", "--port 53,443 | 345", "--pod data/db --port 5432 | 12", "--pod shop/web --port 5432 | ''",
        "--verdict DROPPED | 34", "--verdict forwarded | 1256", "--not --verdict FORWARDED | 34",
        "--protocol udp | 5", "--protocol icmp | 6", "--protocol tcp --protocol udp | 12345",
        "-t drop | 4", "--type trace:to-network | 56", "--type to-overlay,drop:133 | 14", "-t policy-verdict | 3", "--type trace | 1256",
        "--identity 900 | 12", "--identity world | 3456", "--from-identity 900 | 2",
        "-l app=db | 12", "--label tier!=back,app | 123456", "--to-label k8s:app=db | 1", "--label app=db,tier=back | 12",
        "--service data/db | 1", "--to-service data/ | 1", "--from-service data/db | ''",
        "--workload StatefulSet/db | 12", "--workload nothing | ''",
        "--reply | 2", "--reply=false | 13456", "--tcp-flags SYN,ACK | 2", "--tcp-flags SYN | 1234",
        "--traffic-direction egress | 123456", "--drop-reason-desc POLICY_DENIED | 34", "--node-name node1 | 123456", "--node-name other* | ''",
        "--ipv4 | 123456", "-6 | ''", "--last 2 | 56", "--first 2 | 12", "--last 1 --verdict DROPPED | 4", "--first 1 --verdict DROPPED | 3",
        "--snat-ip 172.18.0.0/16 | ''", "--since 1h | 123456", "--until 1h | ''", "--since 2000-01-01T00:00:00Z --until 2000-01-02 | ''", "--since 1h --last 1 | 6", "--all | 123456",
        "--last 3 --not --protocol icmp | 345", "flows --last 1 | 6"})
    void filters(String line, String expected) throws Exception {
        assertEquals(expected, chosen(line));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', ignoreLeadingAndTrailingWhitespace = true, value = {
        "--folow | did you mean --follow", "--verdikt DROPPED | --verdict", "--http-status 200 | not built", "--fqdn x.y | use --ip", "--last | needs a value",
        "--last many | not a number", "-o xml | compact, table", "-f -o table | --follow", "--first 2 --follow | --first",
        "--verdict NO | DROPPED", "--protocol http | layers 3 and 4", "--port 70000 | 65535", "--ip 10.0.0 | address", "--since yesterday | 5m",
        "--type l7 | not built", "--type trace:nowhere | no trace", "--identity nobody | reserved identity", "--label = | label selector",
        "--not --last 3 | --not", "--pod a --not | --not", "web-1 | --pod default/web-1", "--follow=perhaps | true nor false"})
    void wrongUsageSaysWhatIsRight(String line, String hint) {
        String message = assertThrows(UsageException.class, () -> command.run(new Call(line))).getMessage();
        assertTrue(message.contains(hint), message);
    }

    @Test
    void twentyByDefault() throws Exception {
        for (int i = 0; i < 30; i++) event(trace(Events.TO_NETWORK, Events.NEW, WEB, 50000 + i, WORLD, 53, Protocol.UDP));
        List<String> lines = run(command, "").lines().toList();
        assertEquals(20, lines.size());
        assertTrue(lines.get(0).contains(":50010") && lines.get(19).contains(":50029"), lines.toString());
    }

    @Test
    void ringWraps() throws Exception {
        for (int i = 0; i < 1000; i++) event(trace(Events.TO_NETWORK, Events.NEW, WEB, 50000 + i, WORLD, 53, Protocol.UDP));
        assertEquals(127, run(command, "--all").lines().count());
        assertEquals(127, store.stats().current());
        assertEquals(1006, store.stats().seen());
        assertTrue(run(command, "--first 1").contains(":50873"));
    }

    @Test
    void lossesOfTheKernelShowWhereTheyWere() throws Exception {
        kernelLost.set(42);
        store.look();
        event(trace(Events.TO_NETWORK, Events.NEW, WEB, 50000, WORLD, 53, Protocol.UDP));
        List<String> lines = run(command, "--last 1 -o compact").lines().toList();
        assertEquals(1, lines.size());
        lines = run(command, "--last 2").lines().toList();
        assertTrue(lines.get(1).endsWith("EVENTS LOST: PERF_EVENT_RING_BUFFER 42"), lines.toString());
        assertEquals(7, store.stats().seen());
        assertEquals(42, store.stats().kernelLost());
    }

    @Test
    void unknownEventsAreCounted() throws Exception {
        event(new Struct(Events.layout()).set("type", 77));
        assertEquals(1, store.unknown());
        assertEquals(6, run(command, "--all").lines().count());
    }

    @Test
    void aRenamedAddressKeepsItsNameInOldFlows() throws Exception {
        store.names().endpoints().removed(Events.endpoint(7, "shop", "web-1", WEB, 700, "k8s:app=web"));
        store.names().endpoints().put(Events.endpoint(8, "shop", "later", WEB, 800, "k8s:app=later"));
        event(trace(Events.TO_NETWORK, Events.NEW, WEB, 50000, WORLD, 53, Protocol.UDP));
        List<String> lines = run(command, "--last 2").lines().toList();
        assertTrue(lines.get(0).contains("shop/web-1 (ID:700)") && lines.get(1).contains("shop/later:50000 (ID:800)"), lines.toString());
    }

    @Test
    void followShowsWhatComesAndEndsWhenTheCallerGoes() throws Exception {
        Call call = new Call("--follow --last 1 --protocol udp");
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<Integer> running = pool.submit(() -> command.run(call));
            while (!call.text().contains(":40004")) Thread.onSpinWait();
            event(trace(Events.TO_NETWORK, Events.NEW, WEB, 50001, WORLD, 53, Protocol.UDP));
            event(trace(Events.TO_NETWORK, Events.NEW, WEB, 50002, WORLD, 80, Protocol.TCP));
            event(trace(Events.TO_NETWORK, Events.NEW, WEB, 50003, WORLD, 53, Protocol.UDP));
            while (!call.text().contains(":50003")) Thread.onSpinWait();
            call.cancel();
            assertEquals(0, running.get());
            assertEquals(3, call.text().lines().count());
            assertFalse(call.text().contains(":50002"));
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void followEndsWithTheFeature() throws Exception {
        Call call = new Call("-f");
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try {
            Future<Integer> running = pool.submit(() -> command.run(call));
            while (call.onCancel.isEmpty()) Thread.onSpinWait();
            store.close();
            assertEquals(0, running.get());
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void status() throws Exception {
        String text = run(new HubbleStatusCommand(store), "");
        assertTrue(text.startsWith("Healthcheck (via agent): Ok\nCurrent/Max Flows: 6/127 (4.72%)\nFlows/s: "), text);
        assertTrue(run(new HubbleStatusCommand(store), "-o json").startsWith("{\"num_flows\":\"6\",\"max_flows\":\"127\",\"seen_flows\":\"6\""));
        assertTrue(run(new HubbleStatusCommand(store), "-o dict").startsWith("          NUM FLOWS: 6\n          MAX FLOWS: 127\n"));
        List<StatusRow> rows = StatusRows.of(store.stats(), 4 << 20, 0);
        assertTrue(rows.get(0).cells().get(1).matches("Current/Max Flows: 6/127 \\(4\\.72%\\), Flows/s: \\d+\\.\\d\\d"), rows.toString());
        assertTrue(rows.get(1).cells().get(0).matches("Listening for events on \\d+ CPUs with 1024x4096 of shared memory"), rows.toString());
        assertEquals(List.of(), rows.get(1).details());
        assertEquals(List.of("  0 events lost, 3 unknown notifications"), StatusRows.of(store.stats(), 4 << 20, 3).get(1).details());
    }

    @Test
    void lists() throws Exception {
        assertEquals("NAMESPACE\ndata\nshop\n", run(new HubbleListCommand(store), "namespaces"));
        assertTrue(run(new HubbleListCommand(store), "nodes").contains("node1"));
        assertThrows(UsageException.class, () -> run(new HubbleListCommand(store), ""));
    }

    @Test
    void rate() {
        FlowStore quick = new FlowStore("n", 127, () -> 0, a -> 0, c -> java.util.Optional.empty(), 1);
        assertEquals(0, quick.stats().perSecond());
        long now = System.nanoTime();
        // 1000 in the last 10 s, of which the ring has the last 1.27 s.
        for (int i = 1000; i > 0; i--) {
            quick.event(trace(Events.TO_NETWORK, Events.NEW, WEB, 1, WORLD, 2, Protocol.UDP).set("ts", now - i * 10_000_000L));
        }
        assertEquals(100, quick.stats(now).perSecond(), 0.1);
    }
}
