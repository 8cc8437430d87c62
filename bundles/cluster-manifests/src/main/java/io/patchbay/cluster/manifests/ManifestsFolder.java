package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.ConfigMap;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.PodObject;
import io.patchbay.cluster.decode.Problem;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Texts;
import io.patchbay.cluster.decode.Workload;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A cluster in a folder, shared by any number of processes. The layout is described in {@code docs/features/cluster-manifests.md}. Everything
 * written appears whole (written aside, synced, renamed); whoever decides something for the cluster (addresses, CIDRs, manifests) holds a file
 * lock while doing so. Thread-safe.
 */
@SuppressWarnings("try")
public final class ManifestsFolder {
    private static final ClusterDecoder DECODER = ClusterDecoder.standard();
    private static final Set<String> IMPLICIT_NAMESPACES = Set.of("default", "kube-system", "kube-public", "kube-node-lease");
    /** File locks are per process; within one, threads need a lock of their own. */
    private static final Map<Path, ReentrantLock> THREAD_LOCKS = new ConcurrentHashMap<>();
    private static final AtomicLong TEMPORARY = new AtomicLong();

    private final Path root;
    private final Path manifests;
    private final Path podStatuses;
    private final Path nodes;
    private final Path services;
    private final Path identities;

    private final FileCache<List<Decoded>> manifestFiles;
    private final FileCache<PodStatus> statusFiles;
    private final FileCache<NodeRecord> nodeFiles;
    private final FileCache<ServiceRecord> serviceFiles;
    private final FileCache<CiliumIdentity> identityFiles;
    private final FileCache<ClusterSettings> settingsFile;
    private final Map<String, PodStatus> goodStatuses = new HashMap<>();
    private SortedMap<String, List<Decoded>> goodManifests;
    private State last;
    private List<Long> lastSeen = List.of();
    private List<Problem> lastDecisions = List.of();

    /** A text to apply, check or delete, with the name that problems are reported under. */
    public record Input(String file, byte[] text) {
    }

    /** What became of one object: {@code verb} is created, configured, unchanged or deleted. */
    public record Outcome(String kind, String namespace, String name, String verb) {
        /** As kubectl says it: {@code service/web created}. */
        @Override
        public String toString() {
            return kind.toLowerCase(java.util.Locale.ROOT) + "/" + name + (namespace.isEmpty() || namespace.equals("default") ? "" : " in " + namespace)
                    + " " + verb;
        }
    }

    /**
     * @param objects  the cluster; empty if the manifests have not been good since this object was made
     * @param problems what is wrong with the folder now; if it concerns manifests, {@code objects} is made of the last good ones
     */
    public record State(Optional<ClusterObjects> objects, List<Problem> problems) {
    }

    /** @param root may not exist yet: see {@link #create} */
    public ManifestsFolder(Path root) {
        this.root = root.toAbsolutePath().normalize();
        manifests = this.root.resolve("manifests");
        podStatuses = this.root.resolve("status/pods");
        nodes = this.root.resolve("objects/nodes");
        services = this.root.resolve("objects/services");
        identities = this.root.resolve("objects/ciliumidentities");
        manifestFiles = new FileCache<>(manifests, "manifests", n -> n.endsWith(".yaml") || n.endsWith(".yml") || n.endsWith(".json"),
                DECODER::decode);
        statusFiles = new FileCache<>(podStatuses, "status/pods", ManifestsFolder::isJson, PodStatus::read);
        nodeFiles = new FileCache<>(nodes, "objects/nodes", ManifestsFolder::isJson, NodeRecord::read);
        serviceFiles = new FileCache<>(services, "objects/services", ManifestsFolder::isJson, ServiceRecord::read);
        identityFiles = new FileCache<>(identities, "objects/ciliumidentities", ManifestsFolder::isJson, ManifestsFolder::readIdentity);
        settingsFile = new FileCache<>(this.root, "", n -> n.equals("cluster.json"), ClusterSettings::read);
    }

    private static boolean isJson(String name) {
        return name.endsWith(".json");
    }

    private static CiliumIdentity readIdentity(String file, byte[] text, Problems problems) {
        List<Decoded> decoded = DECODER.decode(file, text, problems);
        return decoded.size() == 1 && decoded.get(0).row() instanceof CiliumIdentity identity ? identity : null;
    }

    public Path root() {
        return root;
    }

