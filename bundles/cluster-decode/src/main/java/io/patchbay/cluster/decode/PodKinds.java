package io.patchbay.cluster.decode;

import io.patchbay.api.cluster.Pod;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Pod and the kinds that make pods. Field names: Kubernetes 1.33's API reference. */
final class PodKinds {
    private PodKinds() {
    }

    static PodObject pod(Meta meta, Fields fields) {
        PodSpec spec = spec(fields.required("spec"));
        Pod.Builder b = Pod.builder(meta.namespace(), meta.name()).uid(meta.uid()).labels(meta.labels()).annotations(meta.annotations())
                .nodeName(spec.nodeName()).serviceAccount(spec.serviceAccount()).hostNetwork(spec.hostNetwork()).ports(spec.ports())
                .terminating(meta.terminating());
        fields.optional("status").ifPresent(t -> status(t.fields(), b));
        return new PodObject(b.build(), spec);
    }

    private static void status(Fields status, Pod.Builder b) {
        b.phase(switch (status.optional("phase").map(t -> t.oneOf("Pending", "Running", "Succeeded", "Failed", "Unknown")).orElse("Pending")) {
            case "Running" -> Pod.Phase.RUNNING;
            case "Succeeded" -> Pod.Phase.SUCCEEDED;
            case "Failed" -> Pod.Phase.FAILED;
            case "Unknown" -> Pod.Phase.UNKNOWN;
            default -> Pod.Phase.PENDING;
        });
        List<IpAddress> ips = new ArrayList<>();
        for (Tree item : status.list("podIPs")) {
            Fields f = item.fields();
            f.optional("ip").flatMap(Values::address).ifPresent(ips::add);
            f.end();
        }
        status.optional("podIP").filter(t -> !(t.isString() && t.string().isEmpty())).flatMap(Values::address)
                .filter(ip -> !ips.contains(ip)).ifPresent(ip -> ips.add(0, ip));
        b.ips(ips);
        for (Tree item : status.list("conditions")) {
            Fields f = item.fields();
            if (f.required("type").string().equals("Ready")) b.ready(f.required("status").oneOf("True", "False", "Unknown").equals("True"));
            f.ignore("status", "lastProbeTime", "lastTransitionTime", "message", "observedGeneration", "reason").end();
        }
        status.ignore("allocatedResources", "containerStatuses", "ephemeralContainerStatuses", "extendedResourceClaimStatus", "hostIP", "hostIPs",
                "initContainerStatuses", "message", "nominatedNodeName", "observedGeneration", "qosClass", "reason", "resize",
                "resourceClaimStatuses", "resources", "startTime").end();
    }

    static Workload workload(Workload.Kind kind, Meta meta, Fields fields) {
        fields.ignore("status");
        Fields spec = fields.required("spec").fields();
        int replicas = kind == Workload.Kind.DAEMON_SET ? 0 : spec.integer("replicas", 0, 100_000, 1);
        Tree templateTree = spec.required("template");
        Fields template = templateTree.fields();
        Map<String, String> labels = Map.of();
        Map<String, String> annotations = Map.of();
        Optional<Tree> metadata = template.optional("metadata");
        if (metadata.isPresent()) {
            Fields m = metadata.get().fields();
            labels = m.optional("labels").map(Meta::labels).orElse(Map.of());
            annotations = m.stringMap("annotations");
            m.ignore("name", "namespace", "creationTimestamp", "finalizers", "generateName", "ownerReferences").end();
        }
        PodSpec podSpec = spec(template.required("spec"));
        template.end();
        selector(spec.required("selector"), labels);
        spec.ignore("minReadySeconds", "revisionHistoryLimit");
        switch (kind) {
            case DEPLOYMENT -> spec.ignore("paused", "progressDeadlineSeconds", "strategy");
            case DAEMON_SET -> spec.ignore("updateStrategy");
            case STATEFUL_SET -> spec.ignore("ordinals", "persistentVolumeClaimRetentionPolicy", "podManagementPolicy", "serviceName",
                    "updateStrategy", "volumeClaimTemplates");
            default -> { }
        }
        spec.end();
        Object text = templateTree.isPresent() ? templateTree.value() : "";
        return new Workload(kind, meta.namespace(), meta.name(), replicas, labels, annotations, podSpec, String.valueOf(text).hashCode());
    }

