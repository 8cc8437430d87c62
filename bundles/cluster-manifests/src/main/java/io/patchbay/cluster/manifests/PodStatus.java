package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.Pod;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import io.patchbay.cluster.decode.Fields;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Tree;
import io.patchbay.cluster.decode.Trees;
import io.patchbay.cluster.decode.Values;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What the kubelet of a node writes about a pod it runs, {@code status/pods/<namespace>_<name>.json}.
 *
 * @param pod         the pod as the kubelet started it, with its status: what remains of it once its manifest is gone and it terminates
 * @param containerId of the sandbox; "" while there is none
 */
public record PodStatus(Pod pod, String containerId) {
    static PodStatus read(String file, byte[] text, Problems problems) {
        List<PodStatus> statuses = Trees.each(file, text, problems, (document, into) -> into.add(read(document.fields())));
        if (statuses.size() == 1) return statuses.get(0);
        if (problems.isEmpty()) problems.add(new io.patchbay.cluster.decode.Problem(file, 0, 0, 0, "", "must hold one JSON object"));
        return null;
    }

    private static PodStatus read(Fields f) {
        Pod.Builder b = Pod.builder(f.required("namespace").nonEmpty(), f.required("name").nonEmpty());
        b.uid(f.string("uid", "")).nodeName(f.string("nodeName", "")).labels(f.stringMap("labels")).annotations(f.stringMap("annotations"))
                .serviceAccount(f.string("serviceAccount", "default")).hostNetwork(f.bool("hostNetwork", false));
        List<Pod.Port> ports = new ArrayList<>();
        for (Tree item : f.list("ports")) {
            Fields p = item.fields();
            Protocol protocol = Values.protocol(p.optional("protocol"));
            ports.add(new Pod.Port(p.string("name", ""), p.required("containerPort").integer(1, 65535), protocol,
                    p.integer("hostPort", 0, 65535, 0), p.string("hostIP", "")));
            p.end();
        }
        b.ports(ports);
        String phase = f.optional("phase").map(t -> t.oneOf("Pending", "Running", "Succeeded", "Failed", "Unknown")).orElse("Pending");
        for (Pod.Phase candidate : Pod.Phase.values()) if (candidate.name().equals(phase.toUpperCase(Locale.ROOT))) b.phase(candidate);
        b.ready(f.bool("ready", false)).terminating(f.bool("terminating", false));
        b.ips(Values.addresses(f.list("podIPs")));
        String container = f.string("containerID", "");
        f.end();
        return new PodStatus(b.build(), container);
    }

    /** The file's content as plain values. */
    Map<String, Object> toMap() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("namespace", pod.namespace());
        m.put("name", pod.name());
        m.put("uid", pod.uid());
        m.put("nodeName", pod.nodeName());
        m.put("phase", phaseText(pod.phase()));
        m.put("ready", pod.ready());
        m.put("terminating", pod.terminating());
        m.put("podIPs", pod.ips().stream().map(IpAddress::toString).toList());
        m.put("containerID", containerId);
        m.put("labels", new java.util.TreeMap<>(pod.labels()));
        m.put("annotations", new java.util.TreeMap<>(pod.annotations()));
        m.put("serviceAccount", pod.serviceAccount());
        m.put("hostNetwork", pod.hostNetwork());
        m.put("ports", pod.ports().stream().map(PodStatus::port).toList());
        return m;
    }

    static Map<String, Object> port(Pod.Port port) {
        Map<String, Object> p = new LinkedHashMap<>();
        if (!port.name().isEmpty()) p.put("name", port.name());
        p.put("containerPort", port.number());
        p.put("protocol", port.protocol().name());
        if (port.hostPort() != 0) p.put("hostPort", port.hostPort());
        if (!port.hostIp().isEmpty()) p.put("hostIP", port.hostIp());
        return p;
    }

    static String phaseText(Pod.Phase phase) {
        return phase.name().charAt(0) + phase.name().substring(1).toLowerCase(Locale.ROOT);
    }

    /** The pod's status laid over what its manifest says now; a status of an earlier incarnation (another uid) says nothing about this one. */
    static Pod merge(Pod desired, Optional<PodStatus> status) {
        if (status.isEmpty() || !status.get().pod.uid().isEmpty() && !status.get().pod.uid().equals(desired.uid())) return desired;
        Pod s = status.get().pod;
        return desired.toBuilder().nodeName(s.nodeName().isEmpty() ? desired.nodeName() : s.nodeName()).phase(s.phase()).ready(s.ready()).ips(s.ips())
                .terminating(s.terminating() || desired.terminating()).build();
    }
}