    /** Makes the folder and its sub-folders. */
    public void create() throws IOException {
        for (Path directory : directories()) Files.createDirectories(directory);
    }

    /** What a watcher watches. */
    List<Path> directories() {
        return List.of(root, manifests, podStatuses, nodes, services, identities);
    }

    // ---- reading

    /**
     * Reads what changed since the last time and works out the cluster; gives nodes and services what they lack, if it is the first to see it.
     *
     * @throws IOException if the folder can't be read or written
     */
    public synchronized State refresh() throws IOException {
        Problems manifestProblems = new Problems();
        SortedMap<String, List<Decoded>> files = new TreeMap<>();
        manifestFiles.read().forEach((name, entry) -> {
            entry.problems().forEach(manifestProblems::add);
            if (entry.value() != null) files.put(name, entry.value());
        });
        Problems recordProblems = new Problems();
        Records records = records(recordProblems);
        Problems statusProblems = new Problems();
        readStatuses(statusProblems);
        List<Long> seen = versions();
        if (last != null && seen.equals(lastSeen)) return last;

        boolean decided = last != null && seen.subList(1, seen.size()).equals(lastSeen.subList(1, lastSeen.size()));
        if (decided) {
            // only pods' statuses changed: nothing to validate, nothing to give
            lastDecisions.forEach(statusProblems::add);
        } else {
            Problems problems = new Problems();
            manifestProblems.list().forEach(problems::add);
            if (problems.isEmpty()) {
                validate(all(files), records, problems);
                if (problems.isEmpty()) goodManifests = files;
            }
            recordProblems.list().forEach(problems::add);
            // with a damaged record nothing is given to anybody: it might be what the record says is taken
            if (goodManifests != null && recordProblems.isEmpty() && lacking(all(goodManifests), records)) {
                try (Lock ignored = lock()) {
                    records = records(recordProblems);
                    if (recordProblems.isEmpty()) allocate(all(goodManifests), records);
                    records = records(recordProblems);
                }
                recordProblems.list().forEach(problems::add);
                if (recordProblems.isEmpty()) noteExhaustion(all(goodManifests), records, problems);
            }
            lastDecisions = problems.list();
            problems.list().forEach(statusProblems::add);
        }
        lastSeen = versions();
        last = new State(goodManifests == null ? Optional.empty() : Optional.of(compose(all(goodManifests), records)), statusProblems.list());
        return last;
    }

    /** The statuses' version first. */
    private List<Long> versions() {
        return List.of(statusFiles.version(), manifestFiles.version(), nodeFiles.version(), serviceFiles.version(), identityFiles.version(),
                settingsFile.version());
    }

    private static List<Decoded> all(SortedMap<String, List<Decoded>> files) {
        return files.values().stream().flatMap(List::stream).toList();
    }

    private void readStatuses(Problems problems) throws IOException {
        SortedMap<String, FileCache.Entry<PodStatus>> files = statusFiles.read();
        goodStatuses.keySet().retainAll(files.keySet());
        files.forEach((name, entry) -> {
            entry.problems().forEach(problems::add);
            if (entry.value() != null) goodStatuses.put(name, entry.value());
        });
    }

    private record Records(ClusterSettings settings, SortedMap<String, NodeRecord> nodes, SortedMap<ObjectKey, ServiceRecord> services,
                           SortedMap<Long, CiliumIdentity> identities) {
    }

    private Records records(Problems problems) throws IOException {
        FileCache.Entry<ClusterSettings> settings = settingsFile.read().get("cluster.json");
        if (settings != null) settings.problems().forEach(problems::add);
        SortedMap<String, NodeRecord> nodeRecords = new TreeMap<>();
        SortedMap<ObjectKey, ServiceRecord> serviceRecords = new TreeMap<>();
        SortedMap<Long, CiliumIdentity> ids = new TreeMap<>();
        values(nodeFiles, problems).forEach(r -> nodeRecords.put(r.name(), r));
        values(serviceFiles, problems).forEach(r -> serviceRecords.put(r.key(), r));
        values(identityFiles, problems).forEach(i -> ids.put(i.id(), i));
        return new Records(settings == null || settings.value() == null ? ClusterSettings.DEFAULT : settings.value(), nodeRecords, serviceRecords, ids);
    }

    private static <T> List<T> values(FileCache<T> cache, Problems problems) throws IOException {
        List<T> values = new ArrayList<>();
        cache.read().values().forEach(entry -> {
            entry.problems().forEach(problems::add);
            if (entry.value() != null) values.add(entry.value());
        });
        return values;
    }

