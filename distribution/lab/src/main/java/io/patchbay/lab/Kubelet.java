package io.patchbay.lab;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.cluster.decode.PodObject;
import io.patchbay.cluster.manifests.ClusterObjects;
import io.patchbay.cluster.manifests.FolderWatch;
import io.patchbay.cluster.manifests.ManifestsFolder;
import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Starts and stops pods as the folder's desired state changes; each pod has a thread of its own. */
final class Kubelet implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Kubelet.class);

    private final Surroundings surroundings;
    private final Map<String, LabNode> nodes;
    private final ManifestsFolder folder;
    private final Map<ObjectKey, PodRunner> runners = new HashMap<>();
    private final FolderWatch watch;

    Kubelet(Surroundings surroundings, Map<String, LabNode> nodes, ManifestsFolder folder) {
        this.surroundings = surroundings;
        this.nodes = nodes;
        this.folder = folder;
        this.watch = new FolderWatch(folder, "folder", this::sync);
    }

    private synchronized void sync() throws IOException {
        ManifestsFolder.State state = folder.refresh();
        state.problems().forEach(p -> LOG.warn("{}", p));
        if (state.objects().isPresent()) {
            apply(state.objects().get());
        }
    }

    private void apply(ClusterObjects objects) {
        Set<ObjectKey> wanted = new HashSet<>();
        objects.desiredPods().forEach((key, object) -> {
            if (nodes.containsKey(object.pod().nodeName())) {
                wanted.add(key);
            }
        });
        runners.entrySet().removeIf(e -> e.getValue().isOver());
        runners.forEach((key, runner) -> {
            PodObject object = objects.desiredPods().get(key);
            if (object == null || !wanted.contains(key) || !object.pod().uid().equals(runner.uid())) {
                runner.stop();
            }
        });
        for (ObjectKey key : wanted) {
            if (!runners.containsKey(key)) {
                PodObject object = objects.desiredPods().get(key);
                runners.put(key, new PodRunner(surroundings, nodes.get(object.pod().nodeName()), folder, object, this::again));
            }
        }
        // A pod whose manifest went while no kubelet ran.
        objects.pods().forEach((key, pod) -> {
            if (!wanted.contains(key) && !runners.containsKey(key) && nodes.containsKey(pod.nodeName())) {
                PodRunner leftover = PodRunner.leftover(surroundings, nodes.get(pod.nodeName()), folder, pod, this::again);
                runners.put(key, leftover);
                leftover.stop();
            }
        });
    }

    /** A pod has ended: its name is free for a successor. */
    private void again() {
        try {
            sync();
        } catch (IOException e) {
            LOG.error("the cluster folder {} can't be read", folder.root(), e);
        }
    }

    @Override
    public void close() {
        watch.close();
        synchronized (this) {
            runners.values().forEach(PodRunner::abandon);
        }
    }
}
