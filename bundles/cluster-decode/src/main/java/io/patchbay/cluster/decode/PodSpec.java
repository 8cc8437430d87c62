package io.patchbay.cluster.decode;

import io.patchbay.api.cluster.Pod;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a pod's {@code spec} says that scheduling, networking and the lab's kubelet need.
 *
 * @param nodeName       "" to be scheduled
 * @param restartPolicy  Always, OnFailure or Never
 */
public record PodSpec(String nodeName, Map<String, String> nodeSelector, String serviceAccount, boolean hostNetwork, String restartPolicy,
                      int terminationGracePeriodSeconds, List<Container> initContainers, List<Container> containers) {
    /**
     * @param image      "" if none is named
     * @param sidecar    an init container with {@code restartPolicy: Always}
     */
    public record Container(String name, String image, List<String> command, List<String> args, String workingDir, List<EnvVar> env,
                            List<Pod.Port> ports, Optional<Probe> readinessProbe, boolean sidecar) {
        public Container {
            command = List.copyOf(command);
            args = List.copyOf(args);
            env = List.copyOf(env);
            ports = List.copyOf(ports);
        }
    }

    /**
     * @param value     "" if it comes from somewhere else
     * @param fieldPath e.g. {@code status.podIP}; "" if it doesn't come from a field of the pod
     */
    public record EnvVar(String name, String value, String fieldPath) {
    }

    /**
     * Exactly one of exec, tcpPort and httpPort; ports go by number or by a container port's name.
     *
     * @param exec    empty unless it is a command
     * @param port    of a TCP, HTTP or gRPC probe, as written; "" for a command
     * @param path    of an HTTP probe; "" otherwise
     * @param http    whether it is an HTTP probe
     * @param host    "" for the pod itself
     */
    public record Probe(List<String> exec, String port, String path, boolean http, String host, int initialDelaySeconds, int periodSeconds,
                        int timeoutSeconds, int successThreshold, int failureThreshold) {
        public Probe {
            exec = List.copyOf(exec);
        }
    }

    public PodSpec {
        nodeSelector = Map.copyOf(nodeSelector);
        initContainers = List.copyOf(initContainers);
        containers = List.copyOf(containers);
    }

    /** The ports of all containers that keep running. */
    public List<Pod.Port> ports() {
        return java.util.stream.Stream.concat(initContainers.stream().filter(Container::sidecar), containers.stream())
                .flatMap(c -> c.ports().stream()).toList();
    }
}