    /** What an API server would refuse when looking at the objects together. */
    private static void validate(Collection<Decoded> objects, Records records, Problems problems) {
        Map<String, Decoded> byKey = new HashMap<>();
        Set<String> namespaces = new HashSet<>(IMPLICIT_NAMESPACES);
        for (Decoded object : objects) {
            Decoded other = byKey.putIfAbsent(object.key(), object);
            if (other != null) problem(object, "metadata.name", object.key() + " is also in " + place(other), problems);
            if (object.row() instanceof Namespace namespace) namespaces.add(namespace.name());
        }
        Map<IpAddress, String> ips = new HashMap<>();
        Map<String, String> ports = new HashMap<>();
        records.services.forEach((key, record) -> {
            Decoded service = byKey.get("Service " + key);
            if (service == null) return;
            record.clusterIps().forEach(ip -> ips.put(ip, key.toString()));
            record.nodePorts().forEach((port, number) -> ports.put(number + port.substring(port.indexOf('/')), key.toString()));
        });
        for (Decoded object : objects) {
            String namespace = object.meta().namespace();
            if (!namespace.isEmpty() && !namespaces.contains(namespace)) {
                problem(object, "metadata.namespace", "there is no namespace \"" + namespace + "\"", problems);
            }
            if (!(object.row() instanceof Service service)) continue;
            for (IpAddress ip : service.clusterIps()) {
                String other = ips.put(ip, service.key().toString());
                if (other != null && !other.equals(service.key().toString())) {
                    problem(object, "spec.clusterIP", ip + " belongs to the service " + other, problems);
                }
            }
            for (Service.Port port : service.ports()) {
                if (port.nodePort() == 0) continue;
                String other = ports.put(port.nodePort() + "/" + port.protocol(), service.key().toString());
                if (other != null && !other.equals(service.key().toString())) {
                    problem(object, "spec.ports", "nodePort " + port.nodePort() + " belongs to the service " + other, problems);
                }
            }
        }
    }

    private static void problem(Decoded object, String path, String message, Problems problems) {
        problems.add(new Problem(object.tree().file(), object.tree().document(), object.tree().line(), 1, path, message));
    }

    private static String place(Decoded object) {
        return "file " + object.tree().file() + ", document " + object.tree().document() + ", line " + object.tree().line();
    }

    // ---- what the cluster decides

    private boolean lacking(List<Decoded> objects, Records records) {
        Allocator allocator = new Allocator(records.settings);
        Map<String, Node> manifestNodes = manifestNodes(objects);
        Set<String> names = new HashSet<>(manifestNodes.keySet());
        records.nodes.values().stream().filter(NodeRecord::registered).forEach(r -> names.add(r.name()));
        for (String name : names) {
            NodeRecord record = records.nodes.getOrDefault(name, NodeRecord.empty(name));
            if (allocator.node(record, manifestNodes.get(name), new HashSet<>()).isPresent()) return true;
        }
        Set<ObjectKey> wanted = new HashSet<>();
        for (Decoded object : objects) {
            if (!(object.row() instanceof Service service)) continue;
            wanted.add(service.key());
            if (allocator.lacks(service, record(records, service.key()))) return true;
        }
        return !wanted.containsAll(records.services.keySet());
    }

    private static ServiceRecord record(Records records, ObjectKey key) {
        return records.services.getOrDefault(key, new ServiceRecord(key, List.of(), Map.of(), 0));
    }

