package io.patchbay.lab;

import io.patchbay.api.cluster.Pod;
import io.patchbay.api.net.IpAddress;
import io.patchbay.cluster.decode.PodObject;
import io.patchbay.cluster.decode.PodSpec;
import io.patchbay.cluster.manifests.ManifestsFolder;
import io.patchbay.cluster.manifests.PodStatus;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One pod from its first sight to the end of its sandbox, on a thread of its own. */
final class PodRunner {
    private static final Logger LOG = LoggerFactory.getLogger(PodRunner.class);
    private static final long RETRY_MILLIS = 500;
    private static final long TICK_MILLIS = 1000;
    private static final long STARTING_TICK_MILLIS = 100;

    private enum Wish { RUN, STOP, ABANDON }

    private final Surroundings surroundings;
    private final ManifestsFolder folder;
    private final PodSpec spec;
    private final String containerId;
    private final Sandbox sandbox;
    private final Runnable over;
    private final Thread thread;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private Wish wish = Wish.RUN;

    private final Map<PodSpec.Container, Process> processes = new HashMap<>();
    private final Map<PodSpec.Container, Long> notBefore = new HashMap<>();
    private boolean adopted;
    private Pod pod;

    PodRunner(Surroundings surroundings, LabNode node, ManifestsFolder folder, PodObject object, Runnable over) {
        this(surroundings, node, folder, object.pod(), object.spec(), over);
    }

    private PodRunner(Surroundings surroundings, LabNode node, ManifestsFolder folder, Pod pod, PodSpec spec, Runnable over) {
        this.surroundings = surroundings;
        this.folder = folder;
        this.pod = pod;
        this.spec = spec;
        // Stable for an incarnation, so that a kubelet that starts again finds its sandbox.
        this.containerId = UUID.nameUUIDFromBytes((pod.namespace() + "/" + pod.name() + "/" + pod.uid()).getBytes(StandardCharsets.UTF_8))
                .toString().replace("-", "");
        this.sandbox = new Sandbox(surroundings, node, pod, containerId);
        this.over = over;
        this.thread = new Thread(this::live, pod.namespace() + "/" + pod.name());
        thread.start();
    }

    /** For a pod of which only its status is left. */
    static PodRunner leftover(Surroundings surroundings, LabNode node, ManifestsFolder folder, Pod pod, Runnable over) {
        PodSpec none = new PodSpec(pod.nodeName(), Map.of(), pod.serviceAccount(), pod.hostNetwork(), "Never", 0, List.of(), List.of());
        return new PodRunner(surroundings, node, folder, pod, none, over);
    }

    String uid() {
        return pod.uid();
    }

    boolean isOver() {
        return !thread.isAlive();
    }

    void stop() {
        wish(Wish.STOP);
    }

    /** Ends the thread and leaves the pod as it is. */
    void abandon() {
        wish(Wish.ABANDON);
    }

