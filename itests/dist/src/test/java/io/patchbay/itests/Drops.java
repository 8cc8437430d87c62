package io.patchbay.itests;

import jakarta.json.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What nodes drop between some addresses, by what {@code hubble observe --follow} says at that time: an agent that is killed takes its flows with it, and is
 * followed again when it is back. For whoever reads a failure; closing it ends the followers.
 */
final class Drops implements AutoCloseable {
    private static final long AGAIN_MILLIS = 200;

    private final Lab lab;
    private final List<String> words = new ArrayList<>(List.of("hubble", "observe", "--follow", "--verdict", "DROPPED", "--since", "1h", "-o", "json"));
    private final List<Thread> threads = new ArrayList<>();
    private final List<Process> processes = new ArrayList<>();
    /** By time, then by the flow's own id: a flow that is read again is the same. */
    private final Map<String, String> seen = new ConcurrentSkipListMap<>();
    private boolean closed;

    Drops(Lab lab, Collection<String> nodes, Collection<String> addresses) {
        this.lab = lab;
        for (String a : addresses) words.addAll(List.of("--from-ip", a, "--to-ip", a));
        for (String node : nodes) {
            Thread t = new Thread(() -> follow(node), "drops of " + node);
            t.setDaemon(true);
            threads.add(t);
            t.start();
        }
    }

    private void follow(String node) {
        List<String> command = Stream.concat(lab.command("-n", node).stream(), words.stream()).toList();
        try {
            while (true) {
                Process p = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
                synchronized (this) {
                    if (closed) {
                        p.destroy();
                        return;
                    }
                    processes.add(p);
                }
                try (BufferedReader out = p.inputReader()) {
                    for (String line = out.readLine(); line != null; line = out.readLine()) add(node, line);
                } catch (IOException e) {
                    // It was killed amid a line.
                }
                p.waitFor();
                synchronized (this) {
                    processes.remove(p);
                    if (closed) return;
                }
                TimeUnit.MILLISECONDS.sleep(AGAIN_MILLIS);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void add(String node, String line) {
        JsonObject o;
        try {
            o = Lab.parse(line).asJsonObject();
        } catch (AssertionError e) {
            return; // an agent was killed amid a line
        }
        JsonObject flow = o.getJsonObject("flow");
        String text = flow == null ? line : describe(flow);
        seen.put(o.getString("time") + " " + (flow == null ? node : flow.getString("uuid")), o.getString("time") + " " + node + " " + text);
    }

    private static String describe(JsonObject flow) {
        return end(flow.getJsonObject("source")) + " -> " + end(flow.getJsonObject("destination")) + " " + flow.get("l4") + " " + flow.getString("traffic_direction", "?") + ": "
                + flow.getString("drop_reason_desc", "?") + " (" + flow.getInt("drop_reason", 0) + ")"
                + Stream.of("ingress_denied_by", "egress_denied_by").filter(flow::containsKey).map(k -> ", " + flow.get(k)).collect(Collectors.joining());
    }

    private static String end(JsonObject peer) {
        return peer.getString("pod_name", "?") + " (identity " + peer.get("identity") + ")";
    }

    /** Everything that was seen, the oldest first. */
    List<String> all() {
        return List.copyOf(seen.values());
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            processes.forEach(Process::destroy);
        }
        for (Thread t : threads) {
            try {
                t.join();
            } catch (InterruptedException e) {
                throw new AssertionError("interrupted", e);
            }
        }
    }
}