    private void allocate(List<Decoded> objects, Records records) throws IOException {
        Allocator allocator = new Allocator(records.settings);
        Map<String, Node> manifestNodes = manifestNodes(objects);
        Set<Prefix> takenCidrs = new HashSet<>();
        records.nodes.values().forEach(r -> takenCidrs.addAll(r.podCidrs()));
        manifestNodes.values().forEach(n -> takenCidrs.addAll(n.podCidrs()));
        Set<String> names = new java.util.TreeSet<>(manifestNodes.keySet());
        records.nodes.values().stream().filter(NodeRecord::registered).forEach(r -> names.add(r.name()));
        for (String name : names) {
            NodeRecord record = records.nodes.getOrDefault(name, NodeRecord.empty(name));
            Optional<NodeRecord> changed = allocator.node(record, manifestNodes.get(name), takenCidrs);
            if (changed.isPresent()) write(nodes.resolve(name + ".json"), Texts.json(changed.get().toMap()));
        }

        Map<ObjectKey, Decoded> wanted = new TreeMap<>();
        for (Decoded object : objects) if (object.row() instanceof Service service) wanted.put(service.key(), object);
        Set<IpAddress> ips = new HashSet<>();
        Set<Integer> ports = new HashSet<>();
        for (Decoded object : wanted.values()) {
            Service service = (Service) object.row();
            ips.addAll(service.clusterIps());
            service.ports().forEach(p -> ports.add(p.nodePort()));
            ports.add(service.healthCheckNodePort());
        }
        for (ServiceRecord record : records.services.values()) {
            if (!wanted.containsKey(record.key())) {
                Files.deleteIfExists(serviceFile(record.key()));
                continue;
            }
            ips.addAll(record.clusterIps());
            ports.addAll(record.nodePorts().values());
            ports.add(record.healthCheckNodePort());
        }
        for (Map.Entry<ObjectKey, Decoded> entry : wanted.entrySet()) {
            Service service = (Service) entry.getValue().row();
            ServiceRecord old = record(records, entry.getKey());
            ServiceRecord changed = allocator.service(service, old, ips, ports);
            if (changed.equals(old)) continue;
            ips.addAll(changed.clusterIps());
            ports.addAll(changed.nodePorts().values());
            ports.add(changed.healthCheckNodePort());
            write(serviceFile(entry.getKey()), Texts.json(changed.toMap()));
        }
    }

    private void noteExhaustion(List<Decoded> objects, Records records, Problems problems) {
        if (!lacking(objects, records)) return;
        problems.add(new Problem("cluster.json", 0, 0, 0, "", "a range is used up: there are nodes without a pod CIDR or services without an "
                + "address or node port; make podCIDRs " + records.settings.podCidrs() + ", serviceCIDRs " + records.settings.serviceCidrs()
                + " or the node port range larger"));
    }

    private Path serviceFile(ObjectKey key) {
        return services.resolve(key.namespace() + "_" + key.name() + ".json");
    }

    private static Map<String, Node> manifestNodes(List<Decoded> objects) {
        Map<String, Node> result = new HashMap<>();
        for (Decoded object : objects) if (object.row() instanceof Node node) result.put(node.name(), node);
        return result;
    }

    // ---- the cluster

    private ClusterObjects compose(List<Decoded> objects, Records records) {
        SortedMap<String, Namespace> namespaces = new TreeMap<>();
        for (String name : IMPLICIT_NAMESPACES) namespaces.put(name, new Namespace(name, Map.of(Namespace.NAME_LABEL, name), Map.of()));
        SortedMap<String, Node> nodeRows = nodeRows(objects, records);
        List<PodObject> podManifests = new ArrayList<>();
        List<Workload> workloads = new ArrayList<>();
        SortedMap<ObjectKey, Service> serviceRows = new TreeMap<>();
        SortedMap<ObjectKey, EndpointSlice> manifestSlices = new TreeMap<>();
        SortedMap<Long, CiliumIdentity> ids = new TreeMap<>(records.identities);
        SortedMap<ObjectKey, ConfigMap> configMaps = new TreeMap<>();
        List<PolicyObject> policies = new ArrayList<>();
        List<CidrGroup> groups = new ArrayList<>();
        SortedMap<String, Decoded> byKey = new TreeMap<>();
        for (Decoded object : objects) {
            byKey.put(object.key(), object);
            Object row = object.row();
            if (row instanceof Namespace n) namespaces.put(n.name(), n);
            else if (row instanceof PodObject p) podManifests.add(p);
            else if (row instanceof Workload w) workloads.add(w);
            else if (row instanceof Service s) serviceRows.put(s.key(), record(records, s.key()).complete(s));
            else if (row instanceof EndpointSlice s) manifestSlices.put(s.key(), s);
            else if (row instanceof CiliumIdentity i) ids.put(i.id(), i);
            else if (row instanceof ConfigMap c) configMaps.put(c.key(), c);
            else if (row instanceof PolicyObject p) policies.add(p);
            else if (row instanceof CidrGroup g) groups.add(g);
        }
        Map<ObjectKey, PodStatus> statuses = new HashMap<>();
        goodStatuses.values().forEach(s -> statuses.put(s.pod().key(), s));
        SortedMap<ObjectKey, PodObject> desired = PodController.desired(podManifests, workloads, nodeRows, statuses);
        SortedMap<ObjectKey, Pod> pods = new TreeMap<>();
        desired.forEach((key, object) -> pods.put(key, PodStatus.merge(object.pod(), Optional.ofNullable(statuses.get(key)))));
        statuses.forEach((key, status) -> {
            // a status without a manifest, or of an earlier incarnation: the pod is on its way out and keeps its name until it is gone
            PodObject wanted = desired.get(key);
            boolean old = wanted == null || !status.pod().uid().isEmpty() && !status.pod().uid().equals(wanted.pod().uid());
            if (old) pods.put(key, status.pod().toBuilder().terminating(true).build());
        });
        SortedMap<ObjectKey, EndpointSlice> slices = EndpointController.slices(serviceRows.values(), pods.values(), nodeRows);
        slices.putAll(manifestSlices);
        return new ClusterObjects(namespaces, nodeRows, desired, pods, serviceRows, slices, ids, configMaps, List.copyOf(policies),
                List.copyOf(groups), byKey);
    }

