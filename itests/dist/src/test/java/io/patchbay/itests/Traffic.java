package io.patchbay.itests;

import jakarta.json.JsonObject;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Processes of pb-traffic in pods, each judged by its own report. Ends them all when closed. */
final class Traffic implements AutoCloseable {
    private static final long END_SECONDS = 30;
    private static final String REFUSED = "refused, ";

    private record Sender(Process process, Path report, Path said) {
    }

    private final Path directory;
    private final Map<String, Sender> streams = new LinkedHashMap<>();

    Traffic() {
        try {
            directory = Files.createTempDirectory("pbt-traffic");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param words mode and options of pb-traffic; it runs until it is stopped */
    Traffic start(String title, Lab.Pod pod, boolean inCgroup, String... words) {
        Path report = directory.resolve(streams.size() + ".json");
        Path said = directory.resolve(streams.size() + ".log");
        List<String> command = Lab.inPod(pod, inCgroup, Stream.concat(Stream.of(Lab.program()),
                Stream.concat(Arrays.stream(words), Stream.of("--out", report.toString()))).toArray(String[]::new));
        try {
            Process p = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile()).redirectInput(new File("/dev/null")).start();
            streams.put(title, new Sender(p, report, said));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return this;
    }

    /** Numbered datagrams both ways between two pods. @param at what the sender calls: the receiver's address, or a service's */
    Traffic duplex(String title, Lab.Pod from, boolean inCgroup, Lab.Pod to, String at, int port, int pps) {
        boolean six = at.indexOf(':') >= 0;
        answer(title, to, six, port, pps);
        return start(title + ", calling", from, inCgroup, "udp-duplex", "--peer", (six ? "[" + at + "]" : at) + ":" + port, "--pps", String.valueOf(pps), "--until-signal");
    }

    /** Once the port is bound: a call before that would be answered by ICMP, which is a packet more. */
    private void answer(String title, Lab.Pod to, boolean six, int port, int pps) {
        start(title + ", answering", to, true, "udp-duplex", "--listen", (six ? "[::]:" : "0.0.0.0:") + port, "--pps", String.valueOf(pps), "--until-signal");
        listens(title, to, six, port);
    }

    private static void listens(String title, Lab.Pod pod, boolean six, int port) {
        String bound = String.format(":%04X ", port);
        Await.that(title + " listens", () -> Run.of("nsenter", "--net=/run/netns/" + pod.netns(), "--", "cat", six ? "/proc/net/udp6" : "/proc/net/udp").ok().contains(bound));
    }

    /** A {@link #duplex} that ends by itself. */
    Traffic duplexFor(int seconds, String title, Lab.Pod from, Lab.Pod to, int port, int pps) {
        answer(title, to, false, port, pps);
        return start(title + ", calling", from, true, "udp-duplex", "--peer", to.address() + ":" + port, "--pps", String.valueOf(pps), "--seconds", String.valueOf(seconds));
    }

    /** Requests on open connections, and new connections all the time. */
    Traffic tcp(String title, Lab.Pod from, boolean inCgroup, String to) {
        start(title + ", open connections", from, inCgroup, "tcp-rr", "--to", to, "--connections", "4", "--interval-us", "2000", "--timeout-ms", "10000", "--until-signal");
        return start(title + ", new connections", from, inCgroup, "tcp-crr", "--to", to, "--cps", "50", "--server-closes", "--timeout-ms", "10000", "--until-signal");
    }

    /** New connections that policy must refuse, each of them, all the time. */
    Traffic refused(String title, Lab.Pod from, String to) {
        return start(REFUSED + title, from, true, "tcp-crr", "--to", to, "--cps", "20", "--timeout-ms", "500", "--until-signal");
    }

    /** Datagrams that policy must refuse, each of them, all the time: somebody listens for them and hears none. */
    Traffic refusedUdp(String title, Lab.Pod from, Lab.Pod to, int port, int pps) {
        start(REFUSED + title + ", listening", to, true, "udp-recv", "--listen", "0.0.0.0:" + port);
        listens(title, to, false, port);
        return start(REFUSED + title, from, true, "udp-send", "--to", to.address() + ":" + port, "--pps", String.valueOf(pps), "--no-hello", "--wait-ms", "100", "--until-signal");
    }

    /** Ends all, callers before those who answer, and returns the reports by title. */
    Map<String, JsonObject> stop() {
        streams.forEach((title, s) -> {
            // A side that answers ends by itself when its caller has said its last.
            if (!title.endsWith(", answering")) {
                s.process.destroy();
            }
        });
        return end();
    }

    /** Waits until all have ended by themselves. */
    private Map<String, JsonObject> end() {
        Map<String, JsonObject> reports = new LinkedHashMap<>();
        for (Map.Entry<String, Sender> stream : streams.entrySet()) {
            String title = stream.getKey();
            Sender s = stream.getValue();
            try {
                if (!s.process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
                    // One that answers has not heard its caller's last word: what it has to say of that is worth more than that it waits.
                    s.process.destroy();
                    s.process.waitFor(END_SECONDS, TimeUnit.SECONDS);
                    throw new AssertionError(title + " does not end by itself: " + (Files.exists(s.report) ? Files.readString(s.report) : "") + "; before it: " + reports);
                }
                if (s.process.exitValue() != 0) {
                    throw new AssertionError(title + " could not run: " + Files.readString(s.said));
                }
                reports.put(title, Lab.parse(Files.readString(s.report)).asJsonObject());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InterruptedException e) {
                throw new AssertionError("interrupted", e);
            }
        }
        return reports;
    }

    /** Whether all still run: one that could not begin has ended. */
    void assertRunning() {
        streams.forEach((title, s) -> {
            if (!s.process.isAlive()) {
                try {
                    throw new AssertionError(title + " has ended: " + Files.readString(s.said) + (Files.exists(s.report) ? Files.readString(s.report) : ""));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        });
    }

    /** Ends all; nothing may have been lost, duplicated, reordered, reset, refused or left without an answer, and nothing let in that policy refuses. */
    Map<String, JsonObject> stopClean() {
        return clean(stop());
    }

    /** As {@link #stopClean} for traffic that ends by itself. */
    Map<String, JsonObject> endClean() {
        return clean(end());
    }

    private static Map<String, JsonObject> clean(Map<String, JsonObject> all) {
        Map<String, JsonObject> reports = new LinkedHashMap<>(all);
        reports.keySet().removeIf(t -> t.startsWith(REFUSED));
        List<String> let = all.entrySet().stream().filter(e -> e.getKey().startsWith(REFUSED) && !isRefused(e.getValue())).map(e -> e.getKey() + ": " + e.getValue()).toList();
        List<String> unclean = reports.entrySet().stream().filter(e -> !e.getValue().getBoolean("clean")).map(e -> e.getKey() + ": " + e.getValue()).toList();
        if (!let.isEmpty() || !unclean.isEmpty()) {
            throw new AssertionError((let.isEmpty() ? "" : "let through:\n  " + String.join("\n  ", let) + "\n")
                    + (unclean.isEmpty() ? "" : "traffic suffered:\n  " + String.join("\n  ", unclean)));
        }
        List<String> idle = reports.entrySet().stream().filter(e -> amount(e.getValue()) == 0).map(Map.Entry::getKey).toList();
        if (!idle.isEmpty()) {
            throw new AssertionError("there was no traffic at all: " + idle);
        }
        return reports;
    }

    /** Of one who tries: that it has tried, and got nowhere. Of one who listens: that nothing came. */
    private static boolean isRefused(JsonObject report) {
        return switch (report.getString("mode")) {
            case "udp-recv" -> report.getJsonNumber("datagrams_in").longValue() == 0;
            case "udp-send" -> report.getJsonNumber("sent").longValue() > 0;
            default -> report.getJsonNumber("connected").longValue() == 0 && report.getJsonNumber("attempts").longValue() > 0;
        };
    }

    static long amount(JsonObject report) {
        return report.getJsonNumber(report.containsKey("transactions") ? "transactions" : "received").longValue();
    }

    @Override
    public void close() {
        streams.values().forEach(s -> s.process.destroyForcibly());
        try {
            for (Sender s : streams.values()) {
                s.process.waitFor();
            }
            try (Stream<Path> files = Files.list(directory)) {
                for (Path f : files.toList()) {
                    Files.delete(f);
                }
            }
            Files.delete(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted", e);
        }
    }
}