    /** A workload's selector must select the pods of its template: the API server refuses anything else. */
    private static void selector(Tree tree, Map<String, String> labels) {
        Fields f = tree.fields();
        Optional<Tree> match = f.optional("matchLabels");
        match.map(Meta::labels).orElse(Map.of()).forEach((key, value) -> {
            if (!value.equals(labels.get(key))) match.get().problem("the template's labels don't match " + key + "=" + value);
        });
        List<Tree> expressions = f.list("matchExpressions");
        for (Tree item : expressions) {
            Fields e = item.fields();
            String key = e.required("key").nonEmpty();
            String operator = e.required("operator").oneOf("In", "NotIn", "Exists", "DoesNotExist");
            List<String> values = e.strings("values");
            e.end();
            String value = labels.get(key);
            boolean matches = switch (operator) {
                case "In" -> value != null && values.contains(value);
                case "NotIn" -> value == null || !values.contains(value);
                case "Exists" -> value != null;
                case "DoesNotExist" -> value == null;
                default -> true;
            };
            if (!matches) item.problem("the template's labels don't match this");
        }
        if (tree.isObject() && match.isEmpty() && expressions.isEmpty()) tree.problem("must not be empty");
        f.end();
    }

    static PodSpec spec(Tree tree) {
        Fields f = tree.fields();
        List<PodSpec.Container> init = new ArrayList<>();
        List<PodSpec.Container> containers = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (Tree item : f.list("initContainers")) init.add(container(item, true, names));
        Tree list = f.required("containers");
        if (list.isList() && list.list().isEmpty()) list.problem("must not be empty");
        for (Tree item : list.list()) containers.add(container(item, false, names));
        String nodeName = f.string("nodeName", "");
        Map<String, String> nodeSelector = f.optional("nodeSelector").map(Meta::labels).orElse(Map.of());
        String account = f.string("serviceAccountName", f.string("serviceAccount", "default"));
        boolean hostNetwork = f.bool("hostNetwork", false);
        String restart = f.optional("restartPolicy").map(t -> t.oneOf("Always", "OnFailure", "Never")).orElse("Always");
        int grace = f.integer("terminationGracePeriodSeconds", 0, Integer.MAX_VALUE, 30);
        f.ignore("serviceAccount", "activeDeadlineSeconds", "affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy",
                "enableServiceLinks", "ephemeralContainers", "hostAliases", "hostIPC", "hostPID", "hostUsers", "hostname", "hostnameOverride",
                "imagePullSecrets", "os", "overhead", "preemptionPolicy", "priority", "priorityClassName", "readinessGates", "resourceClaims",
                "resources", "runtimeClassName", "schedulerName", "schedulingGates", "securityContext", "setHostnameAsFQDN",
                "shareProcessNamespace", "subdomain", "tolerations", "topologySpreadConstraints", "volumes").end();
        return new PodSpec(nodeName, nodeSelector, account, hostNetwork, restart, grace, init, containers);
    }