    private static SortedMap<String, Node> nodeRows(List<Decoded> objects, Records records) {
        Map<String, Node> manifest = manifestNodes(objects);
        SortedMap<String, Node> rows = new TreeMap<>();
        Set<String> names = new HashSet<>(manifest.keySet());
        records.nodes.values().stream().filter(NodeRecord::registered).forEach(r -> names.add(r.name()));
        for (String name : names) {
            NodeRecord record = records.nodes.getOrDefault(name, NodeRecord.empty(name));
            Node node = manifest.getOrDefault(name, new Node(name, Map.of(), Map.of(), List.of(), List.of()));
            Map<String, String> labels = new HashMap<>(node.labels());
            labels.putIfAbsent(PodController.HOSTNAME_LABEL, name);
            Map<String, String> annotations = new HashMap<>(node.annotations());
            annotations.putAll(record.annotations());
            rows.put(name, new Node(name, labels, annotations, node.internalIps().isEmpty() ? record.internalIps() : node.internalIps(),
                    node.podCidrs().isEmpty() ? record.podCidrs() : node.podCidrs()));
        }
        return rows;
    }

    // ---- what users write

    /** Decodes the inputs and checks them together with what is there; changes nothing. */
    public synchronized List<Outcome> check(List<Input> inputs) throws IOException, DecodeException {
        return plan(decode(inputs)).outcomes;
    }

    /** As {@link #check}, then writes: all or, if anything is wrong, nothing. An object keeps the file it is in; a new one gets its own. */
    public synchronized List<Outcome> apply(List<Input> inputs) throws IOException, DecodeException {
        List<Decoded> objects = decode(inputs);
        try (Lock ignored = lock()) {
            Plan plan = plan(objects);
            write(plan);
            return plan.outcomes;
        }
    }

    /**
     * Removes the objects that the inputs name.
     *
     * @throws NoSuchFileException naming the objects that aren't there; the others have been deleted
     */
    public synchronized List<Outcome> delete(List<Input> inputs) throws IOException, DecodeException {
        List<Decoded> objects = decode(inputs);
        try (Lock ignored = lock()) {
            SortedMap<String, List<Object>> changed = new TreeMap<>();
            List<Outcome> outcomes = new ArrayList<>();
            List<String> missing = new ArrayList<>();
            SortedMap<String, List<Decoded>> files = currentFiles();
            for (Decoded object : objects) {
                Optional<String> file = fileOf(files, object.key());
                if (file.isEmpty()) {
                    missing.add(object.key());
                    continue;
                }
                files.put(file.get(), files.get(file.get()).stream().filter(d -> !d.key().equals(object.key())).toList());
                changed.put(file.get(), values(files.get(file.get())));
                outcomes.add(new Outcome(object.kind(), object.meta().namespace(), object.meta().name(), "deleted"));
            }
            Problems problems = new Problems();
            validate(all(files), records(problems), problems);
            problems.throwIfAny();
            write(new Plan(changed, outcomes));
            for (Decoded object : objects) {
                if (object.row() instanceof Node) Files.deleteIfExists(nodes.resolve(object.meta().name() + ".json"));
            }
            if (!missing.isEmpty()) throw new NoSuchFileException(String.join(", ", missing) + ": not found");
            return outcomes;
        }
    }

    private record Plan(SortedMap<String, List<Object>> files, List<Outcome> outcomes) {
    }