    private void wish(Wish w) {
        lock.lock();
        try {
            wish = w;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Waits for another wish, at most so long. */
    private Wish pause(long millis) throws InterruptedException {
        lock.lock();
        try {
            long nanos = TimeUnit.MILLISECONDS.toNanos(millis);
            while (wish == Wish.RUN && nanos > 0) {
                nanos = changed.awaitNanos(nanos);
            }
            return wish;
        } finally {
            lock.unlock();
        }
    }

    private void live() {
        try {
            Wish end = start();
            while (end == Wish.RUN) {
                supervise();
                boolean settled = pod.ready();
                end = pause(settled ? TICK_MILLIS : STARTING_TICK_MILLIS);
            }
            if (end == Wish.STOP) {
                end();
                over.run();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException | RuntimeException e) {
            LOG.error("pod {}/{} on {} can't be run", pod.namespace(), pod.name(), pod.nodeName(), e);
        }
    }

    private Wish start() throws IOException, InterruptedException {
        adopted = sandbox.exists() && !sandbox.processes().isEmpty();
        String last = "";
        for (;;) {
            Wish w = pause(0);
            if (w != Wish.RUN) {
                return w;
            }
            try {
                List<IpAddress> addresses = sandbox.create();
                pod = pod.toBuilder().ips(addresses).phase(Pod.Phase.RUNNING).ready(false).build();
                describe();
                for (PodSpec.Container c : spec.initContainers()) {
                    if (!c.sidecar() && !adopted) {
                        launch(c).waitFor();
                    }
                }
                return Wish.RUN;
            } catch (Sandbox.CniException | IOException e) {
                // Said once for each reason: an agent that is away for a while is no news every half second.
                if (!e.getMessage().equals(last)) {
                    LOG.warn("pod {}/{} waits for its network: {}", pod.namespace(), pod.name(), e.getMessage());
                    last = e.getMessage();
                }
            }
            Wish after = pause(RETRY_MILLIS);
            if (after != Wish.RUN) {
                return after;
            }
        }
    }

    /** Starts what should run, looks at the probes, writes the status when it has changed. */
    private void supervise() throws IOException, InterruptedException {
        boolean ready = true;
        if (adopted) {
            adopted = !sandbox.processes().isEmpty();
        }
        for (PodSpec.Container c : containers()) {
            Process p = processes.get(c);
            if (!adopted && (p == null || !p.isAlive()) && (p == null || restarts(p))
                    && System.currentTimeMillis() >= notBefore.getOrDefault(c, 0L)) {
                if (p != null) {
                    LOG.warn("container {} of {}/{} ended with {}; started again", c.name(), pod.namespace(), pod.name(), p.exitValue());
                }
                p = launch(c);
                processes.put(c, p);
                notBefore.put(c, System.currentTimeMillis() + TICK_MILLIS);
            }
            long pid = adopted ? sandbox.processes().get(0) : p.pid();
            ready &= (adopted || p.isAlive()) && Readiness.passes(c, pid, launcher());
        }
        if (ready != pod.ready()) {
            pod = pod.toBuilder().ready(ready).build();
            describe();
        }
    }

    private List<PodSpec.Container> containers() {
        return java.util.stream.Stream.concat(spec.initContainers().stream().filter(PodSpec.Container::sidecar), spec.containers().stream()).toList();
    }

    private boolean restarts(Process p) {
        return spec.restartPolicy().equals("Always") || spec.restartPolicy().equals("OnFailure") && p.exitValue() != 0;
    }

    private Launcher launcher() {
        return new Launcher(sandbox, pod, surroundings.path());
    }

    private Process launch(PodSpec.Container c) throws IOException {
        List<String> command = new java.util.ArrayList<>(c.command());
        command.addAll(c.args());
        if (command.isEmpty()) {
            // An image's own entry point is not to be had without the image; such a container just stays.
            command = List.of("sleep", "infinity");
        }
        Path logs = surroundings.directory().resolve("logs");
        Files.createDirectories(logs);
        File log = logs.resolve(pod.namespace() + "_" + pod.name() + "_" + c.name() + ".log").toFile();
        return launcher().start(command, c, ProcessBuilder.Redirect.appendTo(log));
    }

    private void end() throws IOException, InterruptedException {
        pod = pod.toBuilder().terminating(true).ready(false).build();
        describe();
        for (long pid : sandbox.processes()) {
            ProcessHandle.of(pid).ifPresent(ProcessHandle::destroy);
        }
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(Math.min(spec.terminationGracePeriodSeconds(), 30));
        while (!sandbox.processes().isEmpty() && System.nanoTime() < deadline) {
            TimeUnit.MILLISECONDS.sleep(50);
        }
        sandbox.kill();
        while (!sandbox.processes().isEmpty()) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
        for (;;) {
            try {
                sandbox.destroy();
                break;
            } catch (Sandbox.CniException | IOException e) {
                LOG.warn("pod {}/{} can't be taken down yet: {}", pod.namespace(), pod.name(), e.getMessage());
                TimeUnit.MILLISECONDS.sleep(RETRY_MILLIS);
            }
        }
        folder.deletePodStatus(pod.key());
        Files.deleteIfExists(description());
    }

    private Path description() {
        return surroundings.directory().resolve("pods").resolve(pod.namespace() + "_" + pod.name() + ".json");
    }

    /** The status for the cluster, and what {@code lab status} and {@code lab exec} need to know. */
    private void describe() throws IOException {
        folder.writePodStatus(new PodStatus(pod, containerId));
        JsonArrayBuilder addresses = Json.createArrayBuilder();
        pod.ips().forEach(a -> addresses.add(a.toString()));
        String json = Json.createObjectBuilder().add("pod", pod.namespace() + "/" + pod.name()).add("node", pod.nodeName())
                .add("netns", sandbox.netns()).add("cgroup", sandbox.cgroup().toString()).add("addresses", addresses).add("ready", pod.ready())
                .add("terminating", pod.terminating()).add("containerID", containerId).build().toString();
        Path file = description();
        Files.createDirectories(file.getParent());
        Path aside = file.resolveSibling("." + file.getFileName());
        Files.writeString(aside, json + "\n");
        Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
    }
}