    private static PodSpec.Container container(Tree tree, boolean init, Set<String> names) {
        Fields f = tree.fields();
        Tree nameTree = f.required("name");
        String name = nameTree.nonEmpty();
        if (nameTree.isPresent() && !names.add(name)) nameTree.problem("two containers are named \"" + name + "\"");
        List<Pod.Port> ports = new ArrayList<>();
        Set<String> portNames = new HashSet<>();
        for (Tree item : f.list("ports")) {
            Fields p = item.fields();
            String portName = p.optional("name").map(Values::portName).orElse("");
            if (!portName.isEmpty() && !portNames.add(portName)) item.problem("the name \"" + portName + "\" is given to two ports");
            int number = p.required("containerPort").integer(1, 65535);
            Protocol protocol = Values.protocol(p.optional("protocol"));
            int hostPort = p.integer("hostPort", 0, 65535, 0);
            String hostIp = p.optional("hostIP").filter(t -> !(t.isString() && t.string().isEmpty())).flatMap(Values::address)
                    .map(IpAddress::toString).orElse("");
            ports.add(new Pod.Port(portName, number, protocol, hostPort, hostIp));
            p.end();
        }
        List<PodSpec.EnvVar> env = new ArrayList<>();
        for (Tree item : f.list("env")) env.add(env(item));
        Optional<PodSpec.Probe> probe = f.optional("readinessProbe").map(PodKinds::probe);
        boolean sidecar = f.optional("restartPolicy").map(t -> t.oneOf("Always", "OnFailure", "Never")).orElse("").equals("Always") && init;
        PodSpec.Container container = new PodSpec.Container(name, f.string("image", ""), f.strings("command"), f.strings("args"),
                f.string("workingDir", ""), env, ports, probe, sidecar);
        f.ignore("envFrom", "imagePullPolicy", "lifecycle", "livenessProbe", "resizePolicy", "resources", "restartPolicyRules", "securityContext",
                "startupProbe", "stdin", "stdinOnce", "terminationMessagePath", "terminationMessagePolicy", "tty", "volumeDevices",
                "volumeMounts").end();
        return container;
    }

    private static PodSpec.EnvVar env(Tree item) {
        Fields f = item.fields();
        String name = f.required("name").nonEmpty();
        String value = f.string("value", "");
        String path = "";
        Optional<Tree> from = f.optional("valueFrom");
        if (from.isPresent()) {
            Fields v = from.get().fields();
            Optional<Tree> ref = v.optional("fieldRef");
            if (ref.isPresent()) {
                Fields r = ref.get().fields();
                path = r.required("fieldPath").nonEmpty();
                r.ignore("apiVersion").end();
            }
            v.ignore("configMapKeyRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef").end();
        }
        f.end();
        return new PodSpec.EnvVar(name, value, path);
    }

    private static PodSpec.Probe probe(Tree tree) {
        Fields f = tree.fields();
        f.oneOf(true, "exec", "httpGet", "tcpSocket", "grpc");
        List<String> exec = List.of();
        String port = "";
        String path = "";
        String host = "";
        boolean http = false;
        Optional<Tree> t = f.optional("exec");
        if (t.isPresent()) {
            Fields e = t.get().fields();
            exec = e.required("command").strings();
            e.end();
        }
        t = f.optional("httpGet");
        if (t.isPresent()) {
            Fields h = t.get().fields();
            http = true;
            port = port(h.required("port"));
            path = h.string("path", "/");
            host = h.string("host", "");
            h.ignore("httpHeaders", "scheme").end();
        }
        t = f.optional("tcpSocket");
        if (t.isPresent()) {
            Fields s = t.get().fields();
            port = port(s.required("port"));
            host = s.string("host", "");
            s.end();
        }
        t = f.optional("grpc");
        if (t.isPresent()) {
            Fields g = t.get().fields();
            port = port(g.required("port"));
            g.ignore("service").end();
        }
        PodSpec.Probe probe = new PodSpec.Probe(exec, port, path, http, host, f.integer("initialDelaySeconds", 0, 86400, 0),
                f.integer("periodSeconds", 1, 86400, 10), f.integer("timeoutSeconds", 1, 86400, 1), f.integer("successThreshold", 1, 10_000, 1),
                f.integer("failureThreshold", 1, 10_000, 3));
        f.ignore("terminationGracePeriodSeconds").end();
        return probe;
    }

    private static String port(Tree tree) {
        if (tree.isString()) return Values.portName(tree);
        return Integer.toString(tree.integer(1, 65535));
    }
}