    private static List<Decoded> decode(List<Input> inputs) throws DecodeException {
        Problems problems = new Problems();
        List<Decoded> objects = new ArrayList<>();
        for (Input input : inputs) objects.addAll(DECODER.decode(input.file(), input.text(), problems));
        problems.throwIfAny();
        Map<String, Decoded> seen = new HashMap<>();
        for (Decoded object : objects) {
            Decoded other = seen.putIfAbsent(object.key(), object);
            if (other != null) problem(object, "metadata.name", object.key() + " is also in " + place(other), problems);
        }
        problems.throwIfAny();
        return objects;
    }

    private SortedMap<String, List<Decoded>> currentFiles() throws IOException, DecodeException {
        Problems problems = new Problems();
        SortedMap<String, List<Decoded>> files = new TreeMap<>();
        manifestFiles.read().forEach((name, entry) -> {
            entry.problems().forEach(problems::add);
            if (entry.value() != null) files.put(name, entry.value());
        });
        problems.throwIfAny();
        return files;
    }

    private Plan plan(List<Decoded> objects) throws IOException, DecodeException {
        SortedMap<String, List<Decoded>> files = currentFiles();
        Map<String, String> where = new HashMap<>();
        files.forEach((file, content) -> content.forEach(d -> where.put(d.key(), file)));
        SortedMap<String, List<Object>> changed = new TreeMap<>();
        List<Outcome> outcomes = new ArrayList<>();
        Set<String> touched = new HashSet<>();
        for (Decoded object : objects) {
            String file = where.get(object.key());
            String verb = "created";
            if (file == null) {
                file = fileName(object);
                files.merge(file, List.of(object), (a, b) -> java.util.stream.Stream.concat(a.stream(), b.stream()).toList());
                touched.add(file);
            } else {
                Decoded old = files.get(file).stream().filter(d -> d.key().equals(object.key())).findFirst().orElseThrow();
                verb = old.tree().value().equals(object.tree().value()) ? "unchanged" : "configured";
                if (verb.equals("configured")) {
                    files.put(file, files.get(file).stream().map(d -> d.key().equals(object.key()) ? object : d).toList());
                    touched.add(file);
                }
            }
            outcomes.add(new Outcome(object.kind(), object.meta().namespace(), object.meta().name(), verb));
        }
        for (String file : touched) changed.put(file, values(files.get(file)));
        Problems problems = new Problems();
        validate(all(files), records(problems), problems);
        problems.throwIfAny();
        return new Plan(changed, outcomes);
    }

    private static List<Object> values(List<Decoded> objects) {
        return objects.stream().map(d -> d.tree().value()).toList();
    }

    private static Optional<String> fileOf(SortedMap<String, List<Decoded>> files, String key) {
        return files.entrySet().stream().filter(e -> e.getValue().stream().anyMatch(d -> d.key().equals(key))).map(Map.Entry::getKey).findFirst();
    }

    /** Names of objects have no underscore, so the parts can't run into each other. */
    private static String fileName(Decoded object) {
        String namespace = object.meta().namespace();
        return object.kind().toLowerCase(java.util.Locale.ROOT) + "_" + (namespace.isEmpty() ? "" : namespace + "_") + object.meta().name() + ".yaml";
    }

    private void write(Plan plan) throws IOException {
        for (Map.Entry<String, List<Object>> file : plan.files.entrySet()) {
            Path path = manifests.resolve(file.getKey());
            if (file.getValue().isEmpty()) {
                Files.deleteIfExists(path);
                continue;
            }
            StringBuilder text = new StringBuilder();
            for (Object object : file.getValue()) text.append(text.isEmpty() ? "" : "---\n").append(Texts.yaml(object));
            write(path, text.toString());
        }
    }

    // ---- what nodes write

    /** Publishes a pod's status; for the kubelet of its node. */
    public void writePodStatus(PodStatus status) throws IOException {
        write(statusFile(status.pod().key()), Texts.json(status.toMap()));
    }

    /** The pod is gone from its node; for the kubelet. */
    public void deletePodStatus(ObjectKey pod) throws IOException {
        Files.deleteIfExists(statusFile(pod));
    }

    private Path statusFile(ObjectKey pod) {
        return podStatuses.resolve(pod.namespace() + "_" + pod.name() + ".json");
    }

    /** The node exists, and has these addresses (empty: as its manifest says). */
    public void registerNode(String name, List<IpAddress> internalIps) throws IOException {
        changeNode(name, r -> new NodeRecord(name, true, internalIps.isEmpty() ? r.internalIps() : internalIps, r.podCidrs(), r.annotations()));
    }

    /** Adds annotations to a node, replacing those of the same names. */
    public void annotateNode(String name, Map<String, String> annotations) throws IOException {
        changeNode(name, r -> {
            Map<String, String> all = new LinkedHashMap<>(r.annotations());
            all.putAll(annotations);
            return new NodeRecord(name, r.registered(), r.internalIps(), r.podCidrs(), all);
        });
    }

    private synchronized void changeNode(String name, java.util.function.UnaryOperator<NodeRecord> change) throws IOException {
        create();
        try (Lock ignored = lock()) {
            Path path = nodes.resolve(name + ".json");
            NodeRecord old = NodeRecord.empty(name);
            if (Files.exists(path)) {
                Problems problems = new Problems();
                NodeRecord read = NodeRecord.read("objects/nodes/" + name + ".json", Files.readAllBytes(path), problems);
                // a damaged record must not be replaced: its pod CIDR would be given away
                if (!problems.isEmpty() || read == null) throw new IOException(problems.isEmpty() ? path + " is empty" : problems.list().get(0).toString());
                old = read;
            }
            NodeRecord changed = change.apply(old);
            if (!changed.equals(old)) write(path, Texts.json(changed.toMap()));
        }
    }

    /** Claims an identity number for the cluster: the claim's file appears with its whole content or not at all, and only for one claimant. */
    public IdentityClaims.Result claimIdentity(long number, LabelSet labels) {
        Path path = identities.resolve(number + ".json");
        Map<String, Object> security = new LinkedHashMap<>();
        for (Label label : labels) security.put(label.source() + ":" + label.key(), label.value());
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("apiVersion", "cilium.io/v2");
        object.put("kind", "CiliumIdentity");
        object.put("metadata", Map.of("name", Long.toString(number)));
        object.put("security-labels", security);
        try {
            Files.createDirectories(identities);
            Path temporary = writeAside(path, Texts.json(object));
            try {
                Files.createLink(path, temporary);
                syncDirectory(identities);
                return new IdentityClaims.Claimed();
            } catch (FileAlreadyExistsException e) {
                Problems problems = new Problems();
                CiliumIdentity other = readIdentity(path.getFileName().toString(), Files.readAllBytes(path), problems);
                if (!problems.isEmpty() || other == null) {
                    return new IdentityClaims.Unavailable(path + " is damaged: " + (problems.isEmpty() ? "no CiliumIdentity" : problems.list().get(0)));
                }
                return other.labels().equals(labels) ? new IdentityClaims.Claimed() : new IdentityClaims.TakenBy(other.labels());
            } finally {
                Files.deleteIfExists(temporary);
            }
        } catch (IOException e) {
            return new IdentityClaims.Unavailable("can't write " + path + ": " + e);
        }
    }

    // ---- files

    private static void write(Path path, String text) throws IOException {
        Path temporary = writeAside(path, text);
        try {
            Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
        syncDirectory(path.getParent());
    }

    /** Names that begin with a dot are nobody's manifests. */
    private static Path writeAside(Path path, String text) throws IOException {
        Files.createDirectories(path.getParent());
        Path temporary = path.resolveSibling("." + path.getFileName() + "." + ProcessHandle.current().pid() + "." + TEMPORARY.incrementAndGet());
        try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING)) {
            ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) channel.write(bytes);
            channel.force(true);
        }
        return temporary;
    }

    private static void syncDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private Lock lock() throws IOException {
        return new Lock(root.resolve("objects").resolve(".lock"));
    }

    /** Exclusive among threads and processes; a process that dies lets go of it. */
    private static final class Lock implements AutoCloseable {
        private final ReentrantLock threads;
        private final FileChannel channel;

        Lock(Path path) throws IOException {
            threads = THREAD_LOCKS.computeIfAbsent(path, p -> new ReentrantLock());
            threads.lock();
            FileChannel opened = null;
            try {
                Files.createDirectories(path.getParent());
                opened = FileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
                opened.lock();
            } catch (IOException | RuntimeException e) {
                if (opened != null) opened.close();
                threads.unlock();
                throw e;
            }
            channel = opened;
        }

        @Override
        public void close() throws IOException {
            try {
                channel.close();
            } finally {
                threads.unlock();
            }
        }
    }
}
